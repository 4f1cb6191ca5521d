/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any bytes as a coded body. The first byte says how many codings, the second
 * (and third) which; the rest is decoded within small limits.
 */
#include <string.h>

#include "engine/unpack/decode.h"
#include "tests/fuzz/fuzz.h"

#define MAX_OUT ((uint64_t)1 << 20)

static enum decode_rc
count(void *ctx, const void *p, size_t len)
{
	uint64_t *sum = ctx;
	volatile unsigned char last = 0;

	if (len > 0)
		last = ((const unsigned char *)p)[len - 1];
	(void)last;
	*sum += len;
	return DECODE_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct decode_limits limits = { MAX_OUT, 100 };
	uint32_t codings[SCAN_MAX_CODINGS];
	struct decode_info info;
	uint64_t sum = 0;
	struct decode_job job = { .codings = codings,
		.limits = &limits,
		.sink = count,
		.ctx = &sum };
	enum decode_rc rc;

	if (size < 3)
		return 0;
	job.ncodings = data[0] % SCAN_MAX_CODINGS + 1;
	job.raw_deflate = (data[0] & 0x80) != 0;
	for (size_t i = 0; i < job.ncodings; i++)
		codings[i] =
		    (uint32_t)(data[1 + i / 2] >> 4 * (i % 2)) % SCAN_NCODINGS;
	job.in = (struct slice){ (const char *)data + 3, size - 3 };
	rc = decode_run(&job, &info);
	CHECK(sum <= MAX_OUT && sum == info.out);
	CHECK(info.left_over <= job.in.len);
	CHECK(info.first_end <= info.out);
	CHECK(rc != DECODE_SYSTEM);
	(void)decode_is_chunked(job.in);
	return 0;
}
