/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_INT_H
#define CLIENT_BENCH_INT_H
/* What bench_run.c (when) and bench_conn.c (how) share. */
#include "base/list.h"
#include "client/bench.h"
#include "client/bench_feed.h"

#define BENCH_READ ((size_t)256 << 10)

enum bench_conn_state {
	BENCH_FREE,       /* may begin a request; with or without a socket */
	BENCH_CONNECTING, /* before the load */
	BENCH_ACTIVE,     /* a request is under way; connecting, too */
	BENCH_PAUSED      /* could not connect: free again a little later */
};
struct bench_conn {
	int fd; /* -1: none */
	enum bench_conn_state state;
	bool idle;       /* one of those that only stand there */
	bool polled_out; /* EPOLLOUT is asked for */
	bool connected, throttled;
	struct bench_body body;
	struct bench_feed feed;
	struct bench_reply reply;
	uint64_t due_us, begun_us;
	uint64_t last_us; /* when bytes of the answer came; 0: none yet */
	bool saw_body;
	uint64_t sent;           /* bytes of the present request */
	struct bench_conn *next; /* of those that are free */
};
struct bench {
	const struct bench_params *p;
	struct bench_result *r;
	int epoll;
	struct bench_conn *conns; /* the active ones, then the idle ones */
	size_t nconns;
	struct bench_conn *free_first, *free_last;
	struct buf *heads; /* of the objects; one for OPTIONS */
	size_t nheads;
	struct buf options; /* what idle connections ask */
	size_t busy;        /* connections that are ACTIVE or CONNECTING */
	size_t turn;        /* the object that is next */
	uint64_t number, now_us, start_us, last_answer_us;
	char *input; /* BENCH_READ bytes */
};

/* ---- bench_conn.c ---- */
/* Opens the socket and lets it connect. -1: no. */
int bench_conn_open(struct bench *b, struct bench_conn *c);
void bench_conn_close(struct bench *b, struct bench_conn *c);
/* Begins a request that was due then; the connection is free. */
void bench_conn_begin(struct bench *b, struct bench_conn *c, uint64_t due_us);
void bench_conn_event(struct bench *b, struct bench_conn *c, uint32_t events);
/* Sends on, as far as upload_rate permits. */
void bench_conn_send(struct bench *b, struct bench_conn *c);
/* Ends the request under way with that fault. */
void bench_conn_fail(struct bench *b, struct bench_conn *c, enum bench_fault f);

/* ---- bench_run.c: the doors through which a connection's state changes ----
 */
void bench_conn_freed(struct bench *b, struct bench_conn *c);
void bench_conn_paused(struct bench *b, struct bench_conn *c);
#endif
