/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/object.h"

#include "scan/second.h"

/* The engine's own limits are what the budget has left, and this file. */
static struct scan_opts
opts_left(const struct viewing *v, size_t len)
{
	struct scan_opts o = v->opts;

	if (o.max_scan_size != 0)
		o.max_scan_size = v->budget.bytes + len;
	if (o.max_files != 0 && v->budget.files < o.max_files)
		o.max_files = (uint32_t)v->budget.files + 1;
	if (o.max_recursion != 0)
		o.max_recursion -= v->depth;
	return o;
}

static bool
too_deep(const struct viewing *v)
{
	return v->opts.max_recursion != 0 && v->depth >= v->opts.max_recursion;
}

bool
object_scan(struct viewing *v, struct slice data, const char *part)
{
	struct engine_watch watch = { second_begins, second_ends, v };
	struct engine_job job = { .kind = v->kind,
		.data = data.p,
		.len = data.len,
		.part = part,
		.watch = &watch };
	struct scan_opts opts;

	/* what was made of the body has another size */
	if (data.p == v->body.p && data.len == v->body.len)
		job.whole_len = v->whole_len;
	if (data.len == 0)
		return true;
	if (too_deep(v)) {
		scan_answer_incomplete(v->answer, OUTCOME_LIMIT,
		    "nested more deeply than MaxRecursion");
		return false;
	}
	if (!budget_charge(&v->budget, data.len, v->answer))
		return false;
	opts = opts_left(v, data.len);
	job.opts = &opts;
	job.budget_us = budget_time_left(&v->budget);
	if (job.budget_us == 0)
		job.budget_us = 1; /* the engine says that it was too late */
	engine_scan(v->engine, &job, v->answer);
	return true;
}
