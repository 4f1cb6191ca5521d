/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/budget.h"

#include "base/clock.h"
#include "engine/engine.h"

static uint64_t
limit_of(uint64_t v)
{
	return v == 0 ? UINT64_MAX : v;
}

void
budget_start(struct budget *b, const struct scan_opts *opts, uint64_t time_us)
{
	*b = (struct budget){ .deadline_us = clock_mono_us() + time_us,
		.files = limit_of(opts->max_files),
		.bytes = limit_of(opts->max_scan_size) };
}

uint64_t
budget_time_left(const struct budget *b)
{
	uint64_t now = clock_mono_us();

	return now < b->deadline_us ? b->deadline_us - now : 0;
}

void
budget_use(struct budget *b, uint64_t files, uint64_t bytes)
{
	b->files -= files < b->files ? files : b->files;
	b->bytes -= bytes < b->bytes ? bytes : b->bytes;
}

bool
budget_charge(struct budget *b, uint64_t bytes, struct scan_answer *a)
{
	if (budget_time_left(b) == 0)
		scan_answer_incomplete(
		    a, OUTCOME_TIMEOUT, "no time for all of it");
	else if (b->files == 0)
		scan_answer_incomplete(
		    a, OUTCOME_LIMIT, "more files than MaxFiles");
	else if (bytes > b->bytes)
		scan_answer_incomplete(
		    a, OUTCOME_LIMIT, "more bytes than MaxScanSize");
	else {
		budget_use(b, 1, bytes);
		return true;
	}
	return false;
}
