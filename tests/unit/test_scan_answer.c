/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What is kept of the findings of a scan when there are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

static void
add(struct scan_answer *a, enum outcome o, unsigned int n)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "Name.%u", n);
	scan_answer_add(a, o, slice_of(name), SLICE_LIT("part"));
}

static outcome_set
outcomes(const struct scan_answer *a)
{
	outcome_set set = 0;

	assert_in_range(a->nfindings, 0, SCAN_MAX_FINDINGS);
	for (uint32_t i = 0; i < a->nfindings; i++)
		set |= OUTCOME_BIT(a->findings[i].outcome);
	return set;
}

static void
equal_findings_are_kept_once(void **state)
{
	struct scan_answer a = { .complete = 1 };

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		add(&a, OUTCOME_INFECTED, i % 3);
	assert_int_equal(a.nfindings, 3);
	assert_int_equal(a.dropped, 0);
}

static void
what_is_dropped_hides_no_outcome(void **state)
{
	struct scan_answer a = { .complete = 1 };

	(void)state;
	for (unsigned int i = 0; i < 40; i++)
		add(&a, OUTCOME_ENCRYPTED, i);
	assert_int_equal(a.nfindings, SCAN_MAX_FINDINGS);
	assert_int_equal(a.dropped, 40 - SCAN_MAX_FINDINGS);
	add(&a, OUTCOME_INFECTED, 0);
	assert_int_equal(outcomes(&a),
	    OUTCOME_BIT(OUTCOME_ENCRYPTED) | OUTCOME_BIT(OUTCOME_INFECTED));
	assert_string_equal(a.findings[0].name, "Name.0");
	for (unsigned int i = 1; i < 40; i++)
		add(&a, OUTCOME_INFECTED, i);
	add(&a, OUTCOME_PUA, 0);
	add(&a, OUTCOME_LIMIT, 0);
	assert_int_equal(outcomes(&a),
	    OUTCOME_BIT(OUTCOME_ENCRYPTED) | OUTCOME_BIT(OUTCOME_INFECTED) |
		OUTCOME_BIT(OUTCOME_PUA) | OUTCOME_BIT(OUTCOME_LIMIT));
	assert_int_equal(a.nfindings, SCAN_MAX_FINDINGS);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_findings_are_kept_once),
		cmocka_unit_test(what_is_dropped_hides_no_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
