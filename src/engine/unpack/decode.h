/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_DECODE_H
#define ENGINE_UNPACK_DECODE_H
/*
 * Undoes content codings: gzip (with several members), deflate (zlib or raw),
 * br, zstd (several and skippable frames), aws-chunked and chunked, stacked up
 * to SCAN_MAX_CODINGS. One pass in bounded memory, whatever comes out: what
 * is decoded goes to a sink. Caps on size and ratio make a bomb a `limit`.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/scan.h"
#include "base/str.h"

enum decode_rc {
	DECODE_OK,
	DECODE_CUT,       /* the input ended too early */
	DECODE_BROKEN,    /* not of that coding */
	DECODE_LEFT_OVER, /* bytes behind the end that are no padding */
	DECODE_UNKNOWN,   /* a coding that this build cannot undo */
	DECODE_LIMIT,     /* over max_size or max_ratio */
	DECODE_SYSTEM     /* out of memory or temporary space */
};
struct decode_limits {
	uint64_t max_size;
	/*
	 * out : in, where DECODE_RATIO_FREE bytes of output do not count; and
	 * at any point on the way, where DECODE_BEGIN_FREE do not: a bomb need
	 * not go off to be known, but what begins with zeros is none yet.
	 */
	uint32_t max_ratio;
};
#define DECODE_RATIO_FREE ((uint64_t)16 << 20)
#define DECODE_BEGIN_FREE ((uint64_t)64 << 20)
/* Takes decoded bytes. Anything but DECODE_OK ends the decoding with that. */
typedef enum decode_rc (*decode_sink)(void *ctx, const void *p, size_t len);

struct decode_job {
	struct slice in;
	/* in the order in which they were applied; undone from the last */
	const uint32_t *codings;
	size_t ncodings;
	const struct decode_limits *limits;
	/* of deflate: without a look at its first bytes, as some clients do */
	bool raw_deflate;
	decode_sink sink;
	void *ctx;
};
struct decode_info {
	uint64_t out; /* bytes that the sink was given */
	/*
	 * Of the coding that was undone last: output up to the end of its
	 * first member or frame, where more came behind it; else 0. Some
	 * clients stop there.
	 */
	uint64_t first_end;
	size_t left_over; /* bytes of the input behind its end, padding too */
};
/*
 * On every failure the sink was given what was decoded up to the fault. With a
 * coding that cannot be undone, those applied after it are.
 */
enum decode_rc decode_run(
    const struct decode_job *job, struct decode_info *info) MUST_CHECK;
/* Whether a body is chunked as a whole (RFC 9112 7.1), nothing behind it. */
bool decode_is_chunked(struct slice body);
#endif
