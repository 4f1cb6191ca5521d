/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CONN_H
#define NET_CONN_H
/*
 * Client connections on libevent. A connection begins with what its listener
 * asks for (the header of a load balancer, a TLS handshake), is admitted or
 * refused, serves transactions one after the other, and closes gently (CN-09)
 * so that no answer is lost. While it is idle it holds no buffers.
 *
 *   conn.c       its life: accept, admission, idle memory, closing
 *   conn_serve.c requests and answers while it is open
 */

#include "base/list.h"
#include "net/access.h"
#include "net/peers.h"
#include "net/core.h"
#include "net/transport.h"

struct event;
struct event_base;
struct conn;
struct conn_work;
struct tls_ctx;
TAILQ_HEAD(conn_list, conn);
TAILQ_HEAD(conn_work_list, conn_work);

struct conn_pool {
	struct event_base *base;
	struct net_core *core;
	struct access *access;
	uint64_t access_version; /* counts the lists that came by HUP */
	struct peers *peers;
	struct tls_ctx *tls; /* of connections to come; NULL: none */
	struct conn_list conns;
	struct conn_list kicked;  /* to be looked at in this turn of the loop */
	struct conn_list starved; /* do not read, for lack of memory */
	struct conn_work_list works; /* of connections that are idle now */
	unsigned int nworks;
	struct event *kick;
	struct timer leavers; /* see conn_pool_end() */
	unsigned int count;   /* open sockets */
	unsigned int served;  /* those that were not refused */
	char *read_buf;       /* CONN_READ_SIZE, shared by all */
};
/*
 * Priorities of the loop: what processes say goes first, then connections, and
 * those that carry large bodies last. It looks for the first again after so
 * many of the others, or so long: to look costs the more the more sockets are
 * readable (0.1 us each), and a large body takes 0.2 ms at a time.
 */
enum { CONN_PRIORITY = 1, CONN_PRIORITY_BULK, CONN_NPRIORITIES };
#define CONN_DISPATCH_MAX 64
#define CONN_DISPATCH_US 250
#define CONN_READ_SIZE ((size_t)262144)

int conn_pool_init(struct conn_pool *p, struct event_base *base,
    struct net_core *core) MUST_CHECK;
void conn_pool_free(struct conn_pool *p); /* closes all connections */
/*
 * Takes over what core->set says of clients, now and after each change. tls
 * (may be NULL) becomes the pool's. 0, or -1 when out of memory: then all is
 * as before, and tls is freed.
 */
int conn_pool_configure(struct conn_pool *p, struct tls_ctx *tls) MUST_CHECK;
/* No room even for one that would be refused. */
bool conn_pool_is_full(const struct conn_pool *p);
/*
 * Takes the socket over. Who may not use the server, or comes above a limit,
 * is answered 403 or 503 and closed.
 */
void conn_accept(
    struct conn_pool *p, int fd, const struct addr *peer, bool tls);
/* Draining: idle connections end now, the others after their answer. */
void conn_pool_drain(struct conn_pool *p);
/*
 * The server ends: whose client has ended its side gets a second for its
 * answer. It has left, or is one that waits with half a connection, which
 * nobody can tell before something is sent.
 */
void conn_pool_end(struct conn_pool *p);
#endif
