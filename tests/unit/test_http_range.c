/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/http_range.h"

static struct http_range
range(const char *value)
{
	struct http_range r;

	http_range_parse(&r, slice_of(value));
	return r;
}

static void
asked_for(void **state)
{
	struct http_range r = range("bytes=0-499");

	(void)state;
	assert_true(r.understood && !r.whole && !r.open);
	assert_int_equal(r.bytes, 500);
	assert_int_equal(r.count, 1);
	r = range("Bytes = 0- ");
	assert_true(r.understood && r.whole && !r.open);
	r = range("bytes=9500-");
	assert_true(r.understood && !r.whole && r.open);
	r = range("bytes=-500");
	assert_true(r.understood && !r.whole && !r.open);
	assert_int_equal(r.bytes, 500);
	r = range("bytes=0-0,-1, 5-9 ,");
	assert_true(r.understood && !r.open);
	assert_int_equal(r.bytes, 7);
	assert_int_equal(r.count, 3);
	/* several are never the whole, even if one of them is */
	r = range("bytes=0-,5-6");
	assert_true(r.understood && !r.whole);
	r = range("bytes=5-6,0-");
	assert_true(r.understood && !r.whole);
	r = range("bytes=1-18446744073709551613,-18446744073709551615");
	assert_true(r.understood);
	assert_true(r.bytes == UINT64_MAX);
}

static void
not_understood(void **state)
{
	static const char *const values[] = { "", "bytes", "bytes=", "bytes=5",
		"bytes=-", "bytes=5-4", "bytes=a-b", "bytes 0-5", "items=0-5",
		"bytes=0-5;x", "bytes=0-99999999999999999999", "bytes=--5",
		"bytes=0-5,x", "byte=0-5" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(values); i++) {
		if (range(values[i]).understood)
			fail_msg("'%s' is understood", values[i]);
		assert_int_equal(range(values[i]).bytes, 0);
	}
}

static unsigned int
part(bool response, const char *text, uint64_t size, const char *want)
{
	static char head[1024];
	struct http_head h;
	char why[80];
	unsigned int missing;

	(void)snprintf(head, sizeof(head), "%s\r\n", text);
	http_head_parse(&h, slice_of(head), response);
	missing = http_part_of(&h, response, size, why, sizeof(why));
	assert_string_equal(why, want);
	return missing;
}

#define OK206 "HTTP/1.1 206 Partial Content\r\n"
#define BOTH (SCAN_NO_START | SCAN_NO_END)

static void
responses(void **state)
{
	(void)state;
	assert_int_equal(
	    part(true, OK206 "Content-Range: bytes 0-99/100\r\n", 100, ""), 0);
	assert_int_equal(
	    part(true, OK206 "content-range:  BYTES  0-99/100 \r\n", 100, ""),
	    0);
	assert_int_equal(part(true, OK206 "Content-Range: bytes 0-98/100\r\n",
			     99, "bytes 0 to 98 of 100"),
	    SCAN_NO_END);
	assert_int_equal(part(true, OK206 "Content-Range: bytes 1-99/100\r\n",
			     99, "bytes 1 to 99 of 100"),
	    SCAN_NO_START);
	assert_int_equal(part(true, OK206 "Content-Range: bytes 1-98/100\r\n",
			     98, "bytes 1 to 98 of 100"),
	    BOTH);
	assert_int_equal(part(true, OK206 "Content-Range: bytes 0-99/*\r\n",
			     100, "bytes 0 to 99"),
	    SCAN_NO_END);
	/* it says the whole, and is not */
	assert_int_equal(part(true, OK206 "Content-Range: bytes 0-99/100\r\n",
			     50, "bytes 0 to 99 of 100"),
	    SCAN_NO_END);
	assert_int_equal(
	    part(true, OK206, 100, "a range that does not say which"), BOTH);
	assert_int_equal(part(true,
			     OK206 "Content-Range: bytes 0-99/100\r\n"
				   "Content-Range: bytes 0-99/100\r\n",
			     100, "a range that does not say which"),
	    BOTH);
	assert_int_equal(
	    part(true,
		OK206 "Content-Type: multipart/byteranges; boundary=x\r\n"
		      "Content-Range: bytes 0-99/100\r\n",
		100, "several ranges"),
	    BOTH);
	/* only 206 means a part */
	assert_int_equal(part(true,
			     "HTTP/1.1 200 OK\r\nContent-Range: bytes "
			     "5-9/100\r\n",
			     5, ""),
	    0);
	assert_int_equal(part(true, "HTTP/1.1 200 OK\r\n", 5, ""), 0);
}

static void
bad_responses(void **state)
{
	static const char *const values[] = { "", "bytes", "bytes */100",
		"bytes 0-99", "bytes 0-/100", "bytes 99-0/100",
		"bytes 0-99/100/1", "bytes=0-99/100", "items 0-99/100",
		"bytes 0-99/x", "bytes 0-1-2/3",
		"bytes 0-18446744073709551615/18446744073709551616" };
	char head[256];

	(void)state;
	for (size_t i = 0; i < COUNTOF(values); i++) {
		(void)snprintf(head, sizeof(head),
		    OK206 "Content-Range: %s\r\n", values[i]);
		assert_int_equal(
		    part(true, head, 100, "a range that is not understood"),
		    BOTH);
	}
}

#define PUT "PUT /x HTTP/1.1\r\n"
#define PATCH "PATCH /x HTTP/1.1\r\n"

static void
uploads(void **state)
{
	(void)state;
	assert_int_equal(part(false, PUT, 100, ""), 0);
	assert_int_equal(
	    part(false, PUT "Content-Range: bytes 0-99/100\r\n", 100, ""), 0);
	assert_int_equal(part(false, PUT "Content-Range: bytes 50-99/200\r\n",
			     50, "bytes 50 to 99 of 200"),
	    BOTH);
	assert_int_equal(part(false, PATCH "Upload-Offset: 70\r\n", 30,
			     "a piece of an upload"),
	    BOTH);
	assert_int_equal(part(false, PATCH "Upload-Offset: 0\r\n", 30,
			     "a piece of an upload"),
	    SCAN_NO_END);
	assert_int_equal(
	    part(false, PATCH "Upload-Offset: 0\r\nUpload-Length: 30\r\n", 30,
		""),
	    0);
	assert_int_equal(part(false, PATCH "Upload-Complete: ?0\r\n", 30,
			     "a piece of an upload"),
	    SCAN_NO_END);
	assert_int_equal(
	    part(false, PATCH "Upload-Complete: ?1\r\n", 30, ""), 0);
	assert_int_equal(
	    part(false, PATCH "Upload-Offset: 5\r\nUpload-Complete: ?1\r\n", 30,
		"a piece of an upload"),
	    SCAN_NO_START);
	/* a request's Range is not what its body is */
	assert_int_equal(part(false, PUT "Range: bytes=5-\r\n", 100, ""), 0);
}

static void
no_head(void **state)
{
	struct http_head h;
	char why[80];

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(http_part_of(&h, true, 5, why, sizeof(why)), 0);
	assert_int_equal(http_part_of(&h, false, 5, why, sizeof(why)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_for),
		cmocka_unit_test(not_understood),
		cmocka_unit_test(responses),
		cmocka_unit_test(bad_responses),
		cmocka_unit_test(uploads),
		cmocka_unit_test(no_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
