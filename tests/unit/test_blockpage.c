/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "service/blockpage.h"
#include "service/html.h"

#define WHEN 1763460000123456 /* 2025-11-18 10:00:00.123456 */

static struct buf head, page;
static struct blockpage b;

static int
setup(void **state)
{
	(void)state;
	buf_init(&head, BLOCKPAGE_MAX);
	buf_init(&page, BLOCKPAGE_MAX);
	b = (struct blockpage){ .outcome = OUTCOME_INFECTED,
		.threat = SLICE_LIT("Eicar-Test-Signature"),
		.url = SLICE_LIT("http://example.org/a/eicar.zip?x=1&y=2"),
		.part = SLICE_LIT("dir/eicar.com"),
		.filename = SLICE_LIT("eicar.zip"),
		.user = SLICE_LIT("alice"),
		.client = SLICE_LIT("192.0.2.7"),
		.service = "avscan",
		.contact = "Call the help desk: 4711",
		.id = "K7QXM2ABCDEFG",
		.wall_us = WHEN };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&head);
	buf_free(&page);
	return 0;
}

static void make(struct slice template)
{
	buf_reset(&head);
	buf_reset(&page);
	assert_int_equal(blockpage_make(&head, &page, &b, template), 0);
}

static bool
has(struct buf *in, const char *text)
{
	return strstr(buf_cstr(in), text) != NULL;
}

/* What holds for every page, whatever it is made of (BP-07). */
static void
check_page(void)
{
	const char *line = buf_cstr(&page);

	assert_true(page.len <= 10240);
	assert_int_equal(strlen(line), page.len);
	for (size_t i = 0; i < page.len; i++)
		assert_true(page.p[i] == '\n' ||
			    (page.p[i] >= 0x20 && page.p[i] <= 0x7e));
	while (line != NULL) {
		assert_int_not_equal(strncmp(line, "HTTP/1.1", 8), 0);
		assert_int_not_equal(strncmp(line, "ICAP/1.0", 8), 0);
		line = strchr(line, '\n');
		if (line != NULL)
			assert_int_not_equal(*++line, '\n');
	}
	assert_true(has(&page, "<title>"));
	assert_false(has(&page, "<script"));
	assert_false(has(&page, "src="));
	assert_false(has(&page, "href="));
	assert_false(has(&page, "%{"));
}

static void
golden_head(void **state)
{
	char want[1024];

	(void)state;
	make(SLICE_NONE);
	(void)snprintf(want, sizeof(want),
	    "HTTP/1.1 403 Forbidden\r\n"
	    "Date: Tue, 18 Nov 2025 10:00:00 GMT\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "Pragma: no-cache\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Content-Security-Policy: default-src 'none'; "
	    "style-src 'unsafe-inline'\r\n\r\n",
	    page.len);
	assert_string_equal(buf_cstr(&head), want);
}

static void
status_of_every_outcome(void **state)
{
	(void)state;
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++) {
		bool late = o == OUTCOME_TIMEOUT || o == OUTCOME_OVERLOAD ||
			    o == OUTCOME_NOT_READY;

		b.outcome = (enum outcome)o;
		make(SLICE_NONE);
		check_page();
		assert_int_equal(
		    has(&head, "HTTP/1.1 503 Service Unavailable\r\n"), late);
		assert_int_equal(has(&head, "\r\nRetry-After: 30\r\n"), late);
		assert_int_equal(
		    has(&head, "HTTP/1.1 403 Forbidden\r\n"), !late);
		assert_int_equal(has(&page, "Try again in a minute"), late);
		assert_true(
		    has(&page, outcome_info((enum outcome)o)->user_text));
		assert_false(has(&head, "ICAP/1.0"));
		assert_false(has(&head, "Via:"));
		assert_false(has(&head, "Connection:"));
		assert_false(has(&head, "Content-Disposition:"));
	}
	b.outcome = OUTCOME_NONE;
	make(SLICE_NONE);
	assert_true(has(&page, outcome_info(OUTCOME_FAILED)->user_text));
}

static void
shows_what_why_and_when(void **state)
{
	(void)state;
	make(SLICE_NONE);
	check_page();
	assert_true(has(&page, "lang=\"en\""));
	assert_true(has(&page, "name=\"viewport\""));
	assert_true(has(&page, "prefers-color-scheme: dark"));
	assert_true(has(&page, ">eicar.zip<"));
	assert_true(
	    has(&page, "http://example.org/a/eicar.zip?x&#61;1&#38;y&#61;2"));
	assert_true(has(&page, "Eicar-Test-Signature"));
	assert_true(has(&page, ">dir/eicar.com<"));
	assert_true(has(&page, ">avscan<"));
	assert_true(has(&page, "2025-11-18 10:00:00 UTC"));
	assert_true(has(&page, "K7QXM2ABCDEFG"));
	assert_true(has(&page, "Call the help desk: 4711"));
}

static void
leaves_out_what_is_not_known(void **state)
{
	(void)state;
	b = (struct blockpage){ .outcome = OUTCOME_FAILED, .wall_us = WHEN };
	make(SLICE_NONE);
	check_page();
	assert_false(has(&page, "<dt>File</dt>"));
	assert_false(has(&page, "<dt>Address</dt>"));
	assert_false(has(&page, "<dt>Found</dt>"));
	assert_false(has(&page, "<dt>Inside</dt>"));
	assert_false(has(&page, "<p></p>"));
}

static void
everywhere(struct slice s, const char *cstr)
{
	b.threat = b.url = b.part = b.filename = b.user = b.client = s;
	b.service = b.contact = b.id = cstr;
	make(SLICE_NONE);
	check_page();
}

static void
hostile_values_are_harmless(void **state)
{
	static const char *const evil[] = {
		"\"><script>alert(1)</script>",
		"' onload='x",
		"</title></style><img src=x onerror=y>",
		"<a href=\"http://evil\">",
		"\nHTTP/1.1 200 OK\r\n\r\n<h1>",
		"HTTP/1.1 200 OK",
		"ICAP/1.0 204 No",
		"0\r\n\r\n",
		"%{url}%{?threat}%{/nothing}",
		"&lt;&amp;&#0;",
		"\xc3\x28 \xe2\x82 \xf0\x9f \xff\xfe \xed\xa0\x80 \xc0\xaf",
		"txt.\xe2\x80\xaegpj.exe",
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(evil); i++) {
		everywhere(slice_of(evil[i]), evil[i]);
		assert_false(has(&page, "<script>"));
		assert_false(has(&page, "<img"));
		assert_false(has(&page, "onload='"));
		assert_false(has(&page, "HTTP/1.1"));
		assert_false(has(&page, "ICAP/1.0"));
		/* still one page */
		assert_true(has(&page, "</main>"));
		assert_null(strstr(
		    strstr(buf_cstr(&page), "</title>") + 1, "</title>"));
	}
}

static void
every_byte_is_harmless(void **state)
{
	char text[4] = "a?a";

	(void)state;
	for (int c = 1; c < 256; c++) {
		text[1] = (char)c;
		everywhere(slice_of(text), text);
	}
}

static void
eicar_in_a_name_is_not_repeated(void **state)
{
	static const char eicar[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$"
				    "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

	(void)state;
	everywhere(SLICE_LIT(eicar), eicar);
	assert_false(has(&page, eicar));
}

static void
long_values_are_cut(void **state)
{
	static char much[100001];

	(void)state;
	for (int c = 1; c < 256; c++) {
		memset(much, c, sizeof(much) - 1);
		everywhere(SLICE_LIT(much), much);
		assert_true(has(&page, "...<"));
	}
}

static void
head_alone(void **state)
{
	char len[64];

	(void)state;
	make(SLICE_NONE);
	(void)snprintf(len, sizeof(len), "Content-Length: %zu\r\n", page.len);
	b.head_only = true;
	make(SLICE_NONE);
	assert_int_equal(page.len, 0);
	assert_true(has(&head, len));
}

static void
escapes(const char *in, size_t max, const char *want)
{
	struct buf out;

	buf_init(&out, 1000);
	html_escape(&out, slice_of(in), max);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
}

static void
escaping(void **state)
{
	(void)state;
	escapes("", 10, "");
	escapes("a<b>&\"'", 10, "a&#60;b&#62;&#38;&#34;&#39;");
	escapes("caf\xc3\xa9", 10, "caf&#233;");
	escapes("\xf0\x9f\x98\x80", 4, "&#128512;");
	escapes("\xf0\x9f\x98\x80", 3, "...");
	escapes("\xef\xbf\xbe\x7f\xc2\x85\t", 10, "????");
	escapes("\xed\xa0\x80", 10, "???");
	escapes("\xf4\x90\x80\x80", 10, "????");
	escapes("\xe0\x80\xaf", 10, "???");
	escapes("abc\xc3\xa9", 3, "abc...");
	escapes("abc\xc3\xa9", 4, "abc...");
	escapes("abc\xc3\xa9", 5, "abc&#233;");
	escapes("http/1.1", 20, "http&#47;1.1");
	escapes("http://x/", 20, "http://x/");
}

static void
own_template(void **state)
{
	(void)state;
	b.url = SLICE_NONE;
	make(SLICE_LIT("<title>x</title>\r\n\r\nHTTP%{url}/1.1 x\n"
		       "%{?url}U%{url}%{/url}%{?part}P%{part}%{/part}0\r\n\r\n"
		       "%{outcome} %{client} %{user} 50%"));
	assert_string_equal(buf_cstr(&page),
	    "<title>x</title>\n HTTP/1.1 x\nPdir/eicar.com0\n"
	    "infected 192.0.2.7 alice 50%");
	make(SLICE_LIT("\rHTTP/1.1\n\n\nICAP/1.0"));
	assert_string_equal(buf_cstr(&page), " HTTP/1.1\n ICAP/1.0");
}

static void
refused(const char *text, const char *what)
{
	char err[128];

	assert_int_equal(
	    blockpage_check_template(slice_of(text), err, sizeof(err)), -1);
	if (strstr(err, what) == NULL)
		fail_msg("\"%s\" does not say %s", err, what);
}

static void
templates_are_checked(void **state)
{
	char err[128];
	char *big = malloc(BLOCKPAGE_MAX);

	(void)state;
	assert_int_equal(
	    blockpage_check_template(blockpage_builtin(), err, sizeof(err)), 0);
	refused("", "empty");
	refused("<p>", "<title>");
	refused("<title>%{nothing}", "unknown name: %{nothing}");
	refused("<title>%{url", "unknown name");
	refused("<title>%{", "unknown name");
	refused("<title>%{}", "unknown name");
	refused("<title>%{?url}", "without an end: url");
	refused("<title>%{?url}%{?id}%{/id}%{/url}", "block in a block");
	refused("<title>%{?url}%{/id}", "end without a begin");
	refused("<title>%{/id}", "end without a begin");
	refused("<title><SCRIPT>", "<script");
	refused("<title><img src=x>", "src=");
	refused("<title><a href=\"https://x\">", "href=");
	refused("<title>\nHTTP/1.1 200 OK", "must not start");
	refused("<title>\nicap/1.0", "must not start");
	assert_non_null(big);
	memset(big, 'a', BLOCKPAGE_MAX);
	memcpy(big, "<title>", 7);
	assert_int_equal(
	    blockpage_check_template(
		(struct slice){ big, BLOCKPAGE_MAX }, err, sizeof(err)),
	    -1);
	big[9] = '\0';
	assert_int_equal(blockpage_check_template(
			     (struct slice){ big, 100 }, err, sizeof(err)),
	    -1);
	free(big);
}

static void
full_buffers_are_errors(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 100);
	assert_int_equal(blockpage_make(&small, &page, &b, SLICE_NONE), -1);
	buf_free(&small);
	buf_reset(&page);
	buf_init(&small, 100);
	assert_int_equal(blockpage_make(&head, &small, &b, SLICE_NONE), -1);
	buf_free(&small);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(golden_head),
		T(status_of_every_outcome),
		T(shows_what_why_and_when),
		T(leaves_out_what_is_not_known),
		T(hostile_values_are_harmless),
		T(every_byte_is_harmless),
		T(eicar_in_a_name_is_not_repeated),
		T(long_values_are_cut),
		T(head_alone),
		T(escaping),
		T(own_template),
		T(templates_are_checked),
		T(full_buffers_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
