/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "net/cache.h"

#define MIB ((uint64_t)1 << 20)
#define SEC ((uint64_t)1000000)

static struct cache *c;
static uint64_t now = SEC, wall;

static int
setup(void **state)
{
	(void)state;
	clock_set_fake(&now, &wall);
	c = cache_new();
	return c != NULL ? cache_limits(c, MIB, 0) : -1;
}

static int
teardown(void **state)
{
	(void)state;
	cache_forget(c);
	assert_int_equal(cache_count(c), 0);
	assert_int_equal(cache_limits(c, 0, 0), 0);
	assert_int_equal(cache_bytes(c), 0);
	cache_free(&c);
	cache_free(&c);
	return c == NULL ? 0 : -1;
}

static const struct cache_source worker1 = { .incarnation = 1,
	.generation = 7 };

/* The key of object number n. */
static struct cache_key
object(uint32_t n)
{
	struct msg_scan_request rq = { .kind = SCAN_WHOLE };
	unsigned char body[HASH_LEN];
	struct cache_key k;

	assert_int_equal(hash_once(&n, sizeof(n), body), 0);
	assert_int_equal(cache_key(c, &rq, 1, body, &k), 0);
	return k;
}

static struct scan_answer
clean(void)
{
	struct scan_answer a;

	memset(&a, 0, sizeof(a));
	a.complete = 1;
	a.cpu_us = 5;
	memcpy(a.type, "HTML", 5);
	return a;
}

static struct scan_answer
found(uint32_t outcome)
{
	struct scan_answer a = clean();

	a.nfindings = 2;
	a.findings[0].outcome = OUTCOME_INFECTED;
	memcpy(a.findings[0].name, "First", 6);
	memcpy(a.findings[0].part, "a.exe", 6);
	a.findings[1].outcome = outcome;
	memcpy(a.findings[1].name, "Second", 7);
	return a;
}

static void
note(uint32_t n, const struct scan_answer *a, const struct cache_source *from)
{
	struct cache_key k = object(n);

	cache_note(c, &k, a, from);
}

static bool
has(uint32_t n)
{
	struct cache_key k = object(n);
	struct cache_source from;
	struct scan_answer a;

	return cache_find(c, &k, &a, &from);
}

static void
gives_back_all_of_it(void **state)
{
	struct scan_answer in = found(OUTCOME_PUA), out;
	struct cache_key k = object(1);
	struct cache_source from;

	(void)state;
	assert_false(has(1));
	note(1, &in, &worker1);
	memset(&out, 0xff, sizeof(out));
	assert_true(cache_find(c, &k, &out, &from));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(from.incarnation, 1);
	assert_int_equal(from.generation, 7);
	in = clean();
	note(1, &in, &worker1); /* the newest counts */
	assert_true(cache_find(c, &k, &out, &from));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(cache_count(c), 1);
}

/* ---- the key ---- */

static bool
differs(const struct msg_scan_request *rq, uint32_t generation,
    const unsigned char body[HASH_LEN], const struct cache_key *k)
{
	struct cache_key other;

	assert_int_equal(cache_key(c, rq, generation, body, &other), 0);
	return memcmp(k, &other, sizeof(other)) != 0;
}

/* Without the lower bound: smaller ones wrap around. */
#define IS_IN(at, field) \
	((at)-offsetof(struct msg_scan_request, field) < \
	    sizeof(((struct msg_scan_request *)0)->field))

/* Each byte of a request counts, but for its number and its deadline. */
static void
everything_counts(void **state)
{
	union {
		struct msg_scan_request rq;
		unsigned char bytes[sizeof(struct msg_scan_request)];
	} u;
	unsigned char body[HASH_LEN] = { 0 };
	struct cache_key k;
	size_t left_out = 0;

	(void)state;
	memset(&u, 0, sizeof(u));
	assert_int_equal(cache_key(c, &u.rq, 1, body, &k), 0);
	assert_false(differs(&u.rq, 1, body, &k));
	for (size_t i = 0; i < sizeof(u.bytes); i++) {
		bool out = IS_IN(i, scan_id) || IS_IN(i, budget_us);

		u.bytes[i] = 1;
		assert_int_equal(differs(&u.rq, 1, body, &k), !out);
		u.bytes[i] = 0;
		left_out += out;
	}
	assert_int_equal(left_out, 16);
	assert_true(differs(&u.rq, 2, body, &k));
	body[31] = 1;
	assert_true(differs(&u.rq, 1, body, &k));
}

/* Nobody outside can know two objects that share a bucket. */
static void
keys_are_secret(void **state)
{
	struct cache *other = cache_new();
	struct msg_scan_request rq = { .kind = SCAN_WHOLE };
	unsigned char body[HASH_LEN] = { 0 };
	struct cache_key a, b;

	(void)state;
	assert_non_null(other);
	assert_int_equal(cache_key(c, &rq, 1, body, &a), 0);
	assert_int_equal(cache_key(other, &rq, 1, body, &b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
	cache_free(&other);
}

/* ---- what is kept ---- */

static void
keeps_only_what_is_sure(void **state)
{
	struct scan_answer a;

	(void)state;
	for (uint32_t o = 0; o < NOUTCOMES + 2; o++) {
		bool kept = o == OUTCOME_INFECTED || o == OUTCOME_PUA ||
			    o == OUTCOME_SUSPICIOUS;

		a = found(o);
		note(o, &a, &worker1);
		assert_int_equal(has(o), kept);
	}
	cache_forget(c);
	a = clean();
	a.complete = 0;
	a.reason = OUTCOME_LIMIT;
	note(1, &a, &worker1);
	a = found(OUTCOME_INFECTED);
	a.complete = 0;
	note(1, &a, &worker1);
	a = clean();
	a.reason = OUTCOME_FAILED;
	note(1, &a, &worker1);
	a = found(OUTCOME_INFECTED);
	a.dropped = 1;
	note(1, &a, &worker1);
	a = clean();
	memcpy(a.text, "but", 4);
	note(1, &a, &worker1);
	a = clean();
	a.complete = 2;
	note(1, &a, &worker1);
	a = found(OUTCOME_INFECTED);
	a.nfindings = SCAN_MAX_FINDINGS + 1;
	note(1, &a, &worker1);
	assert_int_equal(cache_count(c), 0);
}

/* ---- bounds ---- */

static void
stays_within_its_memory(void **state)
{
	struct scan_answer a = clean(), b = found(OUTCOME_INFECTED);

	(void)state;
	for (uint32_t n = 0; n < 20000; n++) {
		struct cache_source from = { .incarnation = n / 10 };

		note(n, n % 7 == 0 ? &b : &a, &from);
		assert_true(cache_bytes(c) <= MIB);
		assert_true(has(n));
	}
	assert_false(has(0));
	/* as the manual says of answers without findings */
	cache_forget(c);
	for (uint32_t n = 0; n < 20000; n++)
		note(n, &a, &worker1);
	assert_in_range(cache_count(c), 5500, 6500);
}

static void
the_least_used_goes(void **state)
{
	struct scan_answer a = clean();
	uint32_t n;

	(void)state;
	note(0, &a, &worker1);
	note(1, &a, &worker1);
	for (n = 10000; n < 20000; n++) {
		note(n, &a, &worker1);
		assert_true(has(0));
	}
	assert_false(has(1));
	assert_false(has(10000));
	assert_true(has(19999));
}

static void
another_size(void **state)
{
	struct scan_answer a = clean();

	(void)state;
	for (uint32_t n = 0; n < 1000; n++)
		note(n, &a, &worker1);
	assert_int_equal(cache_count(c), 1000);
	assert_int_equal(cache_limits(c, 64 * MIB, 0), 0);
	assert_int_equal(cache_count(c), 1000);
	assert_true(has(0));
	assert_int_equal(cache_limits(c, MIB / 16, 0), 0);
	assert_in_range(cache_count(c), 100, 500);
	assert_true(cache_bytes(c) <= MIB / 16);
	assert_true(has(0)); /* the last that was used */
	assert_false(has(1));
	/* too small for anything is not wrong */
	assert_int_equal(cache_limits(c, 1, 0), 0);
	note(1, &a, &worker1);
	assert_int_equal(cache_count(c), 0);
	/* off */
	assert_int_equal(cache_limits(c, 0, 0), 0);
	assert_false(cache_is_on(c));
	note(1, &a, &worker1);
	assert_false(has(1));
	assert_int_equal(cache_bytes(c), 0);
	assert_int_equal(cache_limits(c, MIB, 0), 0);
	assert_true(cache_is_on(c));
	note(1, &a, &worker1);
	assert_true(has(1));
}

static void
grows_old(void **state)
{
	struct scan_answer a = clean();

	(void)state;
	assert_int_equal(cache_limits(c, MIB, 10 * SEC), 0);
	note(1, &a, &worker1);
	now += 10 * SEC - 1;
	assert_true(has(1)); /* which makes it no younger */
	now += 1;
	assert_false(has(1));
	assert_int_equal(cache_count(c), 0);
}

/* ---- whose word it is ---- */

static void
distrust(void **state)
{
	struct scan_answer a = clean();
	struct cache_source from = { .generation = 1 };

	(void)state;
	for (uint32_t n = 0; n < 1000; n++) {
		from.incarnation = n % 500;
		note(n, &a, &from);
	}
	/* one that shares its bucket with others, and one unheard of */
	cache_distrust(c, 3);
	cache_distrust(c, 100000);
	assert_int_equal(cache_count(c), 998);
	assert_false(has(3));
	assert_false(has(503));
	assert_true(has(259));
	/* what another said of the same object later counts as its word */
	from.incarnation = 5;
	note(4, &a, &from);
	cache_distrust(c, 4);
	assert_true(has(4));
	assert_false(has(504));
	cache_distrust(c, 5);
	assert_false(has(4));
}

static void
forgets(void **state)
{
	struct scan_answer a = clean();

	(void)state;
	note(1, &a, &worker1);
	cache_forget(c);
	assert_false(has(1));
	note(1, &a, &worker1);
	assert_true(has(1));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gives_back_all_of_it),
		T(everything_counts),
		T(keys_are_secret),
		T(keeps_only_what_is_sure),
		T(stays_within_its_memory),
		T(the_least_used_goes),
		T(another_size),
		T(grows_old),
		T(distrust),
		T(forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
