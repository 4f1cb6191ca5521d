/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/idgen.h"

#define MANY 100000

static int
by_text(const void *a, const void *b)
{
	return memcmp(a, b, IDGEN_LEN);
}

/* Two processes with the same clock, each started twice. */
static void
ids_are_unique(void **state)
{
	char(*ids)[IDGEN_LEN] = calloc(MANY, IDGEN_LEN);
	const uint64_t mono = 1, wall = 2;

	(void)state;
	assert_non_null(ids);
	clock_set_fake(&mono, &wall);
	for (unsigned int i = 0; i < MANY; i++) {
		if (i % (MANY / 4) == 0)
			idgen_init(i / (MANY / 2));
		idgen_next(ids[i]);
	}
	clock_set_fake(NULL, NULL);
	qsort(ids, MANY, IDGEN_LEN, by_text);
	for (unsigned int i = 1; i < MANY; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
	free(ids);
}

/* A person reads them aloud: no 0, 1, O, I or L. */
static void
ids_are_readable(void **state)
{
	char id[IDGEN_LEN + 1];

	(void)state;
	idgen_init(0);
	for (int i = 0; i < 10000; i++) {
		id[IDGEN_LEN] = 'x';
		idgen_next(id);
		assert_int_equal(id[IDGEN_LEN], 'x');
		assert_int_equal(strlen(id), IDGEN_LEN - 1);
		assert_int_equal(strspn(id, "23456789ABCDEFGHJKMNPQRSTUVWXYZ"),
		    IDGEN_LEN - 1);
	}
}

/* One does not tell the next: on average most characters differ. */
static void
ids_show_no_pattern(void **state)
{
	char a[IDGEN_LEN], b[IDGEN_LEN];
	unsigned int same = 0;

	(void)state;
	idgen_init(0);
	idgen_next(a);
	for (int i = 0; i < 1000; i++) {
		idgen_next(b);
		for (int k = 0; k < IDGEN_LEN - 1; k++)
			same += a[k] == b[k];
		memcpy(a, b, sizeof(a));
	}
	assert_true(same < 1000 * 2); /* 13 / 31 are to be expected */
}

static void
numbers_count_up(void **state)
{
	uint64_t last = idgen_u64();

	(void)state;
	assert_true(last != 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(idgen_u64(), ++last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_unique),
		cmocka_unit_test(ids_are_readable),
		cmocka_unit_test(ids_show_no_pattern),
		cmocka_unit_test(numbers_count_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
