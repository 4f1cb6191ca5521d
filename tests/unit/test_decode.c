/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "engine/unpack/decode.h"

static const char text[] = "The quick brown fox jumps over the lazy dog. "
			   "The quick brown fox jumps over the lazy dog.";
static const char br_hex[] =
    "a1c002406471c09b86aeecba84d8bd584955869664666c0de23297b741cef0f454d81b6c"
    "c0814302790bf90d3aad70e6f038514dc1112eedd31803";
static const char zstd_hex[] =
    "28b52ffd2459ad0100d40254686520717569636b2062726f776e20666f78206a756d7073"
    "206f76657220746865206c617a7920646f672e2001000d9aaa0c9db4cd6c";
static const struct decode_limits wide = { (uint64_t)1 << 30, 100000 };

struct bytes {
	unsigned char p[4096];
	size_t len;
};

static struct bytes
from_hex(const char *hex)
{
	struct bytes b = { .len = strlen(hex) / 2 };
	char pair[3] = "";

	for (size_t i = 0; i < b.len; i++) {
		memcpy(pair, hex + 2 * i, 2);
		b.p[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return b;
}

/* bits: as for deflateInit2() */
static struct bytes
squeeze(const void *in, size_t len, int bits)
{
	struct bytes b = { .len = 0 };
	z_stream z;

	memset(&z, 0, sizeof(z));
	assert_int_equal(
	    deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)in;
	z.avail_in = (uInt)len;
	z.next_out = b.p;
	z.avail_out = sizeof(b.p);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.len = sizeof(b.p) - z.avail_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	return b;
}

static void
expect(const struct bytes *b, const uint32_t codings[], size_t n)
{
	struct decoded d;

	assert_int_equal(
	    decode_body(b->p, b->len, codings, n, &wide, &d), DECODE_OK);
	assert_int_equal(d.len, sizeof(text) - 1);
	assert_memory_equal(d.data, text, d.len);
	decode_free(&d);
}

/* No cut form is ever whole. */
static void
expect_cuts_broken(const struct bytes *b, uint32_t coding)
{
	struct decoded d;

	for (size_t len = 0; len < b->len; len++) {
		assert_int_not_equal(
		    decode_body(b->p, len, &coding, 1, &wide, &d), DECODE_OK);
		decode_free(&d);
	}
}

static void
each_coding(void **state)
{
	static const char aws[] =
	    "2d;chunk-signature=ab\r\n"
	    "The quick brown fox jumps over the lazy dog. \r\n"
	    "2c;chunk-signature=cd\r\n"
	    "The quick brown fox jumps over the lazy dog.\r\n"
	    "0;chunk-signature=ef\r\n\r\n";
	struct bytes gz = squeeze(text, sizeof(text) - 1, MAX_WBITS + 16);
	struct bytes zl = squeeze(text, sizeof(text) - 1, MAX_WBITS);
	struct bytes raw = squeeze(text, sizeof(text) - 1, -MAX_WBITS);
	struct bytes br = from_hex(br_hex), zs = from_hex(zstd_hex), aw;
	uint32_t c;

	(void)state;
	expect(&gz, (c = SCAN_CODING_GZIP, &c), 1);
	expect_cuts_broken(&gz, SCAN_CODING_GZIP);
	expect(&zl, (c = SCAN_CODING_DEFLATE, &c), 1);
	expect(&raw, (c = SCAN_CODING_DEFLATE, &c), 1);
	expect_cuts_broken(&raw, SCAN_CODING_DEFLATE);
#ifdef HAVE_BROTLI
	expect(&br, (c = SCAN_CODING_BR, &c), 1);
	expect_cuts_broken(&br, SCAN_CODING_BR);
#endif
#ifdef HAVE_ZSTD
	expect(&zs, (c = SCAN_CODING_ZSTD, &c), 1);
	expect_cuts_broken(&zs, SCAN_CODING_ZSTD);
#endif
	memcpy(aw.p, aws, sizeof(aws) - 1);
	aw.len = sizeof(aws) - 1;
	expect(&aw, (c = SCAN_CODING_AWS_CHUNKED, &c), 1);
	aw.len = 60;
	expect_cuts_broken(&aw, SCAN_CODING_AWS_CHUNKED);
}

static void
stacked_and_members(void **state)
{
	struct bytes zl = squeeze(text, sizeof(text) - 1, MAX_WBITS);
	struct bytes both = squeeze(zl.p, zl.len, MAX_WBITS + 16), two;
	const uint32_t codings[] = { SCAN_CODING_DEFLATE, SCAN_CODING_GZIP };
	const uint32_t gzip = SCAN_CODING_GZIP;
	struct decoded d;

	(void)state;
	expect(&both, codings, 2);
	two = squeeze(text, 45, MAX_WBITS + 16);
	both = squeeze(text + 45, sizeof(text) - 46, MAX_WBITS + 16);
	memcpy(two.p + two.len, both.p, both.len);
	two.len += both.len;
	expect(&two, &gzip, 1);
	/* bytes behind the end are not ignored */
	memcpy(two.p + two.len, "left", 4);
	assert_int_equal(decode_body(two.p, two.len + 4, &gzip, 1, &wide, &d),
	    DECODE_BROKEN);
	assert_int_equal(d.left_over, 4);
	decode_free(&d);
}

/* A preview: what can be decoded of it is there. */
static void
cut_gives_the_beginning(void **state)
{
	char noise[2048];
	uint32_t x = 1;
	struct bytes zl, both;
	const uint32_t codings[] = { SCAN_CODING_DEFLATE, SCAN_CODING_GZIP };
	struct decoded d;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] =
		    "0123456789abcdef"[(x = x * 1103515245 + 12345) >> 28];
	zl = squeeze(noise, sizeof(noise), MAX_WBITS);
	both = squeeze(zl.p, zl.len, MAX_WBITS + 16);
	assert_int_equal(decode_body(zl.p, zl.len / 2, codings, 1, &wide, &d),
	    DECODE_BROKEN);
	assert_true(d.len > 500);
	assert_memory_equal(d.data, noise, d.len);
	decode_free(&d);
	assert_int_equal(
	    decode_body(both.p, both.len / 2, codings, 2, &wide, &d),
	    DECODE_BROKEN);
	assert_true(d.len > 500);
	assert_memory_equal(d.data, noise, d.len);
	decode_free(&d);
}

static void
bombs_and_unknown(void **state)
{
	const size_t size = (size_t)1 << 21;
	const struct decode_limits small = { 100000, 100000 };
	const uint32_t gzip = SCAN_CODING_GZIP, unknown = SCAN_CODING_UNKNOWN;
	char *zeros = calloc(1, size);
	struct decoded d;
	struct bytes b;

	(void)state;
	assert_non_null(zeros);
	b = squeeze(zeros, size, MAX_WBITS + 16);
	assert_int_equal(
	    decode_body(b.p, b.len, &gzip, 1, &small, &d), DECODE_LIMIT);
	decode_free(&d);
	assert_int_equal(
	    decode_body(b.p, b.len, &gzip, 1, &wide, &d), DECODE_OK);
	assert_int_equal(d.len, size);
	decode_free(&d);
	assert_int_equal(
	    decode_body(b.p, b.len, &unknown, 1, &wide, &d), DECODE_UNKNOWN);
	decode_free(&d);
	free(zeros);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_coding),
		cmocka_unit_test(stacked_and_members),
		cmocka_unit_test(cut_gives_the_beginning),
		cmocka_unit_test(bombs_and_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
