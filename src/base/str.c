/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/str.h"

#include <limits.h>

#define NEAREST_MAX_DISTANCE 3
#define NEAREST_MAX_LEN 48

int
slice_fmt_len(struct slice s)
{
	return s.len > INT_MAX ? INT_MAX : (int)s.len;
}

bool
slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_eq((struct slice){ s.p, prefix.len }, prefix);
}

bool
slice_case_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_case_eq((struct slice){ s.p, prefix.len }, prefix);
}

bool
slice_case_has_suffix(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       slice_case_eq(
		   (struct slice){ s.p + s.len - suffix.len, suffix.len },
		   suffix);
}

static bool
is_blank_or_end(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
slice_trim_folded(struct slice s)
{
	while (s.len > 0 && is_blank_or_end(s.p[0]))
		s = slice_skip(s, 1);
	while (s.len > 0 && is_blank_or_end(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool
slice_next(struct slice *rest, char sep, struct slice *elem)
{
	ptrdiff_t at;

	if (rest->p == NULL)
		return false;
	at = slice_find(*rest, sep);
	if (at == -1) {
		*elem = slice_trim(*rest);
		*rest = SLICE_NONE;
		return true;
	}
	*elem = slice_trim((struct slice){ rest->p, (size_t)at });
	rest->p += at + 1;
	rest->len -= (size_t)at + 1;
	return true;
}

bool
slice_next_param(struct slice *rest, struct slice *name, struct slice *value)
{
	size_t i = 0, eq = SIZE_MAX;
	bool quoted = false;

	if (rest->len == 0)
		return false;
	for (; i < rest->len && (quoted || rest->p[i] != ';'); i++) {
		if (rest->p[i] == '"')
			quoted = !quoted;
		else if (rest->p[i] == '\\' && quoted && i + 1 < rest->len)
			i++;
		else if (rest->p[i] == '=' && eq == SIZE_MAX)
			eq = i;
	}
	*name = slice_trim_folded((struct slice){ rest->p, eq < i ? eq : i });
	*value = SLICE_NONE;
	if (eq < i)
		*value = slice_trim_folded(
		    (struct slice){ rest->p + eq + 1, i - eq - 1 });
	*rest = slice_skip(*rest, i < rest->len ? i + 1 : i);
	return true;
}

bool
slice_list_has(struct slice list, struct slice token)
{
	struct slice elem;

	while (slice_next(&list, ',', &elem))
		if (slice_case_eq(elem, token))
			return true;
	return false;
}

int
str_to_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v) ||
		    v > max)
			return -1;
	}
	*out = v;
	return 0;
}

int
str_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
str_hex_to_u64(struct slice s, uint64_t *out)
{
	uint64_t v = 0;
	int digit;

	if (s.len == 0 || s.len > 16)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if ((digit = str_hex_digit(s.p[i])) == -1)
			return -1;
		v = v << 4 | (uint64_t)digit;
	}
	*out = v;
	return 0;
}

size_t
str_copy(char *dst, size_t dstlen, struct slice src)
{
	size_t n = src.len;

	CHECK(dstlen > 0);
	if (n > dstlen - 1)
		n = dstlen - 1;
	if (n > 0)
		memcpy(dst, src.p, n);
	dst[n] = '\0';
	return n;
}

size_t
str_copy_clean(char *dst, size_t dstlen, struct slice src, const char *refuse)
{
	size_t n = str_copy(dst, dstlen, src);

	for (size_t i = 0; i < n; i++)
		if (dst[i] < 0x20 || dst[i] > 0x7e ||
		    strchr(refuse, dst[i]) != NULL)
			dst[i] = '_';
	return n;
}

uint32_t
str_utf8(struct slice s, size_t *n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = (unsigned char)s.p[0];
	size_t len = c < 0x80   ? 1
		     : c < 0xc2 ? 0
		     : c < 0xe0 ? 2
		     : c < 0xf0 ? 3
		     : c < 0xf5 ? 4
				: 0;

	*n = 1;
	if (len == 1)
		return c;
	if (len == 0 || len > s.len)
		return UINT32_MAX;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < least[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return UINT32_MAX;
	*n = len;
	return c;
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == UINT32_MAX;
}

bool
str_is_text(struct slice s)
{
	size_t n;

	for (; s.len > 0; s = (struct slice){ s.p + n, s.len - n })
		if (is_control(str_utf8(s, &n)))
			return false;
	return true;
}

size_t
str_copy_text(char *dst, size_t dstlen, struct slice src)
{
	size_t at = 0, n;

	if (dstlen == 0)
		return 0;
	for (; src.len > 0; src = (struct slice){ src.p + n, src.len - n }) {
		bool bad = is_control(str_utf8(src, &n));

		if (n >= dstlen - at)
			break;
		memcpy(dst + at, bad ? "_" : src.p, bad ? 1 : n);
		at += bad ? 1 : n;
	}
	dst[at] = '\0';
	return at;
}

static unsigned int
min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance without regard to case; both lengths are bounded. */
static unsigned int
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned int row[NEAREST_MAX_LEN + 1], left, diag;

	for (size_t j = 0; j <= blen; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= alen; i++) {
		diag = row[0];
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= blen; j++) {
			left = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1,
			    diag + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0));
			diag = left;
		}
	}
	return row[blen];
}

const char *
str_nearest(const char *word, const char *const names[], size_t count)
{
	const char *best = NULL;
	unsigned int d, best_d = NEAREST_MAX_DISTANCE + 1;
	size_t len = strlen(word), nlen;

	if (len > NEAREST_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		nlen = strlen(names[i]);
		if (nlen > NEAREST_MAX_LEN)
			continue;
		d = distance(word, len, names[i], nlen);
		if (d < best_d && d < nlen) {
			best = names[i];
			best_d = d;
		}
	}
	return best;
}
