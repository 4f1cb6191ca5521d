/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_BUDGET_H
#define SCAN_BUDGET_H
/*
 * What one object may cost in all of its views, parts and members together:
 * files and bytes (MaxFiles, MaxScanSize) and time. However it is cut up, it
 * gets no more than it would get as a whole.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/scan.h"

struct budget {
	uint64_t deadline_us;  /* clock_mono_us() */
	uint64_t files, bytes; /* that are left */
};
/* A limit of 0 is none. */
void budget_start(
    struct budget *b, const struct scan_opts *opts, uint64_t time_us);
/*
 * One more file of so many bytes is looked at. False when that is too much or
 * no time is left: then *a is incomplete (LIMIT, TIMEOUT) and the file must
 * not be looked at.
 */
bool budget_charge(struct budget *b, uint64_t bytes, struct scan_answer *a);
/* What was found out afterwards to have been looked at: never fails. */
void budget_use(struct budget *b, uint64_t files, uint64_t bytes);
/* Microseconds to the deadline, 0 when it has passed. */
uint64_t budget_time_left(const struct budget *b);
#endif
