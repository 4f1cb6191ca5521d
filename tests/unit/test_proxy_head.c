/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/proxy_head.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The same for the whole, for every shorter part of it MORE. */
static enum proxy_rc
parse(const char *bytes, size_t len, struct proxy_head *out)
{
	enum proxy_rc rc = PROXY_MORE;
	char *copy;

	for (size_t n = 0; n <= len && rc == PROXY_MORE; n++) {
		/* of its own, so that a sanitizer sees what reads too far */
		copy = malloc(n > 0 ? n : 1);
		assert_non_null(copy);
		memcpy(copy, bytes, n);
		rc = proxy_head_parse((struct slice){ copy, n }, out);
		if (rc == PROXY_DONE)
			assert_int_equal(out->len, n);
		free(copy);
	}
	return rc;
}
#define PARSE(bytes, out) parse((bytes), sizeof(bytes) - 1, (out))

static void
is(const struct proxy_head *h, const char *address, unsigned int port)
{
	char text[ADDR_TEXT_LEN];

	assert_string_equal(addr_text(&h->client, text), address);
	assert_int_equal(h->client.port, port);
}

static void
version_1(void **state)
{
	struct proxy_head h;

	(void)state;
	assert_int_equal(
	    PARSE("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1344\r\nOPTIONS", &h),
	    PROXY_DONE);
	assert_int_equal(h.len, 43);
	is(&h, "192.0.2.1", 56324);
	assert_int_equal(
	    PARSE("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", &h), PROXY_DONE);
	is(&h, "2001:db8::1", 0);
	assert_int_equal(
	    PARSE("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", &h), PROXY_DONE);
	is(&h, "192.0.2.1", 1);
	assert_int_equal(PARSE("PROXY UNKNOWN\r\n", &h), PROXY_DONE);
	is(&h, "-", 0);
	assert_int_equal(
	    PARSE("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", &h),
	    PROXY_DONE);
	is(&h, "-", 0);
}

static void
wrong_version_1(void **state)
{
	static const char *const bad[] = { "OPTIONS icap://h/ ICAP/1.0\r\n",
		"PROXX", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY \r\n",
		"PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY UNKNOWN\n",
		"PROXY UNKNOWNS\r\n", "\r\n\r\nx", "\x16\x03\x01" };
	struct proxy_head h;
	char longest[120];

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), &h), PROXY_BAD);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "PROXY UNKNOWN ", 14);
	assert_int_equal(parse(longest, sizeof(longest), &h), PROXY_BAD);
	memcpy(longest + 105, "\r\n", 2);
	assert_int_equal(parse(longest, sizeof(longest), &h), PROXY_DONE);
	assert_int_equal(h.len, 107);
	memset(longest + 105, 'x', 2);
	memcpy(longest + 106, "\r\n", 2);
	assert_int_equal(parse(longest, sizeof(longest), &h), PROXY_BAD);
}

static void
version_2(void **state)
{
	struct proxy_head h;
	char unix_head[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";

	(void)state;
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0"
					 "\x00\x02\x02\xdc\x04\x05\x40OPT",
			     &h),
	    PROXY_DONE);
	assert_int_equal(h.len, 28);
	is(&h, "192.0.2.1", 56324);
	/* with extensions behind the addresses */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x00\x10\xc0\x00\x02\x01\xc0"
					 "\x00\x02\x02\x00\x01\x05\x40\x04\x00"
					 "\x01\x00",
			     &h),
	    PROXY_DONE);
	is(&h, "192.0.2.1", 1);
	assert_int_equal(
	    PARSE(SIGNATURE
		"\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x07\x05\x40",
		&h),
	    PROXY_DONE);
	is(&h, "2001:db8::1", 7);
	assert_int_equal(
	    PARSE(SIGNATURE
		"\x21\x21\x00\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\x00\x07\x05\x40",
		&h),
	    PROXY_DONE);
	is(&h, "192.0.2.1", 7);
	assert_int_equal(parse(unix_head, sizeof(unix_head), &h), PROXY_DONE);
	is(&h, "unix", 0);
	/* a health check, and a balancer that does not know */
	assert_int_equal(PARSE(SIGNATURE "\x20\x00\x00\x00", &h), PROXY_DONE);
	is(&h, "-", 0);
	assert_int_equal(PARSE(SIGNATURE "\x20\x11\x00\x0c\xc0\x00\x02\x01\xc0"
					 "\x00\x02\x02\xdc\x04\x05\x40",
			     &h),
	    PROXY_DONE);
	is(&h, "-", 0);
	assert_int_equal(PARSE(SIGNATURE "\x21\x00\x00\x00", &h), PROXY_DONE);
	is(&h, "-", 0);
}

static void
wrong_version_2(void **state)
{
	struct proxy_head h;

	(void)state;
	/* another version or command, a datagram, too short for its family */
	assert_int_equal(PARSE(SIGNATURE "\x11\x11\x00\x00", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x22\x11\x00\x00", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x12\x00\x00", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x41\x00\x00", &h), PROXY_BAD);
	assert_int_equal(
	    PARSE(SIGNATURE "\x21\x11\x00\x0b\0\0\0\0\0\0\0\0\0\0\0", &h),
	    PROXY_BAD);
	assert_int_equal(
	    PARSE(SIGNATURE "\x21\x21\x00\x04\0\0\0\0", &h), PROXY_BAD);
	assert_int_equal(
	    PARSE(SIGNATURE "\x21\x31\x00\x04\0\0\0\0", &h), PROXY_BAD);
	/* refused before it is waited for */
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\xff\xff", &h), PROXY_BAD);
	assert_int_equal(PARSE("\r\n\r\n\0\r\nQUIZ", &h), PROXY_BAD);
	assert_int_equal(PARSE(SIGNATURE "\x21\x11\x0f\xf0", &h), PROXY_MORE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(wrong_version_1),
		cmocka_unit_test(version_2),
		cmocka_unit_test(wrong_version_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
