/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What every engine does alike with an answer. */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

static bool
has_finding(const struct scan_answer *a, enum outcome o, const char *name,
    const char *part)
{
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome == (uint32_t)o &&
		    strcmp(a->findings[i].name, name) == 0 &&
		    strcmp(a->findings[i].part, part) == 0)
			return true;
	return false;
}

void
scan_answer_add(
    struct scan_answer *a, enum outcome o, struct slice name, struct slice part)
{
	struct scan_finding f = { .outcome = (uint32_t)o };

	(void)str_copy_clean(f.name, sizeof(f.name), name, "");
	(void)str_copy_text(f.part, sizeof(f.part), part);
	if (has_finding(a, o, f.name, f.part))
		return;
	if (a->nfindings >= SCAN_MAX_FINDINGS) {
		a->dropped++;
		return;
	}
	a->findings[a->nfindings++] = f;
}

void
scan_answer_incomplete(
    struct scan_answer *a, enum outcome reason, const char *text)
{
	char name[SCAN_NAME_MAX];

	a->complete = 0;
	if (a->reason == (uint32_t)reason)
		return;
	if (a->reason != OUTCOME_NONE) {
		(void)snprintf(name, sizeof(name), "Tolsey.Incomplete.%s",
		    outcome_info(reason)->word);
		scan_answer_add(a, reason, slice_of(name), SLICE_NONE);
		return;
	}
	a->reason = (uint32_t)reason;
	(void)str_copy_clean(a->text, sizeof(a->text), slice_of(text), "");
}

void
engine_plain_opts(struct scan_opts *o, uint64_t max_object)
{
	memset(o, 0, sizeof(*o));
	o->max_file_size = max_object;
	o->max_scan_size = max_object * 2;
	o->max_files = 20000;
	o->max_recursion = 17;
	o->max_decoded_size = max_object;
	o->max_decode_ratio = 200;
	o->switches = ~(uint64_t)0;
	/* what costs much, or reports what is no fault */
	o->switches &=
	    ~(SCAN_BIT(scan_image_fuzzy_hash) |
		SCAN_BIT(heuristic_scan_precedence) |
		SCAN_BIT(alert_broken_executables) |
		SCAN_BIT(alert_broken_media) | SCAN_BIT(alert_ole2_macros) |
		SCAN_BIT(alert_partition_intersection) |
		SCAN_BIT(alert_phishing_cloak) |
		SCAN_BIT(alert_phishing_ssl_mismatch) |
		SCAN_BIT(structured_data_detection) |
		SCAN_BIT(structured_cc_only) | SCAN_BIT(structured_ssn_normal) |
		SCAN_BIT(structured_ssn_stripped));
}
