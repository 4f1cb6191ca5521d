/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_CFB_UTIL_H
#define TESTS_CFB_UTIL_H
/* Compound files (OLE2) made here: what Office documents are kept in. */
#include "base/buf.h"

struct cfb_stream {
	const char *name; /* ASCII, at most 31 bytes */
	const void *data;
	size_t len;
};
/* All streams below the root; short ones too lie in sectors of their own. */
void make_cfb(struct buf *b, const struct cfb_stream *s, size_t n);
/* The same with all of them (shorter than 4096 bytes) in the short stream. */
void make_short_cfb(struct buf *b, const struct cfb_stream *s, size_t n);
#endif
