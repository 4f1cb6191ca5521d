/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/http_head.h"

static struct http_head
request(const char *raw)
{
	struct http_head h;

	http_head_parse(&h, slice_of(raw), false);
	return h;
}

static struct http_head
response(const char *raw)
{
	struct http_head h;

	http_head_parse(&h, slice_of(raw), true);
	return h;
}

static void
is(struct slice s, const char *want)
{
	if (!slice_eq(s, slice_of(want)))
		print_error("'%.*s' is not '%s'\n", SLICE_FMT(s), want);
	assert_true(slice_eq(s, slice_of(want)));
}

static void
request_line(const char *raw, const char *method, const char *target)
{
	struct http_head h = request(raw);

	assert_true(h.has_first_line);
	is(h.method, method);
	is(h.target, target);
	assert_int_equal(h.status, 0);
}

static void
request_lines(void **state)
{
	struct http_head h;

	(void)state;
	request_line("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/");
	request_line("GET / HTTP/1.1\nHost: x\n\n", "GET", "/");
	request_line("GET / HTTP/1.1", "GET", "/");
	request_line(
	    "GET http://h/a b HTTP/1.1\r\n\r\n", "GET", "http://h/a b");
	request_line("CONNECT h:443 HTTP/1.1\r\n\r\n", "CONNECT", "h:443");
	/* EN-09: no start line, only fields */
	h = request("Content-Length: 5\r\n\r\n");
	assert_false(h.has_first_line);
	is(http_head_get(&h, "Content-Length"), "5");
	h = request("\r\n");
	assert_false(h.has_first_line);
	h = request("");
	assert_false(h.has_first_line);
	assert_int_equal(http_head_count(&h, "x"), 0);
}

static void
status_line(const char *raw, int status, const char *reason)
{
	struct http_head h = response(raw);

	assert_int_equal(h.status, status);
	assert_int_equal(h.has_first_line, status != 0);
	is(h.reason, reason);
	assert_int_equal(h.method.len, 0);
}

/* RM-06 */
static void
status_lines(void **state)
{
	struct http_head h;

	(void)state;
	status_line("HTTP/1.1 200 OK\r\n\r\n", 200, "OK");
	status_line("HTTP/1.1 200\r\n\r\n", 200, "");
	status_line("HTTP/1.0 404 Not Found\n\n", 404, "Not Found");
	status_line("ICY 200 OK\r\n\r\n", 200, "OK");
	status_line("HTTP/2 599 x", 599, "x");
	status_line("HTTP/1.1 2000 OK\r\n\r\n", 0, "");
	status_line("HTTP/1.1 20 OK\r\n\r\n", 0, "");
	status_line("HTTP/1.1 OK\r\n\r\n", 0, "");
	status_line("HTTP/1.1\r\n\r\n", 0, "");
	status_line("HTTP/1.1 -20 OK\r\n\r\n", 0, "");
	status_line("hello world\r\n\r\n", 0, "");
	status_line("", 0, "");
	/* 68 */
	h = response("Content-Length: 5\r\n\r\n");
	assert_false(h.has_first_line);
	is(http_head_get(&h, "content-LENGTH"), "5");
}

static void
fields(void **state)
{
	struct http_head h = response("HTTP/1.1 200 OK\r\nA: 1\r\nnone\r\n"
				      "b:2\nA :3\r\n folded\r\n\tmore\r\nC:\r\n"
				      ": x\r\n\r\nD: second head\r\n\r\n");
	struct slice pos = h.fields, name, value;

	(void)state;
	assert_true(http_head_next(&pos, &name, &value));
	is(name, "A");
	is(value, "1");
	assert_true(http_head_next(&pos, &name, &value));
	is(name, "b");
	is(value, "2");
	assert_true(http_head_next(&pos, &name, &value));
	is(name, "A");
	is(value, "3\r\n folded\r\n\tmore");
	assert_true(http_head_next(&pos, &name, &value));
	is(name, "C");
	is(value, "");
	assert_false(http_head_next(&pos, &name, &value));
	assert_false(http_head_next(&pos, &name, &value));
	is(http_head_get(&h, "a"), "1");
	assert_int_equal(http_head_count(&h, "a"), 2);
	assert_non_null(http_head_get(&h, "c").p);
	assert_null(http_head_get(&h, "d").p);
	assert_null(http_head_get(&h, "folded").p);
}

static void
length(const char *fields, int want, uint64_t len)
{
	struct http_head h = response(fields);
	uint64_t got = 0;

	assert_int_equal(http_head_content_length(&h, &got), want);
	if (want == 1)
		assert_int_equal(got, len);
}

/* 66 */
static void
content_length(void **state)
{
	(void)state;
	length("HTTP/1.1 200 OK\r\n\r\n", 0, 0);
	length("HTTP/1.1 200 OK\r\nContent-Length: 68\r\n\r\n", 1, 68);
	length("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 1, 0);
	length("Content-Length: 9223372036854775807\r\n", 1, INT64_MAX);
	length("Content-Length: 9223372036854775808\r\n", -1, 0);
	length("Content-Length: -5\r\n", -1, 0);
	length("Content-Length: +5\r\n", -1, 0);
	length("Content-Length: 5, 5\r\n", -1, 0);
	length("Content-Length: 5 5\r\n", -1, 0);
	length("Content-Length: 0x5\r\n", -1, 0);
	length("Content-Length:\r\n", -1, 0);
	length("Content-Length: 1\r\n 2\r\n", -1, 0);
	length("Content-Length: 5\r\nContent-Length: 5\r\n", 1, 5);
	length("Content-Length: 5\r\nContent-Length: 6\r\n", -1, 0);
	length("Content-Length: x\r\nContent-Length: 6\r\n", -1, 0);
	length("HTTP/1.1 200 OK\r\n\r\nContent-Length: 6\r\n", 0, 0);
}

static void
complete(void **state)
{
	struct http_head h;
	static const struct {
		const char *raw;
		bool complete;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", true },
		{ "HTTP/1.1 200 OK\n\n", true },
		{ "HTTP/1.1 200 OK\n\r\n", true },
		{ "HTTP/1.1 200 OK\r\n", false },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n\r", false },
		{ "HTTP/1.1 200 OK", false },
		{ "\r\n", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		h = response(rows[i].raw);
		assert_int_equal(http_head_complete(&h), rows[i].complete);
	}
}

static const char *const gone[] = { "Content-Length", "ETag" };

static void
edit(const char *raw, size_t ndrop, const char *add, const char *want)
{
	struct http_head h = response(raw);
	struct buf out;

	/* what stands before must not matter */
	for (int before = 0; before < 2; before++) {
		buf_init(&out, 4096);
		assert_int_equal(buf_append(&out, "x", (size_t)before), 0);
		assert_int_equal(
		    http_head_edit(&out, &h, gone, ndrop, slice_of(add)), 0);
		assert_string_equal(buf_cstr(&out) + before, want);
		buf_free(&out);
	}
}

#define HEAD "HTTP/1.1 200 OK\r\n"

static void
edit_unchanged(void **state)
{
	(void)state;
	edit(HEAD "A: b\r\n\r\n", 0, "", HEAD "A: b\r\n\r\n");
	edit("HTTP/1.1 200 OK\nA :  b\n folded\r\nx\n\n", 0, "",
	    "HTTP/1.1 200 OK\nA :  b\n folded\r\nx\n\n");
	/* nothing of what is to go is there */
	edit(HEAD "A: b\r\n\r\n", 2, "", HEAD "A: b\r\n\r\n");
	/* 32, EN-09: the end that is missing */
	edit(HEAD, 0, "", HEAD "\r\n");
	edit("HTTP/1.1 200 OK", 0, "", HEAD "\r\n");
	edit(HEAD "A: b", 0, "", HEAD "A: b\r\n\r\n");
	edit("HTTP/1.1 200 OK\nA: b\n", 0, "", "HTTP/1.1 200 OK\nA: b\n\r\n");
	/* cut inside a line end */
	edit("HTTP/1.1 200 OK\r", 0, "", HEAD "\r\n");
	edit(HEAD "A: b\r\n\r", 0, "", HEAD "A: b\r\n\r\n");
}

static void
edit_drop_and_add(void **state)
{
	(void)state;
	edit(HEAD "content-length: 5\r\nA: b\r\nETAG: x\r\nETag : y\r\n\r\n", 2,
	    "", HEAD "A: b\r\n\r\n");
	edit(HEAD "Content-Length: 5\r\nETag: x\r\n\r\n", 1, "",
	    HEAD "ETag: x\r\n\r\n");
	edit(HEAD "A: b\r\n\r\n", 0, "Via: x\r\n",
	    HEAD "A: b\r\nVia: x\r\n\r\n");
	edit(HEAD "\r\n", 0, "Via: x\r\nB: c\r\n",
	    HEAD "Via: x\r\nB: c\r\n\r\n");
	edit(HEAD "Content-Length: 5\r\n\r\n", 1, "Content-Length: 7\r\n",
	    HEAD "Content-Length: 7\r\n\r\n");
	/* other bytes stay: names that only begin alike, odd lines */
	edit(HEAD "Content-Length-X: 5\r\nX-ETag: 1\r\ngarbage\r\n: z\r\n\r\n",
	    2, "",
	    HEAD "Content-Length-X: 5\r\nX-ETag: 1\r\ngarbage\r\n: z\r\n\r\n");
	/* no end: it gets one */
	edit(HEAD "A: b", 0, "Via: x\r\n", HEAD "A: b\r\nVia: x\r\n\r\n");
	edit("HTTP/1.1 200 OK", 0, "Via: x\r\n", HEAD "Via: x\r\n\r\n");
	edit("HTTP/1.1 200 OK\r", 0, "Via: x\r\n", HEAD "Via: x\r\n\r\n");
	edit(HEAD "A: b\r", 0, "Via: x\r\n", HEAD "A: b\r\nVia: x\r\n\r\n");
	edit(HEAD "A: b\r\n\r", 0, "Via: x\r\n", HEAD "A: b\r\nVia: x\r\n\r\n");
	edit(HEAD "ETag: b", 2, "", HEAD "\r\n");
	/* no first line */
	edit("Content-Length: 5\r\n\r\n", 2, "Via: x\r\n", "Via: x\r\n\r\n");
	edit("Content-Length: 5\r\n\r\n", 2, "", "\r\n");
}

static void
edit_folded(void **state)
{
	(void)state;
	edit(HEAD "ETag: a\r\n b\r\n\tc\r\nA: d\r\n e\r\n\r\n", 2, "",
	    HEAD "A: d\r\n e\r\n\r\n");
	edit(HEAD "A: d\r\n ETag: e\r\n\r\n", 2, "",
	    HEAD "A: d\r\n ETag: e\r\n\r\n");
}

/* EN-08: a second head in the same section. */
static void
edit_second_head(void **state)
{
	(void)state;
	edit(HEAD "ETag: a\r\n\r\n" HEAD "ETag: b\r\n\r\n", 2, "Via: x\r\n",
	    HEAD "Via: x\r\n\r\n" HEAD "ETag: b\r\n\r\n");
	edit(HEAD "ETag: a\r\n\r\n" HEAD "ETag: b\r\n\r\n", 0, "",
	    HEAD "ETag: a\r\n\r\n" HEAD "ETag: b\r\n\r\n");
}

static void
edit_nothing(void **state)
{
	struct http_head h = response("");
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(
	    http_head_edit(&out, &h, gone, 2, SLICE_LIT("Via: x\r\n")), 0);
	assert_string_equal(buf_cstr(&out), "Via: x\r\n\r\n");
	buf_free(&out);
	h = response(HEAD "A: b\r\n\r\n");
	for (size_t max = 0; max < strlen(HEAD "A: b\r\nB: c\r\n\r\n"); max++) {
		buf_init(&out, max);
		assert_int_equal(
		    http_head_edit(&out, &h, gone, 2, SLICE_LIT("B: c\r\n")),
		    -1);
		buf_free(&out);
	}
}

static void
url(const char *raw, const char *want)
{
	struct http_head h = request(raw);
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(http_head_url(&out, &h), 0);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
}

static void
urls(void **state)
{
	(void)state;
	url("GET http://h/a?b HTTP/1.1\r\nHost: x\r\n\r\n", "http://h/a?b");
	url("GET https://h/ HTTP/1.1\r\n\r\n", "https://h/");
	url("GET /a?b=c HTTP/1.1\r\nHost: x:80\r\n\r\n", "http://x:80/a?b=c");
	/* an address in the query does not make it absolute */
	url("GET /a?u=http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n",
	    "http://x/a?u=http://evil/");
	url("GET /a HTTP/1.1\r\n\r\n", "/a");
	url("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "h:443");
	url("", "");
}

static void
filename(const char *req, const char *resp, const char *want)
{
	struct http_head a = { 0 }, b = { 0 };

	if (req != NULL)
		a = request(req);
	if (resp != NULL)
		b = response(resp);
	is(http_head_filename(&a, &b), want);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"
#define CD(value) HEAD "Content-Disposition: " value "\r\n\r\n"

static void
filenames(void **state)
{
	(void)state;
	filename(GET("http://h/a/b.exe?x=/y#z"), NULL, "b.exe");
	filename(GET("/b.exe#/c"), NULL, "b.exe");
	filename(GET("/a/"), HEAD "\r\n", "");
	filename(GET("/"), NULL, "");
	filename(NULL, NULL, "");
	filename(NULL, CD("attachment; filename=x.zip"), "x.zip");
	filename(GET("/b"), CD("attachment; filename=\"x y.zip\""), "x y.zip");
	filename(GET("/b"), CD("attachment; FileName = x.zip"), "x.zip");
	filename(
	    GET("/b"), CD("attachment; filename*=UTF-8''x%20.zip"), "x%20.zip");
	filename(GET("/b"),
	    CD("attachment; filename=a; filename*=UTF-8'en'x.zip"), "x.zip");
	filename(GET("/b"),
	    CD("attachment; filename*=UTF-8'en'x.zip; filename=a"), "x.zip");
	filename(
	    GET("/b"), CD("attachment; filename=\"a;b.exe\"; x=y"), "a;b.exe");
	filename(GET("/b"), CD("attachment; filename="), "b");
	filename(GET("/b"), CD("attachment"), "b");
	/* uploads name the file in the request */
	filename("PUT /b HTTP/1.1\r\n"
		 "Content-Disposition: x; filename=c\r\n\r\n",
	    NULL, "c");
	/* a host is no file */
	filename(GET("http://example.com"), NULL, "");
	filename(GET("http://example.com?a"), NULL, "");
	filename(GET("http://example.com/"), NULL, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_lines),
		cmocka_unit_test(status_lines),
		cmocka_unit_test(fields),
		cmocka_unit_test(content_length),
		cmocka_unit_test(complete),
		cmocka_unit_test(edit_unchanged),
		cmocka_unit_test(edit_drop_and_add),
		cmocka_unit_test(edit_folded),
		cmocka_unit_test(edit_second_head),
		cmocka_unit_test(edit_nothing),
		cmocka_unit_test(urls),
		cmocka_unit_test(filenames),
	};

	return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
