/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <stdio.h>
#include <string.h>

#include "client/bench_feed.h"

void
bench_feed_begin(struct bench_feed *f, struct slice head,
    const struct bench_body *body, size_t preview, size_t chunk)
{
	size_t len = body != NULL ? body->object->len : 0;

	f->head = head;
	f->body = body;
	f->at = 0;
	f->limit = preview < len ? preview : len;
	f->chunk = chunk;
	f->in_preview = preview != SIZE_MAX;
	f->head_done = false;
	f->ended = body == NULL;
	f->first = f->count = 0;
}

static void
push(struct bench_feed *f, const char *p, size_t len)
{
	/* writev() only reads */
	f->iov[f->count++] = (struct iovec){ (char *)(uintptr_t)p, len };
}

static void
fill(struct bench_feed *f)
{
	size_t n;
	int len;

	f->first = f->count = 0;
	if (!f->head_done) {
		push(f, f->head.p, f->head.len);
		f->head_done = true;
	}
	if (f->ended)
		return;
	n = f->limit - f->at < f->chunk ? f->limit - f->at : f->chunk;
	if (n > 0) {
		len = snprintf(f->line, sizeof(f->line), "%zx\r\n", n);
		push(f, f->line, (size_t)len);
		f->count +=
		    bench_body_iov(f->body, f->at, n, f->iov + f->count);
		push(f, "\r\n", 2);
		f->at += n;
	}
	if (f->at == f->limit) {
		/* RFC 3507 4.5: the preview is the whole body */
		const char *end =
		    f->in_preview && f->limit == f->body->object->len
			? "0; ieof\r\n\r\n"
			: "0\r\n\r\n";

		push(f, end, strlen(end));
		f->ended = true;
	}
}

size_t
bench_feed_next(struct bench_feed *f, struct iovec **iov)
{
	if (f->first == f->count)
		fill(f);
	*iov = f->iov + f->first;
	return f->count - f->first;
}

void
bench_feed_sent(struct bench_feed *f, size_t n)
{
	while (n > 0) {
		struct iovec *v = &f->iov[f->first];
		size_t part = n < v->iov_len ? n : v->iov_len;

		v->iov_base = (char *)v->iov_base + part;
		v->iov_len -= part;
		n -= part;
		if (v->iov_len == 0)
			f->first++;
	}
}

bool
bench_feed_continue(struct bench_feed *f)
{
	if (!bench_feed_waits(f))
		return false;
	f->limit = f->body->object->len;
	f->in_preview = false;
	f->ended = false;
	return true;
}

bool
bench_feed_done(const struct bench_feed *f)
{
	return f->head_done && f->ended && f->first == f->count;
}

bool
bench_feed_waits(const struct bench_feed *f)
{
	return f->body != NULL && bench_feed_done(f) &&
	       f->limit < f->body->object->len;
}
