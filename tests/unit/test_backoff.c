/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/backoff.h"

#define SECOND ((uint64_t)1000000)

static void
waits_longer_each_time(void **state)
{
	static const uint64_t want[] = { 0, 1, 2, 4, 8, 16, 30, 30 };
	unsigned int fails = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(backoff_us(&fails, 1000), want[i] * SECOND);
	/* no overflow however often */
	for (int i = 0; i < 100; i++)
		assert_int_equal(backoff_us(&fails, 0), 30 * SECOND);
}

static void
a_long_life_begins_anew(void **state)
{
	unsigned int fails = 0;

	(void)state;
	(void)backoff_us(&fails, 0);
	(void)backoff_us(&fails, 0);
	assert_int_equal(backoff_us(&fails, 60 * SECOND), 0);
	assert_int_equal(backoff_us(&fails, 0), SECOND);
	assert_int_equal(backoff_us(&fails, 9 * SECOND), 2 * SECOND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_longer_each_time),
		cmocka_unit_test(a_long_life_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
