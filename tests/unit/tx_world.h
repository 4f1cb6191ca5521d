/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_UNIT_TX_WORLD_H
#define TESTS_UNIT_TX_WORLD_H
/*
 * A whole net process without sockets, clock or workers: bytes in, bytes out,
 * a clock that the test advances, and one worker that the test plays.
 */
#include "net/tx.h"

struct world {
	uint64_t now_us;
	struct timerq *tq;
	struct sched *sched;
	struct spool_pool *spool;
	struct registry *modules;
	struct conf *conf;
	struct net_core core;
	struct icap_rx rx;
	struct outq out;
	struct buf in;   /* received, not taken yet */
	struct buf sent; /* everything that went out */
	struct tx *tx;
	struct tx_host host;
	unsigned int transactions; /* ended */
	bool closed, cut;
	/* between transactions: previews that were harmless, verdicts */
	bool remembers, caches;
	/* the worker */
	struct msg_scan_request rq; /* last one sent */
	char body[4096];            /* its first bytes */
	unsigned int scans;         /* sent in all */
	uint64_t pending;           /* scan_id that waits for an answer, 0 */
	bool deaf;                  /* takes no requests */
	uint64_t incarnation;
	unsigned int overdue;
};

/* overrides: 'Directive value', NULL-terminated. ready: signatures loaded. */
void world_init(struct world *w, const char *const overrides[], bool ready);
void world_free(struct world *w);
void world_add_worker(struct world *w);
void world_ready(struct world *w);
/* Bytes from the client, whole or (step 1 ...) in pieces of that size. */
void world_feed(struct world *w, const char *bytes, size_t len, size_t step);
void world_say(struct world *w, const char *text);
/* Time passes; everything that is due happens. */
void world_wait(struct world *w, uint64_t us);
/* The worker answers what it has; name NULL: clean. final: of a prefix. */
void world_answer(struct world *w, const char *name, bool final);
void world_answer_incomplete(struct world *w, enum outcome reason);
void world_worker_dies(struct world *w, int signal);
/* What was sent since the last call, NUL-terminated. */
const char *world_sent(struct world *w);
/* The client goes away now. */
void world_hang_up(struct world *w);
#endif
