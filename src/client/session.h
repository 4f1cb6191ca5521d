/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H
/*
 * One connection at a time to the server, used for one request after the
 * other: connects when there is none, and once more when the server has closed
 * an idle one just then (CN-12).
 */
#include "client/exchange.h"
#include "client/link.h"
#include "client/offer.h"
#include "client/returned.h"
#include "client/verdict.h"

#define SESSION_MAX_ICAP_HEAD ((size_t)64 << 10)
#define SESSION_MAX_HTTP_HEADS ((size_t)256 << 10)

struct session {
	const struct client_options *options;
	const struct target *target;
	const struct link_peer *peer;
	struct link link;
	struct exchange exchange;
	struct icap_answer answer;
	struct request request;
	char *in;        /* what was read */
	uint64_t served; /* requests on this connection */
	/* for a progress bar: bytes of the object that went out since; NULL */
	void (*moved)(void *arg, uint64_t bytes);
	void *moved_arg;
};

/* All is the caller's. 0, or -1 (out of memory). */
int session_init(struct session *s, const struct client_options *o,
    const struct target *t, const struct link_peer *p) MUST_CHECK;
void session_free(struct session *s);
/* Asks for OPTIONS; s->answer is what came. 0, or -1 with a line in err. */
int session_options(
    struct session *s, struct offer *f, struct buf *err) MUST_CHECK;
/*
 * Sends an object and fills the result (all but its name). preview:
 * EXCHANGE_NO_PREVIEW for none; out_fd: -1, or where the body is written that
 * comes back.
 */
void session_object(struct session *s, struct source *object, uint64_t preview,
    int out_fd, struct result *r);
#endif
