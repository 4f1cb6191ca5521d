/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/scan_text.h"

#include <string.h>

#include "proto/chunk.h"
#include "proto/http_head.h"

#define HEADERS_MAX ((size_t)16384)
#define BODY_MAX ((size_t)SCANMSG_TAIL_MAX)

struct sections {
	struct slice url, icap, req, res, body;
};

static struct slice
cut(const char **p, uint32_t len)
{
	struct slice s = { *p, len };

	*p += len;
	return s;
}

/* The lengths were checked with the message. */
static struct sections
sections_of(const struct scanmsg *m)
{
	const struct scanmsg_scan *s = &m->u.SCAN;
	const char *p = m->tail;
	struct sections x;

	x.url = cut(&p, s->len_url);
	x.icap = cut(&p, s->len_icap);
	x.req = cut(&p, s->len_req);
	x.res = cut(&p, s->len_res);
	x.body = cut(&p, s->len_body);
	return x;
}

struct slice
scan_text_body(const struct scanmsg *m)
{
	return sections_of(m).body;
}

static int
add_encapsulated(struct buf *out, const struct scanmsg_scan *s, size_t req,
    const struct sections *x)
{
	const char *body =
	    s->method == SCANMSG_REQMOD ? "req-body" : "res-body";
	int rc = buf_append_str(out, "Encapsulated: ");

	if ((s->flags & SCANMSG_NO_BODY) != 0)
		body = "null-body";
	if (req > 0)
		rc |= buf_append_str(out, "req-hdr=0, ");
	if (x->res.len > 0)
		rc |= buf_printf(out, "res-hdr=%zu, ", req);
	rc |= buf_printf(out, "%s=%zu\r\n\r\n", body, req + x->res.len);
	return rc;
}

int
scan_text_request(struct buf *out, const struct scanmsg *m)
{
	const struct scanmsg_scan *s = &m->u.SCAN;
	struct sections x = sections_of(m);
	struct buf line;
	int rc;

	buf_init(&line, SCANMSG_TAIL_MAX + 64);
	if (x.url.len > 0) {
		rc = buf_printf(
		    &line, "GET %.*s HTTP/1.0\r\n\r\n", SLICE_FMT(x.url));
		x.req = buf_slice(&line);
	} else {
		rc = 0;
	}
	/*
	 * The peer holds the object: it can always be told that nothing is to
	 * be changed.
	 */
	rc |= buf_printf(out,
	    "%s icap://scan/%s%s%s ICAP/1.0\r\nHost: scan\r\n"
	    "Allow: 204, 206\r\n",
	    s->method == SCANMSG_REQMOD ? "REQMOD" : "RESPMOD", s->service,
	    s->query[0] != '\0' ? "?" : "", s->query);
	if (s->kind == SCANMSG_PREFIX)
		rc |= buf_printf(out, "Preview: %u\r\n", s->len_body);
	rc |= buf_append_slice(out, x.icap);
	rc |= add_encapsulated(out, s, x.req.len, &x);
	rc |= buf_append_slice(out, x.req);
	rc |= buf_append_slice(out, x.res);
	buf_free(&line);
	return rc == 0 ? 0 : -1;
}

void
scan_text_answer_init(struct scan_text_answer *a)
{
	memset(a, 0, sizeof(*a));
	buf_init(&a->headers, HEADERS_MAX);
	buf_init(&a->body, BODY_MAX);
}

void
scan_text_answer_free(struct scan_text_answer *a)
{
	buf_free(&a->headers);
	buf_free(&a->body);
}

/* The X- fields, how long a page may be kept, and what is encapsulated. */
static int
take_fields(
    struct scan_text_answer *a, const struct http_head *h, struct encap *e)
{
	struct slice pos = h->fields, name, value;
	int rc = 0;

	memset(e, 0, sizeof(*e));
	while (http_head_next(&pos, &name, &value)) {
		if (slice_case_eq(name, SLICE_LIT("Encapsulated")) &&
		    encap_parse(e, value) != PROTO_OK)
			return -1;
		if (slice_case_has_prefix(name, SLICE_LIT("X-")) ||
		    slice_case_eq(name, SLICE_LIT("Cache-Control")))
			rc |= buf_printf(&a->headers, "%.*s: %.*s\r\n",
			    SLICE_FMT(name), SLICE_FMT(value));
	}
	return rc == 0 ? 0 : -1;
}

/* An echo is cut short: it is not needed. */
static int
take_body(struct scan_text_answer *a, struct slice in)
{
	struct chunk_rx c;
	struct slice data;
	enum chunk_event ev;
	int rc = 0;

	chunk_rx_init(&c);
	while ((ev = chunk_rx_feed(&c, &in, &data)) == CHUNK_DATA && rc == 0)
		rc = buf_append_slice(&a->body, data);
	if (ev == CHUNK_ERROR)
		rc = -1;
	chunk_rx_free(&c);
	return rc;
}

static ptrdiff_t
find_blank_line(struct slice s)
{
	const char *p = s.len >= 4 ? memmem(s.p, s.len, "\r\n\r\n", 4) : NULL;

	return p != NULL ? p - s.p + 4 : -1;
}

int
scan_text_answer_parse(struct scan_text_answer *a, struct slice text)
{
	const struct slice begin = SLICE_LIT("ICAP/1.0 ");
	ptrdiff_t end = find_blank_line(text);
	struct http_head h;
	struct encap e;
	uint64_t status;

	if (end < 0 || !slice_has_prefix(text, begin) ||
	    text.len < begin.len + 3 ||
	    str_to_u64((struct slice){ text.p + begin.len, 3 }, 999, &status) ==
		-1)
		return -1;
	a->status = (int)status;
	memset(&h, 0, sizeof(h));
	h.fields = (struct slice){ text.p, (size_t)end };
	/* the fields begin behind the status line */
	h.fields.p += slice_find(text, '\n') + 1;
	h.fields.len -= (size_t)(h.fields.p - text.p);
	if (take_fields(a, &h, &e) == -1)
		return -1;
	text.p += end;
	text.len -= (size_t)end;
	if (e.heads_len > text.len)
		return -1;
	a->head = (struct slice){ text.p, (size_t)e.heads_len };
	a->body_kind = e.body;
	text.p += e.heads_len;
	text.len -= (size_t)e.heads_len;
	return e.body == ENCAP_RES_BODY ? take_body(a, text) : 0;
}
