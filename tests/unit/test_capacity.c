/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a limit of open files is divided into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/capacity.h"

#define WORKERS 12

static uint64_t
needed(const struct capacity *c)
{
	return c->connections + c->refused + CAPACITY_FILES_OF_BODY * c->bodies;
}

static void
never_more_than_there_are(void **state)
{
	static const uint64_t wanted[] = { 1, 50, 1000, 10000, 100000 };
	struct capacity c;

	(void)state;
	for (size_t i = 0; i < COUNTOF(wanted); i++)
		for (uint64_t files = 160; files < 500000;
		     files += files / 7 + 1) {
			c = capacity_of(files, WORKERS, wanted[i]);
			assert_true(needed(&c) + 2 * WORKERS + 32 <= files);
			assert_true(c.connections >= 1);
			assert_true(c.connections <= wanted[i]);
			assert_true(c.bodies >= 1);
			/* more files never mean less */
			assert_true(c.connections <=
				    capacity_of(files + 100, WORKERS, wanted[i])
					.connections);
		}
}

static void
known_rows(void **state)
{
	static const struct {
		uint64_t files, wanted, connections, refused, bodies_min;
	} rows[] = {
		/* 10,000 idle ones with 20,000 files, and room for bodies */
		{ 20000, 10000, 10000, 256, 2000 },
		{ 65536, 10000, 10000, 256, 10000 },
		{ UINT64_MAX, 100000, 100000, 256, 100000 },
		{ 1024, 10000, 436, 218, 70 },
		{ 0, 10, 1, 0, 1 },
		{ 100, 10, 4, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct capacity c =
		    capacity_of(rows[i].files, WORKERS, rows[i].wanted);

		assert_int_equal(c.connections, rows[i].connections);
		assert_int_equal(c.refused, rows[i].refused);
		assert_true(c.bodies >= rows[i].bodies_min);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_more_than_there_are),
		cmocka_unit_test(known_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
