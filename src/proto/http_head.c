/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/http_head.h"

#include <string.h>

/* One line without its end (CRLF or LF); *rest moves behind it. */
static bool
next_line(struct slice *rest, struct slice *line)
{
	ptrdiff_t at;

	if (rest->len == 0)
		return false;
	at = slice_find(*rest, '\n');
	*line = *rest;
	if (at >= 0)
		line->len = (size_t)at;
	rest->p += line->len + (at >= 0);
	rest->len -= line->len + (at >= 0);
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool
is_folded(struct slice line)
{
	return line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* HTTP/1.1 200 OK, ICY 200 OK: word SP three digits (RM-06) */
static void
parse_status_line(struct http_head *h)
{
	ptrdiff_t sp = slice_find(h->first, ' ');
	struct slice code;
	uint64_t status;

	if (sp <= 0 || !(slice_case_has_prefix(h->first, SLICE_LIT("HTTP/")) ||
			   slice_case_has_prefix(h->first, SLICE_LIT("ICY"))))
		return;
	code = slice_trim(
	    (struct slice){ h->first.p + sp, h->first.len - (size_t)sp });
	if (code.len < 3 || (code.len > 3 && code.p[3] != ' ') ||
	    str_to_u64((struct slice){ code.p, 3 }, 999, &status) == -1)
		return;
	h->status = (int)status;
	h->reason = slice_trim((struct slice){ code.p + 3, code.len - 3 });
	h->has_first_line = true;
}

static void
parse_request_line(struct http_head *h)
{
	ptrdiff_t sp = slice_find(h->first, ' ');
	struct slice rest;

	if (sp <= 0 ||
	    slice_find((struct slice){ h->first.p, (size_t)sp }, ':') >= 0)
		return;
	h->method = (struct slice){ h->first.p, (size_t)sp };
	rest = slice_trim(
	    (struct slice){ h->first.p + sp, h->first.len - (size_t)sp });
	/* the target ends at the last blank: it may itself hold some */
	for (size_t i = rest.len; i > 0; i--)
		if (rest.p[i - 1] == ' ') {
			rest.len = i - 1;
			break;
		}
	h->target = slice_trim(rest);
	h->has_first_line = true;
}

void
http_head_parse(struct http_head *h, struct slice raw, bool is_response)
{
	struct slice rest = raw;

	memset(h, 0, sizeof(*h));
	h->raw = h->fields = raw;
	if (!next_line(&rest, &h->first))
		return;
	if (is_response)
		parse_status_line(h);
	else
		parse_request_line(h);
	/* old senders leave the first line out (EN-09) */
	if (h->has_first_line)
		h->fields = rest;
}

bool
http_head_next(struct slice *pos, struct slice *name, struct slice *value)
{
	struct slice line, ahead, more;
	ptrdiff_t colon;

	while (next_line(pos, &line)) {
		if (line.len == 0) {
			*pos = SLICE_NONE;
			return false;
		}
		colon = slice_find(line, ':');
		if (colon <= 0 || is_folded(line))
			continue;
		*name = slice_trim((struct slice){ line.p, (size_t)colon });
		*value = (struct slice){ line.p + colon + 1,
			line.len - (size_t)colon - 1 };
		/* folded lines belong to the value, with their line ends */
		for (ahead = *pos; next_line(&ahead, &more) && is_folded(more);
		     *pos = ahead)
			value->len = (size_t)(more.p + more.len - value->p);
		*value = slice_trim(*value);
		return true;
	}
	return false;
}

struct slice
http_head_get(const struct http_head *h, const char *name)
{
	struct slice pos = h->fields, n, v, want = slice_of(name);

	while (http_head_next(&pos, &n, &v))
		if (slice_case_eq(n, want))
			return v.p != NULL ? v : SLICE_LIT("");
	return SLICE_NONE;
}

size_t
http_head_count(const struct http_head *h, const char *name)
{
	struct slice pos = h->fields, n, v, want = slice_of(name);
	size_t count = 0;

	while (http_head_next(&pos, &n, &v))
		if (slice_case_eq(n, want))
			count++;
	return count;
}

int
http_head_content_length(const struct http_head *h, uint64_t *len)
{
	struct slice pos = h->fields, n, v, want = SLICE_LIT("Content-Length");
	uint64_t this;
	int found = 0;

	while (http_head_next(&pos, &n, &v)) {
		if (!slice_case_eq(n, want))
			continue;
		if (str_to_u64(v, INT64_MAX, &this) == -1 ||
		    (found && this != *len))
			return -1;
		*len = this;
		found = 1;
	}
	return found;
}

static bool
ends_with(struct slice s, const char *suffix)
{
	struct slice x = slice_of(suffix);

	return s.len >= x.len &&
	       memcmp(s.p + s.len - x.len, suffix, x.len) == 0;
}

/* Somewhere: what stands behind it is kept as it came (EN-08). */
static bool
has_blank_line(struct slice s)
{
	return s.len > 0 && (memmem(s.p, s.len, "\n\r\n", 3) != NULL ||
				memmem(s.p, s.len, "\n\n", 2) != NULL);
}

bool
http_head_complete(const struct http_head *h)
{
	return has_blank_line(h->raw);
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/*
 * Is the line one of those to leave out? Also one whose name has a control
 * byte: without it it might be another field, or the end of the one before.
 */
static bool
is_dropped(struct slice line, const char *const drop[], size_t ndrop)
{
	ptrdiff_t colon = slice_find(line, ':');
	struct slice name = line;

	if (colon >= 0)
		name.len = (size_t)colon;
	for (size_t i = 0; i < name.len; i++)
		if (is_control(name.p[i]))
			return true;
	if (colon <= 0)
		return false;
	name = slice_trim(name);
	for (size_t i = 0; i < ndrop; i++)
		if (slice_case_eq(name, slice_of(drop[i])))
			return true;
	return false;
}

/* What EN-09 says is missing at the end of a head. */
static int
append_end(struct buf *out, struct slice raw)
{
	if (has_blank_line(raw))
		return 0;
	if (ends_with(raw, "\n\r"))
		return buf_append_str(out, "\n");
	if (ends_with(raw, "\r"))
		return buf_append_str(out, "\n\r\n");
	return buf_append_str(out, ends_with(raw, "\n") ? "\r\n" : "\r\n\r\n");
}

/* SE-10: in a head that is written anew no control byte is left, and lines
 * end in CRLF. */
static int
append_line(struct buf *out, struct slice line)
{
	size_t at = out->len;

	if (buf_append_slice(out, line) == -1)
		return -1;
	for (size_t i = at; i < out->len; i++)
		if (is_control(out->p[i]))
			out->p[i] = ' ';
	return buf_append_str(out, "\r\n");
}

int
http_head_edit(struct buf *out, const struct http_head *h,
    const char *const drop[], size_t ndrop, struct slice add)
{
	struct slice rest = h->fields, line;
	bool dropping = false;
	int rc = 0;

	if (ndrop == 0 && add.len == 0) {
		rc = buf_append_slice(out, h->raw);
		return rc | append_end(out, h->raw);
	}
	if (h->fields.p > h->raw.p)
		rc |= append_line(out, h->first);
	while (next_line(&rest, &line)) {
		if (line.len == 0)
			break;
		if (!is_folded(line))
			dropping = is_dropped(line, drop, ndrop);
		if (!dropping)
			rc |= append_line(out, line);
	}
	rc |= buf_append_slice(out, add);
	rc |= buf_append_str(out, "\r\n");
	/* a second head in the section stays as it was (EN-08) */
	rc |= buf_append_slice(out, rest);
	return rc == 0 ? 0 : -1;
}

/* Length of "scheme://" at the beginning of an absolute URL, else 0. */
static size_t
scheme_len(struct slice url)
{
	for (size_t i = 0; i + 2 < url.len; i++) {
		if (memcmp(url.p + i, "://", 3) == 0)
			return i + 3;
		if (url.p[i] == '/' || url.p[i] == '?' || url.p[i] == '#')
			break;
	}
	return 0;
}

int
http_head_url(struct buf *out, const struct http_head *req)
{
	struct slice host;

	if (scheme_len(req->target) > 0 ||
	    slice_eq(req->method, SLICE_LIT("CONNECT")))
		return buf_append_slice(out, req->target);
	host = http_head_get(req, "Host");
	if (host.len == 0)
		return buf_append_slice(out, req->target);
	if (buf_append_str(out, "http://") == -1 ||
	    buf_append_slice(out, host) == -1)
		return -1;
	return buf_append_slice(out, req->target);
}

/* Cuts at the next ';' that is not in quotes. */
static bool
next_parameter(struct slice *rest, struct slice *elem)
{
	bool quoted = false;
	size_t n;

	if (rest->len == 0)
		return false;
	for (n = 0; n < rest->len && (quoted || rest->p[n] != ';'); n++) {
		if (rest->p[n] == '"')
			quoted = !quoted;
		else if (quoted && rest->p[n] == '\\' && n + 1 < rest->len)
			n++;
	}
	*elem = slice_trim((struct slice){ rest->p, n });
	n += n < rest->len;
	rest->p += n;
	rest->len -= n;
	return true;
}

/* filename*=UTF-8''x or filename="x" or filename=x of a Content-Disposition */
static struct slice
disposition_name(struct slice v)
{
	struct slice elem, best = SLICE_NONE;
	ptrdiff_t at;

	while (next_parameter(&v, &elem)) {
		if (!slice_case_has_prefix(elem, SLICE_LIT("filename")) ||
		    (at = slice_find(elem, '=')) < 0)
			continue;
		best = slice_trim((struct slice){
		    elem.p + at + 1, elem.len - (size_t)at - 1 });
		if (elem.p[at - 1] == '*') {
			for (int quotes = 0; quotes < 2; quotes++)
				if ((at = slice_find(best, '\'')) >= 0)
					best = (struct slice){ best.p + at + 1,
						best.len - (size_t)at - 1 };
			return best;
		}
		if (best.len >= 2 && best.p[0] == '"' &&
		    best.p[best.len - 1] == '"')
			best = (struct slice){ best.p + 1, best.len - 2 };
	}
	return best;
}

static struct slice
path_name(struct slice target)
{
	ptrdiff_t at = slice_find(target, '?');
	size_t host = scheme_len(target);

	if (at >= 0)
		target.len = (size_t)at;
	if ((at = slice_find(target, '#')) >= 0)
		target.len = (size_t)at;
	for (size_t from = target.len; from > host; from--)
		if (target.p[from - 1] == '/')
			return (
			    struct slice){ target.p + from, target.len - from };
	return SLICE_NONE;
}

struct slice
http_head_filename(const struct http_head *req, const struct http_head *resp)
{
	const struct http_head *of = resp->raw.p != NULL ? resp : req;
	struct slice name =
	    disposition_name(http_head_get(of, "Content-Disposition"));

	if (name.len > 0)
		return name;
	return path_name(req->target);
}
