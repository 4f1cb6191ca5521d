/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "service/html.h"

#include <string.h>

/* Controls, and what hides or reorders other characters. */
static bool
is_unfit(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
	       c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe0fff) || (c & 0xfffe) == 0xfffe;
}

static bool
is_plain(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c > 0 && c < 0x80 && strchr(" -._~/:?@*+,;%()", (int)c));
}

/* How many bytes from s.p[i] on are as they are, and no slash: at most max. */
static size_t
plain_run(struct slice s, size_t i, size_t max)
{
	size_t end = s.len < max ? s.len : max, n = i;

	while (n < end && s.p[n] != '/' && is_plain((unsigned char)s.p[n]))
		n++;
	return n - i;
}

/*
 * EG and others take "HTTP/1.1" or "ICAP/1.0" at the start of a line for a
 * status line (BP-07): a value never holds one.
 */
static bool
ends_protocol_name(struct slice s, size_t i)
{
	struct slice name = { s.p + i - 4, 4 };

	return s.p[i] == '/' && i >= 4 &&
	       (slice_case_eq(name, SLICE_LIT("HTTP")) ||
		   slice_case_eq(name, SLICE_LIT("ICAP")));
}

void
html_escape(struct buf *out, struct slice s, size_t max)
{
	size_t i = 0, n;
	uint32_t c;

	for (; i < s.len; i += n) {
		if ((n = plain_run(s, i, max)) > 0) {
			(void)buf_append(out, s.p + i, n);
			continue;
		}
		c = str_utf8((struct slice){ s.p + i, s.len - i }, &n);
		if (i + n > max)
			break;
		if (is_unfit(c))
			(void)buf_append_str(out, "?");
		else if (is_plain(c) && !ends_protocol_name(s, i))
			(void)buf_append(out, s.p + i, 1);
		else
			(void)buf_printf(out, "&#%u;", c);
	}
	if (i < s.len)
		(void)buf_append_str(out, "...");
}
