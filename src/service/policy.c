/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "service/policy.h"

#include <string.h>

/* What a scan can report: neither "nothing known" nor clean is a finding. */
static bool
is_finding(uint32_t o)
{
	return o > OUTCOME_NONE && o < NOUTCOMES && o != OUTCOME_CLEAN;
}

static uint32_t
count_of(const struct scan_answer *a)
{
	return a->nfindings < SCAN_MAX_FINDINGS ? a->nfindings
						: SCAN_MAX_FINDINGS;
}

/* Text of a worker, which may be an attacker's by now. */
static void
take_text(char *dst, size_t len, const char *src, size_t max)
{
	(void)str_copy_clean(
	    dst, len, (struct slice){ src, strnlen(src, max) }, "");
}

static bool
blocks(const struct conf_service *s, outcome_set set)
{
	return set != 0 &&
	       s->actions[outcome_strictest(set, s->actions)] == ACTION_BLOCK;
}

/* The findings that no module silenced; one that cannot be is a failure. */
static outcome_set
found(const struct scan_answer *a)
{
	outcome_set set = 0;

	for (uint32_t i = 0; i < count_of(a); i++) {
		uint32_t o = a->findings[i].outcome;

		if (o == OUTCOME_NONE)
			continue;
		set |= OUTCOME_BIT(is_finding(o) ? o : OUTCOME_FAILED);
	}
	if (a->nfindings > SCAN_MAX_FINDINGS)
		set |= OUTCOME_BIT(OUTCOME_FAILED);
	return set;
}

/*
 * Everything that speaks against clean. Findings that did not fit into the
 * answer might be stricter than those that did: unless something blocks
 * anyway, they count as a limit that was reached.
 */
static outcome_set
against_clean(const struct conf_service *s, const struct scan_answer *a)
{
	outcome_set set = found(a);

	if (a->final && blocks(s, set))
		return set; /* a prefix is never complete */
	if (!a->complete)
		set |= OUTCOME_BIT(
		    is_finding(a->reason) ? a->reason : OUTCOME_FAILED);
	if (a->dropped > 0 && !blocks(s, set))
		set |= OUTCOME_BIT(OUTCOME_LIMIT);
	return set;
}

static void
decide(struct verdict *v, const struct conf_service *s, enum outcome o)
{
	v->outcome = o;
	v->wanted = s->actions[o];
	v->action = s->monitor ? ACTION_PASS : v->wanted;
}

static bool
has_name(const struct verdict *v, const char *name)
{
	for (uint32_t i = 0; i < v->nnames; i++)
		if (strcmp(v->names[i], name) == 0)
			return true;
	return false;
}

static void
add_name(struct verdict *v, const struct scan_finding *f)
{
	char name[SCAN_NAME_MAX];

	take_text(name, sizeof(name), f->name, sizeof(f->name));
	if (name[0] == '\0')
		return;
	/* what was found in the whole may have been in a part of it */
	if (v->part[0] == '\0' &&
	    (v->nnames == 0 || strcmp(v->names[0], name) == 0))
		(void)str_copy_text(v->part, sizeof(v->part),
		    (struct slice){
			f->part, strnlen(f->part, sizeof(f->part)) });
	if (has_name(v, name))
		return;
	memcpy(v->names[v->nnames++], name, sizeof(name));
}

static void
take_names(struct verdict *v, const struct scan_answer *a)
{
	for (uint32_t i = 0; i < count_of(a); i++)
		if (a->findings[i].outcome == v->outcome)
			add_name(v, &a->findings[i]);
	for (uint32_t i = 0; i < count_of(a); i++)
		if (is_finding(a->findings[i].outcome))
			add_name(v, &a->findings[i]);
}

void
policy_scan_verdict(struct verdict *v, const struct conf_service *s,
    const struct scan_answer *answer, outcome_set extra)
{
	outcome_set set = against_clean(s, answer);

	memset(v, 0, sizeof(*v));
	/* clean is what remains when nothing else was said, never a part */
	if (set == 0 && extra == 0) {
		decide(v, s, OUTCOME_CLEAN);
		return;
	}
	set |= extra & ~(OUTCOME_BIT(OUTCOME_CLEAN));
	decide(v, s, outcome_strictest(set, s->actions));
	take_names(v, answer);
	if (answer->text[0] != '\0')
		take_text(v->reason, sizeof(v->reason), answer->text,
		    sizeof(answer->text));
	else
		(void)str_copy(v->reason, sizeof(v->reason),
		    slice_of(outcome_info(v->outcome)->text));
}

void
policy_verdict(struct verdict *v, const struct conf_service *s, enum outcome o,
    const char *reason, const char *threat)
{
	memset(v, 0, sizeof(*v));
	decide(v, s, is_finding(o) ? o : OUTCOME_FAILED);
	if (reason == NULL)
		reason = outcome_info(v->outcome)->text;
	(void)str_copy_clean(
	    v->reason, sizeof(v->reason), slice_of(reason), "");
	if (threat == NULL || threat[0] == '\0')
		return;
	(void)str_copy_clean(
	    v->names[0], sizeof(v->names[0]), slice_of(threat), "");
	v->nnames = 1;
}

bool
policy_prefix_blocks(
    const struct conf_service *s, const struct scan_answer *answer)
{
	outcome_set set = 0;

	for (uint32_t i = 0; i < count_of(answer); i++)
		if (is_finding(answer->findings[i].outcome))
			set |= OUTCOME_BIT(answer->findings[i].outcome);
	return answer->final && !s->monitor && blocks(s, set);
}

int
policy_threat_type(enum outcome o)
{
	switch (o) {
	case OUTCOME_INFECTED:
	case OUTCOME_PUA:
	case OUTCOME_SUSPICIOUS:
		return 0;
	case OUTCOME_POLICY:
	case OUTCOME_EXEMPT:
	case OUTCOME_STREAMED:
	case OUTCOME_PARTIAL:
	case OUTCOME_OPAQUE_MEDIA:
		return 1;
	default:
		return 2;
	}
}
