/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any bytes as the input of one ICAP connection: whole and in pieces they must
 * give the same events (FR-19), and what was parsed must be usable. The first
 * byte chooses how answers are given, the second how the rest is cut.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/icap_out.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/rx_trace.h"

#define FINISH_PREVIEW 1
#define DIRECT 2
#define ANSWERED 4
#define LENIENT 8
#define SMALL 16 /* limits that a short input reaches */

static const char *const dropped[] = { "Content-Length", "ETag", "Via" };

static void
start(struct rx_trace *t, unsigned int flags)
{
	struct icap_rx_limits limits = rx_trace_limits;

	if (flags & SMALL) {
		limits.max_icap_head = 256;
		limits.max_http_head = 64;
	}
	limits.lenient_lf = (flags & LENIENT) != 0;
	rx_trace_init(t, &limits);
	t->finish_preview = (flags & FINISH_PREVIEW) != 0;
	t->rx.answered_before = (flags & ANSWERED) != 0;
}

/* Small pieces mostly, now and then a large one. */
static size_t
next_piece(uint32_t *seed, size_t left)
{
	size_t n;

	*seed = *seed * 1103515245 + 12345;
	n = (*seed >> 16) % 8;
	if (n == 0)
		n = (*seed >> 19) % 512;
	return n < left ? n : left;
}

static void
in_pieces(struct rx_trace *t, const char *p, size_t len, uint32_t seed)
{
	size_t n;

	/* a piece may be empty, but not all of them are */
	for (size_t at = 0; at < len; at += n) {
		n = next_piece(&seed, len - at);
		rx_trace_feed(t, p + at, n);
	}
	rx_trace_end(t);
}

static void
compare(const struct rx_trace *whole, struct rx_trace *cut)
{
	struct rx_trace w = *whole;

	if (rx_trace_same(whole, cut))
		return;
	(void)fprintf(stderr, "whole: %s\n%s\ncut: %s\n%s\n",
	    buf_cstr(&w.events), buf_cstr(&w.detail), buf_cstr(&cut->events),
	    buf_cstr(&cut->detail));
	abort();
}

static bool
has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* The input taken for a head, which may be anything. */
static void
as_head(struct slice raw, bool is_response)
{
	const struct slice via = SLICE_LIT("Via: x\r\n");
	struct http_head h, again, none;
	struct buf out;

	http_head_parse(&h, raw, is_response);
	http_head_parse(&none, SLICE_NONE, !is_response);
	(void)http_head_filename(
	    is_response ? &none : &h, is_response ? &h : &none);
	buf_init(&out, 1 << 20);
	CHECK(http_head_url(&out, &h) == 0);
	buf_reset(&out);
	CHECK(http_head_edit(&out, &h, dropped, COUNTOF(dropped), via) == 0);
	http_head_parse(&again, buf_slice(&out), is_response);
	CHECK(http_head_count(&again, "Content-Length") == 0);
	CHECK(http_head_count(&again, "Via") == 1);
	/* control bytes in its line become blanks (SE-10) */
	CHECK(again.status == h.status || has_control(h.first));
	buf_reset(&out);
	CHECK(http_head_edit(&out, &h, dropped, 0, SLICE_NONE) == 0);
	http_head_parse(&again, buf_slice(&out), is_response);
	CHECK(http_head_complete(&again));
	CHECK(slice_has_prefix(again.raw, raw));
	buf_free(&out);
}

/* The input taken for a threat's name cannot leave its line. */
static void
as_threat(struct slice name)
{
	const struct icap_out_common c = { .istag = SLICE_LIT("x") };
	const struct icap_out_threat t = { .resolution = 2, .name = name };
	const struct icap_out_200 a = { .threat = &t, .body = ENCAP_RES_BODY };
	size_t lines = 0;
	struct buf out;

	buf_init(&out, 4096);
	CHECK(icap_out_200(&out, &c, &a) == 0);
	for (size_t i = 0; i < out.len; i++)
		lines += out.p[i] == '\n';
	CHECK(lines == 7);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rx_trace whole, cut;
	const char *p = (const char *)data;
	uint32_t seed;

	if (size < 2)
		return 0;
	seed = data[1];
	start(&whole, data[0]);
	rx_trace_feed(&whole, p + 2, size - 2);
	rx_trace_end(&whole);
	for (int i = 0; i < 2; i++) {
		start(&cut, data[0]);
		cut.direct = ((data[0] & DIRECT) != 0) != (i != 0);
		in_pieces(&cut, p + 2, size - 2, seed * 2 + (uint32_t)i);
		compare(&whole, &cut);
		rx_trace_free(&cut);
	}
	rx_trace_free(&whole);
	as_head((struct slice){ p + 2, size - 2 }, false);
	as_head((struct slice){ p + 2, size - 2 }, true);
	as_threat((struct slice){ p + 2, size - 2 });
	return 0;
}
