/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_HIST_H
#define CLIENT_BENCH_HIST_H
/*
 * A histogram of times, as HdrHistogram has it: 128 steps to each power of
 * two, so that any value up to 2^40 is known to 1/128 of itself and adding one
 * costs a shift.
 */
#include <stdint.h>

#define BENCH_HIST_STEPS 128
#define BENCH_HIST_SLOTS (35 * BENCH_HIST_STEPS)

struct bench_hist {
	uint64_t count, sum, max;
	uint64_t slots[BENCH_HIST_SLOTS];
};

/* A larger value than 2^40 counts as that, but for max. */
void bench_hist_add(struct bench_hist *h, uint64_t value);
/* Adds what `more` has. */
void bench_hist_merge(struct bench_hist *h, const struct bench_hist *more);
/*
 * The value below or at which `per_100k` of 100,000 values are (99,900 for
 * p99.9): the upper end of its step, never above max; 0 when empty.
 */
uint64_t bench_hist_at(const struct bench_hist *h, uint32_t per_100k);
#endif
