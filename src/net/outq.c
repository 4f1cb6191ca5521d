/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/outq.h"

#include <string.h>

void
outq_init(struct outq *q)
{
	memset(q, 0, sizeof(*q));
	buf_init(&q->bytes, OUTQ_MAX_BYTES);
}

void
outq_free(struct outq *q)
{
	buf_free(&q->bytes);
	outq_init(q);
}

static unsigned int
slot(const struct outq *q, unsigned int i)
{
	return (q->first + i) % OUTQ_MAX_RANGES;
}

static const struct outq_range *
range_at(const struct outq *q, unsigned int i)
{
	return &q->range[slot(q, i)];
}

bool
outq_has_room(const struct outq *q)
{
	return q->nranges < OUTQ_MAX_RANGES && q->bytes.len < OUTQ_ROOM;
}

int
outq_add_range(
    struct outq *q, const struct spool *s, uint64_t off, uint64_t len)
{
	struct outq_range *r;

	if (len == 0)
		return 0;
	if (q->nranges == OUTQ_MAX_RANGES)
		return -1;
	r = &q->range[slot(q, q->nranges)];
	r->spool = s;
	r->off = off;
	r->len = len;
	r->after = q->base + q->bytes.len;
	q->nranges++;
	return 0;
}

uint64_t
outq_pending(const struct outq *q)
{
	uint64_t n = q->bytes.len - q->head;

	for (unsigned int i = 0; i < q->nranges; i++)
		n += range_at(q, i)->len;
	return n;
}

/* A range as memory; false when it is a file's. */
static bool
range_memory(const struct outq_range *r, struct iovec *iov)
{
	const char *p = spool_data(r->spool);

	if (p == NULL)
		return false;
	iov->iov_base = (void *)(uintptr_t)(p + r->off);
	iov->iov_len = r->len;
	return true;
}

int
outq_next(
    const struct outq *q, struct iovec *iov, int max, struct outq_file *file)
{
	uint64_t at = q->base + q->head, end = q->base + q->bytes.len, stop;
	unsigned int i = 0;
	int n = 0;

	file->fd = -1;
	while (n < max) {
		stop = i < q->nranges ? range_at(q, i)->after : end;
		if (at < stop) {
			iov[n].iov_base = q->bytes.p + (at - q->base);
			iov[n++].iov_len = stop - at;
			at = stop;
			continue;
		}
		if (i == q->nranges)
			break;
		if (!range_memory(range_at(q, i), &iov[n])) {
			file->fd = spool_file(range_at(q, i)->spool);
			file->off = range_at(q, i)->off;
			file->len = range_at(q, i)->len;
			break;
		}
		n++;
		i++;
	}
	return n;
}

/* How many bytes (not ranges) are next. */
static uint64_t
bytes_next(const struct outq *q)
{
	uint64_t end = q->base + q->bytes.len;

	if (q->nranges > 0)
		end = range_at(q, 0)->after;
	return end - (q->base + q->head);
}

static uint64_t
range_sent(struct outq *q, uint64_t n)
{
	struct outq_range *r = &q->range[q->first];
	uint64_t take = n < r->len ? n : r->len;

	r->off += take;
	r->len -= take;
	if (r->len == 0) {
		q->first = (q->first + 1) % OUTQ_MAX_RANGES;
		q->nranges--;
	}
	return take;
}

void
outq_sent(struct outq *q, uint64_t n)
{
	uint64_t take;

	while (n > 0) {
		take = bytes_next(q);
		if (take > 0) {
			take = n < take ? n : take;
			q->head += take;
		} else {
			CHECK(q->nranges > 0);
			take = range_sent(q, n);
		}
		n -= take;
	}
	if (q->head == q->bytes.len) {
		q->base += q->bytes.len;
		q->head = 0;
		buf_reset(&q->bytes);
	} else if (q->head > q->bytes.len / 2) {
		/* a queue that is never quite empty must not fill up */
		q->base += q->head;
		buf_consume(&q->bytes, q->head);
		q->head = 0;
	}
}
