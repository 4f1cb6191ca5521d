/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The codec of the scan socket: pure, for both sides. */
#include "scanapi/tolsey_scanmsg.h"

#include <stdbool.h>
#include <string.h>

static const struct row {
	enum scanmsg_type type;
	enum scanmsg_side from;
	size_t payload, tail;
	unsigned int fds;
} rows[] = {
#define SCANMSG(id, type, from, payload, tail, fds) \
	{ SCANMSG_##type, SCANMSG_##from, sizeof(struct payload), tail, fds },
#include "scanapi/tolsey_scanmsg.def"
};
#define NROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *
find(unsigned int type)
{
	for (size_t i = 0; i < NROWS; i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

size_t
scanmsg_fixed_size(enum scanmsg_type type)
{
	const struct row *r = find(type);

	return r != NULL ? sizeof(struct scanmsg_hdr) + r->payload : 0;
}

size_t
scanmsg_max_size(void)
{
	size_t max = 0;

	for (size_t i = 0; i < NROWS; i++)
		if (rows[i].payload + rows[i].tail > max)
			max = rows[i].payload + rows[i].tail;
	return sizeof(struct scanmsg_hdr) + max;
}

void
scanmsg_header(
    struct scanmsg_hdr *h, enum scanmsg_type type, uint64_t id, size_t tail_len)
{
	memset(h, 0, sizeof(*h));
	h->magic = SCANMSG_MAGIC;
	h->version = SCANMSG_VERSION;
	h->type = (uint16_t)type;
	h->size = (uint32_t)(scanmsg_fixed_size(type) + tail_len);
	h->id = id;
}

const char *
scanmsg_error_text(enum scanmsg_err e)
{
	switch (e) {
	case SCANMSG_OK:
		return "no error";
#define SCANERR(id, word, text) \
	case SCANMSG_ERR_##word: \
		return text;
#include "scanapi/tolsey_scanmsg.def"
	}
	return "an error that is not defined";
}

/* Printable, terminated, and nothing behind the end. blanks: spaces too. */
static bool
is_text(const char *s, size_t size, bool blanks)
{
	size_t i = 0;

	for (; i < size && s[i] != '\0'; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c == 0x7f || (c == ' ' && !blanks))
			return false;
	}
	if (i == size)
		return false;
	for (; i < size; i++)
		if (s[i] != '\0')
			return false;
	return true;
}
#define IS_WORD(field) is_text(field, sizeof(field), false)
#define IS_TEXT(field) is_text(field, sizeof(field), true)

/* One line "X-Name: value" without its end. */
static bool
is_field(const char *p, size_t len)
{
	size_t colon = 0;

	if (len < 3 || (p[0] != 'X' && p[0] != 'x') || p[1] != '-')
		return false;
	while (colon < len && p[colon] != ':') {
		unsigned char c = (unsigned char)p[colon];

		if (c <= ' ' || c >= 0x7f)
			return false;
		colon++;
	}
	for (size_t i = colon; i < len; i++)
		if (p[i] == '\0' || p[i] == '\r' || p[i] == '\n')
			return false;
	return colon < len;
}

/* What a daemon may say beside X- lines. */
static bool
is_no_store(const char *p, size_t len)
{
	static const char line[] = "Cache-Control: no-store";

	return len == sizeof(line) - 1 && memcmp(p, line, len) == 0;
}

/* Lines that each end in CRLF. */
static bool
are_fields(const char *p, size_t len, enum scanmsg_side from)
{
	const char *end;

	while (len > 0) {
		end = memchr(p, '\n', len);
		if (end == NULL || end == p || end[-1] != '\r' ||
		    !(is_field(p, (size_t)(end - p) - 1) ||
			(from == SCANMSG_DAEMON &&
			    is_no_store(p, (size_t)(end - p) - 1))))
			return false;
		len -= (size_t)(end - p) + 1;
		p = end + 1;
	}
	return true;
}

/* A URL that can stand in a request line. */
static bool
is_url(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return false;
	return true;
}

static enum scanmsg_err
check_body(uint64_t body_size, uint32_t len_body, unsigned int nfds)
{
	if (len_body > SCANMSG_BODY_MAX)
		return SCANMSG_ERR_SECTIONS;
	if (nfds > 0)
		return len_body == 0 ? SCANMSG_OK : SCANMSG_ERR_SECTIONS;
	return body_size == len_body ? SCANMSG_OK : SCANMSG_ERR_DESCRIPTORS;
}

static enum scanmsg_err
check_scan_fields(const struct scanmsg_scan *s)
{
	if (s->method != SCANMSG_REQMOD && s->method != SCANMSG_RESPMOD)
		return SCANMSG_ERR_VALUE;
	if (s->kind != SCANMSG_PREFIX && s->kind != SCANMSG_WHOLE)
		return SCANMSG_ERR_VALUE;
	if ((s->flags & ~(SCANMSG_NO_BODY | SCANMSG_PATIENT)) != 0)
		return SCANMSG_ERR_VALUE;
	if ((s->flags & SCANMSG_PATIENT) != 0 && s->kind != SCANMSG_PREFIX)
		return SCANMSG_ERR_VALUE;
	if (s->reserved != 0)
		return SCANMSG_ERR_RESERVED;
	return IS_WORD(s->service) && IS_WORD(s->query) ? SCANMSG_OK
							: SCANMSG_ERR_STRING;
}

/* What a message has is in it once, and only what it can have. */
static enum scanmsg_err
check_sections(const struct scanmsg *m, unsigned int nfds)
{
	const struct scanmsg_scan *s = &m->u.SCAN;
	uint64_t sum = (uint64_t)s->len_url + s->len_icap + s->len_req +
		       s->len_res + s->len_body;

	if (sum != m->tail_len)
		return SCANMSG_ERR_SECTIONS;
	if ((s->len_url > 0 && s->len_req > 0) ||
	    (s->method == SCANMSG_REQMOD && s->len_res > 0))
		return SCANMSG_ERR_SECTIONS;
	if (s->kind == SCANMSG_PREFIX && nfds > 0)
		return SCANMSG_ERR_DESCRIPTORS;
	if ((s->flags & SCANMSG_NO_BODY) != 0 &&
	    (s->body_size > 0 || s->kind != SCANMSG_WHOLE || nfds > 0))
		return SCANMSG_ERR_SECTIONS;
	return SCANMSG_OK;
}

static enum scanmsg_err
check_scan(const struct scanmsg *m, unsigned int nfds)
{
	const struct scanmsg_scan *s = &m->u.SCAN;
	enum scanmsg_err e = check_scan_fields(s);

	if (e == SCANMSG_OK)
		e = check_sections(m, nfds);
	if (e != SCANMSG_OK)
		return e;
	if (!is_url(m->tail, s->len_url))
		return SCANMSG_ERR_STRING;
	if (!are_fields(m->tail + s->len_url, s->len_icap, SCANMSG_CLIENT))
		return SCANMSG_ERR_FIELDS;
	return check_body(s->body_size, s->len_body, nfds);
}

static enum scanmsg_err
check_rest(const struct scanmsg *m, unsigned int nfds)
{
	const struct scanmsg_rest *r = &m->u.REST;

	if (r->len_body != m->tail_len || (nfds == 0 && r->offset != 0))
		return SCANMSG_ERR_SECTIONS;
	if (r->offset > INT64_MAX || r->body_size > INT64_MAX - r->offset)
		return SCANMSG_ERR_VALUE;
	return check_body(r->body_size, r->len_body, nfds);
}

static enum scanmsg_err
check_service(const struct scanmsg_service *s)
{
	if (s->found > 1 || s->ready > 1 || s->methods > 3 || s->preview > 1 ||
	    s->draining > 1)
		return SCANMSG_ERR_VALUE;
	if (s->reserved != 0)
		return SCANMSG_ERR_RESERVED;
	return IS_WORD(s->service) && IS_WORD(s->istag) && IS_TEXT(s->daemon)
		   ? SCANMSG_OK
		   : SCANMSG_ERR_STRING;
}

/* A pass has no page; a page is an HTTP head and perhaps a body. */
static bool
heads_agree(const struct scanmsg_verdict *v)
{
	if (v->action < SCANMSG_PASS || v->action > SCANMSG_FAIL ||
	    v->head_kind > SCANMSG_HEAD_EDITED || v->early > 1 ||
	    v->nnames > SCANMSG_MAX_NAMES)
		return false;
	if ((v->head_kind == SCANMSG_HEAD_NONE) != (v->len_head == 0) ||
	    (v->head_kind != SCANMSG_HEAD_PAGE && v->len_page > 0))
		return false;
	return v->action == SCANMSG_BLOCK ? v->head_kind == SCANMSG_HEAD_PAGE
					  : v->head_kind != SCANMSG_HEAD_PAGE;
}

static enum scanmsg_err
check_verdict(const struct scanmsg *m)
{
	const struct scanmsg_verdict *v = &m->u.VERDICT;

	if (!heads_agree(v))
		return SCANMSG_ERR_VALUE;
	if ((uint64_t)v->len_headers + v->len_head + v->len_page != m->tail_len)
		return SCANMSG_ERR_SECTIONS;
	if (!IS_WORD(v->outcome) || !IS_WORD(v->id) || !IS_WORD(v->istag) ||
	    v->outcome[0] == '\0' || !IS_TEXT(v->reason) || !IS_TEXT(v->part))
		return SCANMSG_ERR_STRING;
	for (size_t i = 0; i < SCANMSG_MAX_NAMES; i++)
		if (!IS_TEXT(v->names[i]))
			return SCANMSG_ERR_STRING;
	if (!are_fields(m->tail, v->len_headers, SCANMSG_DAEMON))
		return SCANMSG_ERR_FIELDS;
	/* what is clean, and only that, is passed as clean */
	if (strcmp(v->outcome, "clean") == 0 &&
	    (v->action != SCANMSG_PASS || v->early || v->nnames > 0))
		return SCANMSG_ERR_VALUE;
	return SCANMSG_OK;
}

static enum scanmsg_err
check_payload(const struct scanmsg *m, unsigned int nfds)
{
	switch (m->type) {
	case SCANMSG_OPTIONS:
		return IS_WORD(m->u.OPTIONS.service) ? SCANMSG_OK
						     : SCANMSG_ERR_STRING;
	case SCANMSG_SCAN:
		return check_scan(m, nfds);
	case SCANMSG_REST:
		return check_rest(m, nfds);
	case SCANMSG_SERVICE:
		return check_service(&m->u.SERVICE);
	case SCANMSG_CONTINUE:
		if (m->u.CONTINUE.scanned > 1)
			return SCANMSG_ERR_VALUE;
		return IS_WORD(m->u.CONTINUE.istag) ? SCANMSG_OK
						    : SCANMSG_ERR_STRING;
	case SCANMSG_VERDICT:
		return check_verdict(m);
	case SCANMSG_ERROR:
		return IS_TEXT(m->u.ERROR.text) ? SCANMSG_OK
						: SCANMSG_ERR_STRING;
	}
	return SCANMSG_ERR_TYPE;
}

enum scanmsg_err
scanmsg_parse(struct scanmsg *m, const void *data, size_t len,
    enum scanmsg_side from, unsigned int nfds)
{
	struct scanmsg_hdr h;
	const struct row *r;

	memset(m, 0, sizeof(*m));
	if (len < sizeof(h))
		return SCANMSG_ERR_SHORT;
	memcpy(&h, data, sizeof(h));
	if (h.magic != SCANMSG_MAGIC)
		return SCANMSG_ERR_MAGIC;
	m->id = h.id;
	if (h.version != SCANMSG_VERSION)
		return SCANMSG_ERR_VERSION;
	r = find(h.type);
	if (r == NULL || r->from != from)
		return SCANMSG_ERR_TYPE;
	if (len < sizeof(h) + r->payload)
		return SCANMSG_ERR_SHORT;
	if (h.size != len || len - sizeof(h) - r->payload > r->tail)
		return SCANMSG_ERR_SIZE;
	if (h.reserved != 0)
		return SCANMSG_ERR_RESERVED;
	if (nfds > r->fds)
		return SCANMSG_ERR_DESCRIPTORS;
	m->type = r->type;
	memcpy(&m->u, (const char *)data + sizeof(h), r->payload);
	m->tail = (const char *)data + sizeof(h) + r->payload;
	m->tail_len = len - sizeof(h) - r->payload;
	return check_payload(m, nfds);
}
