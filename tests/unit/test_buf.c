/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static void
grows_to_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_string_equal(buf_cstr(&b), "");
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(buf_append(&b, "x", 1), 0);
	assert_int_equal(b.len, 1000);
	assert_false(b.failed);
	errno = 0;
	assert_int_equal(buf_append(&b, "y", 1), -1);
	assert_int_equal(errno, E2BIG);
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
	assert_int_equal(strlen(buf_cstr(&b)), 1000);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	buf_reset(&b);
	assert_false(b.failed);
	assert_int_equal(b.len, 0);
	assert_non_null(b.p);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 1000);
}

static void
failed_append_changes_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	assert_int_equal(buf_append_str(&b, "12345"), 0);
	assert_int_equal(buf_append_str(&b, "6789"), -1);
	assert_int_equal(buf_printf(&b, "%s", "6789"), -1);
	assert_string_equal(buf_cstr(&b), "12345");
	assert_int_equal(buf_append_slice(&b, SLICE_LIT("678")), 0);
	assert_true(b.failed);
	assert_string_equal(buf_cstr(&b), "12345678");
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	buf_free(&b);
}

static void
holds_with_the_largest_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_append_str(&b, "abc"), 0);
	errno = 0;
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 3), -1);
	assert_true(errno == E2BIG || errno == ENOMEM);
	assert_string_equal(buf_cstr(&b), "abc");
	buf_free(&b);
}

static void
prints(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_string_equal(buf_cstr(&b), "");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%04d,", i), 0);
	assert_int_equal(b.len, 5000);
	assert_memory_equal(b.p + 4995, "0999,", 5);
	buf_free(&b);
}

static void
consumes(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	buf_consume(&b, 0);
	assert_int_equal(buf_append_str(&b, "hello world"), 0);
	buf_consume(&b, 6);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("world")));
	buf_consume(&b, 5);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_maximum),
		cmocka_unit_test(failed_append_changes_nothing),
		cmocka_unit_test(holds_with_the_largest_maximum),
		cmocka_unit_test(prints),
		cmocka_unit_test(consumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
