/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_CVD_UTIL_H
#define TESTS_CVD_UTIL_H
/* Signature containers made here, as libclamav loads them from a .cud file. */
#include <stdbool.h>

#include "base/buf.h"

struct cvd_file {
	const char *name, *text;
};
/* packed: the archive inside is gzip'ed, as in a .cvd. */
void make_cvd(
    struct buf *b, const struct cvd_file *files, size_t n, bool packed);
#endif
