/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A line that is a Content-Type, then a body: split in every way by every
 * boundary, each head parsed. No byte of the body may get lost.
 */
#include <string.h>

#include "engine/unpack/mime.h"
#include "engine/unpack/multipart.h"
#include "tests/fuzz/fuzz.h"

static bool
is_blank(struct slice s)
{
	return slice_trim_folded(s).len == 0;
}

static struct slice
skip(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.len - n };
}

/* What lies between two parts are delimiters and blanks. */
static void
check_gap(struct slice gap, struct slice boundary)
{
	while (gap.len > 0) {
		if (is_blank((struct slice){ gap.p, 1 })) {
			gap = skip(gap, 1);
			continue;
		}
		CHECK(slice_has_prefix(gap, SLICE_LIT("--")));
		CHECK(slice_has_prefix(skip(gap, 2), boundary));
		gap = skip(gap, 2 + boundary.len);
		if (slice_has_prefix(gap, SLICE_LIT("--")))
			gap = skip(gap, 2);
	}
}

static void
split(struct slice body, struct slice boundary, enum multipart_way way)
{
	struct multipart m;
	struct multipart_part p;
	struct mime_head h;
	const char *at = body.p;

	multipart_begin(&m, body, boundary, way);
	while (multipart_next(&m, &p)) {
		CHECK(p.whole.p >= at);
		check_gap(
		    (struct slice){ at, (size_t)(p.whole.p - at) }, boundary);
		CHECK(p.data.p + p.data.len == p.whole.p + p.whole.len);
		CHECK(p.head.len + p.data.len <= p.whole.len);
		mime_head_parse(&h, p.head);
		CHECK(h.ncodings <= SCAN_MAX_CODINGS);
		CHECK(strlen(h.name) <= MIME_NAME_MAX);
		at = p.whole.p + p.whole.len;
	}
	CHECK(at <= body.p + body.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = { (const char *)data, size }, type;
	size_t counts[MULTIPART_NWAYS];
	struct mime_boundaries b = { .n = 0 };
	struct mime_head h;
	ptrdiff_t nl = slice_find(body, '\n');

	mime_head_parse(&h, body);
	mime_head_declared(&h, body);
	if (nl < 0)
		return 0;
	type = (struct slice){ body.p, (size_t)nl };
	body = (struct slice){ body.p + nl + 1, size - (size_t)nl - 1 };
	mime_boundaries(&b, type);
	mime_body_boundary(&b, body, true);
	for (size_t i = 0; i < b.n; i++) {
		struct slice boundary = { b.text[i], b.len[i] };

		CHECK(b.len[i] > 0 && b.len[i] <= MIME_BOUNDARY_MAX);
		(void)multipart_count(body, boundary, counts);
		CHECK(counts[0] <= counts[1] && counts[1] <= counts[2]);
		for (int w = 0; w < MULTIPART_NWAYS; w++)
			split(body, boundary, (enum multipart_way)w);
	}
	return 0;
}
