/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* A document of any kind: a name or none, and soon. */
#include <string.h>

#include "engine/cfb.h"
#include "engine/looks.h"
#include "tests/fuzz/fuzz.h"

static void
walk(struct slice file)
{
	struct cfb_walk w = { .begun = false };
	struct cfb_entry e;
	unsigned char start[600];
	struct cfb c;

	if (!cfb_open(&c, file))
		return;
	for (int i = 0; i < 1000 && cfb_next(&c, &w, &e); i++) {
		CHECK(e.namelen < 32);
		CHECK(cfb_read(&c, &e, start, sizeof(start)) <= sizeof(start));
	}
	CHECK(c.steps <= 2 * (uint64_t)CFB_STEPS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice file = { (const char *)data, size };
	const char *name =
	    looks_encrypted(SLICE_LIT("CL_TYPE_MSOLE2"), SLICE_NONE, file);

	CHECK(name == NULL || strncmp(name, "Heuristics.", 11) == 0);
	(void)looks_encrypted(
	    SLICE_LIT("CL_TYPE_TEXT_ASCII"), SLICE_LIT("manifest.xml"), file);
	walk(file);
	return 0;
}
