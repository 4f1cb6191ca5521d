/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/embedded.h"

#include <string.h>

#include "engine/unpack/transfer.h"

#define MIN_LINE ((size_t)40)    /* digits in a line that goes on below */
#define MIN_PERCENT ((size_t)16) /* bytes of a data: URL without base64 */
#define URL_HEAD_MAX ((size_t)256)
#define KEY_MAX ((size_t)96)
#define TEXT_LOOK ((size_t)1024)
#define FORM_LOOK ((size_t)4096)

/* What a byte may be in a string of base64, as bits. */
#define DIGIT 1u
#define NO_HEX 2u  /* a digit that is none of hex */
#define CLASSIC 4u /* a digit of the one alphabet only */
#define URL 8u     /* of the other */
#define ESCAPE 16u /* belongs to an escape, perhaps */

static const unsigned char classes[256] = {
	['0' ... '9'] = DIGIT,
	['A' ... 'F'] = DIGIT,
	['a' ... 'f'] = DIGIT,
	['G' ... 'Z'] = DIGIT | NO_HEX,
	['g' ... 'z'] = DIGIT | NO_HEX,
	['+'] = DIGIT | NO_HEX | CLASSIC,
	['/'] = DIGIT | NO_HEX | CLASSIC,
	['-'] = DIGIT | NO_HEX | URL,
	['_'] = DIGIT | NO_HEX | URL,
	['\\'] = ESCAPE,
	['%'] = ESCAPE,
	['&'] = ESCAPE,
	['#'] = ESCAPE,
	[';'] = ESCAPE,
};

static unsigned int
class_of(char c)
{
	return classes[(unsigned char)c];
}

static bool
is_digit(char c)
{
	return (class_of(c) & DIGIT) != 0;
}

static struct slice
from(struct slice s, size_t at)
{
	return (struct slice){ s.p + at, s.len - at };
}

static void
set_name(struct embedded_item *it, struct slice name)
{
	(void)str_copy(it->name, sizeof(it->name), name);
}

/* ---- strings of base64 ---- */

struct run {
	size_t begin, end;
	size_t digits;
	unsigned int seen;  /* classes of all of them */
	size_t line_digits; /* in the present line of the text */
	bool in_url;        /* of a data: URL: whatever comes belongs to it */
	bool in_string;     /* from the quote that opens a string */
};

/* Of the line end at s, and of blanks that indent the next line. */
static size_t
line_end_len(struct slice s)
{
	size_t n = 0;

	while (n < s.len && n < 2 && (s.p[n] == '\r' || s.p[n] == '\n'))
		n++;
	while (n < s.len && n < 32 && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n < s.len && is_digit(s.p[n]) ? n : 0;
}

/*
 * Whether the text goes on behind it. Two lines belong together only where
 * the first is as long as those of base64 are: a list of words is none.
 */
static bool
joins(struct run *r, enum transfer_what what, struct slice s, size_t *used)
{
	bool escaped = *used > 1;

	if (what == TRANSFER_BLANK)
		return escaped && r->in_url;
	if (what != TRANSFER_LINE_END)
		return false;
	if (r->line_digits < MIN_LINE && !r->in_url &&
	    !(escaped && (r->in_string || r->line_digits == 0)))
		return false;
	r->line_digits = 0;
	if (!escaped)
		*used = line_end_len(s);
	return *used > 0;
}

/* The digits at `at` that are not escaped. */
static size_t
take_plain(struct slice text, size_t at, struct run *r)
{
	size_t from = at;
	unsigned int c;

	for (; at < text.len && ((c = class_of(text.p[at])) & DIGIT) != 0; at++)
		r->seen |= c;
	r->digits += at - from;
	r->line_digits += at - from;
	return at;
}

/* One escape or line end at `at`. Its length, 0 where the run ends. */
static size_t
take_other(struct slice text, size_t at, struct run *r)
{
	struct slice s = from(text, at);
	unsigned int value;
	size_t used;
	enum transfer_what what = transfer_digit(s, &value, &used);

	if (what != TRANSFER_DIGIT)
		return joins(r, what, s, &used) ? used : 0;
	r->seen |= NO_HEX | CLASSIC;
	r->digits++;
	r->line_digits++;
	return used;
}

static void
take_run(struct slice text, size_t at, bool in_url, struct run *r)
{
	size_t used;

	*r = (struct run){ .begin = at, .in_url = in_url };
	r->in_string = at > 0 && text.p[at - 1] == '"';
	do {
		/* of a line such as -----END X----- */
		if (r->digits > 0 &&
		    slice_has_prefix(from(text, at), SLICE_LIT("-----")))
			break;
		at = take_plain(text, at, r);
		used = at < text.len ? take_other(text, at, r) : 0;
		at += used;
	} while (used > 0);
	r->end = at;
}

/* What is an identifier or a path in one and a string of base64 in another. */
static bool
is_file(const struct run *r)
{
	return r->digits >= EMBEDDED_MIN_DIGITS && (r->seen & NO_HEX) != 0 &&
	       (r->seen & (CLASSIC | URL)) != (CLASSIC | URL);
}

static size_t
back_over(struct slice text, size_t at, const char *set)
{
	while (at > 0 && text.p[at - 1] != '\0' &&
	       strchr(set, text.p[at - 1]) != NULL)
		at--;
	return at;
}

/* What stands before `end` back to the byte `open`, not too far away. */
static struct slice
back_to(struct slice text, size_t end, char open)
{
	size_t min = end > KEY_MAX ? end - KEY_MAX : 0;

	for (size_t i = end; i > min; i--)
		if (text.p[i - 1] == open)
			return (struct slice){ text.p + i, end - i };
	return SLICE_NONE;
}

/* The "key": before a string of JSON, the <tag> before a text of XML. */
static struct slice
key_before(struct slice text, size_t at)
{
	char quote;

	at = back_over(text, at, " \t\r\n");
	if (at > 0 && text.p[at - 1] == '>')
		return back_to(text, at - 1, '<');
	if (at == 0 || (text.p[at - 1] != '"' && text.p[at - 1] != '\''))
		return SLICE_NONE;
	at = back_over(text, at - 1, " \t\r\n");
	if (at == 0 || (text.p[at - 1] != ':' && text.p[at - 1] != '='))
		return SLICE_NONE;
	at = back_over(text, at - 1, " \t\r\n");
	if (at == 0)
		return SLICE_NONE;
	quote = text.p[at - 1];
	if (quote == '"' || quote == '\'')
		return back_to(text, at - 1, quote);
	return from((struct slice){ text.p, at },
	    back_over(text, at,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-"));
}

/* ---- data: URLs ---- */

static bool
in_url_head(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$&^_.+/;=:%*'\\- \"", c) != NULL);
}

/* Does "data:" end right behind `colon`, as a word of its own? */
static bool
is_data_scheme(struct slice text, size_t colon)
{
	return colon >= 4 &&
	       slice_case_eq((struct slice){ text.p + colon - 4, 4 },
		   SLICE_LIT("data")) &&
	       (colon == 4 || !is_digit(text.p[colon - 5]));
}

/* Position of the comma behind the head, 0 when it is no data: URL. */
static size_t
url_comma(struct slice text, size_t colon)
{
	size_t max =
	    text.len - colon < URL_HEAD_MAX ? text.len : colon + URL_HEAD_MAX;

	for (size_t i = colon + 1; i < max; i++) {
		if (text.p[i] == ',')
			return i;
		if (!in_url_head(text.p[i]))
			break;
	}
	return 0;
}

static void
name_url(
    struct embedded_item *it, struct slice text, size_t colon, size_t comma)
{
	struct slice type = { text.p + colon - 4, comma - colon + 4 };
	ptrdiff_t semi = slice_find(type, ';');
	char clean[SCAN_PART_MAX];
	size_t n = 0;

	if (semi >= 0)
		type.len = (size_t)semi;
	for (size_t i = 0; i < type.len && n + 1 < sizeof(clean); i++)
		if (type.p[i] != '\\')
			clean[n++] = type.p[i];
	set_name(it, (struct slice){ clean, n });
}

/* "data:,x" or "data:text/html,x", but not "data: x, y" of some program. */
static bool
is_type(struct slice type)
{
	return type.len == 0 || type.p[0] == ';' || slice_find(type, '/') > 0;
}

/* A data: URL whose head ends at comma. True when it holds a file. */
static bool
take_url(
    struct embedded *e, size_t colon, size_t comma, struct embedded_item *it)
{
	struct slice head = { e->text.p + colon + 1, comma - colon - 1 };
	size_t end = comma + 1;
	struct run r;

	name_url(it, e->text, colon, comma);
	if (slice_case_has_suffix(head, SLICE_LIT(";base64")) ||
	    slice_case_has_suffix(head, SLICE_LIT("%3Bbase64"))) {
		take_run(e->text, end, true, &r);
		it->how = EMBEDDED_BASE64;
		it->raw =
		    (struct slice){ e->text.p + r.begin, r.end - r.begin };
		e->at = r.end;
		return r.digits > 0;
	}
	while (end < e->text.len && e->text.p[end] > 0x20 &&
	       strchr("\"'<>)`", e->text.p[end]) == NULL)
		end++;
	it->how = EMBEDDED_PERCENT;
	it->raw = (struct slice){ e->text.p + comma + 1, end - comma - 1 };
	/* a list such as "data: a, b" is gone through for base64 as well */
	e->at = comma + 1;
	return it->raw.len >= MIN_PERCENT && is_type(head);
}

/* ---- all of it ---- */

void
embedded_begin(struct embedded *e, struct slice text)
{
	*e = (struct embedded){ .text = text };
}

/*
 * Where the next MIN_LINE bytes begin that may all be of one string; each
 * shorter stretch is jumped over. What lies before `at` is not looked at.
 */
static size_t
next_stretch(struct slice text, size_t at)
{
	size_t end, i;

	for (; text.len - at >= MIN_LINE; at = i) {
		end = at + MIN_LINE;
		for (i = end; i > at && class_of(text.p[i - 1]) != 0; i--)
			;
		if (i == at)
			return at;
	}
	return text.len;
}

/* The next ':' that ends "data:". */
static size_t
next_url(struct slice text, size_t at)
{
	const char *p;

	for (; at < text.len; at++) {
		p = memchr(text.p + at, ':', text.len - at);
		if (p == NULL)
			break;
		at = (size_t)(p - text.p);
		if (is_data_scheme(text, at))
			return at;
	}
	return text.len;
}

static bool
take_base64(struct embedded *e, struct embedded_item *it)
{
	struct run r;
	unsigned int value;
	size_t used;

	take_run(e->text, e->at, false, &r);
	e->at = r.end;
	/* half an escape */
	if (r.end == r.begin)
		do
			e->at++;
		while (e->at < e->text.len && !is_digit(e->text.p[e->at]) &&
		       transfer_digit(from(e->text, e->at), &value, &used) ==
			   TRANSFER_OTHER);
	if (!is_file(&r))
		return false;
	it->how = EMBEDDED_BASE64;
	it->raw = (struct slice){ e->text.p + r.begin, r.end - r.begin };
	set_name(it, key_before(e->text, r.begin));
	return true;
}

static bool
take_from_url(struct embedded *e, struct embedded_item *it)
{
	size_t colon = e->url, comma = url_comma(e->text, colon);

	e->at = colon + 1;
	return comma != 0 && take_url(e, colon, comma, it);
}

bool
embedded_next(struct embedded *e, struct embedded_item *it)
{
	while (e->at < e->text.len) {
		if (e->stretch < e->at || e->at == 0)
			e->stretch = next_stretch(e->text, e->at);
		if (e->url < e->at || e->at == 0)
			e->url = next_url(e->text, e->at);
		if (e->stretch == e->text.len && e->url == e->text.len)
			break;
		if (e->url < e->stretch) {
			if (take_from_url(e, it))
				return true;
			continue;
		}
		e->at = e->stretch;
		if (take_base64(e, it))
			return true;
	}
	return false;
}

/* ---- forms ---- */

bool
embedded_is_form(struct slice text)
{
	bool equals = false;

	if (text.len > FORM_LOOK)
		text.len = FORM_LOOK;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '=' && i == 0)
			return false;
		equals = equals || c == '=';
		if (!equals && i > 256)
			return false;
		if (!is_digit(c) &&
		    (c == '\0' || strchr("%=&.*;~!'()@:[]$,", c) == NULL))
			return i + 2 >= text.len && equals;
	}
	return equals;
}

bool
embedded_next_field(struct slice *rest, struct slice *name, struct slice *value)
{
	ptrdiff_t amp, eq;

	if (rest->len == 0)
		return false;
	amp = slice_find(*rest, '&');
	*value = *rest;
	if (amp >= 0)
		value->len = (size_t)amp;
	*rest = from(*rest, amp >= 0 ? (size_t)amp + 1 : rest->len);
	eq = slice_find(*value, '=');
	*name = SLICE_NONE;
	if (eq >= 0) {
		*name = (struct slice){ value->p, (size_t)eq };
		*value = from(*value, (size_t)eq + 1);
	}
	return true;
}

bool
embedded_is_text(struct slice data)
{
	size_t n = data.len < TEXT_LOOK ? data.len : TEXT_LOOK;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data.p[i];

		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' &&
		    c != '\f' && c != 0x1b)
			return false;
		if (c == 0x7f)
			return false;
	}
	return true;
}
