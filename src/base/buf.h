/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_BUF_H
#define BASE_BUF_H
/*
 * A growing byte buffer with a mandatory maximum. A failed append leaves the
 * buffer as it was and marks it `failed`, so that a writer may append many
 * times and ask once.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf {
	char *p;
	size_t len, cap, max;
	bool failed; /* an append did not fit or memory ran out */
};

/* max: bytes it may ever hold. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer is as after buf_init(). */
void buf_free(struct buf *b);
/* Forgets the contents, keeps the memory. */
void buf_reset(struct buf *b);
/* 0, or -1 with errno E2BIG (over max) or ENOMEM. */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *p, size_t len);
int buf_append_slice(struct buf *b, struct slice s);
int buf_append_str(struct buf *b, const char *cstr);
int buf_append_u64(struct buf *b, uint64_t v); /* in decimal */
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drops n bytes (n <= len) from the front. */
void buf_consume(struct buf *b, size_t n);
struct slice buf_slice(const struct buf *b);
/* The contents as a C string (a NUL is kept behind them), "" when empty. */
const char *buf_cstr(struct buf *b);
#endif
