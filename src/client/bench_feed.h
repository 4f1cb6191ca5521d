/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_FEED_H
#define CLIENT_BENCH_FEED_H
/* A request as the bytes that are sent, without copying its body. Pure. */
#include "client/bench_object.h"

struct bench_feed {
	struct slice head; /* what the caller made of ICAP and HTTP heads */
	const struct bench_body *body; /* NULL: none */
	size_t at;                     /* of the body: sent or in iov */
	size_t limit;                  /* where sending stops: the preview */
	size_t chunk;                  /* largest chunk */
	bool in_preview, head_done, ended;
	char line[24];
	struct iovec iov[BENCH_IOV + 4];
	size_t first, count; /* of iov */
};

/* The bytes of head and body stay the caller's. preview: SIZE_MAX for none. */
void bench_feed_begin(struct bench_feed *f, struct slice head,
    const struct bench_body *body, size_t preview, size_t chunk);
/*
 * What is to be sent next, for writev(); 0 when the request, or the preview of
 * it, was sent.
 */
size_t bench_feed_next(struct bench_feed *f, struct iovec **iov);
/* So many bytes of that went out. */
void bench_feed_sent(struct bench_feed *f, size_t n);
/* 100 Continue came: the rest follows. False when none is waited for. */
bool bench_feed_continue(struct bench_feed *f);
/* All of the preview went out, not all of the body. */
bool bench_feed_waits(const struct bench_feed *f);
/* Everything that is to be sent went out. */
bool bench_feed_done(const struct bench_feed *f);
#endif
