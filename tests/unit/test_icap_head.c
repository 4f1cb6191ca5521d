/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/icap_head.h"

#define O "OPTIONS icap://h/avscan ICAP/1.0\r\n"
#define R "RESPMOD icap://h/avscan ICAP/1.0\r\nEncapsulated: null-body=0\r\n"

static struct icap_head
good(const char *text)
{
	struct icap_head h;
	enum proto_err e;

	/* what is not set shows */
	memset(&h, 0xa5, sizeof(h));
	e = icap_head_parse(&h, slice_of(text));
	if (e != PROTO_OK)
		print_error("%s: %s\n", proto_err_info(e)->id, text);
	assert_int_equal(e, PROTO_OK);
	return h;
}

static void
bad(const char *text, enum proto_err want)
{
	struct icap_head h;
	enum proto_err e = icap_head_parse(&h, slice_of(text));

	if (e != want)
		print_error("%s: %s\n", proto_err_info(e)->id, text);
	assert_int_equal(e, want);
}

static void
is(struct slice s, const char *want)
{
	if (!slice_eq(s, slice_of(want)))
		print_error("'%.*s' is not '%s'\n", SLICE_FMT(s), want);
	assert_true(slice_eq(s, slice_of(want)));
}

/* FR-01, FR-07 */
static void
methods(void **state)
{
	(void)state;
	assert_int_equal(good(O "\r\n").method, ICAP_OPTIONS);
	assert_int_equal(good(R "\r\n").method, ICAP_RESPMOD);
	assert_int_equal(good("REQMOD icap://h/ ICAP/1.0\r\n"
			      "Encapsulated: null-body=0\r\n\r\n")
			     .method,
	    ICAP_REQMOD);
	bad("options icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_UNKNOWN_METHOD);
	bad("LOG icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_UNKNOWN_METHOD);
	bad("RESPMODX icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_UNKNOWN_METHOD);
	bad("RESP(D icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("\xc3\xa4 icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad(" icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/a b ICAP/1.0\r\n\r\n",
	    PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/ ICAP/1.0 \r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
}

/* FR-09 */
static void
versions(void **state)
{
	(void)state;
	good("OPTIONS icap://h/ ICAP/1.1\r\n\r\n");
	bad("OPTIONS icap://h/ ICAP/2.0\r\n\r\n", PROTO_ERR_BAD_VERSION);
	bad("OPTIONS icap://h/ ICAP/0.9\r\n\r\n", PROTO_ERR_BAD_VERSION);
	bad("OPTIONS icap://h/ ICAP/x\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/ ICAP/10.\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/ ICAP/1.10\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/ HTTP/1.1\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("OPTIONS icap://h/ icap/1.0\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
	bad("GET / HTTP/1.1\r\n\r\n", PROTO_ERR_BAD_REQUEST_LINE);
}

static void
uri(const char *uri, const char *host, const char *service, const char *query)
{
	struct icap_head h;
	char text[256];

	assert_true(strlen(uri) < 200);
	(void)snprintf(text, sizeof(text), "OPTIONS %s ICAP/1.0\r\n\r\n", uri);
	if (host == NULL) {
		bad(text, PROTO_ERR_BAD_URI);
		return;
	}
	h = good(text);
	is(h.uri, uri);
	is(h.host, host);
	is(h.service, service);
	is(h.query, query);
}

/* FR-02, FR-04, FR-06 */
static void
uris(void **state)
{
	(void)state;
	uri("icap://h/avscan", "h", "avscan", "");
	uri("icap://h/avscan/", "h", "avscan", "");
	uri("icap://h//avscan", "h", "avscan", "");
	uri("icap://h", "h", "", "");
	uri("icap://h/", "h", "", "");
	uri("icap://h?a=b", "h", "", "a=b");
	uri("icap://h/?", "h", "", "");
	uri("icap://h/a/b", "h", "a/b", "");
	uri("icap://h:1344/AVSCAN?x=%0d%0aA:b", "h:1344", "AVSCAN",
	    "x=%0d%0aA:b");
	uri("icap://h/a?b=/c?d", "h", "a", "b=/c?d");
	uri("ICAPS://[::1]:1344/avscan", "[::1]:1344", "avscan", "");
	uri("Icap://user:word@h:1/a", "h:1", "a", "");
	uri("icap://h/a@b", "h", "a@b", "");
	uri("/avscan", NULL, "", "");
	uri("http://h/avscan", NULL, "", "");
	uri("icap:/h/avscan", NULL, "", "");
	uri("icap:///avscan", NULL, "", "");
	uri("icap://", NULL, "", "");
	uri("icap://user@/avscan", NULL, "", "");
	uri("xicap://h/avscan", NULL, "", "");
	uri("*", NULL, "", "");
}

/* FR-10 to FR-14 */
static void
fields(void **state)
{
	struct icap_head h = good(O "hOsT:h\r\nX-Client-IP: \r\nX:\r\n"
				    "Y:\t a:b \t\r\nhost: second\r\n\r\n");

	(void)state;
	assert_int_equal(h.nfields, 5);
	is(icap_head_get(&h, "Host"), "h");
	is(icap_head_get(&h, "x-client-ip"), "");
	assert_non_null(icap_head_get(&h, "x").p);
	is(icap_head_get(&h, "Y"), "a:b");
	assert_null(icap_head_get(&h, "Z").p);
	assert_null(icap_head_get(&h, "Hos").p);
	assert_int_equal(good(O "\r\n").nfields, 0);
	good(O "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
	good(O "!#$%&'*+-.^_`|~09: x\r\n\r\n");
	bad(O "Host : h\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O "Host\t: h\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O ": h\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O "garbage\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O "a/b: h\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O "\xc3\xa4: h\r\n\r\n", PROTO_ERR_BAD_HEADER);
	bad(O " X: h\r\n\r\n", PROTO_ERR_BAD_LINE_END);
	bad(O "X: h\r\n\tfolded\r\n\r\n", PROTO_ERR_BAD_LINE_END);
	bad(O "X: a\rb\r\n\r\n", PROTO_ERR_BAD_LINE_END);
	bad(O "X: a\x01\r\n\r\n", PROTO_ERR_BAD_LINE_END);
	/* without its blank line it is none */
	bad(O, PROTO_ERR_BAD_LINE_END);
	bad(O "X: a\r\n", PROTO_ERR_BAD_LINE_END);
	bad("", PROTO_ERR_BAD_LINE_END);
}

/* FR-15: tokens are compared whole. */
static void
allow(void **state)
{
	struct icap_head h = good(O "\r\n");

	(void)state;
	assert_false(h.allow_204 || h.allow_206 || h.allow_trailers);
	h = good(O "Allow: 204\r\n\r\n");
	assert_true(h.allow_204);
	assert_false(h.allow_206 || h.allow_trailers);
	h = good(O "Allow: 206, trailers\r\n\r\n");
	assert_false(h.allow_204);
	assert_true(h.allow_206 && h.allow_trailers);
	h = good(O "Allow: trailers,204 ,206\r\n\r\n");
	assert_true(h.allow_204 && h.allow_206 && h.allow_trailers);
	h = good(O "allow: 206\r\nALLOW: 204\r\n\r\n");
	assert_true(h.allow_204 && h.allow_206);
	h = good(O "Allow: 204\r\nAllow: 206\r\nAllow: trailers\r\n"
		   "Allow: x\r\n\r\n");
	assert_true(h.allow_204 && h.allow_206 && h.allow_trailers);
	h = good(O "Allow: 2045, 1204, 20 4, 204;q=1, trailersx\r\n\r\n");
	assert_false(h.allow_204 || h.allow_206 || h.allow_trailers);
	h = good(O "Allow: \r\n\r\n");
	assert_false(h.allow_204);
	h = good(O "X-Allow: 204\r\n\r\n");
	assert_false(h.allow_204);
}

/* FR-17 */
static void
connection(void **state)
{
	(void)state;
	assert_false(good(O "\r\n").close);
	assert_false(good(O "Connection: keep-alive\r\n\r\n").close);
	assert_true(good(O "Connection:  close\r\n\r\n").close);
	assert_true(good(O "Connection: X-a, Close\r\n\r\n").close);
	assert_true(good(O "Connection: keep-alive\r\n"
			   "connection: close\r\n\r\n")
			.close);
	assert_false(good(O "Connection: closed\r\n\r\n").close);
}

/* 37, FR-16 */
static void
preview(void **state)
{
	struct icap_head h = good(R "Preview: 1024\r\n\r\n");

	(void)state;
	assert_true(h.has_preview);
	assert_int_equal(h.preview, 1024);
	h = good(R "pReViEw:0\r\n\r\n");
	assert_true(h.has_preview);
	assert_int_equal(h.preview, 0);
	assert_false(good(R "\r\n").has_preview);
	bad(R "Preview: -1\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: +1\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: abc\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 0x1\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 1, 1\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 1 1\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview:\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 99999999999999999999\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 18446744073709551615\r\n\r\n", PROTO_ERR_BAD_PREVIEW);
	bad(R "Preview: 1\r\nPreview: 1\r\n\r\n", PROTO_ERR_DUP_HEADER);
}

static void
encapsulated(const char *method, const char *list, enum proto_err want)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "%s icap://h/avscan ICAP/1.0\r\nEncapsulated: %s\r\n\r\n", method,
	    list);
	if (want == PROTO_OK)
		assert_true(good(text).has_encap);
	else
		bad(text, want);
}

/* EN-01, EN-07 */
static void
what_a_method_encapsulates(void **state)
{
	static const struct {
		const char *list;
		bool options, reqmod, respmod;
	} lists[] = {
		{ "null-body=0", true, true, true },
		{ "opt-body=0", true, false, false },
		{ "req-body=0", false, true, false },
		{ "res-body=0", false, false, true },
		{ "req-hdr=0, req-body=27", false, true, false },
		{ "req-hdr=0, res-body=27", false, false, true },
		{ "res-hdr=0, res-body=19", false, false, true },
		{ "res-hdr=0, req-body=19", false, false, false },
		{ "req-hdr=0, res-hdr=27, null-body=46", true, false, true },
		{ "req-hdr=0, res-hdr=27, res-body=46", false, false, true },
		{ "req-hdr=0, res-hdr=27, req-body=46", false, false, false },
		{ "req-hdr=0, null-body=27", true, true, true },
	};
	const enum proto_err no = PROTO_ERR_BAD_ENCAPSULATED;

	(void)state;
	for (size_t i = 0; i < COUNTOF(lists); i++) {
		encapsulated(
		    "OPTIONS", lists[i].list, lists[i].options ? PROTO_OK : no);
		encapsulated(
		    "REQMOD", lists[i].list, lists[i].reqmod ? PROTO_OK : no);
		encapsulated(
		    "RESPMOD", lists[i].list, lists[i].respmod ? PROTO_OK : no);
	}
	assert_false(good(O "\r\n").has_encap);
	bad("RESPMOD icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_NO_ENCAPSULATED);
	bad("REQMOD icap://h/ ICAP/1.0\r\n\r\n", PROTO_ERR_NO_ENCAPSULATED);
	bad(R "Encapsulated: null-body=0\r\n\r\n", PROTO_ERR_DUP_HEADER);
	bad(O "Encapsulated: x=0\r\n\r\n", PROTO_ERR_BAD_ENCAPSULATED);
}

static void
the_trailer_field(void **state)
{
	(void)state;
	is(good(R "Trailer: X-Sum\r\n\r\n").trailer, "X-Sum");
	assert_int_equal(good(R "\r\n").trailer.len, 0);
}

static void
number_of_fields(void **state)
{
	char text[64 + ICAP_USUAL_FIELDS * 8] = O;
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i < ICAP_USUAL_FIELDS; i++, len += 6)
		memcpy(text + len, "X: y\r\n", 6);
	memcpy(text + len, "\r\n", 3);
	assert_int_equal(good(text).nfields, ICAP_USUAL_FIELDS);
	memcpy(text + len, "X: y\r\n\r\n", 9);
	bad(text, PROTO_ERR_HEAD_TOO_LARGE);
}

static void
only_the_line(void **state)
{
	(void)state;
	assert_int_equal(
	    icap_head_check_line(SLICE_LIT("OPTIONS icap://h/ ICAP/1.0")),
	    PROTO_OK);
	assert_int_equal(icap_head_check_line(SLICE_LIT("OPTIONS / ICAP/1.0")),
	    PROTO_ERR_BAD_URI);
	assert_int_equal(
	    icap_head_check_line(SLICE_LIT("")), PROTO_ERR_BAD_REQUEST_LINE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods),
		cmocka_unit_test(versions),
		cmocka_unit_test(uris),
		cmocka_unit_test(fields),
		cmocka_unit_test(allow),
		cmocka_unit_test(connection),
		cmocka_unit_test(preview),
		cmocka_unit_test(what_a_method_encapsulates),
		cmocka_unit_test(the_trailer_field),
		cmocka_unit_test(number_of_fields),
		cmocka_unit_test(only_the_line),
	};

	return cmocka_run_group_tests_name("icap_head", tests, NULL, NULL);
}
