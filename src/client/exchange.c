/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/exchange.h"

#include <string.h>

#include "proto/icap_out.h"

#define OUT_MAX ((size_t)1 << 20)

void
exchange_init(struct exchange *x)
{
	memset(x, 0, sizeof(*x));
	buf_init(&x->out, OUT_MAX);
}

void
exchange_free(struct exchange *x)
{
	buf_free(&x->out);
}

int
exchange_begin(struct exchange *x, struct icap_answer *a, struct slice head,
    struct source *body, uint64_t preview)
{
	x->state = EXCHANGE_SENDING_HEAD;
	x->answer = a;
	x->body = body;
	x->has_preview = body != NULL && preview != EXCHANGE_NO_PREVIEW;
	x->preview_left = x->has_preview ? preview : 0;
	x->got_100 = x->ieof = x->stopped = false;
	x->starved = x->source_failed = false;
	x->object_sent = 0;
	x->why = NULL;
	x->written = 0;
	buf_reset(&x->out);
	icap_answer_reset(a);
	return buf_append_slice(&x->out, head);
}

static int
fail(struct exchange *x, const char *why)
{
	x->why = why;
	return -1;
}

/* ---- sending ---- */

static int
put_chunk(struct exchange *x, struct slice data)
{
	char line[ICAP_OUT_CHUNK_HEAD_MAX + 1];
	size_t n = icap_out_chunk_head(line, data.len);

	if (buf_append(&x->out, line, n) == -1 ||
	    buf_append_slice(&x->out, data) == -1 ||
	    buf_append_str(&x->out, "\r\n") == -1 ||
	    source_take(x->body, data.len) == -1)
		return fail(x, "out of memory");
	x->object_sent += data.len;
	return 0;
}

static int
put_end(struct exchange *x, const char *end, enum exchange_state next)
{
	x->state = next;
	return buf_append_str(&x->out, end) == 0 ? 0 : fail(x, "out of memory");
}

static int
peek(struct exchange *x, size_t max, struct slice *data)
{
	if (source_peek(x->body, max, data) == 0)
		return 0;
	x->source_failed = true;
	return fail(x, "the object cannot be read");
}

/* PV-04, PV-05: ieof tells that there is no more than the preview. */
static int
put_preview(struct exchange *x)
{
	struct slice data;

	if (peek(x, SOURCE_BUFFER, &data) == -1)
		return -1;
	if (data.len == 0) {
		x->ieof = true;
		return put_end(x, "0; ieof\r\n\r\n", EXCHANGE_SENT);
	}
	if (x->preview_left == 0)
		return put_end(x, "0\r\n\r\n", EXCHANGE_WAITING);
	if (data.len > x->preview_left)
		data.len = (size_t)x->preview_left;
	x->preview_left -= data.len;
	return put_chunk(x, data);
}

static int
put_body(struct exchange *x)
{
	struct slice data;

	if (peek(x, SOURCE_BUFFER, &data) == -1)
		return -1;
	return data.len > 0 ? put_chunk(x, data)
			    : put_end(x, "0\r\n\r\n", EXCHANGE_SENT);
}

/* Small pieces go out together, but none waits for those to come. */
static bool
has_more(struct exchange *x, enum exchange_state state)
{
	if (x->state != state || x->out.len >= SOURCE_BUFFER)
		return false;
	x->starved = !source_is_ready(x->body);
	return !x->starved;
}

/* What follows what was written. */
static int
next_output(struct exchange *x)
{
	x->starved = false;
	switch (x->state) {
	case EXCHANGE_SENDING_HEAD:
		x->state = x->body == NULL  ? EXCHANGE_SENT
			   : x->has_preview ? EXCHANGE_SENDING_PREVIEW
					    : EXCHANGE_SENDING_BODY;
		return x->body == NULL ? 0 : next_output(x);
	case EXCHANGE_SENDING_PREVIEW:
		while (has_more(x, EXCHANGE_SENDING_PREVIEW))
			if (put_preview(x) == -1)
				return -1;
		/* whether there is more need not be known to end it */
		if (x->starved && x->preview_left == 0)
			return put_end(x, "0\r\n\r\n", EXCHANGE_WAITING);
		break;
	case EXCHANGE_SENDING_BODY:
		while (has_more(x, EXCHANGE_SENDING_BODY))
			if (put_body(x) == -1)
				return -1;
		break;
	case EXCHANGE_WAITING:
	case EXCHANGE_SENT:
		break;
	}
	return 0;
}

int
exchange_output(struct exchange *x, struct slice *bytes)
{
	*bytes = SLICE_NONE;
	if (x->stopped)
		return 0;
	/* the preview goes out together with the head */
	if (x->state == EXCHANGE_SENDING_HEAD && x->written == 0 &&
	    next_output(x) == -1)
		return -1;
	if (x->written == x->out.len) {
		buf_reset(&x->out);
		x->written = 0;
		if (next_output(x) == -1)
			return -1;
	}
	*bytes =
	    (struct slice){ x->out.p + x->written, x->out.len - x->written };
	return 0;
}

void
exchange_written(struct exchange *x, size_t n)
{
	CHECK(n <= x->out.len - x->written);
	x->written += n;
}

void
exchange_stop_sending(struct exchange *x)
{
	x->stopped = true;
	buf_reset(&x->out);
	x->written = 0;
}

bool
exchange_is_over(const struct exchange *x)
{
	return !x->stopped && x->written == x->out.len &&
	       (x->state == EXCHANGE_SENT ||
		   (x->state == EXCHANGE_WAITING && !x->got_100));
}

/* ---- receiving ---- */

/* PV-03, PV-07: only after a preview that was not everything, and once. */
static enum exchange_event
on_continue(struct exchange *x)
{
	if (x->state != EXCHANGE_WAITING || x->written < x->out.len ||
	    x->got_100) {
		(void)fail(x, x->got_100 ? "a second 100 Continue"
					 : "a 100 Continue that does not "
					   "follow a preview");
		return EXCHANGE_ERROR;
	}
	x->got_100 = true;
	x->state = EXCHANGE_SENDING_BODY;
	return EXCHANGE_MORE;
}

enum exchange_event
exchange_input(struct exchange *x, struct slice *in, struct slice *body)
{
	enum exchange_event ev = EXCHANGE_MORE;

	while (ev == EXCHANGE_MORE) {
		switch (icap_answer_feed(x->answer, in, body)) {
		case ICAP_ANSWER_MORE:
			return EXCHANGE_MORE;
		case ICAP_ANSWER_CONTINUE:
			ev = on_continue(x);
			/* the answer may follow at once */
			if (in->len == 0)
				return ev;
			break;
		case ICAP_ANSWER_HEAD:
			return EXCHANGE_HEAD;
		case ICAP_ANSWER_BODY:
			return EXCHANGE_BODY;
		case ICAP_ANSWER_END:
			return EXCHANGE_END;
		case ICAP_ANSWER_ERROR:
			(void)fail(x, x->answer->why);
			return EXCHANGE_ERROR;
		}
	}
	return ev;
}
