/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/icap_rx.h"

#include <string.h>

#define BLANK_LINES_MAX 4 /* usually, before a request (FR-18) */
#define KEEP_HEAD ((size_t)16384)
#define RESERVE_MAX ((size_t)4096)
#define TLS_FIRST_BYTE 0x16
#define METHOD_MAX ((size_t)8) /* "RESPMOD " */

enum state {
	RX_HEAD,     /* collecting the ICAP head line by line */
	RX_SECTIONS, /* collecting the encapsulated heads */
	RX_BODY,
	RX_TRAILER, /* the ICAP message's own, behind its body */
	RX_NULL,    /* no body: its end is the next event */
	RX_HELD, /* the preview ended: icap_rx_continue() or icap_rx_finish() */
	RX_DONE, /* the body ended: icap_rx_finish() */
	RX_ERROR
};

void
icap_rx_set_limits(struct icap_rx *rx, const struct icap_rx_limits *limits)
{
	rx->limits = *limits;
	if (limits->max_request_line == 0)
		rx->limits.max_request_line = ICAP_MAX_REQUEST_LINE;
	if (limits->max_fields == 0)
		rx->limits.max_fields = ICAP_USUAL_FIELDS;
	if (limits->max_blank_lines == 0)
		rx->limits.max_blank_lines = BLANK_LINES_MAX;
	rx->head.max = limits->max_icap_head + 2 * limits->max_http_head;
	chunk_rx_limits(
	    &rx->chunk, limits->max_chunk_line, limits->max_trailer);
}

void
icap_rx_init(struct icap_rx *rx, const struct icap_rx_limits *limits)
{
	memset(rx, 0, offsetof(struct icap_rx, icap));
	buf_init(&rx->head, 0);
	memset(&rx->req, 0, sizeof(rx->req));
	memset(&rx->res, 0, sizeof(rx->res));
	memset(&rx->icap, 0, offsetof(struct icap_head, fields));
	rx->icap.nfields = 0;
	chunk_rx_init(&rx->chunk);
	chunk_rx_init(&rx->trailer);
	rx->in_preview = rx->ieof = false;
	rx->err = PROTO_OK;
	icap_rx_set_limits(rx, limits);
}

void
icap_rx_free(struct icap_rx *rx)
{
	buf_free(&rx->head);
	chunk_rx_free(&rx->chunk);
	chunk_rx_free(&rx->trailer);
}

static enum icap_rx_event
fail(struct icap_rx *rx, enum proto_err e)
{
	rx->state = RX_ERROR;
	rx->err = e;
	return ICAP_RX_ERROR;
}

static void
skip(struct slice *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

/*
 * A request line that is none: 400 on a fresh connection, but silence after an
 * answer, where a 400 would be taken for a part of it (FR-21).
 */
static enum icap_rx_event
no_request(struct icap_rx *rx, enum proto_err e)
{
	return fail(rx, rx->answered_before ? PROTO_ERR_NOT_ICAP : e);
}

static enum icap_rx_event
check_first_line(struct icap_rx *rx, struct slice line)
{
	enum proto_err e = icap_head_check_line(line);

	if (e == PROTO_OK)
		return ICAP_RX_MORE;
	if (e == PROTO_ERR_UNKNOWN_METHOD || e == PROTO_ERR_BAD_VERSION)
		return fail(rx, e);
	return no_request(rx, e);
}

/* Finds the heads in rx->head and parses them; it does not move any more. */
static void
parse_sections(struct icap_rx *rx)
{
	const struct encap *e = &rx->icap.encap;
	const char *p = rx->head.p + rx->icap_len;

	memset(&rx->req, 0, sizeof(rx->req));
	memset(&rx->res, 0, sizeof(rx->res));
	if (!rx->icap.has_encap)
		return;
	if (e->req_hdr_len > 0)
		http_head_parse(&rx->req,
		    (struct slice){ p, (size_t)e->req_hdr_len }, false);
	if (e->res_hdr_len > 0)
		http_head_parse(&rx->res,
		    (struct slice){
			p + e->req_hdr_len, (size_t)e->res_hdr_len },
		    true);
}

static enum icap_rx_event
heads_complete(struct icap_rx *rx)
{
	struct slice head = { rx->head.p, rx->icap_len };
	bool body =
	    rx->icap.has_encap && rx->icap.encap.body != ENCAP_NULL_BODY;

	/* the slices must point to where the head stands now */
	if (rx->head.p != rx->parsed_at &&
	    icap_head_parse_limited(&rx->icap, head, rx->limits.max_fields) !=
		PROTO_OK)
		return fail(rx, PROTO_ERR_INTERNAL);
	parse_sections(rx);
	rx->in_preview = body && rx->icap.has_preview;
	rx->state = body ? RX_BODY : RX_NULL;
	return ICAP_RX_HEAD;
}

/* The ICAP head is complete: what else belongs to the heads? */
static enum icap_rx_event
icap_head_complete(struct icap_rx *rx)
{
	const struct encap *e = &rx->icap.encap;
	enum proto_err err = icap_head_parse_limited(
	    &rx->icap, buf_slice(&rx->head), rx->limits.max_fields);

	if (err != PROTO_OK)
		return fail(rx, err);
	rx->icap_len = rx->head.len;
	rx->parsed_at = rx->head.p;
	if (!rx->icap.has_encap || e->heads_len == 0)
		return heads_complete(rx);
	if (e->req_hdr_len > rx->limits.max_http_head ||
	    e->res_hdr_len > rx->limits.max_http_head)
		return fail(rx, PROTO_ERR_SECTION_TOO_LARGE);
	/* what is only announced costs nothing (SE-05) */
	if (buf_reserve(&rx->head, e->heads_len < RESERVE_MAX
				       ? (size_t)e->heads_len
				       : RESERVE_MAX) == -1)
		return fail(rx, PROTO_ERR_SECTION_TOO_LARGE);
	rx->state = RX_SECTIONS;
	return ICAP_RX_MORE;
}

/* The line that ends at the end of rx->head has begun at rx->scanned. */
static enum icap_rx_event
line_complete(struct icap_rx *rx)
{
	struct slice line = { rx->head.p + rx->scanned,
		rx->head.len - rx->scanned - 1 };
	bool first = rx->scanned == 0;

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	else if (!rx->limits.lenient_lf)
		return first ? no_request(rx, PROTO_ERR_BAD_LINE_END)
			     : fail(rx, PROTO_ERR_BAD_LINE_END);
	if (first && line.len == 0) {
		buf_reset(&rx->head);
		if (++rx->blank > rx->limits.max_blank_lines)
			return no_request(rx, PROTO_ERR_BAD_REQUEST_LINE);
		return ICAP_RX_MORE;
	}
	rx->scanned = rx->head.len;
	if (first)
		return check_first_line(rx, line);
	return line.len == 0 ? icap_head_complete(rx) : ICAP_RX_MORE;
}

/* A line over the limit, of which `in` has not been taken yet. */
static enum icap_rx_event
too_long(struct icap_rx *rx, struct slice in)
{
	struct slice line;

	if (rx->scanned > 0)
		return fail(rx, PROTO_ERR_HEAD_TOO_LARGE);
	/* how it begins, also when it came in one piece */
	if (buf_append(&rx->head, in.p,
		in.len < METHOD_MAX ? in.len : METHOD_MAX) == -1)
		return no_request(rx, PROTO_ERR_URI_TOO_LONG);
	line = buf_slice(&rx->head);
	if (slice_has_prefix(line, SLICE_LIT("RESPMOD ")) ||
	    slice_has_prefix(line, SLICE_LIT("REQMOD ")) ||
	    slice_has_prefix(line, SLICE_LIT("OPTIONS ")))
		return fail(rx, PROTO_ERR_URI_TOO_LONG);
	return no_request(rx, PROTO_ERR_URI_TOO_LONG);
}

static enum icap_rx_event
take_head(struct icap_rx *rx, struct slice *in)
{
	ptrdiff_t at = slice_find(*in, '\n');
	size_t n = at >= 0 ? (size_t)at + 1 : in->len;

	if (rx->head.len == 0 && (unsigned char)*in->p == TLS_FIRST_BYTE)
		return fail(rx, PROTO_ERR_NOT_ICAP); /* TL-04 */
	if ((rx->scanned == 0 &&
		rx->head.len + n > rx->limits.max_request_line) ||
	    rx->head.len + n > rx->limits.max_icap_head)
		return too_long(rx, (struct slice){ in->p, n });
	if (buf_append(&rx->head, in->p, n) == -1)
		return fail(rx, PROTO_ERR_HEAD_TOO_LARGE);
	skip(in, n);
	return at >= 0 ? line_complete(rx) : ICAP_RX_MORE;
}

static enum icap_rx_event
take_sections(struct icap_rx *rx, struct slice *in)
{
	size_t want = rx->icap_len + (size_t)rx->icap.encap.heads_len;
	size_t n = want - rx->head.len;

	if (n > in->len)
		n = in->len;
	if (buf_append(&rx->head, in->p, n) == -1)
		return fail(rx, PROTO_ERR_SECTION_TOO_LARGE);
	skip(in, n);
	return rx->head.len == want ? heads_complete(rx) : ICAP_RX_MORE;
}

static enum icap_rx_event
take_body(struct icap_rx *rx, struct slice *in, struct slice *body)
{
	switch (chunk_rx_feed(&rx->chunk, in, body)) {
	case CHUNK_MORE:
		return ICAP_RX_MORE;
	case CHUNK_DATA:
		return ICAP_RX_BODY;
	case CHUNK_ERROR:
		return fail(rx, rx->chunk.err);
	case CHUNK_END:
		break;
	}
	/* PV-04, PV-05; CH-09: ieof elsewhere is a plain end */
	if (rx->in_preview && !rx->chunk.ieof) {
		rx->state = RX_HELD;
		return ICAP_RX_PREVIEW_END;
	}
	rx->ieof = rx->in_preview;
	if (rx->icap.trailer.len > 0 && rx->icap.allow_trailers) {
		chunk_rx_reset_trailer(&rx->trailer);
		rx->state = RX_TRAILER;
		return ICAP_RX_MORE;
	}
	rx->state = RX_DONE;
	return ICAP_RX_BODY_END;
}

/* TR-04, TR-05: read so that the next request is found, and forgotten. */
static enum icap_rx_event
take_trailer(struct icap_rx *rx, struct slice *in)
{
	struct slice none;

	switch (chunk_rx_feed(&rx->trailer, in, &none)) {
	case CHUNK_ERROR:
		return fail(rx, rx->trailer.err);
	case CHUNK_END:
		rx->state = RX_DONE;
		return ICAP_RX_BODY_END;
	case CHUNK_MORE:
	case CHUNK_DATA:
		break;
	}
	return ICAP_RX_MORE;
}

enum icap_rx_event
icap_rx_feed(struct icap_rx *rx, struct slice *in, struct slice *body)
{
	enum icap_rx_event ev = ICAP_RX_MORE;

	if (rx->state == RX_NULL) {
		rx->state = RX_DONE;
		return ICAP_RX_BODY_END; /* EN-10 */
	}
	while (ev == ICAP_RX_MORE && in->len > 0) {
		switch ((enum state)rx->state) {
		case RX_HEAD:
			ev = take_head(rx, in);
			break;
		case RX_SECTIONS:
			ev = take_sections(rx, in);
			break;
		case RX_BODY:
			ev = take_body(rx, in, body);
			break;
		case RX_TRAILER:
			ev = take_trailer(rx, in);
			break;
		case RX_NULL:
		case RX_HELD:
		case RX_DONE:
			return ICAP_RX_MORE;
		case RX_ERROR:
			return ICAP_RX_ERROR;
		}
	}
	return rx->state == RX_ERROR ? ICAP_RX_ERROR : ev;
}

void
icap_rx_continue(struct icap_rx *rx)
{
	CHECK(rx->state == RX_HELD);
	chunk_rx_reset(&rx->chunk);
	rx->in_preview = false;
	rx->state = RX_BODY;
}

void
icap_rx_finish(struct icap_rx *rx)
{
	if (rx->state == RX_ERROR)
		return;
	if (rx->head.cap > KEEP_HEAD)
		buf_free(&rx->head);
	buf_reset(&rx->head);
	chunk_rx_reset(&rx->chunk);
	rx->state = RX_HEAD;
	rx->scanned = rx->blank = rx->icap_len = 0;
	rx->in_preview = rx->ieof = false;
	memset(&rx->req, 0, sizeof(rx->req));
	memset(&rx->res, 0, sizeof(rx->res));
	memset(&rx->icap, 0, offsetof(struct icap_head, fields));
	rx->icap.nfields = 0;
}

/* More came of a request than the half of a blank line. */
static bool
has_begun(const struct icap_rx *rx)
{
	return rx->head.len > 1 || (rx->head.len == 1 && *rx->head.p != '\r');
}

bool
icap_rx_in_request(const struct icap_rx *rx)
{
	return rx->state != RX_HEAD || has_begun(rx);
}

bool
icap_rx_is_idle(const struct icap_rx *rx)
{
	return rx->state == RX_HEAD && rx->head.len == 0 && rx->blank == 0;
}

bool
icap_rx_in_head(const struct icap_rx *rx)
{
	return rx->state == RX_SECTIONS ||
	       (rx->state == RX_HEAD && has_begun(rx));
}

uint64_t
icap_rx_direct(const struct icap_rx *rx)
{
	return rx->state == RX_BODY ? rx->chunk.left : 0;
}

void
icap_rx_skip(struct icap_rx *rx, uint64_t n)
{
	chunk_rx_skip(&rx->chunk, n);
}

struct slice
icap_rx_trailer(const struct icap_rx *rx)
{
	return buf_slice(&rx->chunk.trailer);
}
