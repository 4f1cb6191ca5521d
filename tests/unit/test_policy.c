/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "service/policy.h"

static struct conf_service svc;
static struct scan_answer answer;
static struct verdict v;

static int
setup(void **state)
{
	(void)state;
	memset(&svc, 0, sizeof(svc));
	memset(&answer, 0, sizeof(answer));
	memset(&v, 0xff, sizeof(v));
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		svc.actions[o] = outcome_info((enum outcome)o)->action;
	return 0;
}

static void
add(enum outcome o, const char *name, const char *part)
{
	struct scan_finding *f = &answer.findings[answer.nfindings++];

	f->outcome = o;
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	(void)snprintf(f->part, sizeof(f->part), "%s", part);
}

static enum outcome
judge(outcome_set extra)
{
	policy_scan_verdict(&v, &svc, &answer, extra);
	assert_in_range(v.outcome, OUTCOME_NONE + 1, NOUTCOMES - 1);
	assert_int_equal(v.wanted, svc.actions[v.outcome]);
	return v.outcome;
}

static void
only_a_complete_empty_answer_is_clean(void **state)
{
	(void)state;
	assert_int_equal(judge(0), OUTCOME_FAILED);
	answer.complete = 1;
	assert_int_equal(judge(0), OUTCOME_CLEAN);
	assert_int_equal(v.action, ACTION_PASS);
	assert_int_equal(v.nnames, 0);
	answer.complete = 0;
	for (unsigned int o = 0; o < NOUTCOMES + 3; o++) {
		answer.reason = o;
		assert_int_not_equal(judge(0), OUTCOME_CLEAN);
		if (o == OUTCOME_NONE || o >= OUTCOME_CLEAN)
			assert_int_equal(v.outcome, OUTCOME_FAILED);
		else
			assert_int_equal(v.outcome, o);
	}
	answer.reason = UINT32_MAX;
	assert_int_equal(judge(0), OUTCOME_FAILED);
}

static void
what_the_core_found_is_never_clean(void **state)
{
	(void)state;
	answer.complete = 1;
	for (unsigned int o = OUTCOME_NONE + 1; o < OUTCOME_CLEAN; o++)
		assert_int_equal(judge(OUTCOME_BIT(o)), o);
	/* not even when it says so */
	assert_int_equal(judge(OUTCOME_BIT(OUTCOME_CLEAN)), OUTCOME_FAILED);
	assert_int_equal(judge(OUTCOME_BIT(OUTCOME_NONE)), OUTCOME_FAILED);
}

/* The rule in other words: stricter action first, then the table's order. */
static enum outcome
expected(unsigned int a, unsigned int b)
{
	if (svc.actions[a] != svc.actions[b])
		return (enum outcome)(svc.actions[a] > svc.actions[b] ? a : b);
	return (enum outcome)(a < b ? a : b);
}

static void
all_pairs(void)
{
	char name[16];

	for (unsigned int a = OUTCOME_NONE + 1; a < OUTCOME_CLEAN; a++)
		for (unsigned int b = OUTCOME_NONE + 1; b < OUTCOME_CLEAN;
		     b++) {
			memset(&answer, 0, sizeof(answer));
			answer.complete = 1;
			(void)snprintf(name, sizeof(name), "N%u", a);
			add((enum outcome)a, name, "");
			(void)snprintf(name, sizeof(name), "N%u", b);
			add((enum outcome)b, name, "");
			assert_int_equal(judge(0), expected(a, b));
			(void)snprintf(name, sizeof(name), "N%u", v.outcome);
			assert_string_equal(v.names[0], name);
			assert_int_equal(v.nnames, a == b ? 1 : 2);
			/* one found by the scan, the other by the core */
			answer.nfindings = 1;
			assert_int_equal(judge(OUTCOME_BIT(b)), expected(a, b));
			/* one found, the other why it is not complete */
			answer.complete = 0;
			answer.reason = b;
			assert_int_equal(judge(0), expected(a, b));
		}
}

static void
strictest_of_every_pair(void **state)
{
	(void)state;
	all_pairs();
	for (unsigned int o = OUTCOME_NONE + 1; o < OUTCOME_CLEAN; o++)
		svc.actions[o] = (enum action)(o % 3);
	all_pairs();
	for (unsigned int o = OUTCOME_NONE + 1; o < OUTCOME_CLEAN; o++)
		svc.actions[o] = ACTION_PASS;
	all_pairs();
}

static void
silenced_findings_do_not_count(void **state)
{
	(void)state;
	answer.complete = 1;
	add(OUTCOME_NONE, "Silenced", "");
	assert_int_equal(judge(0), OUTCOME_CLEAN);
	add(OUTCOME_PUA, "PUA.Tool", "a.exe");
	assert_int_equal(judge(0), OUTCOME_PUA);
	assert_int_equal(v.nnames, 1);
	assert_string_equal(v.names[0], "PUA.Tool");
	assert_string_equal(v.part, "a.exe");
}

/* Found in the whole and in a part: the part has the better name. */
static void
part_of_the_first_name(void **state)
{
	(void)state;
	answer.complete = 1;
	add(OUTCOME_INFECTED, "Virus", "");
	add(OUTCOME_INFECTED, "Other", "other.exe");
	add(OUTCOME_INFECTED, "Virus", "\xc3\xa4.exe");
	add(OUTCOME_INFECTED, "Virus", "second.exe");
	assert_int_equal(judge(0), OUTCOME_INFECTED);
	assert_int_equal(v.nnames, 2);
	assert_string_equal(v.part, "\xc3\xa4.exe");
}

static void
hostile_answers_fail(void **state)
{
	(void)state;
	answer.complete = 1;
	add(OUTCOME_CLEAN, "Clean", "");
	assert_int_equal(judge(0), OUTCOME_FAILED);
	answer.findings[0].outcome = NOUTCOMES;
	assert_int_equal(judge(0), OUTCOME_FAILED);
	answer.findings[0].outcome = UINT32_MAX;
	assert_int_equal(judge(0), OUTCOME_FAILED);
	answer.findings[0].outcome = OUTCOME_PUA;
	answer.nfindings = UINT32_MAX;
	assert_int_equal(judge(0), OUTCOME_FAILED);
	/* neither a name nor a text needs an end, or is printable */
	memset(&answer, 0, sizeof(answer));
	answer.nfindings = 1;
	answer.findings[0].outcome = OUTCOME_INFECTED;
	memset(answer.findings[0].name, '\n', SCAN_NAME_MAX);
	memset(answer.findings[0].part, 0xff, SCAN_PART_MAX);
	memset(answer.text, '\r', sizeof(answer.text));
	assert_int_equal(judge(0), OUTCOME_INFECTED);
	assert_int_equal(strlen(v.names[0]), SCAN_NAME_MAX - 1);
	assert_int_equal(strspn(v.names[0], "_"), SCAN_NAME_MAX - 1);
	assert_int_equal(strspn(v.part, "_"), SCAN_PART_MAX - 1);
	assert_int_equal(strspn(v.reason, "_"), sizeof(v.reason) - 1);
}

static void
what_did_not_fit_may_be_stricter(void **state)
{
	(void)state;
	answer.complete = 1;
	answer.dropped = 1;
	assert_int_equal(judge(0), OUTCOME_LIMIT);
	for (int i = 0; i < SCAN_MAX_FINDINGS; i++)
		add(OUTCOME_PUA, "PUA.Tool", "");
	assert_int_equal(judge(0), OUTCOME_LIMIT);
	assert_int_equal(v.wanted, ACTION_BLOCK);
	answer.findings[7].outcome = OUTCOME_SUSPICIOUS;
	svc.actions[OUTCOME_SUSPICIOUS] = ACTION_BLOCK;
	assert_int_equal(judge(0), OUTCOME_SUSPICIOUS);
}

static void
names_that_count_come_first(void **state)
{
	(void)state;
	answer.complete = 1;
	add(OUTCOME_ENCRYPTED, "Heuristics.Encrypted.Zip", "x.zip");
	add(OUTCOME_INFECTED, "Eicar", "e.com");
	add(OUTCOME_NONE, "Silenced", "");
	add(OUTCOME_INFECTED, "Other", "o.com");
	add(OUTCOME_INFECTED, "Eicar", "f.com");
	assert_int_equal(judge(0), OUTCOME_INFECTED);
	assert_int_equal(v.nnames, 3);
	assert_string_equal(v.names[0], "Eicar");
	assert_string_equal(v.names[1], "Other");
	assert_string_equal(v.names[2], "Heuristics.Encrypted.Zip");
	assert_string_equal(v.part, "e.com");
}

static void
monitor_passes_and_remembers(void **state)
{
	(void)state;
	svc.monitor = true;
	answer.complete = 1;
	add(OUTCOME_INFECTED, "Eicar", "");
	assert_int_equal(judge(0), OUTCOME_INFECTED);
	assert_int_equal(v.action, ACTION_PASS);
	assert_int_equal(v.wanted, ACTION_BLOCK);
	svc.actions[OUTCOME_TIMEOUT] = ACTION_ERROR;
	policy_verdict(&v, &svc, OUTCOME_TIMEOUT, NULL, NULL);
	assert_int_equal(v.action, ACTION_PASS);
	assert_int_equal(v.wanted, ACTION_ERROR);
	svc.monitor = false;
	policy_verdict(&v, &svc, OUTCOME_TIMEOUT, NULL, NULL);
	assert_int_equal(v.action, ACTION_ERROR);
}

static void
without_a_scan_nothing_is_clean(void **state)
{
	(void)state;
	for (unsigned int o = 0; o < NOUTCOMES + 2; o++) {
		policy_verdict(&v, &svc, (enum outcome)o, NULL, NULL);
		assert_int_equal(v.outcome,
		    o == OUTCOME_NONE || o >= OUTCOME_CLEAN ? OUTCOME_FAILED
							    : o);
		assert_int_equal(v.action, svc.actions[v.outcome]);
		assert_int_equal(v.nnames, 0);
		assert_true(strlen(v.reason) > 0);
	}
	policy_verdict(&v, &svc, OUTCOME_POLICY, "rule 7", "Policy.Exe");
	assert_string_equal(v.reason, "rule 7");
	assert_int_equal(v.nnames, 1);
	assert_string_equal(v.names[0], "Policy.Exe");
	policy_verdict(&v, &svc, OUTCOME_POLICY, NULL, "");
	assert_int_equal(v.nnames, 0);
}

static void
a_prefix_blocks_only_when_final(void **state)
{
	(void)state;
	add(OUTCOME_INFECTED, "Eicar", "");
	answer.reason = OUTCOME_FAILED;
	assert_false(policy_prefix_blocks(&svc, &answer));
	answer.final = 1;
	assert_true(policy_prefix_blocks(&svc, &answer));
	svc.monitor = true;
	assert_false(policy_prefix_blocks(&svc, &answer));
	svc.monitor = false;
	svc.actions[OUTCOME_INFECTED] = ACTION_ERROR;
	assert_false(policy_prefix_blocks(&svc, &answer));
	svc.actions[OUTCOME_PUA] = ACTION_BLOCK;
	add(OUTCOME_PUA, "PUA.Tool", "");
	assert_true(policy_prefix_blocks(&svc, &answer));
	/* that a prefix is not complete does not rename the block */
	assert_int_equal(judge(0), OUTCOME_PUA);
	answer.nfindings = 0;
	assert_false(policy_prefix_blocks(&svc, &answer));
	assert_int_equal(judge(0), OUTCOME_FAILED);
	answer.nfindings = 1;
	answer.findings[0].outcome = UINT32_MAX;
	assert_false(policy_prefix_blocks(&svc, &answer));
}

static void
threat_types(void **state)
{
	(void)state;
	assert_int_equal(policy_threat_type(OUTCOME_INFECTED), 0);
	assert_int_equal(policy_threat_type(OUTCOME_PUA), 0);
	assert_int_equal(policy_threat_type(OUTCOME_POLICY), 1);
	assert_int_equal(policy_threat_type(OUTCOME_LIMIT), 2);
	assert_int_equal(policy_threat_type(OUTCOME_ENCRYPTED), 2);
	assert_int_equal(policy_threat_type(OUTCOME_FAILED), 2);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(only_a_complete_empty_answer_is_clean),
		T(what_the_core_found_is_never_clean),
		T(strictest_of_every_pair),
		T(silenced_findings_do_not_count),
		T(part_of_the_first_name),
		T(hostile_answers_fail),
		T(what_did_not_fit_may_be_stricter),
		T(names_that_count_come_first),
		T(monitor_passes_and_remembers),
		T(without_a_scan_nothing_is_clean),
		T(a_prefix_blocks_only_when_final),
		T(threat_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
