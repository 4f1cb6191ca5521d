/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/transfer.h"

#include <string.h>

#define ROOM ((size_t)16384)

struct out {
	decode_sink sink;
	void *ctx;
	size_t n;
	unsigned char room[ROOM];
};

static enum decode_rc
flush(struct out *o)
{
	size_t n = o->n;

	o->n = 0;
	return n > 0 ? o->sink(o->ctx, o->room, n) : DECODE_OK;
}

static enum decode_rc
put(struct out *o, unsigned int byte)
{
	o->room[o->n++] = (unsigned char)byte;
	return o->n == ROOM ? flush(o) : DECODE_OK;
}

/* n hex digits at s.p, or -1. */
static int
hex_value(struct slice s, size_t n)
{
	int v = 0;

	if (s.len < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int d = str_hex_digit(s.p[i]);

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* ---- base64 ---- */

static enum transfer_what
what_is(int c, unsigned int *value)
{
	if (c >= 'A' && c <= 'Z')
		*value = (unsigned int)(c - 'A');
	else if (c >= 'a' && c <= 'z')
		*value = (unsigned int)(c - 'a' + 26);
	else if (c >= '0' && c <= '9')
		*value = (unsigned int)(c - '0' + 52);
	else if (c == '+' || c == '-')
		*value = 62;
	else if (c == '/' || c == '_')
		*value = 63;
	else if (c == '=')
		return TRANSFER_PAD;
	else if (c == '\r' || c == '\n')
		return TRANSFER_LINE_END;
	else
		return c == ' ' || c == '\t' ? TRANSFER_BLANK : TRANSFER_OTHER;
	return TRANSFER_DIGIT;
}

/* \n, \/, \u002f */
static enum transfer_what
json_escape(struct slice s, unsigned int *value, size_t *used)
{
	if (s.len < 2)
		return TRANSFER_OTHER;
	*used = 2;
	switch (s.p[1]) {
	case 'n':
	case 'r':
		return TRANSFER_LINE_END;
	case 't':
		return TRANSFER_BLANK;
	case '/':
		return what_is('/', value);
	case 'u':
		*used = 6;
		return what_is(hex_value(slice_skip(s, 2), 4), value);
	default:
		return TRANSFER_OTHER;
	}
}

/* &#43; &#x2B; */
static enum transfer_what
html_escape(struct slice s, unsigned int *value, size_t *used)
{
	static const struct {
		struct slice text;
		char is;
	} escapes[] = {
		{ { "&#43;", 5 }, '+' },
		{ { "&#x2b;", 6 }, '+' },
		{ { "&plus;", 6 }, '+' },
		{ { "&#47;", 5 }, '/' },
		{ { "&#x2f;", 6 }, '/' },
		{ { "&sol;", 5 }, '/' },
		{ { "&#61;", 5 }, '=' },
		{ { "&#x3d;", 6 }, '=' },
		{ { "&equals;", 8 }, '=' },
		{ { "&#10;", 5 }, '\n' },
		{ { "&#13;", 5 }, '\r' },
		{ { "&#xa;", 5 }, '\n' },
		{ { "&#xd;", 5 }, '\r' },
	};

	for (size_t i = 0; i < COUNTOF(escapes); i++)
		if (slice_case_has_prefix(s, escapes[i].text)) {
			*used = escapes[i].text.len;
			return what_is(escapes[i].is, value);
		}
	return TRANSFER_OTHER;
}

enum transfer_what
transfer_digit(struct slice s, unsigned int *value, size_t *used)
{
	*used = 1;
	if (s.len == 0)
		return TRANSFER_OTHER;
	switch (s.p[0]) {
	case '\\':
		return json_escape(s, value, used);
	case '%':
		*used = 3;
		return what_is(hex_value(slice_skip(s, 1), 2), value);
	case '&':
		return html_escape(s, value, used);
	default:
		return what_is(s.p[0], value);
	}
}

/* Values of plain digits of both alphabets, plus one; 0: something else. */
static const unsigned char values[256] = {
	['A'] = 1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	16,
	17,
	18,
	19,
	20,
	21,
	22,
	23,
	24,
	25,
	26,
	['a'] = 27,
	28,
	29,
	30,
	31,
	32,
	33,
	34,
	35,
	36,
	37,
	38,
	39,
	40,
	41,
	42,
	43,
	44,
	45,
	46,
	47,
	48,
	49,
	50,
	51,
	52,
	['0'] = 53,
	54,
	55,
	56,
	57,
	58,
	59,
	60,
	61,
	62,
	['+'] = 63,
	['-'] = 63,
	['/'] = 64,
	['_'] = 64,
};

/* Groups of four plain digits, as long as there are any. */
static enum decode_rc
plain_groups(struct out *o, struct slice *in)
{
	const unsigned char *p = (const unsigned char *)in->p;
	enum decode_rc rc = DECODE_OK;
	uint32_t a, b, c, d, bits;

	for (; in->len >= 4 && rc == DECODE_OK; in->len -= 4, p += 4) {
		a = values[p[0]], b = values[p[1]];
		c = values[p[2]], d = values[p[3]];
		if (a == 0 || b == 0 || c == 0 || d == 0)
			break;
		bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
		if (ROOM - o->n < 3)
			rc = flush(o);
		o->room[o->n++] = (unsigned char)(bits >> 16);
		o->room[o->n++] = (unsigned char)(bits >> 8);
		o->room[o->n++] = (unsigned char)bits;
	}
	in->p = (const char *)p;
	return rc;
}

/* Padding ends a group, and what follows begins another. */
enum decode_rc
transfer_base64(struct slice in, decode_sink sink, void *ctx)
{
	struct out o = { .sink = sink, .ctx = ctx };
	enum decode_rc rc = DECODE_OK;
	unsigned int bits = 0, nbits = 0, value = 0;
	enum transfer_what what;
	size_t used;

	for (; in.len > 0 && rc == DECODE_OK; in = slice_skip(in, used)) {
		used = 0;
		if (nbits == 0 && (rc = plain_groups(&o, &in)) != DECODE_OK)
			return rc;
		if (in.len == 0)
			break;
		what = transfer_digit(in, &value, &used);
		if (what == TRANSFER_OTHER)
			used = 1;
		if (what == TRANSFER_PAD)
			nbits = 0;
		if (what != TRANSFER_DIGIT)
			continue;
		bits = (bits << 6 | value) & 0xffffffu;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		rc = put(&o, bits >> nbits & 0xff);
	}
	return rc == DECODE_OK ? flush(&o) : rc;
}

/* ---- quoted-printable ---- */

/* Length of "= blanks line end", a line end that does not count; else 0. */
static size_t
soft_break(struct slice s)
{
	size_t i = 1;

	while (i < s.len && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i + 1 < s.len && s.p[i] == '\r' && s.p[i + 1] == '\n')
		return i + 2;
	if (i < s.len && (s.p[i] == '\n' || s.p[i] == '\r'))
		return i + 1;
	return i == s.len ? i : 0;
}

enum decode_rc
transfer_quoted_printable(struct slice in, decode_sink sink, void *ctx)
{
	struct out o = { .sink = sink, .ctx = ctx };
	enum decode_rc rc = DECODE_OK;
	size_t used;
	int v;

	for (; in.len > 0 && rc == DECODE_OK; in = slice_skip(in, used)) {
		used = 1;
		if (in.p[0] != '=') {
			rc = put(&o, (unsigned char)in.p[0]);
			continue;
		}
		v = hex_value(slice_skip(in, 1), 2);
		if (v >= 0) {
			used = 3;
			rc = put(&o, (unsigned int)v);
		} else if ((used = soft_break(in)) == 0) {
			used = 1;
			rc = put(&o, '=');
		}
	}
	return rc == DECODE_OK ? flush(&o) : rc;
}

/* ---- percent ---- */

enum decode_rc
transfer_percent(
    struct slice in, bool plus_is_blank, decode_sink sink, void *ctx)
{
	struct out o = { .sink = sink, .ctx = ctx };
	enum decode_rc rc = DECODE_OK;
	size_t used;
	int v;

	for (; in.len > 0 && rc == DECODE_OK; in = slice_skip(in, used)) {
		used = 1;
		v = (unsigned char)in.p[0];
		if (v == '+' && plus_is_blank) {
			v = ' ';
		} else if (v == '%' && hex_value(slice_skip(in, 1), 2) >= 0) {
			v = hex_value(slice_skip(in, 1), 2);
			used = 3;
		}
		rc = put(&o, (unsigned int)v);
	}
	return rc == DECODE_OK ? flush(&o) : rc;
}
