/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/icap_answer.h"

#define MAX_HEAD 1024
#define MAX_SECTIONS 512

/* What happens with these bytes, `step` at a time: "C" 100, "H(status)" head,
 * the body in brackets, "E" the end, "!" and why. */
static const char *
trace(const char *text, size_t len, size_t step)
{
	static char out[4096];
	struct icap_answer a;
	struct slice body, in;
	size_t n = 0;
	bool in_body = false, going = true;

	icap_answer_init(&a, MAX_HEAD, MAX_SECTIONS);
	for (size_t at = 0; at < len && going; at += step) {
		in = (struct slice){ text + at,
			len - at < step ? len - at : step };
		while (going) {
			enum icap_answer_event ev =
			    icap_answer_feed(&a, &in, &body);

			if (ev == ICAP_ANSWER_MORE)
				break;
			if (ev == ICAP_ANSWER_BODY) {
				n += (size_t)snprintf(out + n, sizeof(out) - n,
				    "%s%.*s", in_body ? "" : "[",
				    SLICE_FMT(body));
				in_body = true;
				continue;
			}
			n += (size_t)snprintf(
			    out + n, sizeof(out) - n, "%s", in_body ? "]" : "");
			in_body = false;
			if (ev == ICAP_ANSWER_CONTINUE)
				n += (size_t)snprintf(
				    out + n, sizeof(out) - n, "C");
			else if (ev == ICAP_ANSWER_HEAD)
				n += (size_t)snprintf(out + n, sizeof(out) - n,
				    "H(%d)", a.status);
			else
				n += (size_t)snprintf(out + n, sizeof(out) - n,
				    "%s%s", ev == ICAP_ANSWER_END ? "E" : "!",
				    ev == ICAP_ANSWER_END ? "" : a.why);
			going =
			    ev != ICAP_ANSWER_END && ev != ICAP_ANSWER_ERROR;
		}
	}
	icap_answer_free(&a);
	out[n] = '\0';
	return out;
}

static void
gives(const char *text, const char *want)
{
	size_t len = strlen(text);

	for (size_t step = 1; step <= len; step++)
		assert_string_equal(trace(text, len, step), want);
}

static void
answers(void **state)
{
	(void)state;
	gives("ICAP/1.0 204 No modifications needed\r\nISTag: \"x\"\r\n\r\n",
	    "H(204)E");
	gives(
	    "ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\n\r\n", "H(200)E");
	gives("ICAP/1.0 200\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n"
	      "HTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	    "H(200)[abcde]E");
	gives(
	    "ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 204 x\r\n\r\n", "CH(204)E");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\n"
	      "GET / HTTP/1.1\r\n\r\n",
	    "H(200)E");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: opt-body=0\r\n\r\n"
	      "1\r\nx\r\n0\r\n\r\n",
	    "H(200)[x]E");
	/* OPTIONS of old servers, and errors */
	gives("ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\n\r\n", "H(200)E");
	gives("ICAP/1.0 503 Service Unavailable\r\n\r\n", "H(503)E");
	/* lines behind the body */
	gives("ICAP/1.0 200 OK\r\nTrailer: X-Infection-Found\r\n"
	      "Encapsulated: res-body=0\r\n\r\n0\r\n\r\n"
	      "X-Infection-Found: Threat=a;\r\n\r\n",
	    "H(200)E");
	/* after a null-body there are none, whatever it says */
	gives("ICAP/1.0 200 OK\r\nTrailer: X\r\nEncapsulated: null-body=0\r\n"
	      "\r\n",
	    "H(200)E");
}

static void
refused(void **state)
{
	(void)state;
	gives("HTTP/1.1 200 OK\r\n\r\n", "!it is not ICAP");
	gives("ICAP/2.0 200 OK\r\n\r\n",
	    "!it does not begin with ICAP/1.0 and a status");
	gives("ICAP/1.0 20 OK\r\n\r\n",
	    "!it does not begin with ICAP/1.0 and a status");
	gives("ICAP/1.0 2000 OK\r\n\r\n",
	    "!it does not begin with ICAP/1.0 and a status");
	gives("ICAP/1.0 099 OK\r\n\r\n", "!its status is below 100");
	gives("ICAP/1.0 200 OK\r\nno colon\r\n\r\n",
	    "!a header line has no name and colon");
	gives("ICAP/1.0 200 OK\r\n folded\r\n\r\n",
	    "!its first header line is folded");
	gives("ICAP/1.0 200 OK\r\nA: b\nC: d\r\n\r\n",
	    "!a line of its head does not end in CR LF");
	gives("ICAP/1.0 200 OK\r\nA: \033[2J\r\n\r\n",
	    "!a line of its head has a control byte");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\n"
	      "Encapsulated: null-body=0\r\n\r\n",
	    "!it has Encapsulated twice");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=4\r\n\r\n",
	    "!its Encapsulated is malformed");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, "
	      "null-body=9999999999\r\n\r\n",
	    "!its Encapsulated heads are too large");
	gives("ICAP/1.0 100 Continue\r\nEncapsulated: res-body=0\r\n\r\n",
	    "!its 100 has a body");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\nzz\r\n",
	    "H(200)!its body is not in well-formed chunks");
	gives("ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n"
	      "ffffffffffffffff\r\n",
	    "H(200)!its body is not in well-formed chunks");
	gives(
	    "ICAP/1.0 200 OK\r\nTrailer: X\r\nEncapsulated: res-body=0\r\n\r\n"
	    "0\r\n\r\nnonsense\r\n",
	    "H(200)!the lines behind its body are malformed");
}

/* An endless head, and one of very many lines, end at the limits. */
static void
limits(void **state)
{
	char text[4 * MAX_HEAD];
	size_t n;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "ICAP/1.0 200 ", 13);
	assert_string_equal(
	    trace(text, sizeof(text), 100), "!its head is too large");
	n = (size_t)snprintf(text, sizeof(text), "ICAP/1.0 200 OK\r\n");
	for (int i = 0; i < 101; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a:b\r\n");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
	assert_string_equal(
	    trace(text, n, n), "!it has more than 100 header lines");
}

static void
fields(void **state)
{
	static const char text[] =
	    "ICAP/1.0 200 Fine\r\nconnection: x, Close\r\n"
	    "X-Violations-Found: 1\r\n\tfile.exe\r\n\tEicar\r\n\t1\r\n\t2\r\n"
	    "Encapsulated: res-hdr=0, null-body=28\r\n\r\n"
	    "HTTP/1.1 403 Forbidden\r\n\r\n!!";
	struct icap_answer a;
	struct slice in = SLICE_LIT(text), body, v;

	(void)state;
	icap_answer_init(&a, MAX_HEAD, MAX_SECTIONS);
	assert_false(icap_answer_begun(&a));
	assert_int_equal(icap_answer_feed(&a, &in, &body), ICAP_ANSWER_HEAD);
	assert_true(icap_answer_begun(&a) && icap_answer_has_head(&a));
	assert_true(a.close);
	assert_true(slice_eq(a.reason, SLICE_LIT("Fine")));
	assert_int_equal(a.res.status, 403);
	assert_null(a.req.raw.p);
	v = icap_answer_get(&a, "x-violations-found");
	assert_true(
	    slice_eq(v, SLICE_LIT("1\r\n\tfile.exe\r\n\tEicar\r\n\t1\r\n\t2")));
	assert_null(icap_answer_get(&a, "X-Other").p);
	assert_int_equal(icap_answer_feed(&a, &in, &body), ICAP_ANSWER_END);
	assert_int_equal(icap_answer_feed(&a, &in, &body), ICAP_ANSWER_END);
	assert_int_equal(in.len, 0);
	icap_answer_reset(&a);
	assert_false(icap_answer_begun(&a));
	icap_answer_free(&a);
}

/* 206: where the original goes on. */
static void
original(void **state)
{
	static const struct {
		const char *end;
		bool use;
		uint64_t at;
	} ends[] = { { "0\r\n\r\n", false, 0 },
		{ "0; use-original-body=0\r\n\r\n", true, 0 },
		{ "0; use-original-body=4711\r\n\r\n", true, 4711 },
		{ "0; use-original-body\r\n\r\n", true, UINT64_MAX },
		{ "0; use-original-body=-1\r\n\r\n", true, UINT64_MAX },
		{ "0; use-original-body=99999999999999999999\r\n\r\n", true,
		    UINT64_MAX } };
	struct icap_answer a;
	struct slice in, body;

	(void)state;
	icap_answer_init(&a, MAX_HEAD, MAX_SECTIONS);
	for (size_t i = 0; i < COUNTOF(ends); i++) {
		icap_answer_reset(&a);
		in = SLICE_LIT("ICAP/1.0 206 x\r\nEncapsulated: "
			       "res-body=0\r\n\r\n");
		assert_int_equal(
		    icap_answer_feed(&a, &in, &body), ICAP_ANSWER_HEAD);
		in = slice_of(ends[i].end);
		assert_int_equal(
		    icap_answer_feed(&a, &in, &body), ICAP_ANSWER_END);
		assert_int_equal(a.chunk.use_original_body, ends[i].use);
		assert_int_equal(a.chunk.original_at, ends[i].at);
	}
	icap_answer_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(refused),
		cmocka_unit_test(limits),
		cmocka_unit_test(fields),
		cmocka_unit_test(original),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
