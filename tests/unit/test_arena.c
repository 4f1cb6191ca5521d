/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void
hands_out_zeroed_and_aligned(void **state)
{
	struct arena *a = arena_new(100000);
	unsigned char *p;

	(void)state;
	assert_non_null(a);
	for (int round = 0; round < 2; round++) {
		for (size_t len = 1; len < 300; len++) {
			p = arena_alloc(a, len);
			assert_non_null(p);
			assert_int_equal(
			    (uintptr_t)p % alignof(max_align_t), 0);
			for (size_t i = 0; i < len; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, len);
		}
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void
stops_at_its_maximum(void **state)
{
	struct arena *a = arena_new(10000);
	size_t n = 0;

	(void)state;
	assert_null(arena_alloc(a, 10001));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_non_null(arena_alloc(a, 9000));
	while (arena_alloc(a, 100) != NULL)
		n++;
	assert_true(n >= 8 && n <= 10);
	assert_true(arena_used(a) >= 9000);
	arena_reset(a);
	assert_non_null(arena_alloc(a, 10000));
	arena_free(&a);
}

static void
refuses_sizes_that_wrap(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);

	(void)state;
	for (size_t i = 0; i < 64; i++)
		assert_null(arena_alloc(a, SIZE_MAX - i));
	assert_non_null(arena_alloc(a, 1));
	arena_free(&a);
}

static void
copies(void **state)
{
	struct arena *a = arena_new(64);
	struct slice s;

	(void)state;
	s = arena_dup(a, SLICE_LIT("a\0b"));
	assert_true(slice_eq(s, SLICE_LIT("a\0b")));
	assert_int_equal(s.p[3], '\0');
	s = arena_dup(a, SLICE_NONE);
	assert_non_null(s.p);
	assert_int_equal(s.len, 0);
	assert_string_equal(s.p, "");
	s = arena_dup(a, (struct slice){ "", SIZE_MAX });
	assert_null(s.p);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_zeroed_and_aligned),
		cmocka_unit_test(stops_at_its_maximum),
		cmocka_unit_test(refuses_sizes_that_wrap),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
