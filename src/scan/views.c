/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/views.h"

#include <string.h>

#include "engine/unpack/decode.h"
#include "scan/object.h"

/* What a decoder could not do, as a reason for "not complete". */
static void
note_decoding(struct viewing *v, enum decode_rc rc, uint32_t missing)
{
	switch (rc) {
	case DECODE_OK:
		return;
	case DECODE_LIMIT:
		scan_answer_incomplete(v->answer, OUTCOME_LIMIT,
		    "decoded size or ratio is over its limit");
		return;
	case DECODE_SYSTEM:
		scan_answer_incomplete(
		    v->answer, OUTCOME_FAILED, "no memory to decode");
		return;
	case DECODE_BROKEN:
	case DECODE_UNKNOWN:
		/* nobody can undo the middle of a coding, or what was cut */
		if (missing != 0)
			return;
		scan_answer_incomplete(v->answer, OUTCOME_UNDECODABLE,
		    "broken or unknown content coding");
		return;
	}
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

static bool
raw_too(const struct viewing *v, enum decode_rc rc, bool decoded)
{
	if (v->kind == SCAN_PREFIX)
		return !decoded;
	return rc != DECODE_OK || is_archive(v->answer->type);
}

/*
 * What was decoded, also up to a fault; and the coded form where the decoding
 * is not the whole truth. A prefix always ends in the middle of its coding.
 */
static void
scan_coded(
    struct viewing *v, const struct msg_scan_request *rq, struct slice body)
{
	struct decode_limits limits = { rq->opts.max_decoded_size,
		rq->opts.max_decode_ratio };
	struct decoded d;
	enum decode_rc rc;
	bool decoded;

	rc = decode_body((const unsigned char *)body.p, body.len, rq->codings,
	    rq->ncodings, &limits, &d);
	if (rq->kind == SCAN_WHOLE)
		note_decoding(v, rc, rq->missing);
	if (d.len > 0)
		object_scan(
		    v, (struct slice){ (const char *)d.data, d.len }, "");
	decoded = d.len > 0;
	decode_free(&d);
	if (raw_too(v, rc, decoded))
		object_scan(v, body, "");
}

void
views_scan(struct engine *e, const struct msg_scan_request *rq,
    struct slice body, struct scan_answer *a)
{
	struct viewing v = {
		.engine = e, .kind = (enum scan_kind)rq->kind, .answer = a
	};

	*a = (struct scan_answer){ .complete = 1 };
	if (body.len == 0)
		return;
	v.opts = rq->opts;
	budget_start(&v.budget, &v.opts, rq->budget_us);
	if (rq->ncodings > 0)
		scan_coded(&v, rq, body);
	else
		object_scan(&v, body, "");
}
