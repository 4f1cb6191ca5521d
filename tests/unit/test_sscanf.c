/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* sscanf() as libclamav gets it says what the C library says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/check.h"

int replaced(const char *text, const char *format, ...) __asm__("sscanf");

static void
as_the_library(void **state)
{
	static const char *const texts[] = { "", "0", "7", "12&3", "12,34",
		"12,", "12,x", "12, 34", "12 ,34", " 12,34", "+12,+34", "-1",
		"-1,-2", "x", ",", "007,008", "999999999", "4294967295",
		"4294967296", "99999999999999999999", "1,99999999999999999999",
		"(0&1)|2", "0=1,2", "\t5\n", "12,3456789012,4" };
	static const char *const formats[] = { "%u", "%u,%u", "%u%c%u", "%x",
		"%u:%u", "%*u,%u" };

	(void)state;
	for (size_t t = 0; t < COUNTOF(texts); t++)
		for (size_t f = 0; f < COUNTOF(formats); f++) {
			unsigned int a[3] = { 77, 78, 79 },
				     b[3] = { 77, 78, 79 };
			char text[64], format[8];
			int ra, rb;

			/* not constants, which a compiler could look into */
			(void)snprintf(text, sizeof(text), "%s", texts[t]);
			(void)snprintf(
			    format, sizeof(format), "%s", formats[f]);
			ra = replaced(text, format, &a[0], &a[1], &a[2]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			rb = sscanf(text, format, &b[0], &b[1], &b[2]);
#pragma GCC diagnostic pop
			if (ra != rb)
				fail_msg("'%s' by '%s': %d, %d", text, format,
				    ra, rb);
			assert_memory_equal(a, b, sizeof(a));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
