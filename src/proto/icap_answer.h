/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ICAP_ANSWER_H
#define PROTO_ICAP_ANSWER_H
/*
 * The receiving half of an ICAP client: bytes of a server in, events out. No
 * descriptors, no time; nothing that a server says makes it keep more than its
 * limits. One answer after the other:
 *
 *   CONTINUE    100; the answer proper follows
 *   HEAD        head and all encapsulated heads are there and parsed
 *   BODY*       bytes of the body
 *   END         the answer is complete (also at once where there is no body)
 */
#include <stdbool.h>

#include "proto/chunk.h"
#include "proto/encap.h"
#include "proto/http_head.h"
#include "proto/icap_head.h"

enum icap_answer_event {
	ICAP_ANSWER_MORE, /* all input was consumed, more is needed */
	ICAP_ANSWER_CONTINUE,
	ICAP_ANSWER_HEAD,
	ICAP_ANSWER_BODY,
	ICAP_ANSWER_END,
	ICAP_ANSWER_ERROR /* stays so: the stream position is lost */
};
struct icap_answer {
	int state;
	size_t max_icap_head, max_http_heads;
	struct buf head; /* ICAP head, then encapsulated heads */
	size_t icap_len; /* length of the ICAP head in `head` */
	const char *why; /* of ERROR: static text */
	/* valid from HEAD (and CONTINUE) to icap_answer_reset() */
	int status;
	struct slice reason;
	struct icap_field fields[ICAP_USUAL_FIELDS];
	size_t nfields;
	bool close; /* the server will close the connection */
	bool has_encap;
	struct encap encap;
	bool has_trailer;          /* lines follow the body (TR-02) */
	struct http_head req, res; /* raw.p NULL when absent */
	struct chunk_rx chunk;     /* after END: trailer of the body, 206 */
	struct chunk_rx trailer;   /* of the ICAP message */
};

/* Limits in bytes; that of the sections is for all of them together. */
void icap_answer_init(
    struct icap_answer *a, size_t max_icap_head, size_t max_http_heads);
void icap_answer_free(struct icap_answer *a);
/* Ready for the next answer, keeping memory. */
void icap_answer_reset(struct icap_answer *a);
/* A byte of the answer came. */
bool icap_answer_begun(const struct icap_answer *a);
/* The final head is there. */
bool icap_answer_has_head(const struct icap_answer *a);
/*
 * Consumes from *in, moving it forward, until there is an event. With BODY,
 * *body points into the input. After CONTINUE it goes on with the next answer;
 * after END it consumes nothing.
 */
enum icap_answer_event icap_answer_feed(
    struct icap_answer *a, struct slice *in, struct slice *body);
/* Value of the first field of that name (any case), SLICE_NONE if absent. A
 * folded value holds its line ends. */
struct slice icap_answer_get(const struct icap_answer *a, const char *name);
/* The ICAP head as received. */
struct slice icap_answer_raw(const struct icap_answer *a);
#endif
