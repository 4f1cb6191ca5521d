/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/engine_flags.h"

#include <limits.h>
#include <string.h>

/* What a good file that is merely cut would set off. */
#define NOT_IN_A_PREFIX \
	(CL_SCAN_HEURISTIC_BROKEN | CL_SCAN_HEURISTIC_BROKEN_MEDIA | \
	    CL_SCAN_HEURISTIC_EXCEEDS_MAX | \
	    CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE | \
	    CL_SCAN_HEURISTIC_ENCRYPTED_DOC | CL_SCAN_HEURISTIC_STRUCTURED | \
	    CL_SCAN_HEURISTIC_STRUCTURED_SSN_NORMAL | \
	    CL_SCAN_HEURISTIC_STRUCTURED_SSN_STRIPPED | \
	    CL_SCAN_HEURISTIC_STRUCTURED_CC | \
	    CL_SCAN_HEURISTIC_PARTITION_INTXN)

/* clang-format off */
void
engine_flags_options(const struct scan_opts *o, enum scan_kind kind,
    struct cl_scan_options *out)
{
	memset(out, 0, sizeof(*out));
#define SCAN_SWITCH(field, word, flags) \
	if ((o->switches & SCAN_BIT(field)) != 0) \
		out->word |= (flags);
#include "base/scan_opts.def"
	out->general |= CL_SCAN_GENERAL_ALLMATCHES;
	out->heuristic |= CL_SCAN_HEURISTIC_EXCEEDS_MAX;
	if (kind == SCAN_PREFIX)
		out->heuristic &= ~(uint32_t)NOT_IN_A_PREFIX;
}

static const struct {
	enum cl_engine_field field;
	uint64_t max;
} numbers[SCAN_NNUMBERS] = {
#define SCAN_NUMBER(field, setting, max) { CL_ENGINE_##setting, max },
#include "base/scan_opts.def"
};
/* clang-format on */

int
engine_flags_numbers(
    struct cl_engine *cl, const struct scan_opts *o, struct scan_opts *have)
{
	for (size_t i = 0; i < SCAN_NNUMBERS; i++) {
		uint64_t v = o->numbers[i];

		if (v == 0 || v > numbers[i].max)
			v = numbers[i].max;
		if (v == have->numbers[i])
			continue;
		if (cl_engine_set_num(cl, numbers[i].field, (long long)v) !=
		    CL_SUCCESS)
			return -1;
		have->numbers[i] = v;
	}
	return 0;
}
