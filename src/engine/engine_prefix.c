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
 * More unrelated bytes than the prefix has are put behind it: what was counted
 * from the end of the file (it then lay inside the prefix) is no longer there.
 */
#define PADDING_MORE ((size_t)16 * 1024)
/* What the library makes of a page may be longer than the page. */
#define COPY_FACTOR 4
#define COPY_MORE ((uint64_t)64 * 1024)

/*
 * Harmless lines of text, unlike anything that a signature looks for; or the
 * same with bytes that no text has. With one the prefix is followed by a
 * letter, with the other by none: what depends on a border vanishes in one.
 */
static void
fill_padding(unsigned char *p, size_t len, bool text)
{
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if (text)
			p[i] =
			    (unsigned char)(i % 61 == 60 ? '\n' : 'g' + x % 16);
		else
			p[i] = (unsigned char)(x % 7);
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

/* A hit that the rest of the object might undo is none of these. */
static bool
is_plain_hit(const struct engine *e, const struct scan_finding *f)
{
	return f->outcome == OUTCOME_INFECTED &&
	       names_plain(e->names, slice_of(f->name));
}

/*
 * Whether the whole object could be one that the signatures except by its
 * hash. Of a page the library also compares what it made of it, so there any
 * row of the operator's that is not too large might be meant.
 */
static bool
may_be_excepted(const struct engine *e, const struct engine_job *job,
    const struct engine_seen *seen)
{
	uint64_t most;

	if (e->allow_loaded == 0)
		return false;
	if (allow_may_match(e->allow, job->whole_len))
		return true;
	if (!seen->in_copy)
		return false;
	if (__builtin_mul_overflow(job->whole_len, COPY_FACTOR, &most) ||
	    __builtin_add_overflow(most, COPY_MORE, &most))
		return true;
	return allow_own_below(e->allow, most);
}

/*
 * Of a Windows executable the whole counts (its certificate), and in what was
 * found inside an object "the end" may be where the prefix was cut.
 */
static bool
may_be_final(const struct engine *e, const struct engine_job *job,
    const struct scan_answer *a, const struct engine_seen *seen)
{
	if (a->complete != 1 || seen->pe || seen->layers != 1)
		return false;
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (is_plain_hit(e, &a->findings[i]))
			return !may_be_excepted(e, job, seen);
	return false;
}

/* The prefix with padding behind it, into *again. False: no time, no memory. */
static bool
scan_padded(struct engine *e, const struct engine_job *job, uint64_t began_us,
    bool text, struct scan_answer *again)
{
	struct engine_job padded = *job;
	struct scan_opts opts = *job->opts;
	uint64_t used = clock_mono_us() - began_us;
	size_t more = job->len + PADDING_MORE;
	struct engine_seen seen;
	unsigned char *p;

	if (used >= job->budget_us || job->len > SIZE_MAX / 2 - PADDING_MORE ||
	    (p = malloc(job->len + more)) == NULL)
		return false;
	memcpy(p, job->data, job->len);
	fill_padding(p + job->len, more, text);
	padded.data = p;
	padded.len = job->len + more;
	padded.budget_us = job->budget_us - used;
	opts.max_file_size = 0;
	opts.max_scan_size = 0;
	padded.watch = NULL;
	padded.opts = &opts;
	*again = (struct scan_answer){ .complete = 1 };
	engine_scan_once(e, &padded, again, &seen);
	free(p);
	return again->complete == 1 && !seen.pe;
}

/*
 * Keeps those findings that no rest of the object can undo: of plain content
 * signatures, and found again with other bytes behind the prefix.
 */
static void
confirm_prefix(struct engine *e, const struct engine_job *job,
    struct scan_answer *a, uint64_t began_us)
{
	struct scan_answer with_text, with_bytes;
	uint32_t kept = 0;

	if (!scan_padded(e, job, began_us, true, &with_text) ||
	    !scan_padded(e, job, began_us, false, &with_bytes))
		return;
	for (uint32_t i = 0; i < a->nfindings; i++) {
		struct scan_finding f = a->findings[i];

		if (is_plain_hit(e, &f) && found_in(&with_text, &f) &&
		    found_in(&with_bytes, &f))
			a->findings[kept++] = f;
	}
	if (kept == 0)
		return;
	a->nfindings = kept;
	a->final = 1;
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

/*
 * Patterns in the bytes as they are: a fraction of the time. Whatever could be
 * final is found so, but for what stands only in a page that was normalised.
 * False: something is there.
 */
static bool
nothing_at_a_glance(
    struct engine *e, const struct engine_job *job, struct scan_answer *a)
{
	struct engine_job raw = *job;
	struct scan_opts opts = *job->opts;
	struct engine_seen seen;

	opts.switches = 0;
	raw.opts = &opts;
	raw.watch = NULL;
	engine_scan_once(e, &raw, a, &seen);
	return a->complete == 1 && a->nfindings == 0;
}

void
engine_scan_prefix(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	struct scan_answer a = { .complete = 1 };
	uint64_t began_us = clock_mono_us();
	struct engine_seen seen;

	if (job->opts->glance == 1 && nothing_at_a_glance(e, job, &a)) {
		merge(answer, &a);
		return;
	}
	a = (struct scan_answer){ .complete = 1 };
	engine_scan_once(e, job, &a, &seen);
	if (may_be_final(e, job, &a, &seen))
		confirm_prefix(e, job, &a, began_us);
	merge(answer, &a);
}
