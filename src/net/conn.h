/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CONN_H
#define NET_CONN_H
/*
 * One client connection on libevent: reads up to 64 KiB at a time into a
 * buffer of the process, feeds the receiver and the transaction, writes the
 * outq, and closes gently (CN-09) so that no answer is lost.
 */

#include "base/list.h"
#include "net/core.h"
#include "net/transport.h"

struct event_base;
struct conn;
TAILQ_HEAD(conn_list, conn);

struct conn_pool {
	struct event_base *base;
	struct net_core *core;
	struct conn_list conns;
	struct conn_list kicked; /* to be looked at in this turn of the loop */
	struct event *kick;
	unsigned int count;
	char *read_buf; /* CONN_READ_SIZE, shared by all */
};
#define CONN_READ_SIZE ((size_t)65536)

int conn_pool_init(struct conn_pool *p, struct event_base *base,
    struct net_core *core) MUST_CHECK;
void conn_pool_free(struct conn_pool *p); /* closes all connections */
/* Takes the socket over. Above MaxConnections it is answered 503 and closed. */
void conn_accept(struct conn_pool *p, int fd);
/* Draining: idle connections end now, the others after their answer. */
void conn_pool_drain(struct conn_pool *p);
#endif
