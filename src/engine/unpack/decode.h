/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_DECODE_H
#define ENGINE_UNPACK_DECODE_H
/*
 * Undoes content codings in a worker: gzip (with several members), deflate
 * (zlib, else raw), br, zstd, aws-chunked, stacked up to SCAN_MAX_CODINGS.
 * Streamed, with caps on size and ratio, so that a bomb ends as `limit`.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/scan.h"

enum decode_rc {
	DECODE_OK,
	DECODE_BROKEN,  /* not of that coding, truncated, or bytes left over */
	DECODE_LIMIT,   /* over max_size or max_ratio */
	DECODE_UNKNOWN, /* a coding that this build cannot undo */
	DECODE_SYSTEM   /* out of memory or temporary space */
};
struct decoded {
	unsigned char *data; /* mapped or allocated; NULL when len is 0 */
	size_t len;
	size_t mapped;    /* bytes of address space, 0 = malloc'ed */
	size_t left_over; /* coded bytes behind the end of the stream */
};
struct decode_limits {
	uint64_t max_size;
	uint32_t max_ratio; /* out : in, beyond the first 16 MiB of output */
};
/*
 * codings[] in the order in which they were applied (as in the header); they
 * are undone from the last. On DECODE_BROKEN *out holds what was decoded up
 * to the fault. decode_free() in every case.
 */
enum decode_rc decode_body(const unsigned char *in, size_t len,
    const uint32_t codings[], size_t ncodings, const struct decode_limits *l,
    struct decoded *out) MUST_CHECK;
void decode_free(struct decoded *d);
#endif
