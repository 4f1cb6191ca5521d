/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Names and numbers are those of APPNOTE.TXT 6.3.10, section 4.3. */
#include "engine/unpack/zip.h"

#include <stdlib.h>
#include <string.h>

#include "engine/unpack/bytes.h"

#define LOCAL_LEN 30
#define CENTRAL_LEN 46
#define END_LEN 22
#define LOCATOR_LEN 20
#define END64_LEN 56
#define END_SEARCH (END_LEN + 65535 + 1024)
#define MAX_MEMBERS 1000000 /* far beyond MaxFiles */

#define FLAG_ENCRYPTED 0x0001u
#define FLAG_DESCRIPTOR 0x0008u
#define FLAG_MASKED 0x2000u
#define FLAGS_THAT_MATTER (FLAG_ENCRYPTED | FLAG_DESCRIPTOR | FLAG_MASKED)
/* at most 5 bytes, which the engine passes over, are never packed longer */
#define SMALL_PACKED 16
#define SMALL 5
#define METHOD_LZMA 14
#define EMPTY_LZMA 32

static const struct slice local_magic = { "PK\3\4", 4 };
static const struct slice end_magic = { "PK\5\6", 4 };

struct range {
	size_t from, to;
};
struct walk {
	struct slice d;
	struct zip_look *z;
	size_t central, end; /* first entry; the end record */
	uint32_t said_count;
	bool zip64; /* the directory is of that kind: it is not walked */
	struct range *ranges; /* of the members, headers included */
	size_t n, cap;
};

static void
odd(struct walk *w, const char *why)
{
	w->z->by_directory = true;
	if (w->z->why == NULL)
		w->z->why = why;
}

static void
odd_stream(struct walk *w, const char *why)
{
	w->z->by_stream = true;
	if (w->z->why == NULL)
		w->z->why = why;
}

/* Place of the first local header in [from, to), or to. */
static size_t
find_local(struct slice d, size_t from, size_t to)
{
	struct slice part = { d.p, to };

	return from < to ? bytes_find(part, from, local_magic, 1) : to;
}

/* Whether the comment that the record announces ends where the file does. */
static bool
ends_there(struct slice d, size_t at)
{
	return at + END_LEN + le16(d.p + at + 20) == d.len;
}

/*
 * The last end record of the directory, which is what most programs take.
 * Some take one whose comment ends with the file.
 */
static bool
find_end(struct walk *w)
{
	struct slice d = w->d;
	size_t at, exact = d.len;

	if (d.len < END_LEN)
		return false;
	w->end = at = d.len - END_LEN;
	/* nearly all have no comment */
	if (memcmp(d.p + at, "PK\5\6", 4) == 0)
		return true;
	w->end = d.len;
	at = d.len > END_SEARCH ? d.len - END_SEARCH : 0;
	d.len -= END_LEN - end_magic.len;
	while ((at = bytes_find(d, at, end_magic, 1)) < d.len) {
		w->end = at++;
		if (ends_there(w->d, w->end))
			exact = w->end;
	}
	d = w->d;
	if (w->end == d.len)
		return false;
	if (exact != d.len && exact != w->end) {
		odd(w, "two directories");
		odd_stream(w, "two directories");
	}
	return true;
}

/* A locator before the end record, and the record that it locates. */
static bool
has_zip64(const struct walk *w)
{
	const char *l;
	uint64_t at;

	if (w->end < LOCATOR_LEN + END64_LEN)
		return false;
	l = w->d.p + w->end - LOCATOR_LEN;
	if (memcmp(l, "PK\6\7", 4) != 0)
		return false;
	at = le64(l + 8);
	if (at <= w->end - LOCATOR_LEN - END64_LEN &&
	    memcmp(w->d.p + at, "PK\6\6", 4) == 0)
		return true;
	return memcmp(l - END64_LEN, "PK\6\6", 4) == 0;
}

/* Where the directory begins; false when the record belongs to no zip. */
static bool
find_directory(struct walk *w)
{
	const char *e;
	uint32_t size, offset;

	if (!find_end(w))
		return false;
	e = w->d.p + w->end;
	size = le32(e + 12);
	offset = le32(e + 16);
	w->said_count = le16(e + 10);
	if (has_zip64(w)) {
		w->zip64 = true;
		odd(w, "a ZIP64 directory");
		if (offset != UINT32_MAX)
			odd_stream(w, "two directories");
		w->z->first = find_local(w->d, 0, w->end);
		return w->z->first < w->end;
	}
	if (size > w->end)
		return false;
	w->central = w->end - size;
	if (offset > w->central)
		return false;
	w->z->start = w->central - offset;
	return size == 0 || (size >= CENTRAL_LEN &&
				memcmp(w->d.p + w->central, "PK\1\2", 4) == 0);
}

static int
add_range(struct walk *w, size_t from, size_t to)
{
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 64 : w->cap * 2;
		struct range *p = reallocarray(w->ranges, cap, sizeof(*p));

		if (p == NULL)
			return -1;
		w->ranges = p;
		w->cap = cap;
	}
	w->ranges[w->n++] = (struct range){ from, to };
	return 0;
}

static bool
engine_knows(uint32_t method)
{
	/* stored, imploded, deflated, deflate64, bzip2; 99 is encrypted */
	return method == 0 || method == 6 || method == 8 || method == 9 ||
	       method == 12 || method == 99;
}

/* What an entry of the directory says; ZIP64 values where it has them. */
struct entry {
	uint32_t flags, method, disk;
	uint64_t packed, size, offset;
	bool zip64;
};

/* The next value of the ZIP64 field, if v stands for one. */
static uint64_t
wide(uint64_t v, struct slice *field, bool *zip64)
{
	if (v != UINT32_MAX)
		return v;
	*zip64 = true;
	if (field->len < 8)
		return v;
	v = le64(field->p);
	field->p += 8;
	field->len -= 8;
	return v;
}

static struct slice
zip64_field(struct slice extra)
{
	while (extra.len >= 4) {
		size_t len = le16(extra.p + 2);

		if (len > extra.len - 4)
			break;
		if (le16(extra.p) == 1)
			return (struct slice){ extra.p + 4, len };
		extra.p += 4 + len;
		extra.len -= 4 + len;
	}
	return SLICE_NONE;
}

static struct entry
read_entry(const char *c)
{
	struct slice extra = { c + CENTRAL_LEN + le16(c + 28), le16(c + 30) };
	struct slice field = zip64_field(extra);
	struct entry e = { .flags = le16(c + 8),
		.method = le16(c + 10),
		.disk = le16(c + 34) };

	e.size = wide(le32(c + 24), &field, &e.zip64);
	e.packed = wide(le32(c + 20), &field, &e.zip64);
	e.offset = wide(le32(c + 42), &field, &e.zip64);
	return e;
}

/* The local header against its entry of the directory. */
static void
compare_local(struct walk *w, const struct entry *e)
{
	uint64_t at = w->z->start + e->offset, data;
	const char *l;

	if (e->offset > w->central || at > w->central ||
	    w->central - at < LOCAL_LEN ||
	    memcmp(w->d.p + at, local_magic.p, local_magic.len) != 0) {
		odd(w, "a member without a header");
		return;
	}
	l = w->d.p + at;
	data = at + LOCAL_LEN + le16(l + 26) + le16(l + 28);
	if (data > w->central || e->packed > w->central - data) {
		odd(w, "a member that ends behind the archive");
		return;
	}
	if (((le16(l + 6) ^ e->flags) & FLAGS_THAT_MATTER) != 0 ||
	    le16(l + 8) != e->method)
		odd(w, "two methods or flags for a member");
	if (((le16(l + 6) ^ e->flags) & ~FLAG_DESCRIPTOR & FLAGS_THAT_MATTER) !=
		0 ||
	    le16(l + 8) != e->method)
		w->z->contradicts = true;
	if ((e->flags & FLAG_DESCRIPTOR) != 0)
		w->z->descriptors = true;
	else if (!e->zip64 &&
		 (le32(l + 18) != e->packed || le32(l + 22) != e->size))
		odd(w, "two sizes for a member");
	if (add_range(w, (size_t)at, (size_t)(data + e->packed)) != 0)
		odd(w, "no memory");
}

/* One entry of the directory; its length, 0 when there is none. */
static size_t
take_entry(struct walk *w, size_t at)
{
	const char *c = w->d.p + at;
	struct entry e;
	size_t len;

	if (w->end - at < CENTRAL_LEN || memcmp(c, "PK\1\2", 4) != 0)
		return 0;
	len = (size_t)CENTRAL_LEN + le16(c + 28) + le16(c + 30) + le16(c + 32);
	if (len > w->end - at)
		return 0;
	e = read_entry(c);
	if (e.zip64)
		odd(w, "a ZIP64 member");
	if (!engine_knows(e.method))
		odd(w, "a method that the engine does not know");
	/* no more than an empty stream of LZMA takes */
	if (e.method == METHOD_LZMA && e.size == 0 && e.packed > EMPTY_LZMA)
		w->z->contradicts = true;
	if (e.disk != 0)
		odd(w, "a member on another disk");
	if ((e.flags & FLAG_ENCRYPTED) == 0 && e.packed > 0 &&
	    (e.size > SMALL || e.packed > SMALL_PACKED))
		w->z->members++;
	compare_local(w, &e);
	return len;
}

static void
walk_directory(struct walk *w)
{
	size_t at = w->central, len, count = 0;

	while (at < w->end && count <= MAX_MEMBERS &&
	       (len = take_entry(w, at)) > 0) {
		at += len;
		count++;
	}
	if (at != w->end)
		odd(w, "the directory has a hole");
	if ((count & 0xffff) != w->said_count)
		odd(w, "two numbers of members");
}

static int
by_place(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Members that the directory does not name, between or before the others. */
static void
walk_holes(struct walk *w)
{
	size_t at = w->z->start;

	if (w->n > 1)
		qsort(w->ranges, w->n, sizeof(*w->ranges), by_place);
	w->z->first = w->n > 0 ? w->ranges[0].from : w->central;
	for (size_t i = 0; i <= w->n; i++) {
		size_t to = i < w->n ? w->ranges[i].from : w->central;

		if (to < at)
			odd_stream(w, "members overlap");
		else if (find_local(w->d, at, to) < to)
			odd_stream(w, "a member that the directory lacks");
		if (i < w->n && w->ranges[i].to > at)
			at = w->ranges[i].to;
	}
}

/* Not even a directory: only a program that reads from the front opens it. */
static void
without_directory(struct walk *w)
{
	struct zip_look *z = w->z;

	*z = (struct zip_look){ 0 };
	if (w->d.len < LOCAL_LEN ||
	    memcmp(w->d.p, local_magic.p, local_magic.len) != 0)
		return;
	z->found = true;
	odd_stream(w, "no directory");
}

void
zip_look(struct slice data, struct zip_look *z)
{
	struct walk w = { .d = data, .z = z };

	*z = (struct zip_look){ 0 };
	if (!find_directory(&w)) {
		without_directory(&w);
		return;
	}
	z->found = true;
	if (z->start > 0 && memcmp(data.p, local_magic.p, 4) == 0) {
		odd(&w, "offsets do not count from its start");
		odd_stream(&w, "offsets do not count from its start");
	}
	if (!w.zip64) {
		walk_directory(&w);
		walk_holes(&w);
	}
	if (memcmp(data.p, local_magic.p, 4) == 0)
		z->first = 0;
	free(w.ranges);
}
