/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any bytes as a chunked body: whole and in pieces (the first byte says how
 * large) they give the same body, trailers, end and error.
 */
#include <string.h>

#include "base/check.h"
#include "proto/chunk.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX ((size_t)1 << 24)

struct result {
	struct chunk_rx rx;
	struct buf body;
	enum chunk_event end;
	size_t consumed;
};

static void
take(struct result *r, struct slice in)
{
	struct slice data;
	size_t had = in.len;

	do {
		r->end = chunk_rx_feed(&r->rx, &in, &data);
		if (r->end == CHUNK_DATA)
			CHECK(buf_append_slice(&r->body, data) == 0);
	} while (r->end == CHUNK_DATA);
	r->consumed += had - in.len;
}

static void
decode(struct result *r, const char *p, size_t len, size_t step)
{
	memset(r, 0, sizeof(*r));
	chunk_rx_init(&r->rx);
	buf_init(&r->body, BODY_MAX);
	r->end = CHUNK_MORE;
	for (size_t at = 0; at < len && r->end == CHUNK_MORE; at += step)
		take(r, (struct slice){
			    p + at, step < len - at ? step : len - at });
}

static void
result_free(struct result *r)
{
	chunk_rx_free(&r->rx);
	buf_free(&r->body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	struct result whole, cut;

	if (size < 2)
		return 0;
	decode(&whole, p, size - 1, size - 1);
	decode(&cut, p, size - 1, (size_t)data[0] % 32 + 1);
	CHECK(whole.end == cut.end && whole.rx.err == cut.rx.err);
	CHECK(slice_eq(buf_slice(&whole.body), buf_slice(&cut.body)));
	if (whole.end == CHUNK_END) {
		CHECK(whole.consumed == cut.consumed);
		CHECK(whole.rx.ieof == cut.rx.ieof);
		CHECK(slice_eq(
		    buf_slice(&whole.rx.trailer), buf_slice(&cut.rx.trailer)));
	}
	result_free(&whole);
	result_free(&cut);
	return 0;
}
