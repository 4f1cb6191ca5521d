/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ALLOW_H
#define ENGINE_ALLOW_H
/*
 * The sizes of the files that a signature set excepts by their hash (rows of
 * .fp and .sfp files, also inside .cvd, .cld and .cud). libclamav does not
 * tell them. A hit in a prefix can be final only when the whole object, whose
 * size was announced, cannot be one of these files.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct allow;

/* NULL: out of memory. */
struct allow *allow_new(void);
void allow_free(struct allow **a);
/*
 * Reads the rows of one signature file; name decides by its ending what it
 * is. What cannot be read or understood excepts every size.
 */
void allow_read(struct allow *a, const char *name, int fd);
/* All have been read; there must be at least so many rows, else as above. */
void allow_done(struct allow *a, size_t at_least);
/* Whether an object of that size may be excepted; size 0: unknown. */
bool allow_may_match(const struct allow *a, uint64_t size);
size_t allow_rows(const struct allow *a);
/*
 * Whether a row for at most that size stands in a file of its own, so that the
 * operator may have written it.
 */
bool allow_own_below(const struct allow *a, uint64_t size);
#endif
