/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/text.h"

#include <string.h>

/* C0, DEL, C1, and what reorders or separates lines of text. */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

int
text_plain(struct buf *out, struct slice s)
{
	int rc = 0;
	size_t n;

	while (s.len > 0) {
		uint32_t c = str_utf8(s, &n);

		if (c != UINT32_MAX && !is_control(c)) {
			rc |= buf_append(out, s.p, n);
		} else {
			for (size_t i = 0; i < n; i++)
				rc |= buf_printf(
				    out, "\\x%02x", (unsigned char)s.p[i]);
		}
		s.p += n;
		s.len -= n;
	}
	return rc;
}

static int
json_char(struct buf *out, uint32_t c, struct slice bytes)
{
	if (c == UINT32_MAX)
		return buf_printf(out, "\\udc%02x", (unsigned char)bytes.p[0]);
	if (c == '"' || c == '\\')
		return buf_printf(out, "\\%c", (int)c);
	if (c == '\n')
		return buf_append_str(out, "\\n");
	if (is_control(c))
		return buf_printf(out, "\\u%04x", c);
	return buf_append_slice(out, bytes);
}

int
text_json(struct buf *out, struct slice s)
{
	int rc = buf_append_str(out, "\"");
	size_t n;

	while (s.len > 0) {
		uint32_t c = str_utf8(s, &n);

		rc |= json_char(out, c, (struct slice){ s.p, n });
		s.p += n;
		s.len -= n;
	}
	return rc | buf_append_str(out, "\"");
}

int
text_bytes(struct buf *out, uint64_t n)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB",
		"EB" };
	double d = (double)n;
	size_t i = 0;

	if (n < 1000)
		return buf_printf(out, "%llu B", (unsigned long long)n);
	for (d /= 1000; d >= 999.95 && i + 1 < COUNTOF(units); i++)
		d /= 1000;
	return buf_printf(out, "%.1f %s", d, units[i]);
}
