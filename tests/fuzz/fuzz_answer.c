/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A byte that chooses the cuts, then what a server answers tolsey-client: the
 * same events whole and in pieces; what is shown of it holds no control byte.
 */
#include <stdlib.h>
#include <string.h>

#include "client/offer.h"
#include "client/report.h"
#include "client/verdict.h"
#include "tests/fuzz/fuzz.h"

#define MAX_HEAD 4096

struct seen {
	struct buf body;
	int ends[8];
	size_t nends;
	int status;
};

static void
is_shown(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		CHECK(b->p[i] == '\n' ||
		      ((unsigned char)b->p[i] >= 0x20 && b->p[i] != 0x7f));
}

/* What is said to the person of this answer. */
static void
show(const struct icap_answer *a)
{
	struct client_options o = { .verbose = 1, .allow_206 = true };
	struct result r = { .name = "x" };
	struct request q;
	struct offer f;
	struct buf out;

	request_init(&q);
	buf_init(&out, 1 << 20);
	buf_init(&r.heads, 1 << 20);
	(void)buf_append_slice(&r.heads, buf_slice(&a->head));
	verdict_head(&r, a, &q, &o, true);
	verdict_end(&r, a, &o);
	CHECK(r.verdict < NVERDICTS);
	CHECK(report_text(&out, &r, &o) == 0);
	is_shown(&out);
	buf_reset(&out);
	CHECK(report_json(&out, &r, &o) == 0);
	is_shown(&out);
	buf_reset(&out);
	offer_read(&f, a);
	CHECK(offer_print(&out, &f, a, "u") == 0);
	CHECK(offer_print_json(&out, &f, a, "u") == 0);
	is_shown(&out);
	buf_free(&out);
	buf_free(&r.heads);
	request_free(&q);
}

static void
feed(struct seen *seen, const uint8_t *data, size_t size, size_t step)
{
	struct icap_answer a;
	struct slice body;
	bool going = true;

	memset(seen, 0, sizeof(*seen));
	buf_init(&seen->body, size + 1);
	icap_answer_init(&a, MAX_HEAD, MAX_HEAD);
	for (size_t at = 0; at < size && going; at += step) {
		struct slice in = { (const char *)data + at,
			size - at < step ? size - at : step };
		enum icap_answer_event ev;

		while (going && (ev = icap_answer_feed(&a, &in, &body)) !=
				    ICAP_ANSWER_MORE) {
			if (ev == ICAP_ANSWER_BODY)
				CHECK(buf_append_slice(&seen->body, body) == 0);
			else if (seen->nends < COUNTOF(seen->ends))
				seen->ends[seen->nends++] = (int)ev;
			if (ev == ICAP_ANSWER_HEAD)
				seen->status = a.status;
			if (ev == ICAP_ANSWER_ERROR)
				CHECK(a.why != NULL);
			if (ev == ICAP_ANSWER_END)
				show(&a);
			going =
			    ev != ICAP_ANSWER_END && ev != ICAP_ANSWER_ERROR;
		}
		CHECK(a.head.len <= 2 * MAX_HEAD);
	}
	icap_answer_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, parts;

	if (size < 2)
		return 0;
	feed(&whole, data + 1, size - 1, size);
	feed(&parts, data + 1, size - 1, (size_t)data[0] % 16 + 1);
	CHECK(slice_eq(buf_slice(&whole.body), buf_slice(&parts.body)));
	CHECK(whole.nends == parts.nends &&
	      memcmp(whole.ends, parts.ends, sizeof(whole.ends)) == 0);
	CHECK(whole.status == parts.status);
	buf_free(&whole.body);
	buf_free(&parts.body);
	return 0;
}
