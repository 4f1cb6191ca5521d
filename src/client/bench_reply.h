/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_REPLY_H
#define CLIENT_BENCH_REPLY_H
/* Reads one answer of an ICAP server and checks it. Pure. */
#include "client/bench_object.h"
#include "proto/chunk.h"
#include "proto/encap.h"

enum bench_fault {
	BENCH_FINE,
#define FAULT(id, name, text) BENCH_FAULT_##id,
#include "client/bench_faults.def"
	NBENCH_FAULTS
};
enum bench_reply_event {
	BENCH_REPLY_MORE,
	BENCH_REPLY_CONTINUE, /* 100: the answer proper follows */
	BENCH_REPLY_END,
	BENCH_REPLY_BAD /* not ICAP: the position in the stream is lost */
};
struct bench_reply {
	int state;
	struct buf head; /* ICAP head, then the encapsulated heads */
	size_t icap_len;
	int status;      /* ICAP */
	int http_status; /* of an encapsulated response; else 0 */
	bool close, has_istag;
	struct encap encap;
	struct chunk_rx chunk;
	uint64_t body_len; /* so far */
	bool differs;      /* from the object that was sent */
};

void bench_reply_init(struct bench_reply *r);
void bench_reply_free(struct bench_reply *r);
/* For the next answer, keeping memory. */
void bench_reply_reset(struct bench_reply *r);
/* Whether bytes of it came. */
bool bench_reply_begun(const struct bench_reply *r);
/*
 * Consumes from *in, moving it forward, until there is an event. sent: what the
 * body is compared with; NULL for none.
 */
enum bench_reply_event bench_reply_feed(
    struct bench_reply *r, struct slice *in, const struct bench_body *sent);
/*
 * What is wrong with an answer that has ended. sent: NULL for OPTIONS.
 * allow_204: 204 may be the answer.
 */
enum bench_fault bench_reply_judge(
    const struct bench_reply *r, const struct bench_body *sent, bool allow_204);
const char *bench_fault_name(enum bench_fault f);
#endif
