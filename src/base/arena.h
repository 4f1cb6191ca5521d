/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/*
 * Memory of one transaction: taken piece by piece, given back at once. The
 * first block is kept over arena_reset(), so that a keep-alive connection does
 * not call malloc for a small request.
 */
#include <stddef.h>

#include "base/str.h"

struct arena;

/* max: bytes it may hand out between two resets. NULL when out of memory. */
struct arena *arena_new(size_t max);
void arena_free(struct arena **a);
void arena_reset(struct arena *a);
/* Zeroed, aligned for any type. NULL when over max or out of memory. */
void *arena_alloc(struct arena *a, size_t len) MUST_CHECK;
/* A copy, NUL-terminated behind its length. p is NULL when out of memory. */
struct slice arena_dup(struct arena *a, struct slice s);
/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);
#endif
