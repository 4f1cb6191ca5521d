/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/views.h"

#include <stdio.h>
#include <string.h>

#include "scan/forms.h"

/*
 * A body may be gone through several times (two boundaries, nested parts), but
 * not without end.
 */
#define WORK_FACTOR 40
#define WORK_MIN ((uint64_t)64 << 20)

const struct mime_head forms_nothing_said = { .is_head = true };

enum decode_rc
forms_sink(void *ctx, const void *p, size_t len)
{
	return stash_append(ctx, p, len) == 0 ? DECODE_OK : DECODE_SYSTEM;
}

bool
forms_stop(struct forms *f)
{
	if (budget_time_left(&f->v.budget) == 0)
		scan_answer_incomplete(
		    f->v.answer, OUTCOME_TIMEOUT, "no time for all its parts");
	else if (f->v.budget.files == 0)
		scan_answer_incomplete(f->v.answer, OUTCOME_LIMIT,
		    "it has more parts than MaxFiles");
	else if (f->v.budget.bytes == 0)
		scan_answer_incomplete(f->v.answer, OUTCOME_LIMIT,
		    "its parts are larger than MaxScanSize");
	else
		return false;
	return true;
}

bool
forms_work(struct forms *f, uint64_t bytes)
{
	if (bytes <= f->work) {
		f->work -= bytes;
		return true;
	}
	f->work = 0;
	scan_answer_incomplete(
	    f->v.answer, OUTCOME_LIMIT, "it can be read in too many ways");
	return false;
}

void
forms_join(char name[SCAN_PART_MAX], const char *outer, const char *inner)
{
	const char *between = outer[0] != '\0' && inner[0] != '\0' ? "/" : "";
	struct slice s = slice_of(outer);

	(void)str_copy(name, SCAN_PART_MAX, s);
	s.len = strlen(name);
	(void)snprintf(
	    name + s.len, SCAN_PART_MAX - s.len, "%s%s", between, inner);
}

static enum decode_rc
scan_message(struct forms *f, const struct content *c)
{
	if (f->rq->ncodings > 0)
		return coded_scan(f, c, f->rq->codings, f->rq->ncodings);
	content_scan(f, c);
	return DECODE_OK;
}

/*
 * The head says that the body is chunked. It normally is no more when it is
 * sent to us, but some clients wrap the chunks as they are (CH-10). What the
 * payload means then is what is inside of them.
 */
static bool
scan_unchunked(struct forms *f, const struct content *c, enum decode_rc *rc)
{
	static const uint32_t coding = SCAN_CODING_CHUNKED;
	const struct decode_limits limits = { c->data.len, UINT32_MAX };
	struct content inner = *c;
	struct decode_info info;
	enum decode_rc framing;
	struct stash stash;

	if (f->v.kind == SCAN_WHOLE && !decode_is_chunked(c->data))
		return false;
	stash_init(&stash, &f->space);
	framing = decode_run(&(struct decode_job){ .in = c->data,
				 .codings = &coding,
				 .ncodings = 1,
				 .limits = &limits,
				 .sink = forms_sink,
				 .ctx = &stash },
	    &info);
	if (framing == DECODE_SYSTEM)
		coded_note(f, framing);
	*rc = DECODE_OK;
	if (stash.len > 0 && framing != DECODE_BROKEN &&
	    stash_data(&stash, &inner.data) == 0)
		*rc = scan_message(f, &inner);
	stash_free(&stash);
	return framing == DECODE_OK || framing == DECODE_CUT;
}

/* Only one of two readings has to make sense; both were scanned. */
static void
scan_body(struct forms *f, const struct content *c)
{
	enum decode_rc inner = DECODE_BROKEN, direct;
	bool chunked = (f->rq->forms & SCAN_FORM_CHUNKED) != 0 &&
		       scan_unchunked(f, c, &inner);

	direct = scan_message(f, c);
	if (!chunked || (inner != DECODE_OK && direct != DECODE_OK))
		coded_note(f, direct);
}

void
views_scan(struct engine *e, const struct msg_scan_request *rq,
    struct slice body, struct scan_answer *a)
{
	struct slice declared = { rq->declared,
		strnlen(rq->declared, sizeof(rq->declared)) };
	struct mime_head head;
	struct forms f = {
		.v = { .engine = e,
		    .kind = (enum scan_kind)rq->kind,
		    .body = body,
		    .whole_len = rq->whole_len,
		    .answer = a },
		.rq = rq,
		.space = { .engine = e },
		.work = body.len < UINT64_MAX / WORK_FACTOR - WORK_MIN
			    ? body.len * WORK_FACTOR + WORK_MIN
			    : UINT64_MAX,
	};
	struct content c = { .data = body, .head = &head, .part = "" };

	*a = (struct scan_answer){ .complete = 1 };
	if (body.len == 0)
		return;
	f.v.opts = rq->opts;
	f.v.space = &f.space;
	budget_start(&f.v.budget, &f.v.opts, rq->budget_us);
	mime_head_declared(&head, declared);
	scan_body(&f, &c);
}
