/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/outcome.h"

static enum action actions[NOUTCOMES];

static int
defaults(void **state)
{
	(void)state;
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		actions[o] = outcome_info((enum outcome)o)->action;
	return 0;
}

static void
words_are_unique(void **state)
{
	const char *word;

	(void)state;
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++) {
		word = outcome_info((enum outcome)o)->word;
		assert_int_equal(outcome_by_word(word), o);
		assert_int_equal(
		    strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
	}
	assert_int_equal(outcome_by_word("CLEAN"), OUTCOME_NONE);
	assert_int_equal(outcome_by_word(""), OUTCOME_NONE);
	assert_string_equal(action_word(ACTION_PASS), "pass");
	assert_string_equal(action_word(ACTION_ERROR), "error");
	assert_string_equal(action_word(ACTION_BLOCK), "block");
}

/* An HTTP answer to a person is 403, or 503 where trying again may help. */
static void
statuses(void **state)
{
	(void)state;
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		assert_int_equal(outcome_info((enum outcome)o)->http_status,
		    o == OUTCOME_TIMEOUT || o == OUTCOME_OVERLOAD ||
			    o == OUTCOME_NOT_READY
			? 503
			: 403);
}

static void
nothing_is_clean_by_omission(void **state)
{
	(void)state;
	assert_int_equal(outcome_strictest(0, actions), OUTCOME_FAILED);
	assert_int_equal(outcome_strictest(OUTCOME_BIT(OUTCOME_NONE), actions),
	    OUTCOME_FAILED);
	assert_int_equal(outcome_strictest(OUTCOME_BIT(OUTCOME_CLEAN), actions),
	    OUTCOME_CLEAN);
	for (unsigned int o = OUTCOME_NONE + 1; o < OUTCOME_CLEAN; o++)
		assert_int_equal(
		    outcome_strictest(
			OUTCOME_BIT(o) | OUTCOME_BIT(OUTCOME_CLEAN), actions),
		    o);
}

static void
the_strictest_counts(void **state)
{
	outcome_set set =
	    OUTCOME_BIT(OUTCOME_ENCRYPTED) | OUTCOME_BIT(OUTCOME_LIMIT);

	(void)state;
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_LIMIT);
	actions[OUTCOME_LIMIT] = ACTION_PASS;
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_LIMIT);
	actions[OUTCOME_ENCRYPTED] = ACTION_ERROR;
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_ENCRYPTED);
	actions[OUTCOME_LIMIT] = ACTION_BLOCK;
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_LIMIT);
	set |= OUTCOME_BIT(OUTCOME_INFECTED);
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_INFECTED);
	actions[OUTCOME_INFECTED] = ACTION_PASS;
	assert_int_equal(outcome_strictest(set, actions), OUTCOME_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_unique),
		cmocka_unit_test(statuses),
		cmocka_unit_test_setup(nothing_is_clean_by_omission, defaults),
		cmocka_unit_test_setup(the_strictest_counts, defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
