/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/rx_trace.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_MAX ((size_t)64 << 20)

const struct icap_rx_limits rx_trace_limits = {
	.max_icap_head = 32768,
	.max_http_head = 131072,
};

void
rx_trace_init(struct rx_trace *t, const struct icap_rx_limits *limits)
{
	memset(t, 0, sizeof(*t));
	icap_rx_init(&t->rx, limits);
	buf_init(&t->body, TRACE_MAX);
	buf_init(&t->events, TRACE_MAX);
	buf_init(&t->detail, TRACE_MAX);
}

void
rx_trace_free(struct rx_trace *t)
{
	icap_rx_free(&t->rx);
	buf_free(&t->body);
	buf_free(&t->events);
	buf_free(&t->detail);
}

static void
add(struct buf *b, const char *name, struct slice s)
{
	int rc = buf_printf(b, "%s %zu [", name, s.len);

	rc |= buf_append_slice(b, s);
	rc |= buf_append_str(b, "]\n");
	CHECK(rc == 0);
}

/* " NAME" or " NAME(text)" behind the body bytes that came before it. */
static void
event(struct rx_trace *t, const char *name, struct slice text)
{
	const char *blank = t->events.len > 0 ? " " : "";
	int rc = 0;

	if (t->body.len > 0) {
		rc |= buf_printf(&t->events, "%sBODY(", blank);
		rc |= buf_append_slice(&t->events, buf_slice(&t->body));
		rc |= buf_append_str(&t->events, ")");
		buf_reset(&t->body);
		blank = " ";
	}
	if (*name != '\0')
		rc |= buf_printf(&t->events, "%s%s", blank, name);
	if (text.len > 0) {
		rc |= buf_append_str(&t->events, "(");
		rc |= buf_append_slice(&t->events, text);
		rc |= buf_append_str(&t->events, ")");
	}
	CHECK(rc == 0);
}

static void
http_detail(struct buf *b, const struct http_head *h)
{
	struct slice pos = h->fields, name, value;
	uint64_t len = 0;
	int rc;

	add(b, "raw", h->raw);
	add(b, "first", h->first);
	add(b, "method", h->method);
	add(b, "target", h->target);
	add(b, "reason", h->reason);
	while (http_head_next(&pos, &name, &value)) {
		add(b, "name", name);
		add(b, "value", value);
	}
	rc = http_head_content_length(h, &len);
	CHECK(
	    buf_printf(b, "status %d line %d complete %d length %d\n",
		h->status, h->has_first_line, http_head_complete(h), rc) == 0);
}

static void
head(struct rx_trace *t)
{
	const struct icap_head *h = &t->rx.icap;
	struct buf *b = &t->detail;

	/* the memory may have moved when the sections came */
	CHECK(h->uri.p > t->rx.head.p &&
	      h->uri.p < t->rx.head.p + t->rx.icap_len);
	event(t, "HEAD", SLICE_NONE);
	add(b, "uri", h->uri);
	add(b, "host", h->host);
	add(b, "service", h->service);
	add(b, "query", h->query);
	add(b, "trailer", h->trailer);
	CHECK(buf_printf(b,
		  "method %d preview %d %llu allow %d %d %d close %d "
		  "encap %d %d %llu %llu %llu\n",
		  h->method, h->has_preview, (unsigned long long)h->preview,
		  h->allow_204, h->allow_206, h->allow_trailers, h->close,
		  h->has_encap, h->encap.body,
		  (unsigned long long)h->encap.req_hdr_len,
		  (unsigned long long)h->encap.res_hdr_len,
		  (unsigned long long)h->encap.heads_len) == 0);
	for (size_t i = 0; i < h->nfields; i++) {
		add(b, "field", h->fields[i].name);
		add(b, "value", h->fields[i].value);
	}
	http_detail(b, &t->rx.req);
	http_detail(b, &t->rx.res);
}

static void
answered(struct rx_trace *t)
{
	icap_rx_finish(&t->rx);
	CHECK(!icap_rx_in_request(&t->rx));
	t->rx.answered_before = true;
}

/* False when the input is used up. */
static bool
step(struct rx_trace *t, struct slice *in)
{
	struct slice body = SLICE_NONE;

	switch (icap_rx_feed(&t->rx, in, &body)) {
	case ICAP_RX_MORE:
		CHECK(in->len == 0);
		return false;
	case ICAP_RX_HEAD:
		head(t);
		break;
	case ICAP_RX_BODY:
		CHECK(body.len > 0);
		CHECK(buf_append_slice(&t->body, body) == 0);
		break;
	case ICAP_RX_PREVIEW_END:
		event(t, "PREVIEW_END", SLICE_NONE);
		if (t->finish_preview)
			answered(t);
		else
			icap_rx_continue(&t->rx);
		break;
	case ICAP_RX_BODY_END:
		event(
		    t, "BODY_END", t->rx.ieof ? SLICE_LIT("ieof") : SLICE_NONE);
		add(&t->detail, "trailers", icap_rx_trailer(&t->rx));
		answered(t);
		break;
	case ICAP_RX_ERROR:
		event(t, "ERROR", slice_of(proto_err_info(t->rx.err)->id));
		t->over = true;
		return false;
	}
	return true;
}

/* Takes body bytes as one who reads them straight into their place. */
static void
take_direct(struct rx_trace *t, struct slice *in)
{
	uint64_t n = icap_rx_direct(&t->rx);

	if (n > in->len)
		n = in->len;
	if (n == 0)
		return;
	CHECK(buf_append(&t->body, in->p, (size_t)n) == 0);
	icap_rx_skip(&t->rx, n);
	in->p += n;
	in->len -= (size_t)n;
}

void
rx_trace_feed(struct rx_trace *t, const char *p, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct slice in = { copy, len };

	if (t->over) {
		free(copy);
		return;
	}
	/* a copy of its own lets a sanitizer see what reads too far */
	CHECK(copy != NULL);
	if (len > 0)
		memcpy(copy, p, len);
	do {
		if (t->direct)
			take_direct(t, &in);
	} while (step(t, &in));
	free(copy);
}

void
rx_trace_end(struct rx_trace *t)
{
	const char *rest = "";

	if (!t->over && icap_rx_in_request(&t->rx))
		rest = icap_rx_in_head(&t->rx) ? "+head" : "+body";
	event(t, rest, SLICE_NONE);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return slice_eq(buf_slice(a), buf_slice(b));
}

bool
rx_trace_same(const struct rx_trace *a, const struct rx_trace *b)
{
	return same(&a->events, &b->events) && same(&a->detail, &b->detail) &&
	       icap_rx_in_request(&a->rx) == icap_rx_in_request(&b->rx) &&
	       icap_rx_in_head(&a->rx) == icap_rx_in_head(&b->rx);
}
