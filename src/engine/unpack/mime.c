/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/mime.h"

#include <string.h>
#include <strings.h>

#define MAX_PIECES 32
#define BODY_LOOK ((size_t)8192)

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static struct slice
upto(struct slice s, size_t n)
{
	return (struct slice){ s.p, n };
}

bool
mime_line(struct slice *rest, struct slice *line)
{
	size_t n = 0;

	if (rest->len == 0)
		return false;
	while (n < rest->len && !is_one_of(rest->p[n], "\r\n"))
		n++;
	*line = upto(*rest, n);
	if (n + 1 < rest->len && rest->p[n] == '\r' && rest->p[n + 1] == '\n')
		n++;
	*rest = slice_skip(*rest, n < rest->len ? n + 1 : n);
	return true;
}

static bool
is_folded(struct slice rest)
{
	return rest.len > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t');
}

bool
mime_next_field(struct slice *rest, struct slice *name, struct slice *value)
{
	struct slice line, more;
	ptrdiff_t colon;

	while (mime_line(rest, &line)) {
		colon = slice_find(line, ':');
		if (colon <= 0)
			continue;
		*name = slice_trim_folded(upto(line, (size_t)colon));
		while (is_folded(*rest) && mime_line(rest, &more))
			line.len = (size_t)(more.p + more.len - line.p);
		*value = slice_trim_folded(slice_skip(line, (size_t)colon + 1));
		return true;
	}
	return false;
}

struct slice
mime_token(struct slice value)
{
	struct slice name = SLICE_NONE, v;

	(void)slice_next_param(&value, &name, &v);
	return name;
}

size_t
mime_unquote(struct slice v, char *out, size_t max)
{
	bool quoted = v.len > 0 && v.p[0] == '"';
	size_t n = 0;

	for (size_t i = quoted; i < v.len && n < max; i++) {
		if (quoted && v.p[i] == '"')
			break;
		/* "C:\dir\x.exe" was never escaped */
		if (quoted && v.p[i] == '\\' && i + 1 < v.len &&
		    is_one_of(v.p[i + 1], "\"\\"))
			i++;
		out[n++] = v.p[i];
	}
	return n;
}

/* charset'language'text with %41, or only the text. */
static size_t
decode_extended(struct slice v, bool first, char *out, size_t max)
{
	size_t n = 0;
	ptrdiff_t at;

	for (int quotes = 0; first && quotes < 2; quotes++)
		if ((at = slice_find(v, '\'')) >= 0)
			v = slice_skip(v, (size_t)at + 1);
	for (size_t i = 0; i < v.len && n < max; i++) {
		if (v.p[i] == '%' && i + 2 < v.len &&
		    str_hex_digit(v.p[i + 1]) >= 0 &&
		    str_hex_digit(v.p[i + 2]) >= 0) {
			out[n++] = (char)(str_hex_digit(v.p[i + 1]) * 16 +
					  str_hex_digit(v.p[i + 2]));
			i += 2;
		} else if (v.p[i] != '"') {
			out[n++] = v.p[i];
		}
	}
	return n;
}

/* Is this "name*" or "name*7" or "name*7*"? piece -1: without a number. */
static bool
is_extended(struct slice have, struct slice name, int *piece, bool *coded)
{
	if (have.len <= name.len || !slice_case_has_prefix(have, name) ||
	    have.p[name.len] != '*')
		return false;
	have = slice_skip(have, name.len + 1);
	*coded = have.len == 0;
	*piece = -1;
	if (have.len > 0 && have.p[have.len - 1] == '*') {
		*coded = true;
		have.len--;
	}
	for (size_t i = 0; i < have.len; i++) {
		if (have.p[i] < '0' || have.p[i] > '9' || *piece > MAX_PIECES)
			return false;
		*piece = (*piece < 0 ? 0 : *piece * 10) + have.p[i] - '0';
	}
	return true;
}

/* The piece of that number (-1: "name*="), appended to out. */
static bool
add_piece(struct slice value, struct slice name, int wanted, char *out,
    size_t max, size_t *n)
{
	struct slice have, v;
	bool coded;
	int piece;

	while (slice_next_param(&value, &have, &v)) {
		if (!is_extended(have, name, &piece, &coded) || piece != wanted)
			continue;
		*n += coded
			  ? decode_extended(v, wanted <= 0, out + *n, max - *n)
			  : mime_unquote(v, out + *n, max - *n);
		return true;
	}
	return false;
}

size_t
mime_param(struct slice value, const char *cname, char *out, size_t max)
{
	struct slice name = slice_of(cname), rest = value, have, v;
	size_t n = 0;

	if (slice_find(value, '*') >= 0) {
		if (add_piece(value, name, -1, out, max, &n) && n > 0)
			return n;
		for (int i = 0; i < MAX_PIECES; i++)
			if (!add_piece(value, name, i, out, max, &n))
				break;
		if (n > 0)
			return n;
	}
	while (slice_next_param(&rest, &have, &v))
		if (slice_case_eq(have, name))
			return mime_unquote(v, out, max);
	return 0;
}

/* ---- the head of a part ---- */

void
mime_add_codings(
    struct slice value, uint32_t codings[SCAN_MAX_CODINGS], uint32_t *n)
{
	struct slice element;
	enum scan_coding c;

	while (slice_next(&value, ',', &element)) {
		element = mime_token(slice_trim_folded(element));
		c = scan_coding_of(element);
		if (element.len == 0 || c == SCAN_CODING_NONE)
			continue;
		if (*n == SCAN_MAX_CODINGS) {
			codings[0] = SCAN_CODING_UNKNOWN;
			*n = 1;
			return;
		}
		codings[(*n)++] = c;
	}
}

static void
take_transfer(struct mime_head *h, struct slice v)
{
	static const char *const plain[] = { "7bit", "8bit", "binary", "none",
		"identity", "" };

	v = mime_token(v);
	if (slice_case_eq(v, SLICE_LIT("base64"))) {
		h->base64 = true;
		return;
	}
	if (slice_case_eq(v, SLICE_LIT("quoted-printable"))) {
		h->quoted_printable = true;
		return;
	}
	for (size_t i = 0; i < COUNTOF(plain); i++)
		if (slice_case_eq(v, slice_of(plain[i])))
			return;
	h->unknown_transfer = true;
}

/* A file name wins over a name; the first of each kind counts. */
static void
take_name(
    struct mime_head *h, struct slice v, const char *param, int *best, int rank)
{
	char name[MIME_NAME_MAX];
	size_t n;

	if (*best >= rank)
		return;
	n = mime_param(v, param, name, sizeof(name));
	if (n == 0)
		return;
	memcpy(h->name, name, n);
	h->name[n] = '\0';
	*best = rank;
}

/* Types whose text may hold coded files. */
static bool
is_textual(struct slice type)
{
	static const char *const words[] = { "json", "xml", "javascript",
		"ecmascript", "html", "svg", "yaml", "csv" };

	if (slice_case_has_prefix(type, SLICE_LIT("text/")))
		return true;
	for (size_t i = 0; i < COUNTOF(words); i++)
		if (slice_case_has_suffix(type, slice_of(words[i])))
			return true;
	return false;
}

/* An archive or a packed file, whose users want it as it is. */
static bool
is_packed(struct slice type)
{
	static const char *const words[] = { "zip", "compress", "tar", "rar",
		"7z", "xz", "lzma", "bz", "zstd", "archive", "diskimage" };

	for (size_t w = 0; w < COUNTOF(words); w++)
		for (size_t i = 0; i < type.len; i++)
			if (slice_case_has_prefix(
				slice_skip(type, i), slice_of(words[w])))
				return true;
	return false;
}

static void
take_type(struct mime_head *h, struct slice v)
{
	struct slice type = mime_token(v);

	h->is_packed = h->is_packed || is_packed(type);
	if (slice_case_has_prefix(type, SLICE_LIT("multipart/"))) {
		h->is_multipart = true;
		mime_boundaries(&h->boundaries, v);
	} else if (slice_case_eq(
		       type, SLICE_LIT("application/x-www-form-urlencoded"))) {
		h->is_form = true;
	} else if (is_textual(type)) {
		h->is_text = true;
	}
}

static void
take_field(struct mime_head *h, struct slice name, struct slice v, int *best)
{
	if (slice_case_eq(name, SLICE_LIT("Content-Type"))) {
		take_type(h, v);
		take_name(h, v, "name", best, 2);
	} else if (slice_case_eq(name, SLICE_LIT("Content-Disposition"))) {
		take_name(h, v, "filename", best, 3);
		take_name(h, v, "name", best, 1);
	} else if (slice_case_eq(name, SLICE_LIT("Content-Encoding"))) {
		mime_add_codings(v, h->codings, &h->ncodings);
	} else if (slice_case_eq(
		       name, SLICE_LIT("Content-Transfer-Encoding"))) {
		take_transfer(h, v);
	}
}

static bool
is_field_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= 0x20 || name.p[i] >= 0x7f)
			return false;
	return name.len > 0;
}

static bool
looks_like_head(struct slice raw)
{
	struct slice line;
	bool first = true;
	ptrdiff_t colon;

	for (; mime_line(&raw, &line); first = false) {
		if (line.len == 0 || (!first && is_folded(line)))
			continue;
		colon = slice_find(line, ':');
		if (colon <= 0 || is_folded(line) ||
		    !is_field_name(
			slice_trim_folded(upto(line, (size_t)colon))))
			return false;
	}
	return true;
}

void
mime_head_parse(struct mime_head *h, struct slice raw)
{
	struct slice rest = raw, name, value;
	int best = 0;

	memset(h, 0, sizeof(*h));
	h->is_head = looks_like_head(raw);
	while (mime_next_field(&rest, &name, &value))
		take_field(h, name, value, &best);
}

void
mime_head_declared(struct mime_head *h, struct slice types)
{
	struct slice type;

	memset(h, 0, sizeof(*h));
	h->is_head = true;
	while (mime_line(&types, &type))
		take_type(h, slice_trim_folded(type));
}

/* ---- boundaries ---- */

static void
add_boundary(struct mime_boundaries *b, const char *p, size_t n)
{
	if (n == 0 || n > MIME_BOUNDARY_MAX || b->n == MIME_MAX_BOUNDARIES)
		return;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\0' || p[i] == '\r' || p[i] == '\n')
			return;
	for (size_t i = 0; i < b->n; i++)
		if (b->len[i] == n && memcmp(b->text[i], p, n) == 0)
			return;
	memcpy(b->text[b->n], p, n);
	b->len[b->n++] = n;
}

static void
add_value(struct mime_boundaries *b, struct slice v)
{
	char text[MIME_BOUNDARY_MAX + 1];
	size_t n = mime_unquote(v, text, sizeof(text)), cut;

	if (v.len == 0)
		return;
	add_boundary(b, text, n);
	for (cut = n; cut > 0 && is_one_of(text[cut - 1], " \t"); cut--)
		;
	add_boundary(b, text, cut);
	/* with its backslashes, and with its quotes */
	if (v.len > 2 && v.p[0] == '"' && v.p[v.len - 1] == '"')
		add_boundary(b, v.p + 1, v.len - 2);
	else if (memchr(v.p, '"', v.len) != NULL)
		add_boundary(b, v.p, v.len);
	if (v.len > 0 && v.p[0] != '"')
		for (cut = 0; cut < v.len; cut++)
			if (is_one_of(v.p[cut], ", \t\r\n")) {
				add_boundary(b, v.p, cut);
				break;
			}
}

/* Up to the closing quote if it begins with one, else up to the ';'. */
static struct slice
loose_value(struct slice s)
{
	struct slice rest, name, v;
	ptrdiff_t semi;

	s = rest = slice_trim_folded(s);
	if (s.len > 0 && s.p[0] == '"' && slice_next_param(&rest, &name, &v))
		s.len -= rest.len;
	else if ((semi = slice_find(s, ';')) >= 0)
		s.len = (size_t)semi;
	if (s.len > 0 && s.p[s.len - 1] == ';')
		s.len--;
	return slice_trim_folded(s);
}

/* Whatever stands behind the word and '='. */
static void
add_loose(struct mime_boundaries *b, struct slice type)
{
	static const char word[] = "boundary";
	struct slice rest;
	ptrdiff_t eq;

	for (size_t i = 0; i + sizeof(word) - 1 <= type.len; i++) {
		if (strncasecmp(type.p + i, word, sizeof(word) - 1) != 0)
			continue;
		rest = slice_skip(type, i);
		eq = slice_find(rest, '=');
		if (eq < 0)
			return;
		add_value(b, loose_value(slice_skip(rest, (size_t)eq + 1)));
		i += (size_t)eq;
	}
}

void
mime_boundaries(struct mime_boundaries *b, struct slice type)
{
	char text[MIME_BOUNDARY_MAX + 1];
	struct slice rest = type, name, v;
	size_t n;

	if (type.len == 0)
		return;
	while (slice_next_param(&rest, &name, &v))
		if (slice_case_eq(name, SLICE_LIT("boundary")))
			add_value(b, v);
	n = mime_param(type, "boundary", text, sizeof(text));
	add_boundary(b, text, n);
	add_loose(b, type);
}

/* A head begins: a field of MIME, or none at all. */
static bool
is_head_line(struct slice line, bool lenient)
{
	return slice_case_has_prefix(line, SLICE_LIT("Content-")) ||
	       (lenient && line.len == 0);
}

void
mime_body_boundary(struct mime_boundaries *b, struct slice body, bool declared)
{
	struct slice line, rest, next;

	if (!declared && !slice_has_prefix(body, SLICE_LIT("--")))
		return;
	body.len = body.len < BODY_LOOK ? body.len : BODY_LOOK;
	while (mime_line(&body, &line)) {
		if (slice_has_prefix(line, SLICE_LIT("--"))) {
			rest = body;
			if (mime_line(&rest, &next) &&
			    is_head_line(next, declared)) {
				while (is_one_of(line.p[line.len - 1], " \t"))
					line.len--;
				add_boundary(b, line.p + 2, line.len - 2);
				return;
			}
		}
		if (!declared)
			return;
	}
}
