/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a benchmark sends, and how it reads the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_BROTLI
#include <brotli/decode.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#include <cmocka.h>

#include "client/bench_cmd.h"
#include "client/bench_feed.h"
#include "client/bench_hist.h"
#include "client/bench_reply.h"

#define SMALL ((size_t)1 << 20)

static struct bench_objects
objects(const char *spec, const char *coding)
{
	struct bench_objects set = { 0 };
	struct buf err;

	buf_init(&err, 1000);
	if (bench_objects_add(&set, spec,
		(enum bench_coding)bench_coding_parse(coding), &err) != 0)
		fail_msg("%s", buf_cstr(&err));
	buf_free(&err);
	return set;
}

static struct buf
bytes(const struct bench_object *o, uint64_t number)
{
	struct bench_body b;
	struct buf out;

	buf_init(&out, 64 * SMALL);
	bench_body_set(&b, o, number);
	assert_int_equal(bench_body_copy(&b, &out), 0);
	assert_int_equal(out.len, o->len);
	return out;
}

static size_t
inflated(struct slice in, int bits, char *out, size_t max)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in.p,
		.avail_in = (uInt)in.len,
		.next_out = (Bytef *)out,
		.avail_out = (uInt)max };

	assert_int_equal(inflateInit2(&z, bits), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, bits > 0 ? 0 : z.avail_in);
	assert_int_equal(inflateEnd(&z), Z_OK);
	return z.total_out;
}

static size_t
decoded(const char *coding, struct slice in, char *out, size_t max)
{
	size_t n = max;

	(void)n;
	if (strcmp(coding, "gzip") == 0)
		return inflated(in, 31, out, max);
#ifdef HAVE_BROTLI
	if (strcmp(coding, "br") == 0) {
		assert_int_equal(BrotliDecoderDecompress(in.len,
				     (const uint8_t *)in.p, &n, (uint8_t *)out),
		    BROTLI_DECODER_RESULT_SUCCESS);
		return n;
	}
#endif
#ifdef HAVE_ZSTD
	if (strcmp(coding, "zstd") == 0) {
		n = ZSTD_decompress(out, max, in.p, in.len);
		assert_false(ZSTD_isError(n));
		return n;
	}
#endif
	fail_msg("%s cannot be decoded", coding);
	return 0;
}

/* Every coding of an object is the same object, whatever its number. */
static void
test_codings(void **state)
{
	static const char *const specs[] = { "html:1K", "html:100K",
		"random:1K", "text:300", "eicar", "mix" };
	static const char *const codings[] = { "gzip", "br", "zstd" };
	static const uint64_t numbers[] = { 0, 1, 0x123456789abcdef0, 77 };
	char *out = malloc(2 * SMALL);

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < COUNTOF(specs) * COUNTOF(codings); i++) {
		const char *coding = codings[i % COUNTOF(codings)];
		struct bench_objects plain, coded;

		if (bench_coding_parse(coding) < 0)
			continue;
		plain = objects(specs[i / COUNTOF(codings)], "identity");
		coded = objects(specs[i / COUNTOF(codings)], coding);
		assert_int_equal(plain.count, coded.count);
		for (size_t k = 0; k < plain.count; k++) {
			uint64_t number = numbers[k % COUNTOF(numbers)] + i;
			struct buf a = bytes(&plain.all[k], number);
			struct buf b = bytes(&coded.all[k], number);

			if (coded.all[k].coding[0] != '\0') {
				assert_int_equal(decoded(coding, buf_slice(&b),
						     out, 2 * SMALL),
				    a.len);
				assert_memory_equal(out, a.p, a.len);
			} else {
				assert_memory_equal(b.p, a.p, a.len);
			}
			buf_free(&a);
			buf_free(&b);
		}
		bench_objects_free(&plain);
		bench_objects_free(&coded);
	}
	free(out);
}

static uint64_t
le(const char *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | (unsigned char)p[n];
	return v;
}

/* The members of an archive have their right CRC with any number. */
static void
test_zip(void **state)
{
	struct bench_objects set = objects("zip:100K", "identity");
	char *out = malloc(4 * SMALL);

	(void)state;
	assert_non_null(out);
	for (uint64_t number = 0; number < 3; number++) {
		struct buf b = bytes(&set.all[0], number);
		size_t at = 0, members = 0;

		assert_in_range(b.len, 50 * 1024, 200 * 1024);
		while (le(b.p + at, 4) == 0x04034b50) {
			size_t packed = le(b.p + at + 18, 4);
			size_t size = le(b.p + at + 22, 4);
			size_t data = at + 30 + le(b.p + at + 26, 2);

			assert_int_equal(
			    inflated((struct slice){ b.p + data, packed }, -15,
				out, 4 * SMALL),
			    size);
			assert_int_equal(
			    crc32(0, (const Bytef *)out, (uInt)size),
			    le(b.p + at + 14, 4));
			at = data + packed;
			members++;
		}
		assert_int_equal(members, 4);
		assert_int_equal(le(b.p + at, 4), 0x02014b50);
		assert_int_equal(le(b.p + b.len - 6, 4), at);
		assert_int_equal(le(b.p + b.len - 22, 4), 0x06054b50);
		buf_free(&b);
	}
	free(out);
	bench_objects_free(&set);
}

/* The same for the same number, another one for another; sizes as asked. */
static void
test_numbers(void **state)
{
	struct bench_objects set = objects("random:1K", "identity");
	struct buf a = bytes(&set.all[0], 1), b = bytes(&set.all[0], 2),
		   c = bytes(&set.all[0], 1);
	struct bench_body body;

	(void)state;
	assert_int_equal(a.len, 1024);
	assert_memory_equal(a.p, c.p, a.len);
	assert_memory_not_equal(a.p, b.p, a.len);
	bench_body_set(&body, &set.all[0], 2);
	for (size_t at = 0; at < b.len; at += 7) {
		struct slice s = { b.p + at,
			b.len - at < 50 ? b.len - at : 50 };

		assert_true(bench_body_is(&body, at, s));
	}
	assert_false(bench_body_is(&body, 0, buf_slice(&a)));
	assert_false(bench_body_is(&body, 1, buf_slice(&b)));
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	bench_objects_free(&set);
}

static void
drain(struct bench_feed *f, struct buf *out)
{
	struct iovec *iov;

	while (bench_feed_next(f, &iov) > 0) {
		/* a byte at a time now and then */
		size_t n = out->len % 3 == 0 ? 1 : iov->iov_len;

		(void)buf_append(out, iov->iov_base, n);
		bench_feed_sent(f, n);
	}
}

/* Preview, end, rest; whole in the preview; without one; no body. */
static void
test_feed(void **state)
{
	static const struct {
		size_t preview, chunk;
		const char *first, *rest;
	} rows[] = {
		{ 4, 100, "4\r\nX5O!\r\n0\r\n\r\n", "5\r\nP%@AP\r\n0\r\n\r\n" },
		{ 0, 6, "0\r\n\r\n", "6\r\nX5O!P%\r\n3\r\n@AP\r\n0\r\n\r\n" },
		{ 9, 100, "9\r\nX5O!P%@AP\r\n0; ieof\r\n\r\n", NULL },
		{ 4096, 4,
		    "4\r\nX5O!\r\n4\r\nP%@A\r\n1\r\nP\r\n"
		    "0; ieof\r\n\r\n",
		    NULL },
		{ SIZE_MAX, 100, "9\r\nX5O!P%@AP\r\n0\r\n\r\n", NULL },
	};
	char data[] = "X5O!P%@AP";
	struct bench_object o = { .bytes = data, .len = 9, .coding = "" };
	struct bench_body body;
	struct bench_feed f;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	bench_body_set(&body, &o, 0);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		bench_feed_begin(
		    &f, SLICE_LIT("H"), &body, rows[i].preview, rows[i].chunk);
		assert_false(bench_feed_done(&f));
		drain(&f, &out);
		assert_true(bench_feed_done(&f));
		assert_string_equal(buf_cstr(&out) + 1, rows[i].first);
		assert_int_equal(bench_feed_waits(&f), rows[i].rest != NULL);
		assert_int_equal(bench_feed_continue(&f), rows[i].rest != NULL);
		buf_reset(&out);
		drain(&f, &out);
		assert_string_equal(
		    buf_cstr(&out), rows[i].rest ? rows[i].rest : "");
		assert_false(bench_feed_waits(&f));
		buf_reset(&out);
	}
	bench_feed_begin(&f, SLICE_LIT("OPTIONS"), NULL, 4, 4);
	drain(&f, &out);
	assert_string_equal(buf_cstr(&out), "OPTIONS");
	buf_free(&out);
}

#define TAG "ISTag: \"a\"\r\n"
#define ECHO_OF(status, body) \
	"ICAP/1.0 200 OK\r\n" TAG \
	"Encapsulated: res-hdr=0, res-body=18\r\n\r\n" \
	"HTTP/1.1 " status " x\r\n\r\n" body "0\r\n\r\n"

static void
test_reply(void **state)
{
	static const struct {
		const char *text;
		enum bench_fault clean, infected;
	} rows[] = {
		{ "ICAP/1.0 204 No\r\n" TAG "\r\n", BENCH_FINE,
		    BENCH_FAULT_MISSED },
		{ "ICAP/1.0 204 No\r\n" TAG "X-Found: 1\r\n\tname\r\n\r\n",
		    BENCH_FINE, BENCH_FAULT_MISSED },
		{ "ICAP/1.0 204 No\r\n\r\n", BENCH_FAULT_PROTOCOL,
		    BENCH_FAULT_PROTOCOL },
		{ ECHO_OF("200", "4\r\nX5O!\r\n"), BENCH_FINE,
		    BENCH_FAULT_MISSED },
		{ ECHO_OF("200", "4\r\nX5o!\r\n"), BENCH_FAULT_ECHO,
		    BENCH_FAULT_BLOCKED },
		{ ECHO_OF("200", "3\r\nX5O\r\n"), BENCH_FAULT_ECHO,
		    BENCH_FAULT_BLOCKED },
		{ ECHO_OF("403", "4\r\npage\r\n"), BENCH_FAULT_BLOCKED,
		    BENCH_FINE },
		{ ECHO_OF("503", "4\r\npage\r\n"), BENCH_FAULT_BLOCKED,
		    BENCH_FAULT_BLOCKED },
		{ "ICAP/1.0 500 Bad\r\n" TAG "\r\n", BENCH_FAULT_STATUS,
		    BENCH_FAULT_STATUS },
	};
	char data[] = "X5O!";
	struct bench_object o = { .bytes = data, .len = 4, .coding = "" };
	struct bench_body body;
	struct bench_reply r;

	(void)state;
	bench_body_set(&body, &o, 0);
	bench_reply_init(&r);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		/* at once, and a byte at a time */
		for (size_t step = strlen(rows[i].text); step > 0;
		     step = step > 1 ? 1 : 0) {
			enum bench_reply_event e = BENCH_REPLY_MORE;

			bench_reply_reset(&r);
			for (size_t at = 0; rows[i].text[at]; at += step) {
				struct slice in = { rows[i].text + at, step };

				assert_int_equal(e, BENCH_REPLY_MORE);
				e = bench_reply_feed(&r, &in, &body);
			}
			assert_int_equal(e, BENCH_REPLY_END);
			o.infected = false;
			assert_int_equal(
			    bench_reply_judge(&r, &body, true), rows[i].clean);
			o.infected = true;
			assert_int_equal(bench_reply_judge(&r, &body, true),
			    rows[i].infected);
		}
	}
	bench_reply_free(&r);
}

static void
test_reply_order(void **state)
{
	static const char good[] = "ICAP/1.0 100 Continue\r\n\r\n"
				   "ICAP/1.0 204 No\r\n" TAG "\r\n";
	static const char *const bad[] = { "HTTP/1.1 200 OK\r\n\r\n",
		"ICAP/1.0 2 OK\r\n\r\n",
		"ICAP/1.0 200 OK\r\nEncapsulated: "
		"what=1\r\n\r\n",
		ECHO_OF("200", "x\r\n") };
	struct bench_reply r;
	struct slice in = SLICE_LIT(good);

	(void)state;
	bench_reply_init(&r);
	assert_int_equal(bench_reply_feed(&r, &in, NULL), BENCH_REPLY_CONTINUE);
	assert_false(bench_reply_begun(&r));
	assert_int_equal(bench_reply_feed(&r, &in, NULL), BENCH_REPLY_END);
	assert_int_equal(r.status, 204);
	for (size_t i = 0; i < COUNTOF(bad); i++) {
		in = slice_of(bad[i]);
		bench_reply_reset(&r);
		assert_int_equal(
		    bench_reply_feed(&r, &in, NULL), BENCH_REPLY_BAD);
	}
	bench_reply_free(&r);
}

static void
test_hist(void **state)
{
	struct bench_hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	assert_int_equal(bench_hist_at(h, 50000), 0);
	for (uint64_t v = 1; v <= 100000; v++)
		bench_hist_add(h, v);
	assert_in_range(bench_hist_at(h, 50000), 50000, 50400);
	assert_in_range(bench_hist_at(h, 99000), 99000, 99800);
	assert_int_equal(bench_hist_at(h, 100000), 100000);
	bench_hist_merge(h, h);
	assert_int_equal(h->count, 200000);
	assert_in_range(bench_hist_at(h, 50000), 50000, 50400);
	bench_hist_add(h, UINT64_MAX);
	assert_int_equal(h->max, UINT64_MAX);
	memset(h, 0, sizeof(*h));
	/* no step is wider than 1/128 of its values */
	for (uint64_t v = 1; v < UINT64_C(1) << 39; v += 1 + v / 50) {
		bench_hist_add(h, v);
		h->max = UINT64_MAX;
		assert_in_range(bench_hist_at(h, 100000), v, v + v / 128);
	}
	free(h);
}

/* The command line as parameters. */
static void
test_command_line(void **state)
{
	static const struct {
		const char *line[8];
		const char *wrong; /* in the reason; NULL: none */
	} rows[] = {
		{ { "x", "--bench" }, NULL },
		{ { "x", "--bench", "--options", "--rate", "2" }, NULL },
		{ { "x", "--bench", "--coding", "gzip", "--object", "mix" },
		    NULL },
		{ { "x", "--bench", "/nowhere" }, "/nowhere" },
		{ { "x", "--bench", "--coding", "what" }, "what" },
		{ { "x", "--bench", "--object", "what" }, "what" },
		{ { "x", "--bench", "--tls" }, "TLS" },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct client_options o;
		struct target t;
		struct bench_params p;
		struct buf err;
		int argc = 0, rc;

		buf_init(&err, 1000);
		target_init(&t);
		while (argc < 8 && rows[i].line[argc] != NULL)
			argc++;
		assert_int_equal(client_options_parse(&o, argc,
				     (char **)(uintptr_t)rows[i].line, &err),
		    0);
		assert_int_equal(target_set(&t, &o, NULL, &err), 0);
		rc = bench_params_set(&p, &o, &t, &err);
		assert_int_equal(rc, rows[i].wrong == NULL ? 0 : -1);
		if (rows[i].wrong != NULL)
			assert_non_null(strstr(buf_cstr(&err), rows[i].wrong));
		else
			assert_string_equal(
			    p.uri, "icap://127.0.0.1:1344/avscan");
		if (i == 0) {
			assert_int_equal(p.duration_us, 5000000);
			assert_int_equal(p.objects.count, 1);
			assert_int_equal(p.method, ICAP_RESPMOD);
		} else if (i == 1) {
			assert_int_equal(p.method, ICAP_OPTIONS);
			assert_int_equal(p.rate, 2);
		} else if (i == 2) {
			assert_int_equal(p.objects.count, 256);
			assert_string_equal(p.objects.all[0].coding, "gzip");
		}
		bench_params_free(&p);
		client_options_free(&o);
		target_free(&t);
		buf_free(&err);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_zip),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_feed),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_order),
		cmocka_unit_test(test_hist),
		cmocka_unit_test(test_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
