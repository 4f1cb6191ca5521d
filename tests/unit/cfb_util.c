/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/cfb_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define SECTOR ((size_t)512)
#define SHORTEST ((size_t)4096) /* anything less would be a short stream */
#define FREE 0xffffffffu
#define END 0xfffffffeu
#define FAT 0xfffffffdu

static void
le(unsigned char *p, size_t bytes, uint32_t v)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void
pad(struct buf *b, size_t to)
{
	while (b->len < to)
		assert_int_equal(buf_append(b, "", 1), 0);
}

static size_t
sectors_of(const struct cfb_stream *s)
{
	size_t len = s->len < SHORTEST ? SHORTEST : s->len;

	return (len + SECTOR - 1) / SECTOR;
}

static size_t
minis_of(const struct cfb_stream *s)
{
	return (s->len + 63) / 64;
}

static void
head(struct buf *b, uint32_t first_dir, uint32_t minifat)
{
	unsigned char h[SECTOR] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

	le(h + 24, 2, 0x3e);
	le(h + 26, 2, 3);
	le(h + 28, 2, 0xfffe);
	le(h + 30, 2, 9);
	le(h + 32, 2, 6);
	le(h + 44, 4, 1);
	le(h + 48, 4, first_dir);
	le(h + 56, 4, SHORTEST);
	le(h + 60, 4, minifat);
	le(h + 68, 4, END);
	memset(h + 76, 0xff, sizeof(h) - 76);
	le(h + 76, 4, 0);
	assert_int_equal(buf_append(b, h, sizeof(h)), 0);
}

static void
entry(struct buf *b, const char *name, unsigned int type, uint32_t next,
    uint32_t child, uint32_t first, size_t size)
{
	unsigned char e[128] = { 0 };
	size_t n = strlen(name);

	assert_true(n < 32);
	for (size_t i = 0; i < n; i++)
		e[2 * i] = (unsigned char)name[i];
	le(e + 64, 2, n > 0 ? (uint32_t)(2 * n + 2) : 0);
	e[66] = (unsigned char)type;
	e[67] = 1;
	le(e + 68, 4, FREE);
	le(e + 72, 4, next);
	le(e + 76, 4, child);
	le(e + 116, 4, first);
	le(e + 120, 4, (uint32_t)size);
	assert_int_equal(buf_append(b, e, sizeof(e)), 0);
}

static void
chain(unsigned char *fat, size_t *at, size_t n)
{
	assert_true(*at + n <= SECTOR / 4);
	for (size_t i = 0; i < n; i++, (*at)++)
		le(fat + 4 * *at, 4, i + 1 < n ? (uint32_t)(*at + 1) : END);
}

void
make_cfb(struct buf *b, const struct cfb_stream *s, size_t n)
{
	unsigned char fat[SECTOR];
	size_t dirs = (n + 1 + 3) / 4, at = 1, first = 1 + dirs;

	buf_init(b, 16 << 20);
	memset(fat, 0xff, sizeof(fat));
	le(fat, 4, FAT);
	chain(fat, &at, dirs);
	for (size_t i = 0; i < n; i++)
		chain(fat, &at, sectors_of(&s[i]));
	head(b, 1, END);
	assert_int_equal(buf_append(b, fat, sizeof(fat)), 0);
	entry(b, "Root Entry", 5, FREE, n > 0 ? 1 : FREE, END, 0);
	for (size_t i = 0; i < n; i++) {
		entry(b, s[i].name, 2, i + 1 < n ? (uint32_t)(i + 2) : FREE,
		    FREE, (uint32_t)first,
		    s[i].len < SHORTEST ? SHORTEST : s[i].len);
		first += sectors_of(&s[i]);
	}
	for (size_t i = n + 1; i % 4 != 0; i++)
		entry(b, "", 0, FREE, FREE, 0, 0);
	for (size_t i = 0; i < n; i++) {
		size_t end = b->len + sectors_of(&s[i]) * SECTOR;

		assert_int_equal(buf_append(b, s[i].data, s[i].len), 0);
		pad(b, end);
	}
}

/* The directory, the FAT of short streams, and these behind one another. */
void
make_short_cfb(struct buf *b, const struct cfb_stream *s, size_t n)
{
	unsigned char fat[SECTOR], minifat[SECTOR];
	size_t dirs = (n + 1 + 3) / 4, at = 1, mini = 0, minis = 0;
	uint32_t first = 0;

	buf_init(b, 16 << 20);
	memset(fat, 0xff, sizeof(fat));
	memset(minifat, 0xff, sizeof(minifat));
	le(fat, 4, FAT);
	chain(fat, &at, dirs);
	chain(fat, &at, 1);
	for (size_t i = 0; i < n; i++) {
		chain(minifat, &mini, minis_of(&s[i]));
		minis += minis_of(&s[i]);
	}
	chain(fat, &at, (minis * 64 + SECTOR - 1) / SECTOR);
	head(b, 1, (uint32_t)(1 + dirs));
	assert_int_equal(buf_append(b, fat, sizeof(fat)), 0);
	entry(b, "Root Entry", 5, FREE, n > 0 ? 1 : FREE, (uint32_t)(2 + dirs),
	    minis * 64);
	for (size_t i = 0; i < n; i++) {
		entry(b, s[i].name, 2, i + 1 < n ? (uint32_t)(i + 2) : FREE,
		    FREE, first, s[i].len);
		first += (uint32_t)minis_of(&s[i]);
	}
	for (size_t i = n + 1; i % 4 != 0; i++)
		entry(b, "", 0, FREE, FREE, 0, 0);
	assert_int_equal(buf_append(b, minifat, sizeof(minifat)), 0);
	for (size_t i = 0; i < n; i++) {
		size_t end = b->len + minis_of(&s[i]) * 64;

		assert_int_equal(buf_append(b, s[i].data, s[i].len), 0);
		pad(b, end);
	}
	pad(b, (b->len + SECTOR - 1) / SECTOR * SECTOR);
}
