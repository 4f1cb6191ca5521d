/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A byte of flags, two of content codings, a line of declared types, then a
 * body: every form of it is looked at by an engine that only reads it. Limits
 * are kept, and a body that is not empty is scanned or not clean.
 */
#include <string.h>

#include "scan/views.h"
#include "tests/fuzz/fuzz.h"

#define CHUNKED 1u
#define KEPT 2u
#define PREFIX 4u
#define MAX_FILES 60u
#define MAX_BYTES ((uint64_t)8 << 20)

struct engine {
	struct engine_temp temp; /* no folder: all in memory */
	uint64_t files, bytes;
};
static struct engine engine;

void
engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	const volatile unsigned char *p = job->data;

	CHECK(job->len > 0 && job->part != NULL);
	CHECK(strlen(job->part) < SCAN_PART_MAX);
	(void)p[0];
	(void)p[job->len - 1];
	e->files++;
	e->bytes += job->len;
	if (memmem(job->data, job->len, "virus", 5) != NULL)
		scan_answer_add(answer, OUTCOME_INFECTED, SLICE_LIT("Fuzz"),
		    slice_of(job->part));
}

const struct engine_temp *
engine_temp(const struct engine *e)
{
	return &e->temp;
}

void
engine_temp_changed(struct engine *e)
{
	(void)e;
}

static void
check(const struct scan_answer *a, size_t len)
{
	CHECK(engine.files <= MAX_FILES && engine.bytes <= MAX_BYTES);
	CHECK(a->complete == 1 || a->reason != OUTCOME_NONE);
	CHECK(len == 0 || engine.files > 0 || a->complete == 0);
	CHECK(a->nfindings <= SCAN_MAX_FINDINGS);
	for (uint32_t i = 0; i < a->nfindings; i++)
		CHECK(str_is_text(slice_of(a->findings[i].part)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_scan_request rq = { .kind = SCAN_WHOLE,
		.budget_us = 3600ull * 1000000,
		.opts = { .max_files = MAX_FILES,
		    .max_scan_size = MAX_BYTES,
		    .max_recursion = 5,
		    .max_decoded_size = 1 << 20,
		    .max_decode_ratio = 100 } };
	struct scan_answer a;
	struct slice body;
	ptrdiff_t nl;

	if (size < 3)
		return 0;
	body = (struct slice){ (const char *)data + 3, size - 3 };
	nl = slice_find(body, '\n');
	if (nl < 0)
		return 0;
	(void)str_copy(rq.declared, sizeof(rq.declared),
	    (struct slice){ body.p, (size_t)nl });
	body = (struct slice){ body.p + nl + 1, body.len - (size_t)nl - 1 };
	rq.size = body.len;
	rq.forms = ((data[0] & CHUNKED) != 0 ? SCAN_FORM_CHUNKED : 0) |
		   ((data[0] & KEPT) != 0 ? SCAN_FORM_KEPT : 0);
	if ((data[0] & PREFIX) != 0)
		rq.kind = SCAN_PREFIX;
	rq.ncodings = (data[0] >> 4) % (SCAN_MAX_CODINGS + 1);
	for (uint32_t i = 0; i < rq.ncodings; i++)
		rq.codings[i] =
		    (uint32_t)(data[1 + i / 2] >> 4 * (i % 2)) % SCAN_NCODINGS;
	engine = (struct engine){ .files = 0 };
	views_scan(&engine, &rq, body, &a);
	check(&a, body.len);
	return 0;
}
