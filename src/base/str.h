/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_STR_H
#define BASE_STR_H
/*
 * Slices of bytes that somebody else owns, and strict conversions. Nothing
 * here allocates, and nothing needs a terminating NUL unless it says so.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

struct slice {
	const char *p; /* may be NULL when len is 0 */
	size_t len;
};

#define SLICE_LIT(s) ((struct slice){ (s), sizeof(s) - 1 })
#define SLICE_NONE ((struct slice){ NULL, 0 })
/* For printf("%.*s"): the length is cut to INT_MAX. */
#define SLICE_FMT(s) slice_fmt_len(s), ((s).p != NULL ? (s).p : "")

/*
 * Those that every parser calls for every line are inline: calls were a tenth
 * of what it costs to parse a head.
 */
/* NULL gives SLICE_NONE */
static inline struct slice
slice_of(const char *cstr)
{
	return (struct slice){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}
int slice_fmt_len(struct slice s);
static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
/* ASCII only */
static inline bool
slice_case_eq(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}
bool slice_has_prefix(struct slice s, struct slice prefix);
bool slice_case_has_prefix(struct slice s, struct slice prefix);
bool slice_case_has_suffix(struct slice s, struct slice suffix);
/* Position of c, or -1. */
static inline ptrdiff_t
slice_find(struct slice s, char c)
{
	const char *at = s.len > 0 ? (const char *)memchr(s.p, c, s.len) : NULL;

	return at != NULL ? at - s.p : -1;
}
/* Without leading and trailing SP and HTAB. */
static inline struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}
/* Without its first n bytes (n <= s.len). */
static inline struct slice
slice_skip(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.len - n };
}
/* Without blanks and the line ends of folded lines around it. */
struct slice slice_trim_folded(struct slice s);
/*
 * Cuts the next element off a list: everything up to the next sep goes to
 * *elem, trimmed; *rest moves behind it. False when *rest is used up. Empty
 * elements are returned as empty slices.
 */
bool slice_next(struct slice *rest, char sep, struct slice *elem);
/*
 * Cuts the next parameter off "token; name=value; name="quoted; value"". The
 * value keeps its quotes. The first is the token itself, without a value.
 */
bool slice_next_param(
    struct slice *rest, struct slice *name, struct slice *value);
/* True when the comma list holds the token, compared whole, any case. */
bool slice_list_has(struct slice list, struct slice token);

/* 1*DIGIT without sign or blank, no overflow past max. 0 or -1. */
int str_to_u64(struct slice s, uint64_t max, uint64_t *out) MUST_CHECK;
/* The value of a hexadecimal digit, or -1. */
int str_hex_digit(char c);
/* 1*HEXDIG, at most 16 digits. 0 or -1. */
int str_hex_to_u64(struct slice s, uint64_t *out) MUST_CHECK;
/* Copies and terminates; cuts what does not fit. Returns the length stored. */
size_t str_copy(char *dst, size_t dstlen, struct slice src);
/*
 * For text that comes from outside: keeps printable ASCII but for the bytes
 * in `refuse`, replaces every other byte by '_', cuts to fit, terminates.
 */
size_t str_copy_clean(
    char *dst, size_t dstlen, struct slice src, const char *refuse);
/*
 * The character at s.p (s.len > 0) and in *n the number of its bytes. Not
 * UTF-8 (RFC 3629: also overlong forms, surrogates, beyond U+10FFFF):
 * UINT32_MAX, 1.
 */
uint32_t str_utf8(struct slice s, size_t *n);
/* Is it UTF-8 without control characters? */
bool str_is_text(struct slice s);
/*
 * As str_copy_clean(), for names that people gave: keeps UTF-8 as well, but
 * for control characters; cuts between characters.
 */
size_t str_copy_text(char *dst, size_t dstlen, struct slice src);
/* The entry of names[] nearest to word (edit distance <= 3), or NULL. */
const char *str_nearest(
    const char *word, const char *const names[], size_t count);
#endif
