/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <stddef.h>

#include "client/bench_hist.h"

#define LARGEST ((UINT64_C(1) << 40) - 1)
#define STEP_BITS 7

static size_t
slot_of(uint64_t v)
{
	unsigned int shift;

	if (v < BENCH_HIST_STEPS)
		return (size_t)v;
	shift = 63U - STEP_BITS - (unsigned int)__builtin_clzll(v);
	return (size_t)shift * BENCH_HIST_STEPS + (size_t)(v >> shift);
}

/* The largest value of a slot. */
static uint64_t
top_of(size_t slot)
{
	size_t shift;

	if (slot < 2 * BENCH_HIST_STEPS)
		return slot;
	shift = slot / BENCH_HIST_STEPS - 1;
	return ((uint64_t)(slot % BENCH_HIST_STEPS + BENCH_HIST_STEPS + 1)
		   << shift) -
	       1;
}

void
bench_hist_add(struct bench_hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->slots[slot_of(value > LARGEST ? LARGEST : value)]++;
}

void
bench_hist_merge(struct bench_hist *h, const struct bench_hist *more)
{
	h->count += more->count;
	h->sum += more->sum;
	if (more->max > h->max)
		h->max = more->max;
	for (size_t i = 0; i < BENCH_HIST_SLOTS; i++)
		h->slots[i] += more->slots[i];
}

uint64_t
bench_hist_at(const struct bench_hist *h, uint32_t per_100k)
{
	uint64_t rank = (h->count * per_100k + 99999) / 100000, seen = 0;

	if (h->count == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	for (size_t i = 0; i < BENCH_HIST_SLOTS; i++) {
		seen += h->slots[i];
		if (seen >= rank)
			return top_of(i) < h->max ? top_of(i) : h->max;
	}
	return h->max;
}
