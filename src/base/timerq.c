/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/timerq.h"

#include <stdlib.h>

struct timerq {
	struct timer **heap;
	size_t n, cap;
};

struct timerq *
timerq_new(void)
{
	return calloc(1, sizeof(struct timerq));
}

void
timerq_free(struct timerq **q)
{
	if (*q == NULL)
		return;
	for (size_t i = 0; i < (*q)->n; i++)
		(*q)->heap[i]->pos = 0;
	free((*q)->heap);
	free(*q);
	*q = NULL;
}

void
timer_init(struct timer *t, void (*fire)(struct timer *t))
{
	t->at_us = 0;
	t->fire = fire;
	t->pos = 0;
}

bool
timer_armed(const struct timer *t)
{
	return t->pos != 0;
}

static void
put(struct timerq *q, size_t i, struct timer *t)
{
	q->heap[i] = t;
	t->pos = i + 1;
}

static void
sift_up(struct timerq *q, size_t i)
{
	struct timer *t = q->heap[i];

	while (i > 0 && q->heap[(i - 1) / 2]->at_us > t->at_us) {
		put(q, i, q->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(q, i, t);
}

static void
sift_down(struct timerq *q, size_t i)
{
	struct timer *t = q->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < q->n) {
		if (child + 1 < q->n &&
		    q->heap[child + 1]->at_us < q->heap[child]->at_us)
			child++;
		if (q->heap[child]->at_us >= t->at_us)
			break;
		put(q, i, q->heap[child]);
		i = child;
	}
	put(q, i, t);
}

static int
grow(struct timerq *q)
{
	size_t cap = q->cap > 0 ? q->cap * 2 : 64;
	struct timer **heap = realloc(q->heap, cap * sizeof(*heap));

	if (heap == NULL)
		return -1;
	q->heap = heap;
	q->cap = cap;
	return 0;
}

int
timer_arm(struct timerq *q, struct timer *t, uint64_t at_us)
{
	uint64_t before = t->at_us;

	if (t->pos != 0) {
		t->at_us = at_us;
		if (at_us < before)
			sift_up(q, t->pos - 1);
		else if (at_us > before)
			sift_down(q, t->pos - 1);
		return 0;
	}
	if (q->n == q->cap && grow(q) == -1)
		return -1;
	t->at_us = at_us;
	q->heap[q->n] = t;
	sift_up(q, q->n++);
	return 0;
}

void
timer_disarm(struct timerq *q, struct timer *t)
{
	size_t i = t->pos - 1;
	struct timer *last;

	if (t->pos == 0)
		return;
	t->pos = 0;
	last = q->heap[--q->n];
	if (last == t)
		return;
	put(q, i, last);
	sift_up(q, i);
	sift_down(q, last->pos - 1);
}

uint64_t
timerq_next_us(const struct timerq *q)
{
	return q->n > 0 ? q->heap[0]->at_us : UINT64_MAX;
}

size_t
timerq_run(struct timerq *q, uint64_t now_us)
{
	size_t fired = 0, limit = q->n;
	struct timer *t;

	while (limit-- > 0 && q->n > 0 && q->heap[0]->at_us <= now_us) {
		t = q->heap[0];
		timer_disarm(q, t);
		fired++;
		t->fire(t);
	}
	return fired;
}
