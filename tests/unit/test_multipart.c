/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine/unpack/mime.h"
#include "engine/unpack/multipart.h"

/* "pre|head=data|...|epi": what splitting gives. */
static void
render(struct buf *out, struct slice body, const char *boundary,
    enum multipart_way way)
{
	static const char *const kinds[] = { "pre:", "", "epi:" };
	struct multipart m;
	struct multipart_part p;

	buf_init(out, 1 << 20);
	multipart_begin(&m, body, slice_of(boundary), way);
	while (multipart_next(&m, &p)) {
		(void)buf_printf(out, "[%s", kinds[p.kind]);
		if (p.has_blank_line)
			(void)buf_printf(out, "%.*s=", SLICE_FMT(p.head));
		(void)buf_printf(
		    out, "%.*s%s]", SLICE_FMT(p.data), p.ended ? "" : "~");
	}
}

static void
splits(const char *body, const char *boundary, enum multipart_way way,
    const char *want)
{
	/* exactly as long, so that reading on is noticed */
	char *copy = malloc(strlen(body) + 1);
	struct buf out;

	assert_non_null(copy);
	memcpy(copy, body, strlen(body));
	render(&out, (struct slice){ copy, strlen(body) }, boundary, way);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
	free(copy);
}

#define STRICT MULTIPART_STRICT
#define LF MULTIPART_LF
#define LOOSE MULTIPART_LOOSE

static void
as_it_should_be(void **state)
{
	(void)state;
	splits("--b\r\nA: x\r\n\r\none\r\n--b\r\nB: y\r\n\r\ntwo\r\n--b--\r\n",
	    "b", STRICT, "[A: x\r\n=one][B: y\r\n=two]");
	splits("pre\r\n--b\r\n\r\none\r\n--b--\r\nepi", "b", STRICT,
	    "[pre:pre][=one][epi:epi~]");
	splits("--b\r\n\r\n--b--", "b", STRICT, "[]");
	splits("--b\r\n\r\n\r\n--b--", "b", STRICT, "[=]");
	splits("--b\r\n\r\na\r\n\r\n--b--", "b", STRICT, "[=a\r\n]");
	splits("--b \t\r\n\r\none\r\n--b-- \r\n", "b", STRICT, "[=one]");
	splits("------x\r\n\r\none\r\n------x--", "----x", STRICT, "[=one]");
}

static void
as_it_comes(void **state)
{
	(void)state;
	/* no end */
	splits("--b\r\n\r\none", "b", STRICT, "[=one~]");
	splits("--b\r\n", "b", STRICT, "[~]");
	splits("--b", "b", STRICT, "[~]");
	/* no head, no blank line */
	splits("--b\r\none\r\n--b--", "b", STRICT, "[one]");
	splits("--b\r\n--b--", "b", STRICT, "[]");
	/* no such boundary, none at all */
	splits("--b\r\n\r\none", "c", LOOSE, "[pre:--b\r\n\r\none~]");
	splits("--b\r\n\r\none", "", LOOSE, "");
	splits("", "b", LOOSE, "");
	/* text between, behind the end, more of it behind that */
	splits("--b\r\n\r\none\r\n--b--\r\nx\r\n--b\r\n\r\ntwo\r\n--b--", "b",
	    STRICT, "[=one][epi:x][=two]");
	/* inside a line it is data */
	splits("--b\r\n\r\none--b\r\ntwo --b\r\n--b--", "b", LOOSE,
	    "[=one--b\r\ntwo --b]");
}

static void
as_some_read_it(void **state)
{
	static const char lf[] = "--b\n\none\n--b\n\ntwo\n--b--\n";
	static const char cr[] = "--b\r\rone\r--b--";
	static const char longer[] =
	    "--b\r\n\r\none\r\n--bc\r\n\r\ntwo\r\n--b--\r\n";
	size_t n[MULTIPART_NWAYS];

	(void)state;
	splits(lf, "b", LF, "[=one][=two]");
	splits(lf, "b", STRICT, "[pre:--b\n\none\n--b\n\ntwo\n--b--\n~]");
	assert_true(multipart_count(slice_of(lf), SLICE_LIT("b"), n));
	assert_int_equal(n[STRICT], 0);
	assert_int_equal(n[LF], 3);
	assert_int_equal(n[LOOSE], 3);
	splits(cr, "b", LOOSE, "[=one]");
	splits(longer, "b", STRICT, "[=one\r\n--bc\r\n\r\ntwo]");
	splits(longer, "b", LOOSE, "[=one][c\r\n=two]");
	splits("--b--x\r\n\r\none", "b", LOOSE, "[epi:x\r\n\r\none~]");
	assert_true(multipart_count(slice_of(longer), SLICE_LIT("b"), n));
	assert_int_equal(n[STRICT], 2);
	assert_int_equal(n[LF], 2);
	assert_int_equal(n[LOOSE], 3);
	assert_false(
	    multipart_count(SLICE_LIT("x --b\r\n"), SLICE_LIT("b"), n));
	assert_false(multipart_count(SLICE_LIT("--b"), SLICE_NONE, n));
}

/* Every byte is in a part, a head, or a line that is a delimiter. */
static void
nothing_is_left_out(struct slice body, const char *boundary)
{
	struct multipart m;
	struct multipart_part p;
	size_t at = 0;

	for (int way = 0; way < MULTIPART_NWAYS; way++) {
		multipart_begin(
		    &m, body, slice_of(boundary), (enum multipart_way)way);
		for (at = 0; multipart_next(&m, &p);) {
			size_t from = (size_t)(p.whole.p - body.p);

			assert_true(from >= at);
			assert_true(from - at < 600);
			assert_true(p.whole.len <= body.len - from);
			assert_true(p.data.p >= p.whole.p);
			assert_ptr_equal(
			    p.data.p + p.data.len, p.whole.p + p.whole.len);
			at = from + p.whole.len;
		}
		assert_true(body.len - at < 600);
	}
}

static void
cut_and_changed(void **state)
{
	static const char body[] =
	    "pre\r\n--b\r\nA: x\r\n\r\none\r\n--b\r\n\r\n--b--\nepi\r--b\r\r\n\n--bc--";
	static const char with[] = "\r\n-b \0:";
	char copy[sizeof(body)];

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		nothing_is_left_out((struct slice){ body, i }, "b");
	for (size_t i = 0; i + 1 < sizeof(body); i++)
		for (size_t w = 0; w < sizeof(with); w++) {
			memcpy(copy, body, sizeof(body));
			copy[i] = with[w];
			nothing_is_left_out(
			    (struct slice){ copy, sizeof(body) - 1 }, "b");
		}
}

/* Many delimiters that are none cost no more than reading on. */
static void
no_quadratic_time(void **state)
{
	size_t len = (size_t)32 << 20, n[MULTIPART_NWAYS];
	char *p = malloc(len);

	(void)state;
	assert_non_null(p);
	memset(p, '-', len);
	p[0] = 'x';
	assert_false(
	    multipart_count((struct slice){ p, len }, SLICE_LIT("-"), n));
	free(p);
}

/* ---- boundaries ---- */

static void
boundaries(const char *type, const char *want)
{
	struct mime_boundaries b = { .n = 0 };
	char got[1024] = "";

	mime_boundaries(&b, slice_of(type));
	for (size_t i = 0; i < b.n; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%s<%s>", i > 0 ? " " : "", b.text[i]);
	assert_string_equal(got, want);
}

static void
boundaries_of_a_type(void **state)
{
	char type[600];

	(void)state;
	boundaries("multipart/form-data; boundary=abc", "<abc>");
	boundaries("multipart/form-data;BOUNDARY=abc", "<abc>");
	boundaries("multipart/form-data; bOundary = abc ; x=y", "<abc>");
	boundaries("multipart/form-data; boundary=\"a b;c\"; x=y", "<a b;c>");
	boundaries("multipart/form-data; boundary=\"a \"", "<a > <a>");
	boundaries("multipart/form-data; boundary=a b", "<a b> <a>");
	boundaries("multipart/form-data; boundary=a,b", "<a,b> <a>");
	boundaries("multipart/form-data; boundary=a=b", "<a=b>");
	boundaries("multipart/form-data; boundary=a; boundary=b", "<a> <b>");
	boundaries("multipart/form-data; xboundary=a; boundary=b", "<b> <a>");
	boundaries("multipart/form-data; x=\"; boundary=no\"; boundary=yes",
	    "<yes> <no\">");
	boundaries(
	    "multipart/form-data; boundary=\"a\\\"b\"", "<a\"b> <a\\\"b>");
	boundaries("multipart/form-data; boundary=\"open", "<open> <\"open>");
	boundaries("multipart/form-data; boundary*=us-ascii''a%62c",
	    "<abc> <us-ascii''a%62c>");
	boundaries("multipart/form-data; boundary*0=ab; boundary*1=\"cd\"",
	    "<abcd> <ab> <cd>");
	boundaries("multipart/form-data; boundary=\"a\rb\"", "");
	boundaries("multipart/form-data; boundary=", "");
	boundaries("multipart/form-data; boundary", "");
	boundaries("multipart/form-data;;;", "");
	boundaries("", "");
	/* longer than the 70 that are permitted; and too long */
	(void)snprintf(type, sizeof(type), "multipart/x; boundary=%0255d", 0);
	assert_int_equal(strlen(type) - 22, 255);
	{
		struct mime_boundaries b = { .n = 0 };

		mime_boundaries(&b, slice_of(type));
		assert_int_equal(b.n, 1);
		assert_int_equal(b.len[0], 255);
	}
	(void)snprintf(type, sizeof(type), "multipart/x; boundary=%0256d", 0);
	boundaries(type, "");
}

static void
body_boundary(const char *body, bool declared, const char *want)
{
	struct mime_boundaries b = { .n = 0 };

	mime_body_boundary(&b, slice_of(body), declared);
	assert_int_equal(b.n, want != NULL);
	if (want != NULL)
		assert_string_equal(b.text[0], want);
}

static void
boundary_of_a_body(void **state)
{
	(void)state;
	body_boundary("--abc\r\nContent-Type: x\r\n", false, "abc");
	body_boundary("--abc \r\ncontent-type: x\r\n", false, "abc");
	body_boundary("--abc\nContent-Type: x", false, "abc");
	body_boundary("--abc\r\n\r\nx", false, NULL);
	body_boundary("--abc\r\n\r\nx", true, "abc");
	body_boundary("x\r\n--abc\r\nContent-Type: x\r\n", false, NULL);
	body_boundary("x\r\n--abc\r\nContent-Type: x\r\n", true, "abc");
	body_boundary("--\r\nContent-Type: x\r\n", true, NULL);
	body_boundary("--", true, NULL);
	body_boundary("", true, NULL);
	body_boundary("-- a comment\nselect 1;\n", false, NULL);
}

/* ---- heads ---- */

static struct mime_head
head(const char *raw)
{
	struct mime_head h;

	mime_head_parse(&h, slice_of(raw));
	return h;
}

static void
name_is(const char *raw, const char *want)
{
	assert_string_equal(head(raw).name, want);
}

#define CD "Content-Disposition: form-data; "

static void
names(void **state)
{
	(void)state;
	name_is("", "");
	name_is(CD "name=\"f\"\r\n", "f");
	name_is(CD "name=f; filename=a.exe\r\n", "a.exe");
	name_is(CD "filename=\"a;b.exe\"; name=f\r\n", "a;b.exe");
	name_is(CD "filename=\"a\\\"b\\\\c.exe\"\r\n", "a\"b\\c.exe");
	name_is(CD "filename=\"C:\\dir\\a.exe\"\r\n", "C:\\dir\\a.exe");
	name_is(CD "filename=\"open.exe\r\n", "open.exe");
	name_is(CD "filename*=UTF-8''%e2%82%ac.exe; filename=b.exe\r\n",
	    "\xe2\x82\xac.exe");
	name_is(
	    CD "filename=b.exe; filename*=utf-8'en'a%20b.exe\r\n", "a b.exe");
	name_is(CD "filename*0=ab; filename*1=\"cd\"; filename*2*=%2e\r\n",
	    "abcd.");
	name_is(CD "filename*0*=utf-8''a%2e; filename*1=exe\r\n", "a.exe");
	name_is(CD "filename*=%\r\n", "%");
	name_is("content-DISPOSITION : x;\r\n FileName = a.exe \r\n", "a.exe");
	name_is("Content-Type: a/b; name=n.exe\r\n" CD "name=f\r\n", "n.exe");
	name_is(CD "filename=\"\"; name=f\r\n", "f");
}

static void
what_heads_say(void **state)
{
	struct mime_head h;

	(void)state;
	h = head("Content-Transfer-Encoding: BASE64\r\n");
	assert_true(h.base64 && !h.quoted_printable && !h.unknown_transfer);
	h = head("Content-Transfer-Encoding:quoted-printable ; x\r\n"
		 "Content-Transfer-Encoding: 8bit\r\n");
	assert_true(h.quoted_printable && !h.unknown_transfer);
	h = head("Content-Transfer-Encoding: x-uuencode\r\n");
	assert_true(h.unknown_transfer);
	h = head("Content-Encoding: deflate, gzip\r\n");
	assert_int_equal(h.ncodings, 2);
	assert_int_equal(h.codings[0], SCAN_CODING_DEFLATE);
	assert_int_equal(h.codings[1], SCAN_CODING_GZIP);
	h = head("Content-Encoding: gzip,gzip,gzip,gzip,gzip\r\n");
	assert_int_equal(h.ncodings, 1);
	assert_int_equal(h.codings[0], SCAN_CODING_UNKNOWN);
	h = head("Content-Type: text/plain\r\n"
		 "Content-Type: Multipart/Mixed; boundary=x\r\n");
	assert_true(h.is_multipart && h.is_text);
	assert_string_equal(h.boundaries.text[0], "x");
	h = head("Content-Type: application/x-www-form-urlencoded\r\n");
	assert_true(h.is_form);
	h = head("Content-Type: application/problem+JSON; x=y\r\n");
	assert_true(h.is_text);
	assert_true(head("A: b\r\n c\r\nD-E: f\r\n").is_head);
	assert_true(head("").is_head);
	assert_false(head(" A: b\r\n").is_head);
	assert_false(head("A b: c\r\n").is_head);
	assert_false(head("MZ\x90\r\nA: b\r\n").is_head);
	assert_false(head(": b\r\n").is_head);
	mime_head_declared(
	    &h, SLICE_LIT("text/html\nmultipart/x; boundary=q\n"));
	assert_true(h.is_text && h.is_multipart && h.boundaries.n == 1);
	mime_head_declared(&h, SLICE_NONE);
	assert_false(h.is_text || h.is_multipart || h.is_form);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_should_be),
		cmocka_unit_test(as_it_comes),
		cmocka_unit_test(as_some_read_it),
		cmocka_unit_test(cut_and_changed),
		cmocka_unit_test(no_quadratic_time),
		cmocka_unit_test(boundaries_of_a_type),
		cmocka_unit_test(boundary_of_a_body),
		cmocka_unit_test(names),
		cmocka_unit_test(what_heads_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
