/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/allow.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/check.h"
#include "base/str.h"

#define CONTAINER_HEAD 512 /* bytes before the tar archive of a .cvd */
#define TAR_BLOCK 512
#define LINE_MAX_LEN 1024

struct allow {
	uint64_t *sizes; /* sorted after allow_done() */
	size_t n, cap;
	bool any;
	bool own; /* the file that is being read is no container */
	uint64_t smallest_own;
};

struct allow *
allow_new(void)
{
	struct allow *a = calloc(1, sizeof(*a));

	if (a != NULL)
		a->smallest_own = UINT64_MAX;
	return a;
}

void
allow_free(struct allow **a)
{
	if (*a == NULL)
		return;
	free((*a)->sizes);
	free(*a);
	*a = NULL;
}

static void
add_size(struct allow *a, uint64_t size)
{
	if (a->n == a->cap) {
		size_t cap = a->cap == 0 ? 1024 : a->cap * 2;
		uint64_t *p = reallocarray(a->sizes, cap, sizeof(*p));

		if (p == NULL) {
			a->any = true;
			return;
		}
		a->sizes = p;
		a->cap = cap;
	}
	a->sizes[a->n++] = size;
	if (a->own && size < a->smallest_own)
		a->smallest_own = size;
}

/* "hash:size:name" and more fields; the size may be "*". */
static void
add_line(struct allow *a, struct slice line)
{
	struct slice hash, size;
	uint64_t n;

	while (line.len > 0 && (line.p[line.len - 1] == '\r'))
		line.len--;
	if (line.len == 0 || line.p[0] == '#')
		return;
	if (slice_next(&line, ':', &hash) && slice_next(&line, ':', &size) &&
	    str_to_u64(size, UINT64_MAX, &n) == 0)
		add_size(a, n);
	else
		a->any = true;
}

struct lines {
	char line[LINE_MAX_LEN];
	size_t len;
	bool too_long;
};

static void
end_line(struct allow *a, struct lines *l)
{
	if (l->too_long)
		a->any = true;
	else
		add_line(a, (struct slice){ l->line, l->len });
	l->len = 0;
	l->too_long = false;
}

static void
take_bytes(struct allow *a, struct lines *l, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\n')
			end_line(a, l);
		else if (l->len == sizeof(l->line))
			l->too_long = true;
		else
			l->line[l->len++] = p[i];
	}
}

/* Reads exactly size bytes: lines of rows, or (rows false) what is skipped. */
static bool
read_lines(struct allow *a, gzFile in, uint64_t size, bool rows)
{
	struct lines l = { .len = 0 };
	char block[16384];

	while (size > 0) {
		unsigned int want =
		    size < sizeof(block) ? (unsigned int)size : sizeof(block);
		int n = gzread(in, block, want);

		if (n <= 0)
			return false;
		if (rows)
			take_bytes(a, &l, block, (size_t)n);
		size -= (uint64_t)n;
	}
	if (rows)
		end_line(a, &l);
	return true;
}

static bool
has_rows(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL &&
	       (slice_case_eq(slice_of(dot), SLICE_LIT(".fp")) ||
		   slice_case_eq(slice_of(dot), SLICE_LIT(".sfp")));
}

static bool
is_container(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL &&
	       (slice_case_eq(slice_of(dot), SLICE_LIT(".cvd")) ||
		   slice_case_eq(slice_of(dot), SLICE_LIT(".cld")) ||
		   slice_case_eq(slice_of(dot), SLICE_LIT(".cud")));
}

static bool
parse_octal(const char *p, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0, digits = 0;

	while (i < len && p[i] == ' ')
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++, digits++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	*out = v;
	return digits > 0 && digits < 20 &&
	       (i == len || p[i] == '\0' || p[i] == ' ');
}

/* The next member's head: 1, 0 at the end of the archive, -1. */
static int
next_member(gzFile in, char name[101], uint64_t *size)
{
	char head[TAR_BLOCK];
	int n = gzread(in, head, sizeof(head));

	/* some archives end without blocks of zeros */
	if (n == 0 || (n == TAR_BLOCK && head[0] == '\0'))
		return 0;
	if (n != TAR_BLOCK || !parse_octal(head + 124, 12, size))
		return -1;
	memcpy(name, head, 100);
	name[100] = '\0';
	return 1;
}

static bool
read_members(struct allow *a, gzFile in)
{
	char name[101];
	uint64_t size;
	int rc;

	while ((rc = next_member(in, name, &size)) == 1) {
		uint64_t padding = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;

		if (!read_lines(a, in, size, has_rows(name)) ||
		    !read_lines(a, in, padding, false))
			return false;
	}
	return rc == 0;
}

/* The archive may be compressed (.cvd) or not (.cld): zlib reads both. */
static bool
read_container(struct allow *a, int fd)
{
	gzFile in;
	bool ok;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return false;
	if (lseek(own, CONTAINER_HEAD, SEEK_SET) != CONTAINER_HEAD ||
	    (in = gzdopen(own, "rb")) == NULL) {
		(void)close(own);
		return false;
	}
	ok = read_members(a, in);
	return gzclose_r(in) == Z_OK && ok;
}

static bool
read_plain(struct allow *a, int fd)
{
	struct lines l = { .len = 0 };
	char block[16384];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), at)) > 0) {
		take_bytes(a, &l, block, (size_t)n);
		at += n;
	}
	end_line(a, &l);
	return n == 0;
}

void
allow_read(struct allow *a, const char *name, int fd)
{
	bool ok = true;

	a->own = !is_container(name);
	if (!a->own)
		ok = read_container(a, fd);
	else if (has_rows(name))
		ok = read_plain(a, fd);
	if (!ok)
		a->any = true;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
allow_done(struct allow *a, size_t at_least)
{
	if (a->n < at_least)
		a->any = true;
	if (a->n > 0)
		qsort(a->sizes, a->n, sizeof(*a->sizes), compare);
}

bool
allow_may_match(const struct allow *a, uint64_t size)
{
	if (a->any || size == 0)
		return true;
	return a->n > 0 &&
	       bsearch(&size, a->sizes, a->n, sizeof(size), compare) != NULL;
}

size_t
allow_rows(const struct allow *a)
{
	return a->n;
}

bool
allow_own_below(const struct allow *a, uint64_t size)
{
	return a->smallest_own <= size;
}
