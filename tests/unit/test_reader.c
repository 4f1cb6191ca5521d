/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The second reader: every format, limits, and what it cannot read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/unpack/reader.h"
#include "tests/unit/pack_util.h"

#define MINUTE_US 60000000
#define ROOM ((uint64_t)2 << 20)

static const struct pack_member members[] = {
	{ "one.txt", { "the first one of some members", 29 }, 0 },
	{ "two.txt", { "and another", 11 }, 0 },
	{ "three.txt", { "", 0 }, 0 },
};

struct got {
	size_t n, encrypted, cut, stop_at;
	uint64_t bytes, said;
	char names[200], data[200];
};

static int
write_data(void *ctx, const void *p, size_t len)
{
	struct got *g = ctx;

	if (g->bytes + len > ROOM)
		return -1;
	g->bytes += len;
	(void)str_copy(g->data + strlen(g->data),
	    sizeof(g->data) - strlen(g->data),
	    (struct slice){ p, p != NULL ? len : 0 });
	return 0;
}

static bool
take(void *ctx, const struct reader_member *m)
{
	struct got *g = ctx;

	g->n++;
	g->encrypted += m->encrypted;
	g->cut += m->cut;
	g->said += m->len;
	assert_int_equal(g->said, g->bytes);
	(void)str_copy(g->names + strlen(g->names),
	    sizeof(g->names) - strlen(g->names), m->name);
	return g->n != g->stop_at;
}

static enum reader_rc
read_max(enum reader_format f, struct slice data, uint64_t max, struct got *g)
{
	struct reader r = { .format = f,
		.max_member = max,
		.deadline_us = clock_mono_us() + MINUTE_US,
		.write = write_data,
		.member = take,
		.ctx = g };
	size_t stop_at = g->stop_at;

	memset(g, 0, sizeof(*g));
	g->stop_at = stop_at;
	return reader_read(&r, data);
}

static enum reader_rc
read_buf(enum reader_format f, struct buf *b, struct got *g)
{
	return read_max(f, buf_slice(b), 1 << 20, g);
}

static const struct {
	const char *format, *filter;
	enum reader_format f;
} formats[] = {
	{ "zip", NULL, READER_ZIP_DIRECTORY },
	{ "zip", NULL, READER_ZIP_STREAM },
	{ "7zip", NULL, READER_7Z },
	{ "xar", NULL, READER_XAR },
	{ "iso", NULL, READER_ISO },
	{ "newc", NULL, READER_CPIO },
	{ "odc", NULL, READER_CPIO },
	{ "bin", NULL, READER_CPIO },
	{ "ustar", NULL, READER_TAR },
	{ "pax", NULL, READER_TAR },
	{ "ar", NULL, READER_AR },
	{ NULL, "bzip2", READER_BZIP2 },
	{ NULL, "zstd", READER_ZSTD },
	{ NULL, "lz4", READER_LZ4 },
	{ NULL, "lzip", READER_LZIP },
	{ NULL, "lzma", READER_LZMA },
	{ NULL, "compress", READER_COMPRESS },
};

static void
test_formats(void **state)
{
	struct got g = { 0 };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(formats); i++) {
		bool one = formats[i].format == NULL;

		pack_archive(&b, formats[i].format, formats[i].filter, NULL,
		    members, one ? 1 : 3);
		if (read_buf(formats[i].f, &b, &g) != READER_OK)
			fail_msg("%zu does not read", i);
		assert_int_equal(g.n, one ? 1 : 2);
		assert_int_equal(g.bytes, one ? 29 : 40);
		assert_int_equal(g.cut + g.encrypted, 0);
		assert_non_null(strstr(g.data, "the first one of"));
		if (!one)
			assert_non_null(strstr(g.names, "two.txt"));
		buf_free(&b);
	}
}

static void
test_rar(void **state)
{
	struct got g = { 0 };
	struct buf b;

	(void)state;
	for (int v = 4; v <= 5; v++) {
		pack_rar(&b, v, members[0].data, 0);
		assert_int_equal(read_buf(READER_RAR, &b, &g), READER_OK);
		assert_int_equal(g.n, 1);
		assert_string_equal(g.names, "member.bin");
		assert_string_equal(g.data, members[0].data.p);
		buf_free(&b);
		pack_rar(&b, v, members[0].data, PACK_ENCRYPTED);
		assert_int_equal(read_buf(READER_RAR, &b, &g), READER_OK);
		assert_int_equal(g.encrypted, 1);
		assert_int_equal(g.bytes, 0);
		buf_free(&b);
		pack_rar(&b, v, members[0].data, PACK_UNKNOWN);
		assert_int_equal(read_buf(READER_RAR, &b, &g), READER_FAILED);
		buf_free(&b);
	}
	/* even the names are encrypted */
	pack_behind(&b, SLICE_LIT("Rar!\x1a\x07\1\0"),
	    SLICE_LIT("\x1d\x2b\x4b\x9a\x04\4\0\0\0................"));
	(void)read_buf(READER_RAR, &b, &g);
	assert_int_equal(g.encrypted, 1);
	buf_free(&b);
}

static void
test_empty(void **state)
{
	struct got g = { 0 };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(formats); i++) {
		/* a zip without members is never read by its directory */
		if (formats[i].format == NULL ||
		    formats[i].f == READER_ZIP_DIRECTORY)
			continue;
		pack_archive(&b, formats[i].format, NULL, NULL, NULL, 0);
		if (b.len > 0 && read_buf(formats[i].f, &b, &g) != READER_OK)
			fail_msg(
			    "an empty %s does not read", formats[i].format);
		assert_int_equal(g.n, 0);
		buf_free(&b);
	}
	pack_archive(&b, NULL, "zstd", NULL, &members[2], 1);
	assert_int_equal(read_buf(READER_ZSTD, &b, &g), READER_OK);
	assert_int_equal(g.n, 0);
	buf_free(&b);
}

static int
no_room(void *ctx, const void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	return -1;
}

static void
test_limits(void **state)
{
	struct reader late = { .format = READER_TAR,
		.max_member = 100,
		.deadline_us = clock_mono_us(),
		.write = write_data,
		.member = take };
	struct got g = { 0 };
	struct buf b;

	(void)state;
	pack_archive(&b, "ustar", NULL, NULL, members, 3);
	assert_int_equal(
	    read_max(READER_TAR, buf_slice(&b), 20, &g), READER_OK);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.cut, 1);
	assert_int_equal(g.bytes, 31);
	g.stop_at = 1;
	assert_int_equal(read_buf(READER_TAR, &b, &g), READER_STOPPED);
	assert_int_equal(g.n, 1);
	/* no room is no fault of the archive */
	memset(&g, 0, sizeof(g));
	late.deadline_us = clock_mono_us() + MINUTE_US;
	late.ctx = &g;
	late.write = no_room;
	assert_int_equal(reader_read(&late, buf_slice(&b)), READER_MEMORY);
	memset(&g, 0, sizeof(g));
	late.deadline_us = clock_mono_us();
	late.ctx = &g;
	assert_int_equal(reader_read(&late, buf_slice(&b)), READER_TIME);
	buf_free(&b);
}

/* A megabyte out of next to nothing is cut where it must be. */
static void
test_bomb(void **state)
{
	struct pack_member zeros = { "zeros", { NULL, 1 << 20 }, 0 };
	struct got g = { 0 };
	struct buf b;

	(void)state;
	zeros.data.p = calloc(1, zeros.data.len);
	assert_non_null(zeros.data.p);
	pack_archive(&b, NULL, "zstd", NULL, &zeros, 1);
	assert_true(b.len < 1000);
	assert_int_equal(
	    read_max(READER_ZSTD, buf_slice(&b), 1000, &g), READER_OK);
	assert_int_equal(g.cut, 1);
	assert_int_equal(g.bytes, 1000);
	assert_int_equal(
	    read_max(READER_ZSTD, buf_slice(&b), 1 << 20, &g), READER_OK);
	assert_int_equal(g.cut, 0);
	buf_free(&b);
	free((void *)(uintptr_t)zeros.data.p);
}

/* Cut and flipped: no fault, and cut ones are seldom whole. */
static void
test_broken(void **state)
{
	struct got g = { 0 };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(formats); i++) {
		size_t step;

		pack_archive(&b, formats[i].format, formats[i].filter, NULL,
		    members, formats[i].format == NULL ? 1 : 3);
		step = b.len / 300 + 1;
		for (size_t n = 1; n < b.len; n += step)
			(void)read_max(formats[i].f, (struct slice){ b.p, n },
			    1 << 16, &g);
		for (size_t n = 0; n < b.len; n += step) {
			b.p[n] ^= 0x55;
			(void)read_max(
			    formats[i].f, buf_slice(&b), 1 << 16, &g);
			b.p[n] ^= 0x55;
		}
		/* the half of it */
		(void)read_max(formats[i].f, (struct slice){ b.p, b.len / 2 },
		    1 << 16, &g);
		buf_free(&b);
		/* and other bytes altogether */
		assert_int_equal(read_max(formats[i].f,
				     SLICE_LIT("neither of these, certainly "
					       "not, and as long as it takes "
					       "to be sure"),
				     1 << 16, &g),
		    READER_FAILED);
		assert_int_equal(g.n, 0);
	}
	assert_int_equal(
	    read_max(READER_NONE, SLICE_LIT("x"), 100, &g), READER_FAILED);
}

static void
test_list(void **state)
{
	struct reader_list l;
	struct buf b;

	(void)state;
	for (int v = 4; v <= 5; v++) {
		pack_rar(&b, v, members[0].data, 0);
		assert_int_equal(reader_list(READER_RAR, buf_slice(&b), 5,
				     clock_mono_us() + MINUTE_US, &l),
		    READER_OK);
		assert_int_equal(l.n, 1);
		assert_int_equal(l.sizes[0], 29);
		reader_list_free(&l);
		buf_free(&b);
	}
	for (size_t i = 2; i < COUNTOF(formats); i++) {
		if (formats[i].format == NULL)
			continue;
		pack_archive(
		    &b, formats[i].format, formats[i].filter, NULL, members, 3);
		assert_int_equal(reader_list(formats[i].f, buf_slice(&b), 5,
				     clock_mono_us() + MINUTE_US, &l),
		    READER_OK);
		assert_int_equal(l.n, 2);
		assert_int_equal(l.sizes[0], 11);
		assert_int_equal(l.sizes[1], 29);
		reader_list_free(&l);
		assert_int_equal(reader_list(formats[i].f, buf_slice(&b), 11,
				     clock_mono_us() + MINUTE_US, &l),
		    READER_OK);
		assert_int_equal(l.n, 1);
		reader_list_free(&l);
		assert_int_equal(
		    reader_list(formats[i].f, buf_slice(&b), 0, 0, &l),
		    READER_TIME);
		reader_list_free(&l);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_rar),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
