/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/icap_answer.h"

#include <string.h>

enum state {
	ST_HEAD,
	ST_SECTIONS,
	ST_READY,
	ST_BODY,
	ST_TRAILER,
	ST_END,
	ST_ERROR
};

void
icap_answer_init(
    struct icap_answer *a, size_t max_icap_head, size_t max_http_heads)
{
	memset(a, 0, sizeof(*a));
	a->max_icap_head = max_icap_head;
	a->max_http_heads = max_http_heads;
	buf_init(&a->head, max_icap_head + max_http_heads);
	chunk_rx_init(&a->chunk);
	chunk_rx_init(&a->trailer);
	icap_answer_reset(a);
}

void
icap_answer_free(struct icap_answer *a)
{
	buf_free(&a->head);
	chunk_rx_free(&a->chunk);
	chunk_rx_free(&a->trailer);
}

void
icap_answer_reset(struct icap_answer *a)
{
	buf_reset(&a->head);
	a->state = ST_HEAD;
	a->icap_len = 0;
	a->why = NULL;
	a->status = 0;
	a->reason = SLICE_NONE;
	a->nfields = 0;
	a->close = a->has_encap = a->has_trailer = false;
	a->encap = (struct encap){ .body = ENCAP_NULL_BODY };
	memset(&a->req, 0, sizeof(a->req));
	memset(&a->res, 0, sizeof(a->res));
	chunk_rx_reset(&a->chunk);
	chunk_rx_reset_trailer(&a->trailer);
}

bool
icap_answer_begun(const struct icap_answer *a)
{
	return a->state != ST_HEAD || a->head.len > 0;
}

bool
icap_answer_has_head(const struct icap_answer *a)
{
	return a->state >= ST_READY && a->state <= ST_END;
}

struct slice
icap_answer_raw(const struct icap_answer *a)
{
	return (struct slice){ a->head.p, a->icap_len };
}

struct slice
icap_answer_get(const struct icap_answer *a, const char *name)
{
	struct slice want = slice_of(name);

	for (size_t i = 0; i < a->nfields; i++)
		if (slice_case_eq(a->fields[i].name, want))
			return a->fields[i].value;
	return SLICE_NONE;
}

static enum icap_answer_event
fail(struct icap_answer *a, const char *why)
{
	a->state = ST_ERROR;
	a->why = why;
	return ICAP_ANSWER_ERROR;
}

/* ---- the ICAP head ---- */

/* ICAP/1.x SP three digits, and what is behind. */
static const char *
parse_status_line(struct icap_answer *a, struct slice line)
{
	uint64_t status;

	if (line.len < 12 || !slice_has_prefix(line, SLICE_LIT("ICAP/1.")) ||
	    line.p[7] < '0' || line.p[7] > '9' || line.p[8] != ' ' ||
	    str_to_u64((struct slice){ line.p + 9, 3 }, 999, &status) == -1 ||
	    (line.len > 12 && line.p[12] != ' '))
		return "it does not begin with ICAP/1.0 and a status";
	a->status = (int)status;
	if (line.len > 13)
		a->reason = (struct slice){ line.p + 13, line.len - 13 };
	return status >= 100 ? NULL : "its status is below 100";
}

/* The fields that steer the protocol. */
static const char *
interpret(struct icap_answer *a, const struct icap_field *f)
{
	if (slice_case_eq(f->name, SLICE_LIT("Encapsulated"))) {
		if (a->has_encap)
			return "it has Encapsulated twice";
		a->has_encap = true;
		if (encap_parse(&a->encap, f->value) != PROTO_OK)
			return "its Encapsulated is malformed";
	} else if (slice_case_eq(f->name, SLICE_LIT("Connection"))) {
		a->close =
		    a->close || slice_list_has(f->value, SLICE_LIT("close"));
	} else if (slice_case_eq(f->name, SLICE_LIT("Trailer"))) {
		a->has_trailer = true;
	}
	return NULL;
}

/* A folded line belongs to the value before it (XH-07). */
static const char *
parse_field(struct icap_answer *a, struct slice line)
{
	ptrdiff_t colon = slice_find(line, ':');
	struct icap_field *f;

	if (line.p[0] == ' ' || line.p[0] == '\t') {
		if (a->nfields == 0)
			return "its first header line is folded";
		f = &a->fields[a->nfields - 1];
		f->value.len = (size_t)(line.p + line.len - f->value.p);
		return NULL;
	}
	if (colon <= 0)
		return "a header line has no name and colon";
	if (a->nfields == COUNTOF(a->fields))
		return "it has more than 100 header lines";
	f = &a->fields[a->nfields++];
	f->name = (struct slice){ line.p, (size_t)colon };
	f->value = slice_trim(
	    (struct slice){ line.p + colon + 1, line.len - (size_t)colon - 1 });
	return NULL;
}

static const char *
bad_byte(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t') ||
		    line.p[i] == 0x7f)
			return "a line of its head has a control byte";
	return NULL;
}

/* The head without its blank line. NULL, or what is wrong. */
static const char *
parse_lines(struct icap_answer *a, struct slice text)
{
	const char *why = NULL;
	struct slice line;

	for (bool first = true; text.len > 0 && why == NULL; first = false) {
		ptrdiff_t at = slice_find(text, '\n');

		line = (struct slice){ text.p, (size_t)at - 1 };
		text.p += at + 1;
		text.len -= (size_t)at + 1;
		if ((why = bad_byte(line)) == NULL)
			why = first ? parse_status_line(a, line)
				    : parse_field(a, line);
	}
	for (size_t i = 0; i < a->nfields && why == NULL; i++)
		why = interpret(a, &a->fields[i]);
	return why;
}

/* Every line ends in CR LF. */
static bool
has_clean_ends(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
			return false;
	return true;
}

static const char *
parse_head(struct icap_answer *a)
{
	/* parse_lines() may look at whole lines only */
	struct slice text = { a->head.p, a->icap_len - 2 };
	const char *why;

	if (!has_clean_ends(text))
		return "a line of its head does not end in CR LF";
	if ((why = parse_lines(a, text)) != NULL)
		return why;
	if (a->encap.heads_len > a->max_http_heads)
		return "its Encapsulated heads are too large";
	return NULL;
}

/* What is wrong from the first bytes on need not be waited for. */
static bool
looks_like_icap(const struct icap_answer *a)
{
	size_t n = a->head.len < 5 ? a->head.len : 5;

	return memcmp(a->head.p, "ICAP/", n) == 0;
}

static enum icap_answer_event
take_head(struct icap_answer *a, struct slice *in)
{
	size_t had = a->head.len, from = had > 3 ? had - 3 : 0, take;
	const char *end, *why;

	take =
	    a->max_icap_head - had < in->len ? a->max_icap_head - had : in->len;
	if (buf_append(&a->head, in->p, take) == -1)
		return fail(a, "out of memory");
	if (!looks_like_icap(a))
		return fail(a, "it is not ICAP");
	end = memmem(a->head.p + from, a->head.len - from, "\r\n\r\n", 4);
	if (end == NULL) {
		in->p += take;
		in->len -= take;
		return a->head.len < a->max_icap_head
			   ? ICAP_ANSWER_MORE
			   : fail(a, "its head is too large");
	}
	a->icap_len = (size_t)(end - a->head.p) + 4;
	in->p += a->icap_len - had;
	in->len -= a->icap_len - had;
	a->head.len = a->icap_len;
	if ((why = parse_head(a)) != NULL)
		return fail(a, why);
	if (a->status == 100) {
		if (a->has_encap && (a->encap.heads_len > 0 ||
					a->encap.body != ENCAP_NULL_BODY))
			return fail(a, "its 100 has a body");
		return ICAP_ANSWER_CONTINUE;
	}
	a->state = ST_SECTIONS;
	return ICAP_ANSWER_MORE;
}

/* ---- what is encapsulated ---- */

/* The heads may have moved while the sections were read: parse again. */
static enum icap_answer_event
sections_done(struct icap_answer *a)
{
	struct slice req = { a->head.p + a->icap_len,
		(size_t)a->encap.req_hdr_len };
	struct slice res = { req.p + req.len, (size_t)a->encap.res_hdr_len };
	int status = a->status;

	a->nfields = 0;
	a->has_encap = false;
	if (parse_head(a) != NULL || a->status != status)
		return fail(a, "its head cannot be parsed");
	if (req.len > 0)
		http_head_parse(&a->req, req, false);
	if (res.len > 0)
		http_head_parse(&a->res, res, true);
	a->state = ST_READY;
	return ICAP_ANSWER_HEAD;
}

static enum icap_answer_event
take_sections(struct icap_answer *a, struct slice *in)
{
	size_t want = a->icap_len + (size_t)a->encap.heads_len - a->head.len;
	size_t n = want < in->len ? want : in->len;

	if (buf_append(&a->head, in->p, n) == -1)
		return fail(a, "out of memory");
	in->p += n;
	in->len -= n;
	return n == want ? sections_done(a) : ICAP_ANSWER_MORE;
}

static enum icap_answer_event
end_of_body(struct icap_answer *a)
{
	a->state = a->has_trailer ? ST_TRAILER : ST_END;
	return a->has_trailer ? ICAP_ANSWER_MORE : ICAP_ANSWER_END;
}

static enum icap_answer_event
take_body(struct icap_answer *a, struct slice *in, struct slice *body)
{
	switch (chunk_rx_feed(&a->chunk, in, body)) {
	case CHUNK_MORE:
		break;
	case CHUNK_DATA:
		return ICAP_ANSWER_BODY;
	case CHUNK_END:
		return end_of_body(a);
	case CHUNK_ERROR:
		return fail(a, "its body is not in well-formed chunks");
	}
	return ICAP_ANSWER_MORE;
}

static enum icap_answer_event
take_trailer(struct icap_answer *a, struct slice *in)
{
	struct slice none;

	switch (chunk_rx_feed(&a->trailer, in, &none)) {
	case CHUNK_END:
		a->state = ST_END;
		return ICAP_ANSWER_END;
	case CHUNK_ERROR:
		return fail(a, "the lines behind its body are malformed");
	case CHUNK_MORE:
	case CHUNK_DATA:
		break;
	}
	return ICAP_ANSWER_MORE;
}

enum icap_answer_event
icap_answer_feed(struct icap_answer *a, struct slice *in, struct slice *body)
{
	enum icap_answer_event ev = ICAP_ANSWER_MORE;
	bool again = true;

	/* states without need of input come first, too */
	while (ev == ICAP_ANSWER_MORE && (again || in->len > 0)) {
		again = false;
		switch ((enum state)a->state) {
		case ST_HEAD:
			if (a->status == 100)
				icap_answer_reset(a);
			ev = in->len > 0 ? take_head(a, in) : ICAP_ANSWER_MORE;
			again = a->state == ST_SECTIONS;
			break;
		case ST_SECTIONS:
			ev = take_sections(a, in);
			break;
		case ST_READY:
			if (a->encap.body == ENCAP_NULL_BODY || !a->has_encap) {
				a->has_trailer = false; /* TR-02 */
				a->state = ST_END;
				return ICAP_ANSWER_END;
			}
			a->state = ST_BODY;
			break;
		case ST_BODY:
			ev = in->len > 0 ? take_body(a, in, body)
					 : ICAP_ANSWER_MORE;
			break;
		case ST_TRAILER:
			ev = in->len > 0 ? take_trailer(a, in)
					 : ICAP_ANSWER_MORE;
			break;
		case ST_END:
			return ICAP_ANSWER_END;
		case ST_ERROR:
			return ICAP_ANSWER_ERROR;
		}
	}
	return ev;
}
