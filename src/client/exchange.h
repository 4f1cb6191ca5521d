/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H
/*
 * One request and its answer as a state machine between an object and a
 * connection: no descriptors of sockets, no time. The owner writes what
 * exchange_output() shows, and feeds what it reads.
 */
#include "client/source.h"
#include "proto/icap_answer.h"

#define EXCHANGE_NO_PREVIEW UINT64_MAX

enum exchange_state {
	EXCHANGE_SENDING_HEAD,
	EXCHANGE_SENDING_PREVIEW,
	EXCHANGE_WAITING, /* preview sent: 100, or the answer */
	EXCHANGE_SENDING_BODY,
	EXCHANGE_SENT /* all that there is to send */
};
enum exchange_event {
	EXCHANGE_MORE, /* all input was consumed */
	EXCHANGE_HEAD, /* the final head is there */
	EXCHANGE_BODY, /* bytes of the body */
	EXCHANGE_END,
	EXCHANGE_ERROR /* the reason is in why */
};
struct exchange {
	enum exchange_state state;
	struct icap_answer *answer; /* the owner's */
	struct source *body;        /* the owner's; NULL: there is none */
	uint64_t preview_left;
	bool has_preview;
	bool got_100, ieof;
	bool stopped;       /* exchange_stop_sending() */
	bool starved;       /* the next bytes of the object are not there yet */
	bool source_failed; /* the object could not be read to its end */
	uint64_t object_sent;
	struct buf out; /* what is to be written next */
	size_t written; /* of that */
	const char *why;
};

void exchange_init(struct exchange *x);
void exchange_free(struct exchange *x);
/* Begins: head is all before the body. preview: EXCHANGE_NO_PREVIEW for none.
 * 0 or -1. */
int exchange_begin(struct exchange *x, struct icap_answer *a, struct slice head,
    struct source *body, uint64_t preview) MUST_CHECK;
/*
 * What is to be written now; empty when the answer must come first, or all was
 * sent. May read of the object. 0, or -1 with why.
 */
int exchange_output(struct exchange *x, struct slice *bytes) MUST_CHECK;
/* So much of that was written. */
void exchange_written(struct exchange *x, size_t n);
/* Nothing more will be written: the server does not want it. */
void exchange_stop_sending(struct exchange *x);
/* Consumes from *in, moving it forward, until there is an event. */
enum exchange_event exchange_input(
    struct exchange *x, struct slice *in, struct slice *body);
/*
 * After END: the server expects another request next, because all of this one
 * went out, or it answered the preview (PV-16).
 */
bool exchange_is_over(const struct exchange *x);
#endif
