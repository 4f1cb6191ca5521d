/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/object.h"

/* The engine's own limits are what the budget has left, and this file. */
static struct scan_opts
opts_left(const struct viewing *v, size_t len)
{
	struct scan_opts o = v->opts;

	if (o.max_scan_size != 0)
		o.max_scan_size = v->budget.bytes + len;
	if (o.max_files != 0 && v->budget.files < o.max_files)
		o.max_files = (uint32_t)v->budget.files + 1;
	return o;
}

void
object_scan(struct viewing *v, struct slice data, const char *part)
{
	struct engine_use use = { 0, 0 };
	struct engine_job job = { .kind = v->kind,
		.data = data.p,
		.len = data.len,
		.part = part,
		.use = &use };
	struct scan_opts opts;

	/* what was made of the body has another size */
	if (data.p == v->body.p && data.len == v->body.len)
		job.whole_len = v->whole_len;
	if (data.len == 0 || !budget_charge(&v->budget, data.len, v->answer))
		return;
	opts = opts_left(v, data.len);
	job.opts = &opts;
	job.budget_us = budget_time_left(&v->budget);
	if (job.budget_us == 0)
		job.budget_us = 1; /* the engine says that it was too late */
	engine_scan(v->engine, &job, v->answer);
	budget_use(&v->budget, use.files, use.bytes);
}
