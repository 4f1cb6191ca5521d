/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ICAP_RX_H
#define PROTO_ICAP_RX_H
/*
 * The receiving half of an ICAP server connection: bytes in, events out. No
 * descriptors, no time; the same events for any segmentation of the input
 * (FR-19), but for how BODY bytes are cut. One request after the other:
 *
 *   HEAD            head and all encapsulated heads are there and parsed
 *   BODY*           bytes of the preview or body
 *   PREVIEW_END     the preview ended without ieof: the rest is only sent
 *                   after 100; icap_rx_continue() or icap_rx_finish() next
 *   BODY*
 *   BODY_END        the body is complete (also at once for null-body)
 *
 * After BODY_END or icap_rx_finish() the next byte is the next request's.
 */
#include <stdbool.h>

#include "base/arena.h"
#include "proto/chunk.h"
#include "proto/http_head.h"
#include "proto/icap_head.h"

enum icap_rx_event {
	ICAP_RX_MORE, /* all input was consumed (or kept), more is needed */
	ICAP_RX_HEAD,
	ICAP_RX_BODY,
	ICAP_RX_PREVIEW_END,
	ICAP_RX_BODY_END,
	ICAP_RX_ERROR /* stays so: the stream position is lost */
};
struct icap_rx_limits {
	size_t max_icap_head, max_http_head;
	/* 0: the usual limit */
	size_t max_request_line, max_fields, max_blank_lines;
	size_t max_chunk_line, max_trailer;
	bool lenient_lf; /* accept bare LF in ICAP heads */
};
struct icap_rx {
	struct icap_rx_limits limits;
	int state;
	struct buf head;       /* ICAP head, then encapsulated heads */
	size_t scanned;        /* how far head was searched for its end */
	size_t blank;          /* bytes of blank lines before the request */
	size_t icap_len;       /* length of the ICAP head in `head` */
	const char *parsed_at; /* where `head` stood when icap was parsed */
	bool answered_before;  /* FR-21: set by the owner after an answer */
	/* valid from HEAD to the next icap_rx_finish() or request */
	struct icap_head icap;
	struct http_head req, res; /* raw.p NULL when absent */
	struct chunk_rx chunk;
	struct chunk_rx
	    trailer; /* of the ICAP message (TR-04): of no meaning */
	bool in_preview;
	bool ieof; /* the preview was the whole body */
	enum proto_err err;
};

void icap_rx_init(struct icap_rx *rx, const struct icap_rx_limits *limits);
/* Between two requests: other limits for those to come. */
void icap_rx_set_limits(
    struct icap_rx *rx, const struct icap_rx_limits *limits);
void icap_rx_free(struct icap_rx *rx);
/*
 * Consumes from *in, moving it forward, until there is an event. With BODY,
 * *body points into the input. Bytes of a following request are never
 * consumed before icap_rx_finish().
 */
enum icap_rx_event icap_rx_feed(
    struct icap_rx *rx, struct slice *in, struct slice *body);
/* After PREVIEW_END: 100 was sent, the body goes on. */
void icap_rx_continue(struct icap_rx *rx);
/* The transaction is over: forget it and be ready for the next request. */
void icap_rx_finish(struct icap_rx *rx);
/* A request has begun (a byte other than a blank line came) and is not over. */
bool icap_rx_in_request(const struct icap_rx *rx);
/* Not even blank lines of a next request have come. */
bool icap_rx_is_idle(const struct icap_rx *rx);
/* A head has begun and is not complete: HeadTimeout runs. */
bool icap_rx_in_head(const struct icap_rx *rx);
/*
 * Body bytes that must come next, for reading them straight to their place;
 * 0 when it is not inside a chunk. The caller then reports them with
 * icap_rx_skip().
 */
uint64_t icap_rx_direct(const struct icap_rx *rx);
void icap_rx_skip(struct icap_rx *rx, uint64_t n);
/* Trailer lines of the body just ended, raw, "" when none. */
struct slice icap_rx_trailer(const struct icap_rx *rx);
#endif
