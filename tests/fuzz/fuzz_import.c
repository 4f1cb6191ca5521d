/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A configuration of c-icap, squidclamav or clamd: whatever it is, a valid
 * tolsey.conf comes of it, and every line has one end in the report.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ctl/import.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct import *im = import_new();
	struct buf conf, report, err;
	size_t lines, ends[4];
	const char *last;

	if (im == NULL || memmem(data, size, "Include", 7) != NULL ||
	    size > 65536) {
		import_free(&im); /* files of this machine are not to be read */
		return 0;
	}
	buf_init(&conf, 1 << 24);
	buf_init(&report, 1 << 24);
	buf_init(&err, 1 << 16);
	CHECK(import_text(im, "fuzz", text) == 0);
	CHECK(import_finish(im, &conf, &report, &err) == 0);
	last = strstr(buf_cstr(&report), " lines: ");
	for (const char *p = last; p != NULL; p = strstr(p + 1, " lines: "))
		last = p;
	CHECK(last != NULL);
	while (last > report.p && last[-1] != '\n')
		last--;
	CHECK(sscanf(last,
		  "%zu lines: %zu translated, %zu the same without them, %zu "
		  "not needed, %zu DIFFER.",
		  &lines, &ends[0], &ends[1], &ends[2], &ends[3]) == 5);
	CHECK(lines == ends[0] + ends[1] + ends[2] + ends[3]);
	import_free(&im);
	buf_free(&conf);
	buf_free(&report);
	buf_free(&err);
	return 0;
}
