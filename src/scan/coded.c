/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <string.h>

#include "scan/forms.h"

/*
 * Of what turned out too large only so much is scanned: enough to name a
 * threat, while there is time to say `limit`.
 */
#define SCAN_OF_BOMB ((size_t)16 << 20)
/* A prefix is to be answered at once. */
#define PREFIX_ROOM ((uint64_t)256 << 10)
#define PREFIX_RATIO 32

void
coded_note(struct forms *f, enum decode_rc rc)
{
	static const struct {
		enum outcome outcome;
		const char *text;
	} notes[] = {
		[DECODE_OK] = { OUTCOME_NONE, "" },
		[DECODE_CUT] = { OUTCOME_UNDECODABLE,
		    "its content coding is cut" },
		[DECODE_BROKEN] = { OUTCOME_UNDECODABLE,
		    "broken content coding" },
		[DECODE_LEFT_OVER] = { OUTCOME_UNDECODABLE,
		    "bytes behind the end of its content coding" },
		[DECODE_UNKNOWN] = { OUTCOME_UNDECODABLE,
		    "unknown content coding" },
		[DECODE_LIMIT] = { OUTCOME_LIMIT,
		    "decoded size or ratio is over its limit" },
		[DECODE_SYSTEM] = { OUTCOME_FAILED,
		    "no memory or temporary space to decode" },
	};

	if (rc == DECODE_OK || (rc == DECODE_CUT && f->v.kind == SCAN_PREFIX))
		return;
	/* a part of a coded object: nobody can undo more of it */
	if (rc == DECODE_CUT && f->rq->missing != 0)
		return;
	if (notes[rc].outcome == OUTCOME_UNDECODABLE &&
	    (f->rq->missing & SCAN_NO_START) != 0)
		return;
	scan_answer_incomplete(f->v.answer, notes[rc].outcome, notes[rc].text);
}

/* Types whose users may keep the coded form as the file that it is. */
static bool
is_archive(const char *type)
{
	static const char *const types[] = { "ZIP", "GZ", "BZ", "XZ", "7Z",
		"RAR", "ARJ", "MSCAB", "EGG", "ALZ", "OLD_TAR", "POSIX_TAR",
		"CPIO_OLD", "CPIO_ODC", "CPIO_NEWC", "CPIO_CRC", "ISO9660" };

	for (size_t i = 0; i < COUNTOF(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* Where what was decoded may not be what its receiver gets to see. */
static bool
raw_too(const struct forms *f, const struct content *c, enum decode_rc rc,
    uint64_t decoded)
{
	/* the engine would unpack a bomb once more */
	if (rc == DECODE_LIMIT)
		return false;
	if (decoded == 0)
		return true;
	if (f->v.kind == SCAN_PREFIX)
		return false;
	return rc != DECODE_OK || (f->rq->forms & SCAN_FORM_KEPT) != 0 ||
	       c->head->is_packed || is_archive(f->v.answer->type);
}

static struct decode_limits
limits_of(const struct forms *f, size_t len)
{
	struct decode_limits l = { f->v.opts.max_decoded_size,
		f->v.opts.max_decode_ratio };

	/* more would not be scanned anyway */
	if (l.max_size > f->v.budget.bytes)
		l.max_size = f->v.budget.bytes;
	if (f->v.kind == SCAN_PREFIX &&
	    l.max_size > PREFIX_ROOM + (uint64_t)len * PREFIX_RATIO)
		l.max_size = PREFIX_ROOM + (uint64_t)len * PREFIX_RATIO;
	return l;
}

/* Decodes once and scans what came out, up to a fault if there is one. */
static enum decode_rc
decode_and_scan(struct forms *f, const struct content *c,
    struct decode_job *job, struct decode_info *info)
{
	struct decode_limits limits = limits_of(f, c->data.len);
	struct content inner = *c;
	struct stash stash;
	enum decode_rc rc;

	stash_init(&stash, &f->space);
	job->limits = &limits;
	job->sink = forms_sink;
	job->ctx = &stash;
	rc = decode_run(job, info);
	if (stash_data(&stash, &inner.data) != 0) {
		stash_free(&stash);
		return DECODE_SYSTEM;
	}
	engine_temp_changed(f->v.engine);
	if (rc == DECODE_LIMIT || rc == DECODE_SYSTEM) {
		coded_note(f, rc);
		if (inner.data.len > SCAN_OF_BOMB)
			inner.data.len = SCAN_OF_BOMB;
	}
	inner.depth++;
	f->work += inner.data.len;
	if (inner.data.len > 0)
		content_scan(f, &inner);
	if (info->first_end > 0 && info->first_end < inner.data.len) {
		inner.data.len = (size_t)info->first_end;
		object_scan(&f->v, inner.data, c->part);
	}
	stash_free(&stash);
	engine_temp_changed(f->v.engine);
	return rc;
}

static bool
has_deflate(const uint32_t codings[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (codings[i] == SCAN_CODING_DEFLATE)
			return true;
	return false;
}

enum decode_rc
coded_scan(struct forms *f, const struct content *c, const uint32_t codings[],
    size_t ncodings)
{
	struct decode_job job = {
		.in = c->data, .codings = codings, .ncodings = ncodings
	};
	struct decode_info info, other;
	enum decode_rc rc = decode_and_scan(f, c, &job, &info);

	if (rc == DECODE_BROKEN && has_deflate(codings, ncodings)) {
		job.raw_deflate = true;
		(void)decode_and_scan(f, c, &job, &other);
	}
	if (rc == DECODE_LEFT_OVER && info.left_over < c->data.len) {
		struct slice rest = { c->data.p + c->data.len - info.left_over,
			info.left_over };

		object_scan(&f->v, rest, c->part);
	}
	if (raw_too(f, c, rc, info.out))
		content_scan(f, c);
	/* these are in the answer already */
	return rc == DECODE_LIMIT || rc == DECODE_SYSTEM ? DECODE_OK : rc;
}
