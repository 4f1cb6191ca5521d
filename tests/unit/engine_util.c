/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What the tests of the engine share: folders, signatures, archives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "engine/engine.h"

#include "tests/unit/engine_util.h"

char root[64];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int
make_root(void **state)
{
	(void)state;
	(void)strcpy(root, "/tmp/test_engine.XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

int
remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
folder(const char *name)
{
	static char path[2][128];
	static unsigned int n;

	n ^= 1;
	(void)snprintf(path[n], sizeof(path[n]), "%s/%s", root, name);
	assert_true(mkdir(path[n], 0700) == 0 || errno == EEXIST);
	return path[n];
}

void
put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct engine *
open_db(const char *database, uint64_t min, char *err, size_t errlen)
{
	struct engine_load load = { .database = database,
		.temp_dir = folder("load"),
		.min_signatures = min };

	return engine_open(&load, err, errlen);
}

struct engine *
must_open(const char *database)
{
	char err[512] = "";
	struct engine *e = open_db(database, 1, err, sizeof(err));

	if (e == NULL)
		fail_msg("%s: %s", database, err);
	if (engine_self_test(e, err, sizeof(err)) != 0)
		fail_msg("%s: %s", database, err);
	assert_int_equal(engine_enter_worker(e, folder("work"), TEMP_MAX), 0);
	return e;
}

struct scan_opts
default_opts(void)
{
	struct scan_opts o;

	engine_plain_opts(&o, 100 << 20);
	o.max_scan_size = 400 << 20;
	o.max_files = 10000;
	return o;
}

struct scan_answer
scan_kind(struct engine *e, enum scan_kind kind, const void *p, size_t len,
    const struct scan_opts *opts)
{
	struct scan_opts o = default_opts();
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = kind,
		.data = p,
		.len = len,
		.opts = opts != NULL ? opts : &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	engine_scan(e, &job, &a);
	return a;
}

struct scan_answer
scan(struct engine *e, const void *p, size_t len)
{
	return scan_kind(e, SCAN_WHOLE, p, len, NULL);
}

bool
has(const struct scan_answer *a, enum outcome o, const char *prefix)
{
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome == (uint32_t)o &&
		    strncmp(a->findings[i].name, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

bool
is_clean(const struct scan_answer *a)
{
	return a->complete == 1 && a->nfindings == 0;
}

char *
hex_of(const void *p, size_t len)
{
	static char out[4096];

	assert_true(len * 2 < sizeof(out));
	for (size_t i = 0; i < len; i++)
		(void)snprintf(
		    out + i * 2, 3, "%02x", ((const unsigned char *)p)[i]);
	return out;
}

/* A folder with one file of one row that looks for the marker at `where`. */
const char *
marker_db(const char *name, const char *where)
{
	const char *dir = folder(name);
	char row[8192];

	(void)snprintf(row, sizeof(row), "Unit.Marker:0:%s:%s\n", where,
	    hex_of(MARKER, strlen(MARKER)));
	put(dir, "unit.ndb", row);
	return dir;
}

static void
le(struct buf *b, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)(v >> (8 * i));

		assert_int_equal(buf_append(b, &c, 1), 0);
	}
}

static void
zip_fields(
    struct buf *b, unsigned int flags, uint32_t crc, size_t packed, size_t len)
{
	le(b, 20, 2);
	le(b, (flags & ZIP_ENCRYPTED) != 0, 2);
	le(b, (flags & ZIP_DEFLATED) != 0 ? 8 : 0, 2);
	le(b, 0, 4);
	le(b, crc, 4);
	le(b, (uint32_t)packed, 4);
	le(b, (uint32_t)len, 4);
	le(b, 5, 2); /* "a.txt" */
	le(b, 0, 2);
}

static size_t
deflate_raw(const void *p, size_t len, unsigned char **out)
{
	z_stream z = { 0 };
	size_t cap = len + 65536;

	*out = malloc(cap);
	assert_non_null(*out);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, 0), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)len;
	z.next_out = *out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	cap = z.total_out;
	(void)deflateEnd(&z);
	return cap;
}

static void
zip_member(struct buf *b, struct buf *dir, const void *p, size_t len,
    unsigned int flags)
{
	uint32_t crc = (uint32_t)crc32(0, p, (uInt)len);
	unsigned char *packed = NULL;
	size_t n = len, at = b->len;

	if ((flags & ZIP_DEFLATED) != 0)
		n = deflate_raw(p, len, &packed);
	le(b, 0x04034b50, 4);
	zip_fields(b, flags, crc, n, len);
	assert_int_equal(buf_append(b, "a.txt", 5), 0);
	assert_int_equal(buf_append(b, packed != NULL ? packed : p, n), 0);
	le(dir, 0x02014b50, 4);
	le(dir, 20, 2);
	zip_fields(dir, flags, crc, n, len);
	le(dir, 0, 2);
	le(dir, 0, 2);
	le(dir, 0, 2);
	le(dir, 0, 4);
	le(dir, (uint32_t)at, 4);
	assert_int_equal(buf_append(dir, "a.txt", 5), 0);
	free(packed);
}

static void
zip_end(struct buf *b, struct buf *dir, unsigned int count)
{
	size_t at = b->len;

	assert_int_equal(buf_append(b, dir->p, dir->len), 0);
	le(b, 0x06054b50, 4);
	le(b, 0, 4);
	le(b, count, 2);
	le(b, count, 2);
	le(b, (uint32_t)dir->len, 4);
	le(b, (uint32_t)at, 4);
	le(b, 0, 2);
	buf_free(dir);
}

void
make_zip(struct buf *b, const void *p, size_t len, unsigned int flags,
    unsigned int count)
{
	struct buf dir;

	buf_init(b, 64 << 20);
	buf_init(&dir, 16 << 20);
	for (unsigned int i = 0; i < count; i++)
		zip_member(b, &dir, p, len, flags);
	zip_end(b, &dir, count);
}
