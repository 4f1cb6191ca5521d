/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/cfb.h"

#include <string.h>

#define HEAD ((size_t)512)
#define ENTRY ((size_t)128)
#define MINI ((size_t)64)
#define LAST_SECTOR 0xfffffff9u /* larger ones are marks */

static uint32_t
le(const char *p, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = bytes; i > 0; i--)
		v = v << 8 | (unsigned char)p[i - 1];
	return v;
}

/* The bytes of a sector; fewer at the end of the file, none behind it. */
static struct slice
sector(const struct cfb *c, uint32_t n)
{
	uint64_t at = ((uint64_t)n + 1) * c->sector;
	size_t len = c->sector;

	if (n > LAST_SECTOR || at >= c->file.len)
		return SLICE_NONE;
	if (len > c->file.len - at)
		len = c->file.len - (size_t)at;
	return (struct slice){ c->file.p + at, len };
}

/* The 4 bytes at index i of a sector of numbers; a mark when there are none. */
static uint32_t
number_in(struct cfb *c, uint32_t n, size_t i)
{
	struct slice s = sector(c, n);

	if (++c->steps > CFB_STEPS)
		return UINT32_MAX;
	return i < s.len / 4 ? le(s.p + 4 * i, 4) : UINT32_MAX;
}

/* The sector that holds part i of the FAT. */
static uint32_t
fat_sector(struct cfb *c, uint32_t i)
{
	size_t each = c->sector / 4 - 1;
	uint32_t n = c->first_difat;

	if (i < CFB_DIFAT_IN_HEAD)
		return le(c->file.p + 76 + 4 * (size_t)i, 4);
	i -= CFB_DIFAT_IN_HEAD;
	for (uint32_t step = 0; step <= c->nsects && n <= LAST_SECTOR; step++) {
		if (i < each)
			return number_in(c, n, i);
		i -= (uint32_t)each;
		n = number_in(c, n, each);
	}
	return UINT32_MAX;
}

static uint32_t
next_sector(struct cfb *c, uint32_t n)
{
	uint32_t each = (uint32_t)(c->sector / 4);

	if (n > LAST_SECTOR)
		return UINT32_MAX;
	return number_in(c, fat_sector(c, n / each), n % each);
}

/* The sector number `index` of the chain that begins at n. */
static uint32_t
nth_sector(struct cfb *c, uint32_t n, uint64_t index)
{
	if (index > c->nsects)
		return UINT32_MAX;
	while (index-- > 0 && n <= LAST_SECTOR)
		n = next_sector(c, n);
	return n;
}

static bool
entry_at(const struct cfb *c, struct slice s, size_t at, struct cfb_entry *e)
{
	const char *p;
	size_t bytes;

	if (at + ENTRY > s.len)
		return false;
	p = s.p + at;
	*e = (struct cfb_entry){ .type = (unsigned char)p[66] };
	bytes = le(p + 64, 2);
	if (bytes > 64)
		bytes = 64;
	if (bytes >= 2)
		e->namelen = bytes / 2 - 1;
	for (size_t i = 0; i < e->namelen; i++)
		e->name[i] = (uint16_t)le(p + 2 * i, 2);
	e->start = le(p + 116, 4);
	e->size = le(p + 120, 4);
	if (c->sector > 512)
		e->size |= (uint64_t)le(p + 124, 4) << 32;
	return true;
}

bool
cfb_open(struct cfb *c, struct slice file)
{
	static const char magic[] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
	struct cfb_walk w = { .begun = false };
	struct cfb_entry root;
	unsigned int shift;

	*c = (struct cfb){ .file = file };
	if (file.len < HEAD || memcmp(file.p, magic, 8) != 0)
		return false;
	shift = le(file.p + 30, 2);
	if (shift < 7 || shift > 16)
		return false;
	c->sector = (size_t)1 << shift;
	if (file.len / c->sector > UINT32_MAX - 1)
		return false;
	c->nsects = (uint32_t)(file.len / c->sector);
	c->first_dir = le(file.p + 48, 4);
	c->cutoff = le(file.p + 56, 4);
	c->first_minifat = le(file.p + 60, 4);
	c->first_difat = le(file.p + 68, 4);
	/* the root is the first entry */
	if (!cfb_next(c, &w, &root))
		return false;
	c->mini_start = root.start;
	c->mini_size = root.size;
	return true;
}

bool
cfb_next(struct cfb *c, struct cfb_walk *w, struct cfb_entry *e)
{
	if (!w->begun)
		*w = (struct cfb_walk){ .sector = c->first_dir, .begun = true };
	for (;;) {
		struct slice s = sector(c, w->sector);

		while (entry_at(c, s, w->at, e)) {
			w->at += ENTRY;
			if (e->type != 0)
				return true;
		}
		if (s.len == 0 || w->seen++ >= c->nsects)
			return false;
		w->sector = next_sector(c, w->sector);
		w->at = 0;
	}
}

/* A piece of the mini stream, at most MINI bytes. */
static struct slice
mini_sector(struct cfb *c, uint32_t n)
{
	uint64_t at = (uint64_t)n * MINI;
	struct slice s;
	size_t in;

	if (n > LAST_SECTOR || at >= c->mini_size)
		return SLICE_NONE;
	s = sector(c, nth_sector(c, c->mini_start, at / c->sector));
	in = (size_t)(at % c->sector);
	if (in >= s.len)
		return SLICE_NONE;
	return (
	    struct slice){ s.p + in, s.len - in < MINI ? s.len - in : MINI };
}

static uint32_t
next_mini(struct cfb *c, uint32_t n)
{
	uint32_t each = (uint32_t)(c->sector / 4);

	if (n > LAST_SECTOR)
		return UINT32_MAX;
	return number_in(
	    c, nth_sector(c, c->first_minifat, n / each), n % each);
}

size_t
cfb_read(struct cfb *c, const struct cfb_entry *e, void *out, size_t len)
{
	bool mini = e->size < c->cutoff;
	uint32_t n = e->start;
	size_t have = 0;

	if (len > e->size)
		len = (size_t)e->size;
	while (have < len) {
		struct slice s = mini ? mini_sector(c, n) : sector(c, n);

		if (s.len == 0)
			break;
		if (s.len > len - have)
			s.len = len - have;
		memcpy((char *)out + have, s.p, s.len);
		have += s.len;
		n = mini ? next_mini(c, n) : next_sector(c, n);
	}
	return have;
}

static unsigned int
lower(unsigned int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool
cfb_is(const struct cfb_entry *e, const char *name)
{
	size_t n = strlen(name);

	if (n != e->namelen)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(e->name[i]) != lower((unsigned char)name[i]))
			return false;
	return true;
}
