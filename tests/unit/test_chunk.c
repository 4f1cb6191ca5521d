/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/chunk.h"

/* How one decoding ended. */
struct result {
	enum chunk_event end; /* CHUNK_MORE: the input was used up */
	enum proto_err err;
	size_t unread; /* input behind CHUNK_END */
	bool ieof, use_original_body;
	struct buf data, trailer;
};

static void
feed(struct chunk_rx *c, struct result *r, const char *p, size_t len)
{
	/* a copy of its own lets a sanitizer see what reads too far */
	char *copy = malloc(len > 0 ? len : 1);
	struct slice in = { copy, len }, data;

	assert_non_null(copy);
	memcpy(copy, p, len);
	while (in.len > 0) {
		r->end = chunk_rx_feed(c, &in, &data);
		if (r->end != CHUNK_DATA)
			break;
		assert_true(data.len > 0);
		assert_int_equal(buf_append_slice(&r->data, data), 0);
		r->end = CHUNK_MORE;
	}
	r->unread += in.len;
	if (r->end == CHUNK_MORE)
		assert_int_equal(in.len, 0);
	free(copy);
}

/* In pieces of `step` bytes. */
static struct result
decode(struct slice in, size_t step)
{
	struct result r = { .end = CHUNK_MORE };
	struct chunk_rx c;

	buf_init(&r.data, 1 << 20);
	buf_init(&r.trailer, 1 << 20);
	chunk_rx_init(&c);
	for (size_t at = 0; at < in.len; at += step) {
		size_t n = step < in.len - at ? step : in.len - at;

		if (r.end == CHUNK_MORE)
			feed(&c, &r, in.p + at, n);
		else
			r.unread += n;
	}
	r.err = c.err;
	r.ieof = c.ieof;
	r.use_original_body = c.use_original_body;
	assert_int_equal(
	    buf_append_slice(&r.trailer, buf_slice(&c.trailer)), 0);
	chunk_rx_free(&c);
	return r;
}

static void
result_free(struct result *r)
{
	buf_free(&r->data);
	buf_free(&r->trailer);
}

/* Whole and byte by byte (FR-19); gives the one of the whole. */
static struct result
decode_both(struct slice in)
{
	struct result whole = decode(in, in.len), bytes = decode(in, 1);

	assert_int_equal(whole.end, bytes.end);
	assert_int_equal(whole.err, bytes.err);
	assert_int_equal(whole.ieof, bytes.ieof);
	assert_int_equal(whole.use_original_body, bytes.use_original_body);
	assert_string_equal(buf_cstr(&whole.data), buf_cstr(&bytes.data));
	assert_string_equal(buf_cstr(&whole.trailer), buf_cstr(&bytes.trailer));
	if (whole.end != CHUNK_ERROR)
		assert_int_equal(whole.unread, bytes.unread);
	result_free(&bytes);
	return whole;
}

static void
good(const char *in, const char *data, bool ieof)
{
	struct result r = decode_both(slice_of(in));

	if (r.end != CHUNK_END)
		print_error("not read to the end: %s\n", in);
	assert_int_equal(r.end, CHUNK_END);
	assert_int_equal(r.unread, 0);
	assert_string_equal(buf_cstr(&r.data), data);
	assert_int_equal(r.ieof, ieof);
	result_free(&r);
}

static void
bad(const char *in, enum proto_err err)
{
	struct result r = decode_both(slice_of(in));

	if (r.end != CHUNK_ERROR)
		print_error("accepted: %s\n", in);
	assert_int_equal(r.end, CHUNK_ERROR);
	assert_int_equal(r.err, err);
	result_free(&r);
}

static void
more(const char *in, const char *data)
{
	struct result r = decode_both(slice_of(in));

	assert_int_equal(r.end, CHUNK_MORE);
	assert_string_equal(buf_cstr(&r.data), data);
	result_free(&r);
}

static void
bodies(void **state)
{
	(void)state;
	good("0\r\n\r\n", "", false);
	good("5\r\nhello\r\n0\r\n\r\n", "hello", false);
	good("4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n", "wikipedia", false);
	good("1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n", "\r\r\n", false);
	good("000\r\n\r\n", "", false);
}

/* CH-01 */
static void
sizes(void **state)
{
	static const char *const refused[] = { "+5\r\n", "-5\r\n", "0x5\r\n",
		" 5\r\n", "\r\n", "g\r\n", ";ieof\r\n", "5g\r\n", "\t5\r\n",
		"5 5\r\n", "10000000000000000\r\n", "fffffffffffffffff\r\n",
		"ffffffffffffffff\r\n", "8000000000000000\r\n",
		"00000000000000005\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(refused); i++)
		bad(refused[i], PROTO_ERR_BAD_CHUNK);
	good("00000005\r\nhello\r\n0\r\n\r\n", "hello", false);
	good("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", false);
	good("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
	    "01234567890123456789", false);
}

/* A size of 2^32 is not 0, and 2^63 - 1 is the largest. */
static void
large_sizes(void **state)
{
	struct chunk_rx c;
	struct slice data, in = SLICE_LIT("100000000\r\nabc");

	(void)state;
	more("100000000\r\nabc", "abc");
	chunk_rx_init(&c);
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_DATA);
	assert_int_equal(data.len, 3);
	assert_int_equal(c.left, UINT64_C(0x100000000) - 3);
	chunk_rx_reset(&c);
	in = SLICE_LIT("7fffffffffffffff\r\nx");
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_DATA);
	assert_int_equal(c.left, (uint64_t)INT64_MAX - 1);
	/* CH-08: nothing is allocated by the size announced */
	assert_true(c.line.cap <= 4096);
	chunk_rx_free(&c);
}

/* CH-02, CH-03 */
static void
extensions(void **state)
{
	static const char *const ends[] = { "0;ieof\r\n\r\n", "0; ieof\r\n\r\n",
		"0 ; ieof \r\n\r\n", "0\t;\tIEOF\t\r\n\r\n",
		"0; a=1; ieof\r\n\r\n", "0; ieof; b=\"x\"\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(ends); i++)
		good(ends[i], "", true);
	good("5 \r\nhello\r\n0 \r\n\r\n", "hello", false);
	good("5;a=\"q;1\";b\r\nhello\r\n0\r\n\r\n", "hello", false);
	good("5;a=\"q\\\"; ieof\";b = c\r\nhello\r\n0\r\n\r\n", "hello", false);
	good("0; a=ieof\r\n\r\n", "", false);
	good("0; a=\"; ieof\"\r\n\r\n", "", false);
	good("0; ieofx\r\n\r\n", "", false);
	/* ieof means something with the last chunk only */
	good("5; ieof\r\nhello\r\n0\r\n\r\n", "hello", false);
	bad("5;x=\ny\r\nhello\r\n0\r\n\r\n", PROTO_ERR_BAD_CHUNK);
	bad("5;x=\ry\r\nhello\r\n0\r\n\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a\nb\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a=\"\n\"\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;=x\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a=\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a=\"x\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a=\"x\\\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3;a=\"x\"y\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3 a\r\n", PROTO_ERR_BAD_CHUNK);
}

static void
use_original_body(void **state)
{
	struct result r =
	    decode_both(SLICE_LIT("0; use-original-body=4\r\n\r\n"));

	(void)state;
	assert_int_equal(r.end, CHUNK_END);
	assert_true(r.use_original_body);
	assert_false(r.ieof);
	result_free(&r);
}

/* CH-04, CH-05 */
static void
line_ends(void **state)
{
	(void)state;
	bad("5\nhello\r\n", PROTO_ERR_BAD_CHUNK);
	bad("3\nabc\r\n0\r\n\r\n", PROTO_ERR_BAD_CHUNK);
	bad("5\r\nhelloX\r\n", PROTO_ERR_BAD_CHUNK);
	bad("5\r\nhello\n0\r\n\r\n", PROTO_ERR_BAD_CHUNK);
	bad("5\r\nhello\rX", PROTO_ERR_BAD_CHUNK);
	bad("3\r\nabcd\r\n", PROTO_ERR_BAD_CHUNK);
	bad("5\r\nhello\r\n0\n\r\n", PROTO_ERR_BAD_CHUNK);
	bad("0\r\n\n", PROTO_ERR_BAD_TRAILER);
	bad("5\r\r\nhello\r\n", PROTO_ERR_BAD_CHUNK);
}

static void
line_length(void **state)
{
	char in[CHUNK_MAX_LINE + 64];

	(void)state;
	memset(in, 'x', sizeof(in));
	memcpy(in, "0;", 2);
	memcpy(in + CHUNK_MAX_LINE - 2, "\r\n\r\n", 5);
	good(in, "", false);
	memset(in + CHUNK_MAX_LINE - 2, 'x', 5);
	memcpy(in + CHUNK_MAX_LINE - 1, "\r\n\r\n", 5);
	bad(in, PROTO_ERR_BAD_CHUNK);
	/* without any end of line, too */
	memset(in + CHUNK_MAX_LINE - 1, 'x', 5);
	in[sizeof(in) - 1] = '\0';
	bad(in, PROTO_ERR_BAD_CHUNK);
}

/* CH-06 */
static void
trailers(void **state)
{
	struct result r = decode_both(
	    SLICE_LIT("0\r\nContent-Length: 9\r\nX: y\r\n\r\nREQMOD"));

	(void)state;
	assert_int_equal(r.end, CHUNK_END);
	assert_int_equal(r.unread, 6);
	assert_string_equal(
	    buf_cstr(&r.trailer), "Content-Length: 9\r\nX: y\r\n");
	result_free(&r);
	more("0\r\n", "");
	more("0\r\nX: y\r\n", "");
	more("0\r\nX: y\r\n\r", "");
	bad("0\r\nno colon\r\n\r\n", PROTO_ERR_BAD_TRAILER);
	bad("0\r\n: y\r\n\r\n", PROTO_ERR_BAD_TRAILER);
	bad("0\r\nX: y\n\r\n", PROTO_ERR_BAD_TRAILER);
	bad("0\r\nX: \ry\r\n\r\n", PROTO_ERR_BAD_TRAILER);
}

static void
trailer_length(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, 1 << 20);
	assert_int_equal(buf_append_str(&in, "0\r\n"), 0);
	for (int i = 0; i < CHUNK_MAX_TRAILER / 8; i++)
		assert_int_equal(buf_append_str(&in, "X: abc\r\n"), 0);
	more(buf_cstr(&in), "");
	assert_int_equal(buf_append_str(&in, "X: y\r\n"), 0);
	bad(buf_cstr(&in), PROTO_ERR_BAD_TRAILER);
	buf_free(&in);
}

/* CH-12: cut anywhere, a body is never taken for complete. */
static void
cut_short(void **state)
{
	static const char full[] = "5;a=b\r\nhello\r\n0; ieof\r\nX: y\r\n\r\n";
	struct result r;

	(void)state;
	for (size_t n = 0; n < sizeof(full) - 1; n++) {
		r = decode((struct slice){ full, n }, n + 1);
		assert_int_equal(r.end, CHUNK_MORE);
		result_free(&r);
	}
	good(full, "hello", true);
}

/* Bytes stored by the caller, and one decoder for body after body. */
static void
skip_and_reset(void **state)
{
	struct slice data, in = SLICE_LIT("a\r\n012");
	struct chunk_rx c;

	(void)state;
	chunk_rx_init(&c);
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_DATA);
	assert_int_equal(c.left, 7);
	chunk_rx_skip(&c, 3);
	assert_int_equal(c.left, 4);
	chunk_rx_skip(&c, 4);
	in = SLICE_LIT("\r\n0; ieof\r\nX: y\r\n\r\n");
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_END);
	assert_true(c.ieof);
	chunk_rx_reset(&c);
	assert_false(c.ieof);
	assert_int_equal(c.trailer.len, 0);
	in = SLICE_LIT("z\r\n");
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_ERROR);
	in = SLICE_LIT("0\r\n\r\n");
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_ERROR);
	chunk_rx_reset(&c);
	assert_int_equal(chunk_rx_feed(&c, &in, &data), CHUNK_END);
	chunk_rx_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(sizes),
		cmocka_unit_test(large_sizes),
		cmocka_unit_test(extensions),
		cmocka_unit_test(use_original_body),
		cmocka_unit_test(line_ends),
		cmocka_unit_test(line_length),
		cmocka_unit_test(trailers),
		cmocka_unit_test(trailer_length),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(skip_and_reset),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
