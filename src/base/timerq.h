/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_TIMERQ_H
#define BASE_TIMERQ_H
/*
 * One queue of deadlines per process (a binary heap), driven by whoever owns
 * the loop: libevent in the daemon, the test itself in a test. A timer is
 * embedded in its owner; arming an armed timer moves it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct timer {
	uint64_t at_us; /* clock_mono_us() */
	void (*fire)(struct timer *t);
	size_t pos; /* index + 1 in the heap, 0 = not armed */
};
struct timerq;

struct timerq *timerq_new(void);
void timerq_free(struct timerq **q); /* armed timers are just forgotten */
void timer_init(struct timer *t, void (*fire)(struct timer *t));
bool timer_armed(const struct timer *t);
/* 0, or -1 when out of memory (the timer is then not armed). */
int timer_arm(struct timerq *q, struct timer *t, uint64_t at_us) MUST_CHECK;
void timer_disarm(struct timerq *q, struct timer *t);
/* Deadline of the first timer, UINT64_MAX when there is none. */
uint64_t timerq_next_us(const struct timerq *q);
/*
 * Fires, in order, the timers that are due at now_us, at most as many as were
 * armed at the start (so that one that arms itself for "now" cannot hold the
 * loop). Each is disarmed before its function runs, which may arm and disarm
 * others. Returns how many fired.
 */
size_t timerq_run(struct timerq *q, uint64_t now_us);
#endif
