/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <string.h>

#include "client/bench_reply.h"
#include "proto/http_head.h"

#define MAX_HEAD ((size_t)256 << 10)
/* A page of a block says so with one of these. */
#define FORBIDDEN 403

enum { AT_HEAD, AT_SECTIONS, AT_BODY, AT_END, AT_ERROR };

static const char *const names[] = {
	"fine",
#define FAULT(id, name, text) name,
#include "client/bench_faults.def"
};

const char *
bench_fault_name(enum bench_fault f)
{
	return names[f];
}

void
bench_reply_init(struct bench_reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->head, MAX_HEAD);
	chunk_rx_init(&r->chunk);
}

void
bench_reply_free(struct bench_reply *r)
{
	buf_free(&r->head);
	chunk_rx_free(&r->chunk);
}

void
bench_reply_reset(struct bench_reply *r)
{
	r->state = AT_HEAD;
	buf_reset(&r->head);
	r->status = r->http_status = 0;
	r->close = r->has_istag = r->differs = false;
	r->encap = (struct encap){ .body = ENCAP_NULL_BODY };
	r->body_len = 0;
	chunk_rx_reset(&r->chunk);
}

bool
bench_reply_begun(const struct bench_reply *r)
{
	return r->state != AT_HEAD || r->head.len > 0;
}

/* "ICAP/1.0 NNN reason"; 0 when it is not that. */
static int
status_of(struct slice line)
{
	uint64_t v;

	if (!slice_has_prefix(line, SLICE_LIT("ICAP/1.0 ")) || line.len < 13 ||
	    line.p[12] != ' ' ||
	    str_to_u64((struct slice){ line.p + 9, 3 }, 999, &v) != 0)
		return 0;
	return (int)v;
}

static int
field(struct bench_reply *r, struct slice line)
{
	ptrdiff_t colon = slice_find(line, ':');
	struct slice name, value;

	/* c-icap folds X-Violations-Found; what is folded is of no interest */
	if (line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		return 0;
	if (colon <= 0)
		return -1;
	name = (struct slice){ line.p, (size_t)colon };
	value = slice_trim(
	    (struct slice){ line.p + colon + 1, line.len - (size_t)colon - 1 });
	if (slice_case_eq(name, SLICE_LIT("ISTag")))
		r->has_istag = true;
	else if (slice_case_eq(name, SLICE_LIT("Connection")))
		r->close = slice_list_has(value, SLICE_LIT("close"));
	else if (slice_case_eq(name, SLICE_LIT("Encapsulated")))
		return encap_parse(&r->encap, value) == PROTO_OK ? 0 : -1;
	return 0;
}

static int
parse_head(struct bench_reply *r)
{
	struct slice rest = { r->head.p, r->icap_len - 2 };

	for (bool first = true; rest.len > 0; first = false) {
		const char *lf = memchr(rest.p, '\n', rest.len);
		struct slice line;

		if (lf == NULL || lf == rest.p || lf[-1] != '\r')
			return -1;
		line = (struct slice){ rest.p, (size_t)(lf - rest.p) - 1 };
		rest.len -= line.len + 2;
		rest.p = lf + 1;
		if (first ? (r->status = status_of(line)) == 0
			  : field(r, line) != 0)
			return -1;
	}
	return 0;
}

/* Keeps bytes of *in up to the blank line; true when it is there. */
static bool
take_head(struct bench_reply *r, struct slice *in)
{
	size_t before = r->head.len, from = before > 3 ? before - 3 : 0;
	const char *end;

	if (buf_append(&r->head, in->p, in->len) != 0) {
		r->state = AT_ERROR;
		return false;
	}
	end = memmem(r->head.p + from, r->head.len - from, "\r\n\r\n", 4);
	if (end == NULL) {
		*in = (struct slice){ in->p + in->len, 0 };
		return false;
	}
	r->icap_len = (size_t)(end - r->head.p) + 4;
	in->p += r->icap_len - before;
	in->len -= r->icap_len - before;
	r->head.len = r->icap_len;
	return true;
}

static void
take_sections(struct bench_reply *r, struct slice *in)
{
	size_t want = r->icap_len + (size_t)r->encap.heads_len;
	size_t n = want - r->head.len < in->len ? want - r->head.len : in->len;
	struct http_head h;

	if (r->encap.heads_len > MAX_HEAD / 2 ||
	    buf_append(&r->head, in->p, n) != 0) {
		r->state = AT_ERROR;
		return;
	}
	in->p += n;
	in->len -= n;
	if (r->head.len < want)
		return;
	if (r->encap.res_hdr_len > 0) {
		http_head_parse(&h,
		    (struct slice){
			r->head.p + r->icap_len + r->encap.req_hdr_len,
			(size_t)r->encap.res_hdr_len },
		    true);
		r->http_status = h.status;
	}
	r->state = r->encap.body == ENCAP_NULL_BODY ? AT_END : AT_BODY;
}

static void
take_body(
    struct bench_reply *r, struct slice *in, const struct bench_body *sent)
{
	struct slice data;

	switch (chunk_rx_feed(&r->chunk, in, &data)) {
	case CHUNK_DATA:
		if (!r->differs && sent != NULL &&
		    !bench_body_is(sent, (size_t)r->body_len, data))
			r->differs = true;
		r->body_len += data.len;
		break;
	case CHUNK_END:
		r->state = AT_END;
		break;
	case CHUNK_ERROR:
		r->state = AT_ERROR;
		break;
	case CHUNK_MORE:
		break;
	}
}

static enum bench_reply_event
after_head(struct bench_reply *r)
{
	if (parse_head(r) != 0) {
		r->state = AT_ERROR;
		return BENCH_REPLY_BAD;
	}
	if (r->status == 100) {
		bench_reply_reset(r);
		return BENCH_REPLY_CONTINUE;
	}
	r->state = r->encap.heads_len > 0             ? AT_SECTIONS
		   : r->encap.body != ENCAP_NULL_BODY ? AT_BODY
						      : AT_END;
	return BENCH_REPLY_MORE;
}

enum bench_reply_event
bench_reply_feed(
    struct bench_reply *r, struct slice *in, const struct bench_body *sent)
{
	for (;;) {
		if (r->state == AT_END)
			return BENCH_REPLY_END;
		if (r->state == AT_ERROR)
			return BENCH_REPLY_BAD;
		if (in->len == 0)
			return BENCH_REPLY_MORE;
		if (r->state == AT_HEAD) {
			enum bench_reply_event e;

			if (take_head(r, in) &&
			    (e = after_head(r)) != BENCH_REPLY_MORE)
				return e;
		} else if (r->state == AT_SECTIONS) {
			take_sections(r, in);
		} else {
			take_body(r, in, sent);
		}
	}
}

enum bench_fault
bench_reply_judge(
    const struct bench_reply *r, const struct bench_body *sent, bool allow_204)
{
	bool same;

	if (!r->has_istag)
		return BENCH_FAULT_PROTOCOL;
	if (sent == NULL)
		return r->status == 200 ? BENCH_FINE : BENCH_FAULT_STATUS;
	if (r->status == 204 && !allow_204)
		return BENCH_FAULT_NOT_ALLOWED;
	if (r->status != 200 && r->status != 204)
		return BENCH_FAULT_STATUS;
	same = r->status == 204 ||
	       (!r->differs && r->body_len == sent->object->len &&
		   (r->http_status == 0 || r->http_status == 200));
	if (sent->object->infected) {
		if (same)
			return BENCH_FAULT_MISSED;
		return r->http_status == FORBIDDEN ? BENCH_FINE
						   : BENCH_FAULT_BLOCKED;
	}
	if (same)
		return BENCH_FINE;
	return r->http_status == 0 || r->http_status == 200
		   ? BENCH_FAULT_ECHO
		   : BENCH_FAULT_BLOCKED;
}
