/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/scan.h"

enum scan_coding
scan_coding_of(struct slice token)
{
	static const struct {
		const char *name;
		enum scan_coding coding;
	} known[] = {
		{ "identity", SCAN_CODING_NONE },
		{ "gzip", SCAN_CODING_GZIP },
		{ "x-gzip", SCAN_CODING_GZIP },
		{ "deflate", SCAN_CODING_DEFLATE },
#ifdef HAVE_BROTLI
		{ "br", SCAN_CODING_BR },
#endif
#ifdef HAVE_ZSTD
		{ "zstd", SCAN_CODING_ZSTD },
#endif
		{ "aws-chunked", SCAN_CODING_AWS_CHUNKED },
	};

	for (size_t i = 0; i < COUNTOF(known); i++)
		if (slice_case_eq(token, slice_of(known[i].name)))
			return known[i].coding;
	return SCAN_CODING_UNKNOWN;
}
