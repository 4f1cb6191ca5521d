/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SERVICE_POLICY_H
#define SERVICE_POLICY_H
/* From findings to one outcome, and from the outcome to an action. */
#include "conf/conf.h"
#include "service/service.h"

struct verdict {
	enum outcome outcome;
	enum action action; /* after Monitor: PASS; wanted keeps the other */
	enum action wanted;
	/* the names that count for log and headers, the outcome's own first */
	uint32_t nnames;
	char names[SCAN_MAX_FINDINGS][SCAN_NAME_MAX];
	char part[SCAN_PART_MAX]; /* of the first name, if any has it */
	char reason[96];          /* for the log */
};
/*
 * The verdict on a scan: all findings, the reason when it was not complete,
 * and `extra` (findings of the core: PARTIAL, UNDECODABLE ...). CLEAN only if
 * answer->complete, nothing was found and extra is empty.
 */
void policy_scan_verdict(struct verdict *v, const struct conf_service *s,
    const struct scan_answer *answer, outcome_set extra);
/* The verdict without a scan (timeout, overload, too-large, exempt ...). */
void policy_verdict(struct verdict *v, const struct conf_service *s,
    enum outcome o, const char *reason, const char *threat);
/*
 * Whether the answer of a prefix scan blocks at once: a final finding whose
 * action is block.
 */
bool policy_prefix_blocks(
    const struct conf_service *s, const struct scan_answer *answer);
/* X-Infection-Found's Type for the outcome: 0 virus, 1 policy, 2 container. */
int policy_threat_type(enum outcome o);
#endif
