/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/buf.h"
#include "engine/unpack/decode.h"

static const char text[] = "The quick brown fox jumps over the lazy dog. "
			   "The quick brown fox jumps over the lazy dog.";
#ifdef HAVE_BROTLI
static const char br_hex[] =
    "a1c002406471c09b86aeecba84d8bd584955869664666c0de23297b741cef0f454d81b6c"
    "c0814302790bf90d3aad70e6f038514dc1112eedd31803";
#endif
static const struct decode_limits wide = { (uint64_t)1 << 30, 100000 };
static struct decode_info info;
static bool as_raw_deflate;

static enum decode_rc
into_buf(void *ctx, const void *p, size_t len)
{
	return buf_append(ctx, p, len) == 0 ? DECODE_OK : DECODE_SYSTEM;
}

static enum decode_rc
decode_within(const struct buf *b, const uint32_t codings[], size_t n,
    const struct decode_limits *limits, struct buf *out)
{
	/* exactly as long, so that reading on is noticed */
	char *p = malloc(b->len > 0 ? b->len : 1);
	const struct decode_job job = { .in = { p, b->len },
		.codings = codings,
		.ncodings = n,
		.limits = limits,
		.raw_deflate = as_raw_deflate,
		.sink = into_buf,
		.ctx = out };
	enum decode_rc rc;

	assert_non_null(p);
	if (b->len > 0)
		memcpy(p, b->p, b->len);
	buf_init(out, (size_t)1 << 30);
	rc = decode_run(&job, &info);
	assert_int_equal(info.out, out->len);
	free(p);
	return rc;
}

static enum decode_rc
decode(const struct buf *b, uint32_t coding, struct buf *out)
{
	return decode_within(b, &coding, 1, &wide, out);
}

static void
add(struct buf *b, const void *p, size_t n)
{
	assert_int_equal(buf_append(b, p, n), 0);
}

static struct buf
bytes_of(const void *p, size_t n)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	add(&b, p, n);
	return b;
}

static struct buf
from_hex(const char *hex)
{
	struct buf b;
	char pair[3] = "", c;

	buf_init(&b, 64 << 20);
	for (size_t i = 0; i < strlen(hex) / 2; i++) {
		memcpy(pair, hex + 2 * i, 2);
		c = (char)strtoul(pair, NULL, 16);
		add(&b, &c, 1);
	}
	return b;
}

/* Appends; bits: as for deflateInit2() */
static void
squeeze(struct buf *b, const void *in, size_t len, int bits)
{
	unsigned char room[4096];
	z_stream z;
	int rc;

	memset(&z, 0, sizeof(z));
	assert_int_equal(
	    deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)in;
	z.avail_in = (uInt)len;
	do {
		z.next_out = room;
		z.avail_out = sizeof(room);
		rc = deflate(&z, Z_FINISH);
		add(b, room, sizeof(room) - z.avail_out);
	} while (rc == Z_OK);
	assert_int_equal(rc, Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
}

static struct buf
squeezed(const void *in, size_t len, int bits)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	squeeze(&b, in, len, bits);
	return b;
}

#ifdef HAVE_ZSTD
static void
zstd(struct buf *b, const void *in, size_t len, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(len), n;
	void *p = malloc(room);

	assert_true(c != NULL && p != NULL);
	if (window_log > 0)
		assert_false(ZSTD_isError(
		    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log)));
	assert_false(
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)));
	n = ZSTD_compress2(c, p, room, in, len);
	assert_false(ZSTD_isError(n));
	add(b, p, n);
	free(p);
	(void)ZSTD_freeCCtx(c);
}
#endif

/* Noise that looks like hex: it halves, and no prefix of it is short. */
static void
fill_noise(char *p, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++)
		p[i] = "0123456789abcdef"[(x = x * 1103515245 + 12345) >> 28];
}

static void
gives(const struct buf *b, const uint32_t codings[], size_t n, const void *want,
    size_t len)
{
	struct buf out;

	assert_int_equal(decode_within(b, codings, n, &wide, &out), DECODE_OK);
	assert_int_equal(out.len, len);
	if (len > 0)
		assert_memory_equal(out.p, want, len);
	buf_free(&out);
}

static void
gives_text(const struct buf *b, uint32_t coding)
{
	gives(b, &coding, 1, text, sizeof(text) - 1);
}

/* No cut form is whole, and what comes out is the beginning. */
static void
cuts_are_no_whole(const struct buf *b, uint32_t coding, const char *want)
{
	struct buf cut = *b, out;

	for (cut.len = 0; cut.len < b->len; cut.len++) {
		assert_int_equal(decode(&cut, coding, &out), DECODE_CUT);
		if (out.len > 0)
			assert_memory_equal(out.p, want, out.len);
		buf_free(&out);
	}
}

/* Any byte changed: never a crash, and never more than the limit. */
static void
mutants(const struct buf *b, uint32_t coding)
{
	static const unsigned char with[] = { 0x00, 0xff, 0x01, 0x80, 0x2a };
	const struct decode_limits limits = { 1 << 20, 1000 };
	struct buf m = bytes_of(b->p, b->len), out;
	enum decode_rc rc;

	for (size_t i = 0; i < b->len; i++)
		for (size_t w = 0; w < sizeof(with); w++) {
			m.p[i] = (char)(b->p[i] ^ (char)with[w]);
			rc = decode_within(&m, &coding, 1, &limits, &out);
			assert_true(rc <= DECODE_LIMIT);
			assert_true(out.len <= limits.max_size);
			buf_free(&out);
			m.p[i] = b->p[i];
		}
	buf_free(&m);
}

static void
try_all(struct buf *b, uint32_t coding)
{
	gives_text(b, coding);
	cuts_are_no_whole(b, coding, text);
	mutants(b, coding);
	buf_free(b);
}

static void
each_coding(void **state)
{
	struct buf b;

	(void)state;
	b = squeezed(text, sizeof(text) - 1, MAX_WBITS + 16);
	try_all(&b, SCAN_CODING_GZIP);
	b = squeezed(text, sizeof(text) - 1, MAX_WBITS);
	try_all(&b, SCAN_CODING_DEFLATE);
	b = squeezed(text, sizeof(text) - 1, -MAX_WBITS);
	try_all(&b, SCAN_CODING_DEFLATE);
#ifdef HAVE_BROTLI
	b = from_hex(br_hex);
	try_all(&b, SCAN_CODING_BR);
#endif
#ifdef HAVE_ZSTD
	buf_init(&b, 64 << 20);
	zstd(&b, text, sizeof(text) - 1, 0);
	try_all(&b, SCAN_CODING_ZSTD);
#endif
}

static const char aws[] = "2d;chunk-signature=ab\r\n"
			  "The quick brown fox jumps over the lazy dog. \r\n"
			  "2c;chunk-signature=cd\r\n"
			  "The quick brown fox jumps over the lazy dog.\r\n"
			  "0;chunk-signature=ef\r\n";

static void
chunked(void **state)
{
	static const char trailers[] = "x-amz-checksum-crc32:AAAAAA==\r\n"
				       "x-amz-trailer-signature:00\r\n\r\n";
	struct buf b = bytes_of(aws, sizeof(aws) - 1), out;

	(void)state;
	gives_text(&b, SCAN_CODING_AWS_CHUNKED); /* no last empty line */
	add(&b, "\r\n", 2);
	gives_text(&b, SCAN_CODING_AWS_CHUNKED);
	mutants(&b, SCAN_CODING_AWS_CHUNKED);
	b.len -= 4;
	cuts_are_no_whole(&b, SCAN_CODING_AWS_CHUNKED, text);
	add(&b, "\r\n", 2);
	add(&b, trailers, sizeof(trailers) - 1);
	gives_text(&b, SCAN_CODING_AWS_CHUNKED);
	/* a trailer is a field, and nothing is behind the empty line */
	add(&b, "left", 4);
	assert_int_equal(
	    decode(&b, SCAN_CODING_AWS_CHUNKED, &out), DECODE_LEFT_OVER);
	assert_int_equal(info.left_over, 4);
	buf_free(&out);
	b.len = sizeof(aws) - 1;
	add(&b, "no field\r\n\r\n", 12);
	assert_int_equal(
	    decode(&b, SCAN_CODING_AWS_CHUNKED, &out), DECODE_BROKEN);
	buf_free(&out);
	buf_free(&b);
}

static bool
is_chunked(const char *s)
{
	return decode_is_chunked(slice_of(s));
}

static void
wholly_chunked(void **state)
{
	(void)state;
	assert_true(is_chunked("3\r\nabc\r\n0\r\n\r\n"));
	assert_true(is_chunked("3 ;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"));
	assert_true(is_chunked("3\nabc\n0\n\n"));
	assert_true(is_chunked("0\r\n\r\n"));
	assert_true(is_chunked("00000003\r\nabc\r\n000\r\n\r\n"));
	assert_false(is_chunked(""));
	assert_false(is_chunked("abc"));
	assert_false(is_chunked("3\r\nabc\r\n"));
	assert_false(is_chunked("3\r\nabcd\r\n0\r\n\r\n"));
	assert_false(is_chunked("5\r\nabc\r\n0\r\n\r\n"));
	assert_false(is_chunked("3\r\nabc\r\n0\r\n\r\nx"));
	assert_false(is_chunked("x\r\nabc\r\n0\r\n\r\n"));
	assert_false(is_chunked("-3\r\nabc\r\n0\r\n\r\n"));
	assert_false(is_chunked("fffffffffffffffff\r\nabc\r\n0\r\n\r\n"));
	assert_false(is_chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"));
}

static void
stacked(void **state)
{
	static const uint32_t codings[] = { SCAN_CODING_DEFLATE,
		SCAN_CODING_GZIP, SCAN_CODING_GZIP, SCAN_CODING_AWS_CHUNKED };
	static const uint32_t unknown[] = { SCAN_CODING_UNKNOWN,
		SCAN_CODING_GZIP };
	struct buf a = squeezed(text, sizeof(text) - 1, MAX_WBITS), b, c, out;

	(void)state;
	b = squeezed(a.p, a.len, MAX_WBITS + 16);
	gives(&b, codings, 2, text, sizeof(text) - 1);
	c = squeezed(b.p, b.len, MAX_WBITS + 16);
	gives(&c, codings, 3, text, sizeof(text) - 1);
	buf_reset(&b);
	assert_int_equal(buf_printf(&b, "%zx\r\n", c.len), 0);
	add(&b, c.p, c.len);
	add(&b, "\r\n0\r\n\r\n", 7);
	gives(&b, codings, 4, text, sizeof(text) - 1);
	/* what cannot be undone is given as far as it could */
	buf_reset(&b);
	squeeze(&b, text, sizeof(text) - 1, MAX_WBITS + 16);
	assert_int_equal(
	    decode_within(&b, unknown, 2, &wide, &out), DECODE_UNKNOWN);
	assert_int_equal(out.len, sizeof(text) - 1);
	buf_free(&out);
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
}

static void
left_over_after(struct buf *b, uint32_t coding)
{
	static const char zeros[3] = { 0 };
	struct buf out;
	size_t len = b->len;

	/* padding is none of it */
	add(b, zeros, sizeof(zeros));
	gives_text(b, coding);
	assert_int_equal(info.left_over, 3);
	add(b, "left", 4);
	assert_int_equal(decode(b, coding, &out), DECODE_LEFT_OVER);
	assert_int_equal(info.left_over, 7);
	assert_int_equal(out.len, sizeof(text) - 1);
	buf_free(&out);
	b->len = len;
	/* what looks like one byte of another member */
	add(b, coding == SCAN_CODING_GZIP ? "\x1f" : "\x28", 1);
	assert_int_equal(decode(b, coding, &out), DECODE_LEFT_OVER);
	assert_int_equal(info.left_over, 1);
	buf_free(&out);
	b->len = len;
}

static void
members(void **state)
{
	struct buf b = squeezed(text, 45, MAX_WBITS + 16);
	size_t first = b.len;

	(void)state;
	squeeze(&b, text + 45, sizeof(text) - 46, MAX_WBITS + 16);
	gives_text(&b, SCAN_CODING_GZIP);
	assert_int_equal(info.first_end, 45);
	left_over_after(&b, SCAN_CODING_GZIP);
	/* the second one is cut */
	cuts_are_no_whole(
	    &(struct buf){ .p = b.p, .len = first }, SCAN_CODING_GZIP, text);
	buf_reset(&b);
	squeeze(&b, text, sizeof(text) - 1, MAX_WBITS);
	left_over_after(&b, SCAN_CODING_DEFLATE);
	assert_int_equal(info.first_end, 0);
	buf_reset(&b);
	squeeze(&b, text, sizeof(text) - 1, MAX_WBITS + 16);
	gives_text(&b, SCAN_CODING_GZIP);
	assert_int_equal(info.first_end, 0);
#ifdef HAVE_BROTLI
	buf_free(&b);
	b = from_hex(br_hex);
	left_over_after(&b, SCAN_CODING_BR);
#endif
	buf_free(&b);
}

static void
zstd_frames(void **state)
{
#ifdef HAVE_ZSTD
	static const char skippable[] = "\x53\x2a\x4d\x18\x03\0\0\0abc";
	struct buf b, out;
	size_t n = (size_t)20 << 20;
	char *noise = malloc(n);

	(void)state;
	assert_non_null(noise);
	buf_init(&b, 64 << 20);
	add(&b, skippable, sizeof(skippable) - 1);
	zstd(&b, text, 45, 0);
	add(&b, skippable, sizeof(skippable) - 1);
	zstd(&b, text + 45, sizeof(text) - 46, 0);
	add(&b, skippable, sizeof(skippable) - 1);
	gives_text(&b, SCAN_CODING_ZSTD);
	left_over_after(&b, SCAN_CODING_ZSTD);
	mutants(&b, SCAN_CODING_ZSTD);
	buf_reset(&b);
	add(&b, skippable, sizeof(skippable) - 1);
	gives(&b, (uint32_t[]){ SCAN_CODING_ZSTD }, 1, "", 0);
	/* windows beyond the 8 MiB of browsers, but not beyond all bounds */
	fill_noise(noise, n);
	memcpy(noise + n - 4096, noise, 4096);
	buf_reset(&b);
	zstd(&b, noise, n, 27);
	gives(&b, (uint32_t[]){ SCAN_CODING_ZSTD }, 1, noise, n);
	/* magic, no checksum, no single segment, window of 2^31 bytes */
	buf_reset(&b);
	add(&b, "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
	assert_int_equal(decode(&b, SCAN_CODING_ZSTD, &out), DECODE_BROKEN);
	buf_free(&out);
	buf_free(&b);
	free(noise);
#else
	(void)state;
	skip();
#endif
}

/* A preview: what can be decoded of it is there. */
static void
cut_gives_the_beginning(void **state)
{
	static const uint32_t codings[] = { SCAN_CODING_DEFLATE,
		SCAN_CODING_GZIP };
	char noise[4096];
	struct buf a, b, out;

	(void)state;
	fill_noise(noise, sizeof(noise));
	a = squeezed(noise, sizeof(noise), MAX_WBITS);
	b = squeezed(a.p, a.len, MAX_WBITS + 16);
	a.len /= 2;
	assert_int_equal(decode(&a, SCAN_CODING_DEFLATE, &out), DECODE_CUT);
	assert_true(out.len > 1000);
	assert_memory_equal(out.p, noise, out.len);
	buf_free(&out);
	b.len /= 2;
	assert_int_equal(
	    decode_within(&b, codings, 2, &wide, &out), DECODE_CUT);
	assert_true(out.len > 1000);
	assert_memory_equal(out.p, noise, out.len);
	buf_free(&out);
	buf_free(&a);
	buf_free(&b);
}

/* Clients go by the first bytes, unless told otherwise. */
static void
deflate_of_both_kinds(void **state)
{
	/* a stored block with dirty padding that is a head of zlib as well */
	struct buf b = from_hex("7801040000fbff61626364"), out;

	(void)state;
	b.p[2] = 0x04;
	assert_int_not_equal(decode(&b, SCAN_CODING_DEFLATE, &out), DECODE_OK);
	buf_free(&out);
	buf_reset(&b);
	add(&b, "\x78\x01\x00\xfe\xff", 5); /* len 1, its complement */
	add(&b, "x", 1);
	squeeze(&b, text, sizeof(text) - 1, -MAX_WBITS);
	assert_int_equal(decode(&b, SCAN_CODING_DEFLATE, &out), DECODE_BROKEN);
	buf_free(&out);
	as_raw_deflate = true;
	assert_int_equal(decode(&b, SCAN_CODING_DEFLATE, &out), DECODE_OK);
	as_raw_deflate = false;
	assert_int_equal(out.len, sizeof(text));
	assert_memory_equal(out.p + 1, text, sizeof(text) - 1);
	buf_free(&out);
	buf_free(&b);
}

/* Members that do not compress. */
static void
add_noise_members(struct buf *b, size_t n)
{
	char noise[65536];
	uint32_t x = 7;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)((x = x * 1103515245 + 12345) >> 24);
	for (; n > 0; n -= sizeof(noise))
		squeeze(b, noise, sizeof(noise), MAX_WBITS + 16);
}

static void
bombs(void **state)
{
	static const uint32_t twice[] = { SCAN_CODING_GZIP, SCAN_CODING_GZIP };
	const size_t size = (size_t)24 << 20;
	const struct decode_limits small = { 100000, 100000 };
	const struct decode_limits flat = { (uint64_t)1 << 30, 100 };
	char *zeros = calloc(1, size);
	struct buf a, b, out;

	(void)state;
	assert_non_null(zeros);
	a = squeezed(zeros, size, MAX_WBITS + 16);
	assert_int_equal(
	    decode_within(&a, twice, 1, &small, &out), DECODE_LIMIT);
	assert_true(out.len <= small.max_size);
	buf_free(&out);
	assert_int_equal(
	    decode_within(&a, twice, 1, &flat, &out), DECODE_LIMIT);
	assert_true(out.len >= DECODE_RATIO_FREE);
	buf_free(&out);
	gives(&a, twice, 1, zeros, size);
	/* it is seen while much input is still to come */
	b = bytes_of(a.p, a.len);
	for (int i = 1; i < 20; i++)
		add(&b, a.p, a.len);
	add_noise_members(&b, (size_t)8 << 20);
	assert_int_equal(
	    decode_within(&b, twice, 1, &flat, &out), DECODE_LIMIT);
	assert_in_range(out.len, DECODE_BEGIN_FREE, DECODE_BEGIN_FREE + size);
	buf_free(&out);
	buf_free(&b);
	/* the ratio is that of the whole, not of each */
	b = squeezed(a.p, a.len, MAX_WBITS + 16);
	assert_true(b.len < a.len / 10);
	assert_int_equal(
	    decode_within(&b, twice, 2,
		&(struct decode_limits){ (uint64_t)1 << 30, 2000 }, &out),
	    DECODE_LIMIT);
	buf_free(&out);
	buf_free(&a);
	buf_free(&b);
	free(zeros);
}

static void
unknown(void **state)
{
	struct buf b = bytes_of("x", 1), out;

	(void)state;
	assert_int_equal(decode(&b, SCAN_CODING_UNKNOWN, &out), DECODE_UNKNOWN);
	buf_free(&out);
	assert_int_equal(decode(&b, SCAN_NCODINGS + 7, &out), DECODE_UNKNOWN);
	buf_free(&out);
	buf_free(&b);
}

static enum decode_rc
full(void *ctx, const void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	return DECODE_SYSTEM;
}

static void
sink_that_fails(void **state)
{
	static const uint32_t coding = SCAN_CODING_GZIP;
	struct buf b = squeezed(text, sizeof(text) - 1, MAX_WBITS + 16);
	const struct decode_job job = { .in = buf_slice(&b),
		.codings = &coding,
		.ncodings = 1,
		.limits = &wide,
		.sink = full };

	(void)state;
	assert_int_equal(decode_run(&job, &info), DECODE_SYSTEM);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_coding),
		cmocka_unit_test(chunked),
		cmocka_unit_test(wholly_chunked),
		cmocka_unit_test(stacked),
		cmocka_unit_test(members),
		cmocka_unit_test(zstd_frames),
		cmocka_unit_test(cut_gives_the_beginning),
		cmocka_unit_test(deflate_of_both_kinds),
		cmocka_unit_test(bombs),
		cmocka_unit_test(unknown),
		cmocka_unit_test(sink_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
