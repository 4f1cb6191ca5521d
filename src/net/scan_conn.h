/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCAN_CONN_H
#define NET_SCAN_CONN_H
/* What scanport.c and scan_conn.c share. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/types.h>

#include "base/list.h"
#include "net/scanport.h"
#include "net/tx.h"
#include "scanapi/tolsey_scanmsg.h"

/* One user of this machine, while it has connections. */
struct scan_peer {
	TAILQ_ENTRY(scan_peer) link;
	uid_t uid;
	unsigned int connections;
	uint64_t bytes; /* of the bodies that are being taken over */
};
struct scan_conn;
TAILQ_HEAD(scan_peer_list, scan_peer);
TAILQ_HEAD(scan_conn_list, scan_conn);
TAILQ_HEAD(scan_listener_list, scan_listener);

struct scanport {
	struct event_base *base;
	struct net_core *core;
	struct scan_listener_list listeners;
	struct scan_peer_list peers;
	struct scan_conn_list conns; /* those that were used last at the end */
	unsigned int count;
	bool draining;
	char *datagram; /* one message, shared by all */
	size_t datagram_size;
	char *bytes; /* of a body, on their way; SCAN_READ_SIZE */
};
#define SCAN_READ_SIZE ((size_t)65536)

enum scan_conn_state {
	SCAN_IDLE, /* a SCAN or OPTIONS may come */
	SCAN_BUSY, /* an answer is owed: nothing may come */
	SCAN_REST  /* CONTINUE was sent: REST may come */
};

/* The body of a request, as far as it was not yet taken over. */
struct scan_body {
	int fd; /* or -1: in bytes */
	uint64_t off, left;
	struct buf bytes;
	bool ended; /* its end was said, too */
};

struct scan_conn {
	TAILQ_ENTRY(scan_conn) link;
	struct scanport *port;
	struct scan_peer *peer;
	int fd;
	struct event ev_read, ev_kick;
	struct timer deadline;
	enum scan_conn_state state;
	bool prefix;      /* the body that came is one */
	uint64_t idle_us; /* IDLE: since when */
	uint64_t id;      /* of the request, as the peer says */
	struct tx_host host;
	char peer_text[24]; /* "scan:UID" */
	struct icap_rx rx;
	struct outq out;
	struct tx *tx;
	struct scan_body body;
	uint64_t charged;  /* of body, to the peer */
	struct buf answer; /* in ICAP, as far as it is of interest */
};

/* ---- scan_conn.c ---- */
/* Takes fd over. peer counts it already. NULL: out of memory, fd is closed. */
struct scan_conn *scan_conn_new(
    struct scanport *port, struct scan_peer *peer, int fd);
/* Closes and frees; an unfinished transaction counts as left by its client. */
void scan_conn_close(struct scan_conn *c);
/* Nothing was asked on it for a while, and nothing is. */
bool scan_conn_is_unused(const struct scan_conn *c);
/* One message, and nothing else: for a socket that is refused. */
void scan_conn_say_error(
    int fd, uint64_t id, enum scanmsg_err e, const char *text);

/* ---- scanport.c ---- */
/* A connection of the peer has ended. */
void scan_peer_leave(struct scanport *p, struct scan_peer *peer);
#endif
