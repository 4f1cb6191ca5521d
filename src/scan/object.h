/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_OBJECT_H
#define SCAN_OBJECT_H
/*
 * One sequence of bytes, scanned completely: by the engine, and where the
 * engine does not look into it by what else there is. What sequences of bytes
 * an object has (decoded, raw, parts) is views.h's matter.
 */
#include "base/str.h"
#include "engine/engine.h"
#include "scan/budget.h"
#include "scan/stash.h"

/* One object while it is looked at in all its forms. */
struct viewing {
	struct engine *engine;
	enum scan_kind kind;
	struct scan_opts opts;
	struct budget budget; /* of all forms together */
	struct stash_space *space;
	uint32_t depth; /* containers opened by us around what comes next */
	uint32_t below; /* layers of a higher level are not looked at again */
	/* the body as it came and, of a prefix, the size of the whole or 0 */
	struct slice body;
	uint64_t whole_len;
	struct scan_answer *answer;
};
/*
 * Charges the budget with it and scans it; findings, and why it was not
 * complete, are added to v->answer. part names it in the findings, "" for the
 * object itself. False when the budget did not permit it.
 */
bool object_scan(struct viewing *v, struct slice data, const char *part);
#endif
