/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/icap_head.h"

#include <string.h>

#define PREVIEW_MAX (UINT64_MAX / 2)

/* tchar of RFC 9110 5.6.2 */
static bool
is_token_char(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.len > 0;
}

/* Cuts one line off without its line end; false when it is malformed. */
static bool
next_line(struct slice *rest, struct slice *line)
{
	ptrdiff_t at = slice_find(*rest, '\n');

	if (at == -1)
		return false;
	*line = (struct slice){ rest->p, (size_t)at };
	rest->p += at + 1;
	rest->len -= (size_t)at + 1;
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	/* FR-20: no NUL, bare CR or other control byte */
	for (size_t i = 0; i < line->len; i++)
		if (((unsigned char)line->p[i] < 0x20 && line->p[i] != '\t') ||
		    line->p[i] == 0x7f)
			return false;
	return true;
}

static enum proto_err
parse_version(struct slice v)
{
	if (v.len != 8 || !slice_has_prefix(v, SLICE_LIT("ICAP/")) ||
	    v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' || v.p[7] < '0' ||
	    v.p[7] > '9')
		return PROTO_ERR_BAD_REQUEST_LINE;
	return v.p[5] == '1' ? PROTO_OK : PROTO_ERR_BAD_VERSION;
}

/* Without the slashes around it (FR-04). */
static struct slice
service_of(struct slice path)
{
	while (path.len > 0 && path.p[0] == '/') {
		path.p++;
		path.len--;
	}
	if (path.len > 0 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

/* icap://[userinfo@]host[:port][/path][?query] (FR-02) */
static enum proto_err
parse_uri(struct icap_head *h)
{
	struct slice u = h->uri, path = SLICE_NONE;
	size_t end = 0;
	ptrdiff_t at;

	if (slice_case_has_prefix(u, SLICE_LIT("icap://")))
		u = (struct slice){ u.p + 7, u.len - 7 };
	else if (slice_case_has_prefix(u, SLICE_LIT("icaps://")))
		u = (struct slice){ u.p + 8, u.len - 8 };
	else
		return PROTO_ERR_BAD_URI;
	while (end < u.len && u.p[end] != '/' && u.p[end] != '?')
		end++;
	h->host = (struct slice){ u.p, end };
	if ((at = slice_find(h->host, '@')) >= 0)
		h->host = (struct slice){ h->host.p + at + 1,
			h->host.len - (size_t)at - 1 };
	if (h->host.len == 0)
		return PROTO_ERR_BAD_URI;
	path = (struct slice){ u.p + end, u.len - end };
	if ((at = slice_find(path, '?')) >= 0) {
		h->query = (struct slice){ path.p + at + 1,
			path.len - (size_t)at - 1 };
		path.len = (size_t)at;
	}
	h->service = service_of(path);
	return PROTO_OK;
}

static enum icap_method
method_of(struct slice m)
{
	if (slice_eq(m, SLICE_LIT("RESPMOD")))
		return ICAP_RESPMOD;
	if (slice_eq(m, SLICE_LIT("REQMOD")))
		return ICAP_REQMOD;
	if (slice_eq(m, SLICE_LIT("OPTIONS")))
		return ICAP_OPTIONS;
	return 0;
}

/* FR-01: method SP absolute-URI SP ICAP/d.d */
static enum proto_err
parse_request_line(struct icap_head *h, struct slice line)
{
	ptrdiff_t first = slice_find(line, ' '), second;
	struct slice method, rest;
	enum proto_err e;

	if (first <= 0)
		return PROTO_ERR_BAD_REQUEST_LINE;
	method = (struct slice){ line.p, (size_t)first };
	rest =
	    (struct slice){ line.p + first + 1, line.len - (size_t)first - 1 };
	second = slice_find(rest, ' ');
	if (!is_token(method) || second <= 0)
		return PROTO_ERR_BAD_REQUEST_LINE;
	h->uri = (struct slice){ rest.p, (size_t)second };
	if ((e = parse_version((struct slice){ rest.p + second + 1,
		 rest.len - (size_t)second - 1 })) != PROTO_OK)
		return e;
	if ((h->method = method_of(method)) == 0)
		return PROTO_ERR_UNKNOWN_METHOD;
	return parse_uri(h);
}

static enum proto_err
parse_field(struct icap_head *h, struct slice line, size_t max)
{
	ptrdiff_t colon = slice_find(line, ':');
	struct icap_field *f;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return PROTO_ERR_BAD_LINE_END; /* FR-12 */
	if (colon <= 0 || !is_token((struct slice){ line.p, (size_t)colon }))
		return PROTO_ERR_BAD_HEADER; /* FR-11 */
	if (h->nfields >= max || h->nfields == ICAP_MAX_FIELDS)
		return PROTO_ERR_HEAD_TOO_LARGE;
	f = &h->fields[h->nfields++];
	f->name = (struct slice){ line.p, (size_t)colon };
	f->value = slice_trim(
	    (struct slice){ line.p + colon + 1, line.len - (size_t)colon - 1 });
	return PROTO_OK;
}

static void
parse_allow(struct icap_head *h, struct slice v)
{
	h->allow_204 = h->allow_204 || slice_list_has(v, SLICE_LIT("204"));
	h->allow_206 = h->allow_206 || slice_list_has(v, SLICE_LIT("206"));
	h->allow_trailers =
	    h->allow_trailers || slice_list_has(v, SLICE_LIT("trailers"));
}

static enum proto_err
parse_preview(struct icap_head *h, struct slice v)
{
	if (h->has_preview)
		return PROTO_ERR_DUP_HEADER; /* FR-16 */
	h->has_preview = true;
	return str_to_u64(v, PREVIEW_MAX, &h->preview) == 0
		   ? PROTO_OK
		   : PROTO_ERR_BAD_PREVIEW;
}

static enum proto_err
parse_encapsulated(struct icap_head *h, struct slice v)
{
	if (h->has_encap)
		return PROTO_ERR_DUP_HEADER;
	h->has_encap = true;
	return encap_parse(&h->encap, v);
}

/* The fields that steer the protocol. */
static enum proto_err
interpret(struct icap_head *h, const struct icap_field *f)
{
	if (slice_case_eq(f->name, SLICE_LIT("Encapsulated")))
		return parse_encapsulated(h, f->value);
	if (slice_case_eq(f->name, SLICE_LIT("Preview")))
		return parse_preview(h, f->value);
	if (slice_case_eq(f->name, SLICE_LIT("Allow")))
		parse_allow(h, f->value);
	else if (slice_case_eq(f->name, SLICE_LIT("Connection")))
		h->close =
		    h->close || slice_list_has(f->value, SLICE_LIT("close"));
	else if (slice_case_eq(f->name, SLICE_LIT("Trailer")))
		h->trailer = f->value;
	return PROTO_OK;
}

/* EN-01, EN-07: what a method must and may encapsulate. */
static enum proto_err
check_encap(const struct icap_head *h)
{
	const struct encap *e = &h->encap;

	if (h->method == ICAP_OPTIONS) {
		if (h->has_encap && e->body != ENCAP_NULL_BODY &&
		    e->body != ENCAP_OPT_BODY)
			return PROTO_ERR_BAD_ENCAPSULATED;
		return PROTO_OK;
	}
	if (!h->has_encap)
		return PROTO_ERR_NO_ENCAPSULATED;
	if (e->body == ENCAP_NULL_BODY)
		return h->method == ICAP_REQMOD && e->res_hdr_len > 0
			   ? PROTO_ERR_BAD_ENCAPSULATED
			   : PROTO_OK;
	if (h->method == ICAP_REQMOD)
		return e->body == ENCAP_REQ_BODY && e->res_hdr_len == 0
			   ? PROTO_OK
			   : PROTO_ERR_BAD_ENCAPSULATED;
	return e->body == ENCAP_RES_BODY ? PROTO_OK
					 : PROTO_ERR_BAD_ENCAPSULATED;
}

enum proto_err
icap_head_parse(struct icap_head *h, struct slice text)
{
	return icap_head_parse_limited(h, text, ICAP_USUAL_FIELDS);
}

enum proto_err
icap_head_parse_limited(
    struct icap_head *h, struct slice text, size_t max_fields)
{
	struct slice line;
	enum proto_err e;

	/* the fields are filled as they come: no need to clear them all */
	memset(h, 0, offsetof(struct icap_head, fields));
	h->nfields = 0;
	if (!next_line(&text, &line))
		return PROTO_ERR_BAD_LINE_END;
	if ((e = parse_request_line(h, line)) != PROTO_OK)
		return e;
	for (;;) {
		if (!next_line(&text, &line))
			return PROTO_ERR_BAD_LINE_END;
		if (line.len == 0)
			break;
		if ((e = parse_field(h, line, max_fields)) != PROTO_OK ||
		    (e = interpret(h, &h->fields[h->nfields - 1])) != PROTO_OK)
			return e;
	}
	return check_encap(h);
}

enum proto_err
icap_head_check_line(struct slice line)
{
	struct icap_head h;

	memset(&h, 0, offsetof(struct icap_head, fields));
	return parse_request_line(&h, line);
}

struct slice
icap_head_get(const struct icap_head *h, const char *name)
{
	struct slice want = slice_of(name);

	for (size_t i = 0; i < h->nfields; i++)
		if (slice_case_eq(h->fields[i].name, want))
			return h->fields[i].value;
	return SLICE_NONE;
}
