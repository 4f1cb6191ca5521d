/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, expr);
	abort();
}
