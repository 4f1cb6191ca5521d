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
		/* what some servers write there, and no client undoes */
		{ "none", SCAN_CODING_NONE },
		{ "utf-8", SCAN_CODING_NONE },
		{ "utf8", SCAN_CODING_NONE },
		{ "iso-8859-1", SCAN_CODING_NONE },
		{ "binary", SCAN_CODING_NONE },
		{ "7bit", SCAN_CODING_NONE },
		{ "8bit", SCAN_CODING_NONE },
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
