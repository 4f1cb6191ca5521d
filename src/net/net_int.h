/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_NET_INT_H
#define NET_NET_INT_H
/* What net_main.c (the process) and net_conf.c (its configuration) share. */
#include "ipc/chan.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/scanport.h"

/* The one context of the process. */
struct net {
	struct event_base *base;
	struct event *tick;
	struct timerq *tq;
	struct timer log_timer;
	struct chan *parent;
	enum role role;
	unsigned int instance, nets;
	uint32_t sandbox; /* enum msg_sandbox */
	struct registry *modules;
	struct conf *conf; /* received, for GO or live change */
	char *template;
	size_t template_len;
	char *tls_file[MSG_TLS_NFILES]; /* received, for the next conf */
	size_t tls_file_len[MSG_TLS_NFILES];
	struct tls_tickets *tickets;
	int spool_fd;
	struct spool_pool *spool;
	struct workers *workers;
	struct net_core core;
	struct conn_pool conns;
	struct scanport *scanport;
	struct listener_list listeners;
	bool serving, draining, finished;
	int status;
};

/* ---- net_conf.c: what the parent has sent ---- */
void net_got_conf(struct net *n, const struct msg_conf *m, int fd);
void net_got_template(struct net *n, int fd);
void net_got_tls_file(struct net *n, const struct msg_tls_file *m, int fd);
void net_got_module(struct net *n, const struct msg_name *m, int fd);

/* ---- net_conf.c: what it becomes ---- */
/* The services of the received configuration, or NULL: the parent knows why. */
struct service_set *net_make_set(struct net *n);
/*
 * What the files that came with the configuration make. *out is NULL when it
 * has no TLS. -1: the parent knows why.
 */
int net_make_tls(struct net *n, struct tls_ctx **out);
/* They are used once, and hold a key. */
void net_forget_tls_files(struct net *n);
/* Connections are served as core.set and the TLS files say. tls is taken. */
int net_configure_connections(struct net *n, struct tls_ctx *tls);
void net_name_services(const struct conf *c);
/* The budgets are for all bodies of the machine: each net has its share. */
uint64_t net_share(const struct net *n, uint64_t budget);
void net_set_limits(struct net *n);
#endif
