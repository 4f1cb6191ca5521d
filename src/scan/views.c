/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/views.h"

#include "base/clock.h"

struct viewing {
	struct engine *engine;
	const struct msg_scan_request *rq;
	struct scan_answer *answer;
	uint64_t began_us;
};

static void
scan_view(struct viewing *v, struct slice data, const char *part)
{
	uint64_t used = clock_mono_us() - v->began_us;
	struct engine_job job = { .kind = (enum scan_kind)v->rq->kind,
		.data = data.p,
		.len = data.len,
		.opts = &v->rq->opts,
		.budget_us = v->rq->budget_us - used,
		.part = part };

	if (used >= v->rq->budget_us) {
		scan_answer_incomplete(
		    v->answer, OUTCOME_TIMEOUT, "no time for all its forms");
		return;
	}
	engine_scan(v->engine, &job, v->answer);
}

void
views_scan(struct engine *e, const struct msg_scan_request *rq,
    struct slice body, struct scan_answer *a)
{
	struct viewing v = {
		.engine = e, .rq = rq, .answer = a, .began_us = clock_mono_us()
	};

	*a = (struct scan_answer){ .complete = 1 };
	if (body.len == 0)
		return;
	if (rq->ncodings > 0)
		scan_answer_incomplete(
		    a, OUTCOME_UNDECODABLE, "content coding");
	scan_view(&v, body, "");
}
