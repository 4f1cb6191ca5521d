/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A template is text with %{name} (the value, escaped) and %{?name} ...
 * %{/name} (kept when there is a value). Blocks do not nest.
 */
#include "service/blockpage.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "service/html.h"

#define RETRY_AFTER "30"

enum value {
	V_WHY,
	V_OUTCOME,
	V_THREAT,
	V_URL,
	V_PART,
	V_FILENAME,
	V_USER,
	V_GROUPS,
	V_CLIENT,
	V_SERVICE,
	V_CONTACT,
	V_ID,
	V_TIME,
	V_RETRY,
	NVALUES
};

/* The most bytes of each value that are shown. */
static const struct {
	const char *name;
	size_t max;
} values[NVALUES] = {
	[V_WHY] = { "why", 128 },
	[V_OUTCOME] = { "outcome", 32 },
	[V_THREAT] = { "threat", 100 },
	[V_URL] = { "url", 200 },
	[V_PART] = { "part", 100 },
	[V_FILENAME] = { "filename", 100 },
	[V_USER] = { "user", 64 },
	[V_GROUPS] = { "groups", 200 },
	[V_CLIENT] = { "client", 64 },
	[V_SERVICE] = { "service", 48 },
	[V_CONTACT] = { "contact", 300 },
	[V_ID] = { "id", 32 },
	[V_TIME] = { "time", 32 },
	[V_RETRY] = { "retry", 8 },
};

enum piece { P_TEXT, P_VALUE, P_IF, P_END, P_BAD };

/* ---- template ---- */

static enum value
value_by_name(struct slice name)
{
	unsigned int v = 0;

	while (v < NVALUES && !slice_eq(name, slice_of(values[v].name)))
		v++;
	return (enum value)v;
}

/* The next %{, or NULL. memmem() is slow for two bytes. */
static const char *
find_open(struct slice s)
{
	ptrdiff_t at;

	for (; (at = slice_find(s, '%')) >= 0; s.p += at + 1) {
		s.len -= (size_t)at + 1;
		if (s.len > 0 && s.p[at + 1] == '{')
			return s.p + at;
	}
	return NULL;
}

/* Cuts the next piece off the template; P_BAD: an unknown or open %{. */
static enum piece
next_piece(struct slice *rest, struct slice *piece, enum value *v)
{
	const char *p = rest->p, *at = find_open(*rest), *end;
	enum piece kind = P_VALUE;
	struct slice name;

	if (at != p) {
		size_t n = at != NULL ? (size_t)(at - p) : rest->len;

		*piece = (struct slice){ p, n };
		*rest = (struct slice){ p + n, rest->len - n };
		return P_TEXT;
	}
	end = memchr(p, '}', rest->len);
	if (end == NULL)
		end = p + rest->len - 1;
	name = (struct slice){ p + 2, (size_t)(end - p - 2) };
	*piece = (struct slice){ p, (size_t)(end - p + 1) };
	*rest = (struct slice){ end + 1, rest->len - piece->len };
	if (name.len > 0 && (name.p[0] == '?' || name.p[0] == '/')) {
		kind = name.p[0] == '?' ? P_IF : P_END;
		name = (struct slice){ name.p + 1, name.len - 1 };
	}
	*v = value_by_name(name);
	return *v < NVALUES ? kind : P_BAD;
}

static void
fill_in(struct buf *out, struct slice t, const struct slice v[NVALUES])
{
	enum value which = NVALUES, skip = NVALUES;
	struct slice piece;

	while (t.len > 0) {
		enum piece kind = next_piece(&t, &piece, &which);

		if (kind == P_END)
			skip = NVALUES;
		else if (skip != NVALUES)
			continue;
		else if (kind == P_TEXT)
			(void)buf_append_slice(out, piece);
		else if (kind == P_VALUE)
			html_escape(out, v[which], values[which].max);
		else if (kind == P_IF && v[which].len == 0)
			skip = which;
	}
}

static bool
starts_status_line(struct slice s)
{
	return slice_case_has_prefix(s, SLICE_LIT("HTTP/")) ||
	       slice_case_has_prefix(s, SLICE_LIT("ICAP/"));
}

/* Bytes before the next CR or LF. */
static size_t
text_run(struct slice s)
{
	ptrdiff_t at = slice_find(s, '\n');

	if (at >= 0)
		s.len = (size_t)at;
	at = slice_find(s, '\r');
	return at >= 0 ? (size_t)at : s.len;
}

/*
 * BP-07, whatever the template and the values are: no CR and no empty line
 * (so no "0 CRLF CRLF"), and no line that starts like a status line.
 */
static void
append_harmless(struct buf *out, struct slice s)
{
	bool begins = true; /* a line */
	size_t n;

	for (; s.len > 0; s = (struct slice){ s.p + n, s.len - n }) {
		n = text_run(s);
		if (n > 0) {
			if (begins && starts_status_line(s))
				(void)buf_append_str(out, " ");
			(void)buf_append(out, s.p, n);
			begins = false;
			continue;
		}
		n = 1;
		if (s.p[0] == '\r' && s.len > 1 && s.p[1] == '\n')
			continue;
		if (s.p[0] == '\r')
			(void)buf_append_str(out, " ");
		else if (!begins)
			(void)buf_append_str(out, "\n");
		begins = s.p[0] == '\n';
	}
}

/* ---- answer ---- */

/* "2025-11-18 10:00:00 UTC" */
static void
format_time(uint64_t wall_us, char out[32])
{
	char iso[CLOCK_ISO_LEN];

	clock_iso(wall_us, iso);
	(void)snprintf(out, 32, "%.10s %.8s UTC", iso, iso + 11);
}

static int
make_page(struct buf *page, const struct blockpage *b,
    const struct outcome_info *info, struct slice template)
{
	char when[32];
	struct buf raw;
	int rc;
	struct slice v[NVALUES] = { [V_WHY] = slice_of(info->user_text),
		[V_OUTCOME] = slice_of(info->word),
		[V_THREAT] = b->threat,
		[V_URL] = b->url,
		[V_PART] = b->part,
		[V_FILENAME] = b->filename,
		[V_USER] = b->user,
		[V_GROUPS] = b->groups,
		[V_CLIENT] = b->client,
		[V_SERVICE] = slice_of(b->service),
		[V_CONTACT] = slice_of(b->contact),
		[V_ID] = slice_of(b->id),
		[V_TIME] = { when, 0 },
		[V_RETRY] =
		    slice_of(info->http_status == 503 ? RETRY_AFTER : NULL) };

	format_time(b->wall_us, when);
	v[V_TIME].len = strlen(when);
	buf_init(&raw, BLOCKPAGE_MAX);
	/* in one piece each: a failure shows below */
	if (buf_reserve(&raw, template.len) == 0)
		fill_in(&raw, template, v);
	if (buf_reserve(page, raw.len) == 0)
		append_harmless(page, buf_slice(&raw));
	rc = raw.failed || page->failed ? -1 : 0;
	buf_free(&raw);
	return rc;
}

/* BP-01 to BP-05, BP-08 to BP-10: from scratch, nothing of the original. */
static int
make_head(struct buf *head, const struct blockpage *b, int status, size_t len)
{
	char date[CLOCK_HTTP_DATE_LEN];

	clock_http_date(b->wall_us, date);
	return buf_printf(head,
	    "HTTP/1.1 %s\r\n"
	    "Date: %s\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "%s"
	    "Cache-Control: no-store\r\n"
	    "Pragma: no-cache\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Content-Security-Policy: default-src 'none'; "
	    "style-src 'unsafe-inline'\r\n"
	    "\r\n",
	    status == 503 ? "503 Service Unavailable" : "403 Forbidden", date,
	    len, status == 503 ? "Retry-After: " RETRY_AFTER "\r\n" : "");
}

int
blockpage_make(struct buf *head, struct buf *page, const struct blockpage *b,
    struct slice template)
{
	bool known = b->outcome > OUTCOME_NONE && b->outcome < NOUTCOMES;
	const struct outcome_info *info =
	    outcome_info(known ? b->outcome : OUTCOME_FAILED);

	if (template.p == NULL)
		template = blockpage_builtin();
	if (make_page(page, b, info, template) == -1 ||
	    make_head(head, b, info->http_status, page->len) == -1)
		return -1;
	if (b->head_only)
		buf_reset(page); /* the length stays: RFC 9110 8.6 */
	return 0;
}

/* ---- check ---- */

static int
refuse(char *err, size_t errlen, const char *what, struct slice where)
{
	char at[48];

	(void)str_copy_clean(at, sizeof(at), where, "");
	(void)snprintf(err, errlen, "block page: %s: %s", what, at);
	return -1;
}

static int
check_pieces(struct slice t, char *err, size_t errlen)
{
	enum value which = NVALUES, open = NVALUES;
	struct slice piece;

	while (t.len > 0) {
		switch (next_piece(&t, &piece, &which)) {
		case P_BAD:
			return refuse(err, errlen, "unknown name", piece);
		case P_IF:
			if (open != NVALUES)
				return refuse(
				    err, errlen, "block in a block", piece);
			open = which;
			break;
		case P_END:
			if (open != which)
				return refuse(
				    err, errlen, "end without a begin", piece);
			open = NVALUES;
			break;
		default:
			break;
		}
	}
	if (open != NVALUES)
		return refuse(err, errlen, "block without an end",
		    slice_of(values[open].name));
	return 0;
}

/* BP-07, BP-09: what must not be there, in any case. */
static int
check_words(struct slice t, char *err, size_t errlen)
{
	static const char *const forbidden[] = { "<script",
		"javascript:", "src=", "href=http", "href=\"http", "href='http",
		"href=\"//", "href='//", "url(", "@import", "http-equiv" };
	struct slice rest = t, line;

	for (size_t i = 0; i < t.len; i++)
		for (size_t w = 0; w < COUNTOF(forbidden); w++)
			if (slice_case_has_prefix(
				(struct slice){ t.p + i, t.len - i },
				slice_of(forbidden[w])))
				return refuse(err, errlen, "must not contain",
				    slice_of(forbidden[w]));
	while (slice_next(&rest, '\n', &line))
		if (starts_status_line(line))
			return refuse(
			    err, errlen, "a line must not start with", line);
	return 0;
}

int
blockpage_check_template(struct slice template, char *err, size_t errlen)
{
	static const struct slice title = { "<title>", 7 };

	if (template.len == 0 || template.len > BLOCKPAGE_MAX / 2)
		return refuse(
		    err, errlen, "is empty or over", SLICE_LIT("32 KiB"));
	if (memchr(template.p, '\0', template.len) != NULL)
		return refuse(err, errlen, "contains", SLICE_LIT("NUL"));
	if (memmem(template.p, template.len, title.p, title.len) == NULL)
		return refuse(err, errlen, "has no", title);
	if (check_pieces(template, err, errlen) == -1)
		return -1;
	return check_words(template, err, errlen);
}
