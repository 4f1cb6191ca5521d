/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A container: what it is taken for, and what the second reader gets out of
 * it. Everything lies inside of the input and within the limits.
 */
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "engine/unpack/container.h"
#include "engine/unpack/media.h"
#include "engine/unpack/zip.h"
#include "tests/fuzz/fuzz.h"

#define MAX_MEMBER 65536u
#define MAX_MEMBERS 64
#define TIME_US 2000000

struct seen {
	uint64_t written, members;
};

static int
write_member(void *ctx, const void *p, size_t len)
{
	struct seen *s = ctx;
	volatile unsigned char sum = 0;

	for (size_t i = 0; p != NULL && i < len; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)p)[i]);
	s->written += len;
	CHECK(s->written <= MAX_MEMBER);
	return 0;
}

static bool
take_member(void *ctx, const struct reader_member *m)
{
	struct seen *s = ctx;

	CHECK(m->len == s->written);
	CHECK(!m->encrypted || m->len == 0);
	CHECK(!m->cut || m->len == MAX_MEMBER);
	s->written = 0;
	s->members++;
	return s->members < MAX_MEMBERS;
}

static void
read_all(enum reader_format f, struct slice data)
{
	struct seen s = { 0, 0 };
	struct reader r = { .format = f,
		.max_member = MAX_MEMBER,
		.deadline_us = clock_mono_us() + TIME_US,
		.write = write_member,
		.member = take_member,
		.ctx = &s };
	struct reader_list list;
	enum reader_rc rc = reader_read(&r, data);

	CHECK(rc <= READER_STOPPED);
	rc = reader_list(f, data, 5, clock_mono_us() + TIME_US, &list);
	CHECK(rc <= READER_STOPPED);
	for (size_t i = 1; i < list.n; i++)
		CHECK(list.sizes[i - 1] <= list.sizes[i]);
	reader_list_free(&list);
}

static void
look_at_zip(struct slice d)
{
	struct zip_look z;

	zip_look(d, &z);
	if (!z.found)
		return;
	CHECK(z.start <= d.len && z.first <= d.len);
	CHECK((z.by_directory || z.by_stream) == (z.why != NULL));
	read_all(READER_ZIP_DIRECTORY,
	    (struct slice){ d.p + z.start, d.len - z.start });
	read_all(READER_ZIP_STREAM,
	    (struct slice){ d.p + z.first, d.len - z.first });
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct slice d = { (const char *)p, len };
	const struct container *c = container_look(d);
	size_t at;

	CHECK(media_magic_len(d) <= len);
	CHECK(media_id3_len(d) <= len);
	(void)media_is(d);
	look_at_zip(d);
	if (c != NULL && c->format != READER_NONE)
		read_all(c->format, d);
	c = container_embedded(d, true, &at);
	if (c == NULL)
		return 0;
	CHECK(at > 0 && at < len);
	read_all(c->format, (struct slice){ d.p + at, d.len - at });
	return 0;
}
