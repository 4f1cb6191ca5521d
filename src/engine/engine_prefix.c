/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The scan of a prefix: what it finds blocks at once only when nothing in the
 * rest of the object could undo it.
 */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/*
 * Unrelated bytes behind a prefix: a signature whose place is counted from
 * the end of the file no longer matches then.
 */
#define PREFIX_PADDING (128 * 1024)

/* Lines of harmless text, unlike anything that a signature looks for. */
static void
fill_padding(unsigned char *p, size_t len)
{
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (unsigned char)(i % 61 == 60 ? '\n' : 'g' + x % 16);
	}
}

static bool
found_in(const struct scan_answer *a, const struct scan_finding *f)
{
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (strcmp(a->findings[i].name, f->name) == 0)
			return true;
	return false;
}

/*
 * Keeps those findings that no rest of the object can undo: of plain content
 * signatures, and found again with other bytes behind the prefix.
 */
static void
keep_final(struct engine *e, const struct engine_job *job,
    struct scan_answer *a, const struct scan_answer *again)
{
	uint32_t kept = 0;

	(void)job;
	for (uint32_t i = 0; i < a->nfindings; i++) {
		struct scan_finding f = a->findings[i];

		if (f.outcome == OUTCOME_INFECTED &&
		    names_plain(e->names, slice_of(f.name)) &&
		    found_in(again, &f))
			a->findings[kept++] = f;
	}
	if (kept == 0)
		return;
	a->nfindings = kept;
	a->final = 1;
}

static bool
may_be_final(const struct engine *e, const struct scan_answer *a,
    const struct engine_seen *seen)
{
	if (a->complete != 1 || seen->pe || e->has_allow_rows)
		return false;
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome == OUTCOME_INFECTED)
			return true;
	return false;
}

static void
confirm_prefix(struct engine *e, const struct engine_job *job,
    struct scan_answer *a, uint64_t began_us)
{
	struct scan_answer again = { .complete = 1 };
	struct engine_job padded = *job;
	struct scan_opts opts = *job->opts;
	uint64_t used = clock_mono_us() - began_us;
	unsigned char *p;
	struct engine_seen seen;

	if (used >= job->budget_us || job->len > SIZE_MAX - PREFIX_PADDING ||
	    (p = malloc(job->len + PREFIX_PADDING)) == NULL)
		return;
	memcpy(p, job->data, job->len);
	fill_padding(p + job->len, PREFIX_PADDING);
	padded.data = p;
	padded.len = job->len + PREFIX_PADDING;
	padded.budget_us = job->budget_us - used;
	opts.max_file_size = 0;
	opts.max_scan_size = 0;
	padded.use = NULL;
	padded.opts = &opts;
	engine_scan_once(e, &padded, &again, &seen);
	if (again.complete == 1 && !seen.pe)
		keep_final(e, job, a, &again);
	free(p);
}

/* Adds a prefix's answer to what other views gave; final ones stand alone. */
static void
merge(struct scan_answer *to, const struct scan_answer *a)
{
	if (a->complete != 1)
		scan_answer_incomplete(to, (enum outcome)a->reason, a->text);
	if (to->type[0] == '\0')
		memcpy(to->type, a->type, sizeof(to->type));
	if (to->final == 1 && a->final == 0)
		return;
	if (to->final == 0 && a->final == 1)
		to->nfindings = 0;
	to->final = a->final;
	for (uint32_t i = 0; i < a->nfindings; i++)
		scan_answer_add(to, (enum outcome)a->findings[i].outcome,
		    slice_of(a->findings[i].name),
		    slice_of(a->findings[i].part));
	to->dropped += a->dropped;
}

void
engine_scan_prefix(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	struct scan_answer a = { .complete = 1 };
	uint64_t began_us = clock_mono_us();
	struct engine_seen seen;

	engine_scan_once(e, job, &a, &seen);
	if (may_be_final(e, &a, &seen))
		confirm_prefix(e, job, &a, began_us);
	merge(answer, &a);
}
