/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/check.h"
#include "base/clock.h"

static void
real_clocks_run(void **state)
{
	uint64_t a = clock_mono_us(), b = clock_mono_us();
	uint64_t now = (uint64_t)time(NULL), wall = clock_wall_us() / 1000000;

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(wall >= now && wall - now <= 5);
}

static void
fake_clocks_stand(void **state)
{
	uint64_t mono = 5, wall = 6;

	(void)state;
	clock_set_fake(&mono, &wall);
	assert_int_equal(clock_mono_us(), 5);
	assert_int_equal(clock_wall_us(), 6);
	mono = 7;
	assert_int_equal(clock_mono_us(), 7);
	clock_set_fake(NULL, NULL);
	assert_true(clock_mono_us() != 7);
}

static void
writes_dates(void **state)
{
	static const struct {
		uint64_t s;
		const char *http, *iso;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT",
		    "1970-01-01T00:00:00.123Z" },
		{ 1763460000, "Tue, 18 Nov 2025 10:00:00 GMT",
		    "2025-11-18T10:00:00.123Z" },
		{ 951868799, "Tue, 29 Feb 2000 23:59:59 GMT",
		    "2000-02-29T23:59:59.123Z" },
		{ 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT",
		    "9999-12-31T23:59:59.123Z" },
	};
	char http[CLOCK_HTTP_DATE_LEN], iso[CLOCK_ISO_LEN];

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		clock_http_date(rows[i].s * 1000000 + 123999, http);
		assert_string_equal(http, rows[i].http);
		clock_iso(rows[i].s * 1000000 + 123999, iso);
		assert_string_equal(iso, rows[i].iso);
	}
}

/* A clock that is far off must not make a longer or unterminated string. */
static void
far_future_is_bounded(void **state)
{
	char http[CLOCK_HTTP_DATE_LEN], iso[CLOCK_ISO_LEN];

	(void)state;
	clock_http_date(UINT64_MAX, http);
	assert_string_equal(http, "Thu, 01 Jan 1970 00:00:00 GMT");
	clock_iso(UINT64_MAX, iso);
	assert_memory_equal(iso, "1970-01-01T00:00:00.", 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_clocks_run),
		cmocka_unit_test(fake_clocks_stand),
		cmocka_unit_test(writes_dates),
		cmocka_unit_test(far_future_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
