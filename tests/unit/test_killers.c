/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/killers.h"

static struct killers *k;

static int
setup(void **state)
{
	(void)state;
	k = killers_new();
	return k != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	killers_free(&k);
	killers_free(&k);
	return k == NULL ? 0 : -1;
}

static struct killer
object(uint32_t n)
{
	struct killer o = { .size = 100, .kind = SCAN_WHOLE };

	assert_int_equal(hash_once(&n, sizeof(n), o.digest), 0);
	return o;
}

static void
counts(void **state)
{
	struct killer a = object(1), b = object(2);

	(void)state;
	assert_true(killers_is_empty(k));
	assert_int_equal(killers_weight(k, &a), 0);
	assert_int_equal(killers_note(k, &a, KILLERS_WORKER), 2);
	assert_int_equal(killers_note(k, &a, KILLERS_WORKER), 4);
	assert_int_equal(killers_note(k, &b, KILLERS_WORKER), 2);
	assert_int_equal(killers_weight(k, &a), KILLERS_WHOLE);
	assert_int_equal(killers_weight(k, &b), KILLERS_PREFIX);
	assert_false(killers_is_empty(k));
}

/* The same bytes read in another way are another object. */
static void
all_of_the_name_counts(void **state)
{
	struct killer a = object(1), b = a, c = a, d = a;

	(void)state;
	(void)killers_note(k, &a, KILLERS_WORKER);
	b.size++;
	c.kind = SCAN_PREFIX;
	d.ncodings = 1;
	d.codings[0] = SCAN_CODING_GZIP;
	assert_int_equal(killers_weight(k, &b), 0);
	assert_int_equal(killers_weight(k, &c), 0);
	assert_int_equal(killers_weight(k, &d), 0);
}

static void
forgets_all(void **state)
{
	struct killer a = object(1), b = object(2);

	(void)state;
	(void)killers_note(k, &a, KILLERS_WORKER);
	(void)killers_note(k, &b, KILLERS_WORKER);
	(void)killers_note(k, &b, KILLERS_WORKER);
	killers_forget(k);
	assert_true(killers_is_empty(k));
	assert_int_equal(killers_weight(k, &a), 0);
	assert_int_equal(killers_weight(k, &b), 0);
	assert_int_equal(killers_note(k, &b, KILLERS_WORKER), 2);
}

/* What an operator kills is not condemned by that, nor what was scanned. */
static void
a_scan_takes_it_back(void **state)
{
	struct killer a = object(1);

	(void)state;
	for (unsigned int i = 1; i <= 3; i++)
		assert_int_equal(killers_note(k, &a, KILLERS_OUTSIDE), i);
	assert_true(killers_weight(k, &a) < KILLERS_WHOLE);
	killers_clear(k, &a);
	assert_int_equal(killers_weight(k, &a), 0);
	assert_true(killers_is_empty(k));
	killers_clear(k, &a);
	assert_int_equal(killers_note(k, &a, KILLERS_WORKER), 2);
}

/* Whoever sends new ones does not push out those that did it twice. */
static void
is_bounded(void **state)
{
	struct killer twice = object(0), first = object(1), o;

	(void)state;
	(void)killers_note(k, &twice, KILLERS_WORKER);
	(void)killers_note(k, &twice, KILLERS_WORKER);
	for (uint32_t i = 1; i <= 2 * KILLERS_MAX; i++) {
		o = object(i);
		assert_int_equal(killers_note(k, &o, KILLERS_WORKER), 2);
	}
	assert_int_equal(killers_weight(k, &twice), 4);
	assert_int_equal(killers_weight(k, &first), 0);
	assert_int_equal(killers_weight(k, &o), 2);
	/* all of them twice: then the oldest of those go */
	for (uint32_t i = 1; i <= 2 * KILLERS_MAX; i++) {
		o = object(i);
		(void)killers_note(k, &o, KILLERS_WORKER);
		(void)killers_note(k, &o, KILLERS_WORKER);
	}
	assert_int_equal(killers_weight(k, &twice), 0);
	assert_true(killers_weight(k, &o) >= 4);
}

int
main(void)
{
#define KILLERS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		KILLERS_TEST(counts),
		KILLERS_TEST(all_of_the_name_counts),
		KILLERS_TEST(forgets_all),
		KILLERS_TEST(a_scan_takes_it_back),
		KILLERS_TEST(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
