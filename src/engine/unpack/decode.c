/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/decode.h"

#include <stdlib.h>
#include <string.h>

#include "engine/unpack/stage.h"

#define FEED ((size_t)65536)

struct decoding {
	const struct decode_job *job;
	struct stage stages[SCAN_MAX_CODINGS];
	size_t n;
	size_t fed; /* of the input, so far */
};

static const struct stage_ops *const known[SCAN_NCODINGS] = {
	[SCAN_CODING_GZIP] = &stage_gzip,
	[SCAN_CODING_DEFLATE] = &stage_deflate,
#ifdef HAVE_BROTLI
	[SCAN_CODING_BR] = &stage_br,
#endif
#ifdef HAVE_ZSTD
	[SCAN_CODING_ZSTD] = &stage_zstd,
#endif
	[SCAN_CODING_AWS_CHUNKED] = &stage_chunked,
	[SCAN_CODING_CHUNKED] = &stage_chunked,
};

static bool
over_ratio(uint64_t out, uint64_t free, uint64_t in, uint32_t max)
{
	return out > free && (out - free) / (in + 1) > max;
}

/* Each stage's output is measured against what came in from outside. */
static enum decode_rc
check_limits(const struct decoding *d, uint64_t out)
{
	const struct decode_job *j = d->job;
	const struct decode_limits *l = j->limits;

	if (out > l->max_size ||
	    over_ratio(out, DECODE_RATIO_FREE, j->in.len, l->max_ratio) ||
	    over_ratio(out, DECODE_BEGIN_FREE, d->fed, l->max_ratio))
		return DECODE_LIMIT;
	return DECODE_OK;
}

enum decode_rc
stage_put(struct stage *s, const void *p, size_t n)
{
	const struct decode_job *j = s->all->job;
	enum decode_rc rc;

	if (n == 0)
		return DECODE_OK;
	rc = check_limits(s->all, s->out + n);
	if (rc != DECODE_OK)
		return rc;
	s->out += n;
	if (s->next != NULL)
		return s->next->ops->feed(s->next, p, n);
	return j->sink(j->ctx, p, n);
}

void
stage_member_ends(struct stage *s)
{
	if (s->first_end == 0)
		s->first_end = s->out;
}

void
stage_over(struct stage *s, const unsigned char *p, size_t n)
{
	s->left_over += n;
	for (size_t i = 0; i < n && !s->dirt_left_over; i++)
		s->dirt_left_over = p[i] != 0;
}

bool
stage_wants_raw_deflate(const struct stage *s)
{
	return s->all->job->raw_deflate;
}

static enum decode_rc
open_stage(struct decoding *d, uint32_t coding)
{
	struct stage *s = &d->stages[d->n];

	if (coding >= SCAN_NCODINGS || known[coding] == NULL ||
	    d->n == SCAN_MAX_CODINGS)
		return DECODE_UNKNOWN;
	*s = (struct stage){ .ops = known[coding], .all = d };
	s->state = calloc(1, s->ops->state_size);
	s->room = malloc(STAGE_ROOM);
	d->n++;
	if (d->n > 1)
		d->stages[d->n - 2].next = s;
	if (s->state == NULL || s->room == NULL)
		return DECODE_SYSTEM;
	return s->ops->open(s);
}

static void
close_stages(struct decoding *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct stage *s = &d->stages[i];

		if (s->state != NULL && s->room != NULL)
			s->ops->close(s);
		free(s->state);
		free(s->room);
	}
}

/* The stages, the outermost coding first, as far as they are known. */
static enum decode_rc
open_stages(struct decoding *d)
{
	const struct decode_job *j = d->job;
	enum decode_rc rc = DECODE_OK;

	for (size_t i = j->ncodings; i > 0 && rc == DECODE_OK; i--)
		rc = open_stage(d, j->codings[i - 1]);
	return rc;
}

static enum decode_rc
run_stages(struct decoding *d)
{
	struct slice in = d->job->in;
	struct stage *first = &d->stages[0];
	enum decode_rc rc = DECODE_OK;

	while (d->fed < in.len && rc == DECODE_OK) {
		size_t n = in.len - d->fed < FEED ? in.len - d->fed : FEED;

		d->fed += n;
		rc = first->ops->feed(
		    first, (const unsigned char *)in.p + d->fed - n, n);
	}
	for (size_t i = 0; i < d->n && rc == DECODE_OK; i++)
		rc = d->stages[i].ops->end(&d->stages[i]);
	for (size_t i = 0; i < d->n && rc == DECODE_OK; i++)
		if (d->stages[i].dirt_left_over)
			rc = DECODE_LEFT_OVER;
	return rc;
}

static void
report(const struct decoding *d, struct decode_info *info)
{
	const struct stage *last = &d->stages[d->n - 1];

	info->out = last->out;
	info->left_over = (size_t)d->stages[0].left_over;
	if (last->first_end < last->out)
		info->first_end = last->first_end;
}

enum decode_rc
decode_run(const struct decode_job *job, struct decode_info *info)
{
	struct decoding d = { .job = job };
	enum decode_rc opened, rc;

	memset(info, 0, sizeof(*info));
	opened = open_stages(&d);
	rc = opened;
	if (d.n > 0 && (opened == DECODE_OK || opened == DECODE_UNKNOWN)) {
		rc = run_stages(&d);
		report(&d, info);
	}
	close_stages(&d);
	return rc == DECODE_OK ? opened : rc;
}

static enum decode_rc
sink_nothing(void *ctx, const void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	return DECODE_OK;
}

bool
decode_is_chunked(struct slice body)
{
	static const uint32_t coding = SCAN_CODING_CHUNKED;
	const struct decode_limits limits = { UINT64_MAX, UINT32_MAX };
	const struct decode_job job = { .in = body,
		.codings = &coding,
		.ncodings = 1,
		.limits = &limits,
		.sink = sink_nothing };
	struct decode_info info;

	return decode_run(&job, &info) == DECODE_OK && info.left_over == 0;
}
