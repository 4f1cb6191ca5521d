/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2;
}

void
buf_free(struct buf *b)
{
	size_t max = b->max;

	free(b->p);
	buf_init(b, max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static int
fail(struct buf *b, int error)
{
	b->failed = true;
	errno = error;
	return -1;
}

/* One byte more than asked for is kept for buf_cstr(). */
int
buf_reserve(struct buf *b, size_t more)
{
	size_t want, cap;
	char *p;

	if (more > b->max || b->len > b->max - more)
		return fail(b, E2BIG);
	want = b->len + more + 1;
	if (want <= b->cap)
		return 0;
	cap = b->cap > 0 ? b->cap : BUF_FIRST;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	if ((p = realloc(b->p, cap)) == NULL)
		return fail(b, ENOMEM);
	b->p = p;
	b->cap = cap;
	return 0;
}

int
buf_append(struct buf *b, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	if (len >= b->cap - b->len && buf_reserve(b, len) == -1)
		return -1;
	memcpy(b->p + b->len, p, len);
	b->len += len;
	return 0;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.p, s.len);
}

int
buf_append_u64(struct buf *b, uint64_t v)
{
	char digits[20]; /* of UINT64_MAX */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return buf_append(b, digits + at, sizeof(digits) - at);
}

int
buf_append_str(struct buf *b, const char *cstr)
{
	return buf_append(b, cstr, strlen(cstr));
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap - b->len; /* with one for NUL */
	va_list again;
	int n;

	/* it mostly fits: formatting twice is only for when it does not */
	va_copy(again, ap);
	n = vsnprintf(room > 0 ? b->p + b->len : NULL, room, fmt, again);
	va_end(again);
	if (n < 0)
		return fail(b, EINVAL);
	if ((size_t)n < room) {
		b->len += (size_t)n;
		return 0;
	}
	if (buf_reserve(b, (size_t)n) == -1)
		return -1;
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return rc;
}

void
buf_consume(struct buf *b, size_t n)
{
	CHECK(n <= b->len);
	if (n < b->len && n > 0)
		memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){ b->p, b->len };
}

const char *
buf_cstr(struct buf *b)
{
	if (b->p == NULL)
		return "";
	b->p[b->len] = '\0';
	return b->p;
}
