/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What one object may cost, however it is cut up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "scan/object.h"

#define MINUTE_US 60000000

static struct scan_opts
limits(uint64_t bytes, uint32_t files)
{
	return (struct scan_opts){ .max_scan_size = bytes, .max_files = files };
}

static void
refused(struct budget *b, uint64_t bytes, enum outcome why)
{
	struct scan_answer a = { .complete = 1 };

	assert_false(budget_charge(b, bytes, &a));
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, why);
}

static void
granted(struct budget *b, uint64_t bytes)
{
	struct scan_answer a = { .complete = 1 };

	assert_true(budget_charge(b, bytes, &a));
	assert_int_equal(a.complete, 1);
}

static void
test_bytes(void **state)
{
	struct scan_opts o = limits(1000, 0);
	struct budget b;

	(void)state;
	budget_start(&b, &o, MINUTE_US);
	granted(&b, 400);
	granted(&b, 600);
	granted(&b, 0);
	refused(&b, 1, OUTCOME_LIMIT);
	budget_start(&b, &o, MINUTE_US);
	refused(&b, 1001, OUTCOME_LIMIT);
	granted(&b, 1000); /* what was refused has cost nothing */
}

static void
test_files(void **state)
{
	struct scan_opts o = limits(0, 3);
	struct budget b;

	(void)state;
	budget_start(&b, &o, MINUTE_US);
	granted(&b, UINT32_MAX);
	granted(&b, UINT64_MAX / 2);
	granted(&b, 0);
	refused(&b, 0, OUTCOME_LIMIT);
}

static void
test_use(void **state)
{
	struct scan_opts o = limits(1000, 10);
	struct budget b;

	(void)state;
	budget_start(&b, &o, MINUTE_US);
	budget_use(&b, 4, 900);
	granted(&b, 100);
	refused(&b, 1, OUTCOME_LIMIT);
	budget_use(&b, 100, UINT64_MAX); /* more than there is */
	refused(&b, 0, OUTCOME_LIMIT);
}

static void
test_time(void **state)
{
	struct scan_opts o = limits(0, 0);
	struct budget b;

	(void)state;
	budget_start(&b, &o, 0);
	assert_int_equal(budget_time_left(&b), 0);
	refused(&b, 1, OUTCOME_TIMEOUT);
	budget_start(&b, &o, MINUTE_US);
	assert_in_range(budget_time_left(&b), 1, MINUTE_US);
	granted(&b, 1);
}

/* The engine gets what is left, and its answer says when that was not enough.
 */
static void
test_objects(void **state)
{
	struct engine_load load = { .database = "fake" };
	char err[64];
	struct scan_answer a = { .complete = 1 };
	struct viewing v = { .engine = engine_open(&load, err, sizeof(err)),
		.kind = SCAN_WHOLE,
		.opts = limits(40, 3),
		.answer = &a };

	(void)state;
	budget_start(&v.budget, &v.opts, MINUTE_US);
	object_scan(&v, SLICE_LIT("harmless"), "");
	object_scan(&v, SLICE_LIT(""), "empty");
	object_scan(&v, SLICE_LIT("virus One "), "a");
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 1);
	assert_string_equal(a.findings[0].part, "a");
	object_scan(&v, SLICE_LIT("virus Two, larger than what is left"), "b");
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	assert_int_equal(a.nfindings, 1);
	engine_close(&v.engine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
