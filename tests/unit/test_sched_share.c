/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Who gets how many workers, which are taken away, and how many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sched_world.h"

#define A "192.0.2.1"
#define B "192.0.2.2"

static struct fake *f[16];

static void
workers(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		f[i] = worker();
}

/* Whoever has been given something begins with it. */
static void
all_start(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (f[i]->first < f[i]->ngiven && !f[i]->closed &&
		    f[i]->nstarted <= f[i]->first)
			start(f[i]);
}

static unsigned int
given(unsigned int n)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += f[i]->ngiven;
	return sum;
}

/* ---- turns ---- */

static void
clients_take_turns(void **state)
{
	uint64_t a1, a2, a3, b1, c1;

	(void)state;
	a1 = submit_for(A, 100, false, 9);
	a2 = submit_for(A, 100, false, 9);
	a3 = submit_for(A, 100, false, 9);
	b1 = submit_for(B, 100, false, 9);
	c1 = submit_for("2001:db8::3", 100, false, 9);
	f[0] = worker();
	for (int i = 0; i < 5; i++)
		finish(f[0]);
	assert_int_equal(wd->order[0], a1);
	assert_int_equal(wd->order[1], b1);
	assert_int_equal(wd->order[2], c1);
	assert_int_equal(wd->order[3], a2);
	assert_int_equal(wd->order[4], a3);
}

/* A thousand jobs of one do not delay the only one of another. */
static void
a_long_queue_delays_nobody_else(void **state)
{
	uint64_t b;

	(void)state;
	workers(1);
	for (int i = 0; i < 1000; i++)
		(void)submit_for(A, 100, false, 9);
	start(f[0]);
	b = small_for(B);
	answer(f[0]);
	assert_int_equal(nth(f[0], 1), b);
}

/* Alone it may have all; when another one waits it keeps half at most. */
static void
half_while_others_wait(void **state)
{
	unsigned int of_a = 0;

	(void)state;
	limits(1000, 4, 4);
	workers(4);
	for (int i = 0; i < 8; i++)
		(void)submit_for(A, 100, false, 9);
	assert_int_equal(given(4), 4);
	for (int i = 0; i < 8; i++)
		(void)submit_for(B, 100, false, 9);
	for (unsigned int i = 0; i < 4; i++)
		finish(f[i]);
	for (unsigned int i = 0; i < 4; i++)
		of_a += nth(f[i], 1) <= 8;
	assert_int_equal(of_a, 2);
	for (unsigned int i = 0; i < 4; i++)
		finish(f[i]);
	of_a = 0;
	for (unsigned int i = 0; i < 4; i++)
		of_a += nth(f[i], 2) <= 8;
	assert_int_equal(of_a, 2);
}

/* Also across lanes: its small objects wait for another one's bulk. */
static void
half_counts_across_lanes(void **state)
{
	uint64_t b;

	(void)state;
	limits(1000, 4, 4);
	workers(4);
	for (int i = 0; i < 8; i++)
		(void)submit_for(A, 100, false, 9);
	b = bulk_for(B);
	finish(f[3]); /* A has three */
	assert_int_equal(nth(f[3], 1), b);
}

/* Long scans of one, with another one near: half of what there may be. */
static void
long_scans_leave_half(void **state)
{
	(void)state;
	limits(1000, 4, 4);
	wd->budget_us = 60 * SEC;
	workers(4);
	(void)small_for(B);
	finish(f[0]->ngiven ? f[0] : f[3]);
	for (int i = 0; i < 2; i++)
		(void)submit_for(A, 100, false, 9);
	all_start(4);
	pass(25 * MS);
	(void)submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 1);
	assert_int_equal(given(4), 3);
	(void)submit_for(B, 100, false, 9);
	assert_int_equal(given(4), 4);
	/* when nobody else has come for a while it may have more */
	all_start(4);
	for (int i = 0; i < 4; i++)
		if (f[i]->ngiven > f[i]->first && nth(f[i], f[i]->first) == 5)
			answer(f[i]);
	pass(11 * SEC);
	(void)submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 0);
}

/* Who makes workers crash waits until they are replaced. */
static void
crashes_leave_half(void **state)
{
	uint64_t a;

	(void)state;
	limits(1000, 2, 8);
	workers(2);
	(void)small_for(B);
	finish(f[0]->ngiven ? f[0] : f[1]);
	(void)submit_for(A, 100, false, 9);
	all_start(2);
	for (int i = 0; i < 2; i++)
		if (f[i]->ngiven > f[i]->first)
			eof(f[i]);
	a = submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 1);
	(void)submit_for(B, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 1); /* that one has a worker */
	f[2] = worker();
	assert_int_equal(nth(f[2], 0), a);
}

/* A loader that died replaces nothing: then all go on with what is left. */
static void
nobody_waits_for_ever_for_a_replacement(void **state)
{
	(void)state;
	limits(1000, 2, 2);
	workers(2);
	(void)small_for(B);
	finish(f[0]->ngiven ? f[0] : f[1]);
	(void)submit_for(A, 100, false, 9);
	all_start(2);
	for (int i = 0; i < 2; i++)
		if (f[i]->ngiven > f[i]->first)
			eof(f[i]);
	(void)submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 1);
	pass(2 * SEC + 50 * MS);
	assert_int_equal(sched_queued(wd->s), 0);
}

/* ---- retries ---- */

static void
a_retry_gets_a_fresh_worker(void **state)
{
	uint64_t again, other;

	(void)state;
	workers(1);
	(void)small();
	finish(f[0]);
	wd->fresh = true;
	again = small();
	wd->fresh = false;
	assert_int_equal(sched_queued(wd->s), 1);
	other = small(); /* does not wait behind it */
	assert_int_equal(nth(f[0], 1), other);
	finish(f[0]);
	f[1] = worker();
	assert_int_equal(nth(f[1], 0), again);
}

static void
a_retry_takes_any_worker_in_the_end(void **state)
{
	uint64_t again;

	(void)state;
	workers(1);
	(void)small();
	finish(f[0]);
	wd->fresh = true;
	again = small();
	pass(999 * MS);
	assert_int_equal(sched_queued(wd->s), 1);
	pass(30 * MS);
	assert_int_equal(nth(f[0], 1), again);
}

/* ---- more workers ---- */

static void
more_when_none_becomes_free(void **state)
{
	(void)state;
	limits(1000, 2, 8);
	workers(2);
	(void)bulk();
	(void)bulk();
	(void)submit(100, false, 9);
	all_start(2);
	assert_int_equal(wd->wanted, 2);
	pass(999 * MS);
	assert_int_equal(wd->wanted, 2);
	pass(30 * MS);
	assert_true(wd->wanted > 2);
	pass(20 * SEC);
	assert_true(wd->wanted <= 8);
}

/* A small object does not wait for a second behind long ones. */
static void
more_at_once_for_small_ones(void **state)
{
	(void)state;
	limits(1000, 2, 4);
	workers(2);
	(void)submit(100, false, 9);
	(void)submit(100, false, 9);
	(void)submit(100, false, 9);
	all_start(2);
	pass(19 * MS);
	assert_int_equal(wd->wanted, 2);
	pass(2 * MS);
	assert_int_equal(wd->wanted, 3);
	f[2] = worker();
	assert_int_equal(sched_queued(wd->s), 0);
}

static void
not_more_while_workers_become_free(void **state)
{
	(void)state;
	limits(1000, 1, 8);
	workers(1);
	for (int i = 0; i < 60; i++)
		(void)submit(100, false, 9);
	for (int i = 0; i < 59; i++) {
		start(f[0]);
		pass(15 * MS);
		answer(f[0]);
	}
	assert_int_equal(wd->wanted, 1);
	assert_int_equal(sched_wanted(wd->s), 1);
}

static void
not_more_than_the_maximum(void **state)
{
	(void)state;
	limits(1000, 2, 3);
	workers(2);
	for (int i = 0; i < 10; i++)
		(void)submit(100, false, 9);
	all_start(2);
	pass(15 * SEC);
	assert_int_equal(wd->wanted, 3);
}

static void
fewer_when_not_needed(void **state)
{
	unsigned int retired = 0;

	(void)state;
	limits(1000, 2, 4);
	workers(2);
	for (int i = 0; i < 4; i++)
		(void)submit(100, false, 9);
	all_start(2);
	pass(25 * MS);
	f[2] = worker();
	start(f[2]);
	pass(45 * MS);
	f[3] = worker();
	assert_int_equal(wd->wanted, 4);
	start(f[3]);
	for (int i = 0; i < 4; i++)
		answer(f[i]);
	pass(65 * SEC);
	assert_int_equal(wd->wanted, 2);
	for (int i = 0; i < 4; i++)
		retired += f[i]->retired;
	assert_int_equal(retired, 2);
	assert_int_equal(sched_workers(wd->s), 2);
}

static void
without_a_loader_none_is_given_up(void **state)
{
	(void)state;
	limits(1000, 1, 2);
	workers(1);
	(void)submit(100, false, 9);
	(void)submit(100, false, 9);
	all_start(1);
	pass(25 * MS);
	f[1] = worker();
	wd->no_loader = true;
	finish(f[1]);
	answer(f[0]);
	pass(100 * SEC);
	assert_int_equal(sched_workers(wd->s), 2);
	wd->no_loader = false;
	pass(35 * SEC);
	assert_int_equal(sched_workers(wd->s), 1);
}

/* ---- scans that give way ---- */

static void
a_cancelled_scan_goes_on_while_nobody_waits(void **state)
{
	uint64_t j;

	(void)state;
	workers(1);
	j = submit(100, false, 9);
	start(f[0]);
	cancel(j);
	pass(3 * SEC);
	assert_false(f[0]->told);
	answer(f[0]);
	assert_int_equal(sched_workers(wd->s), 1);
}

static void
a_cancelled_scan_ends_when_its_worker_is_needed(void **state)
{
	uint64_t j, k;

	(void)state;
	workers(1);
	j = submit(100, false, 9);
	start(f[0]);
	cancel(j);
	pass(10 * MS);
	k = submit(100, false, 9);
	assert_false(f[0]->told); /* it may be done in a moment */
	pass(15 * MS);
	assert_true(f[0]->told && f[0]->closed);
	f[1] = worker();
	assert_int_equal(nth(f[1], 0), k);
	finish(f[1]);
	expect_done(k, SCHED_ANSWER);
	assert_int_equal(wd->j[j].done, 0);
	assert_int_equal(sched_running(wd->s), 0);
}

static void
one_at_a_time_is_ended(void **state)
{
	uint64_t j[2];
	unsigned int told = 0;

	(void)state;
	limits(1000, 2, 2);
	workers(2);
	j[0] = submit(100, false, 9);
	j[1] = submit(100, false, 9);
	all_start(2);
	cancel(j[0]);
	cancel(j[1]);
	(void)submit(100, false, 9);
	(void)submit(100, false, 9);
	pass(25 * MS);
	for (int i = 0; i < 2; i++)
		told += f[i]->told;
	assert_int_equal(told, 1);
}

/* At the maximum the youngest long one gives way, once, and ends as bulk. */
static void
the_youngest_long_scan_gives_way(void **state)
{
	uint64_t old, young, small_one;

	(void)state;
	limits(1000, 2, 2);
	workers(2);
	old = submit(100, false, 9);
	all_start(2);
	pass(50 * MS);
	young = submit(100, false, 9);
	all_start(2);
	pass(30 * MS);
	small_one = submit(100, false, 9);
	f[2] = nth(f[0], 0) == young ? f[0] : f[1];
	assert_true(f[2]->told && f[2]->closed);
	assert_int_equal(wd->j[young].done, 0);
	f[3] = worker();
	assert_int_equal(nth(f[3], 0), small_one);
	/* it does not take the place that is kept for small ones */
	finish(f[3]);
	assert_int_equal(f[3]->ngiven, 1);
	f[4] = nth(f[0], 0) == old ? f[0] : f[1];
	answer(f[4]);
	expect_done(old, SCHED_ANSWER);
	assert_int_equal(sched_queued(wd->s), 0);
	f[5] = nth(f[4], 1) == young ? f[4] : f[3];
	start(f[5]);
	pass(100 * MS);
	(void)submit(100, false, 9);
	(void)submit(100, false, 9);
	pass(100 * MS);
	assert_false(f[5]->told); /* never again */
	answer(f[5]);
	expect_done(young, SCHED_ANSWER);
}

static void
the_only_worker_is_left_alone(void **state)
{
	(void)state;
	limits(1000, 1, 1);
	workers(1);
	(void)submit(100, false, 9);
	start(f[0]);
	(void)submit(100, false, 9);
	pass(2 * SEC);
	assert_false(f[0]->told);
}

/* Its client sends nothing more: it may have left. */
static void
doubtful_ones_go_last(void **state)
{
	uint64_t d, b, s;

	(void)state;
	workers(1);
	(void)submit(100, false, 9);
	start(f[0]);
	d = submit(100, false, 9);
	b = bulk();
	s = submit(100, false, 9);
	sched_doubt(wd->s, wd->j[d].job);
	answer(f[0]);
	finish(f[0]);
	assert_int_equal(nth(f[0], 1), s);
	finish(f[0]);
	assert_int_equal(nth(f[0], 2), b);
	assert_int_equal(nth(f[0], 3), d);
	finish(f[0]);
	expect_done(d, SCHED_ANSWER);
}

/* Somebody else waits for it, too. */
static void
joined_jobs_are_not_doubtful(void **state)
{
	uint64_t d, e, s;

	(void)state;
	workers(1);
	(void)small();
	start(f[0]);
	pass(5 * MS);
	d = small();
	e = small();
	s = small();
	sched_doubt(wd->s, wd->j[d].job);
	sched_doubt(wd->s, wd->j[e].job);
	sched_join(wd->s, wd->j[e].job, SLICE_LIT("192.0.2.1"));
	answer(f[0]);
	while (f[0]->first < f[0]->ngiven)
		finish(f[0]);
	assert_int_equal(wd->order[1], s);
	assert_int_equal(wd->order[2], e);
	assert_int_equal(wd->order[3], d);
}

/* It comes in the turn of who has less to do. */
static void
joined_jobs_come_sooner(void **state)
{
	uint64_t last = 0, other;

	(void)state;
	workers(1);
	(void)small();
	start(f[0]);
	pass(5 * MS);
	for (int i = 0; i < 10; i++)
		last = small();
	sched_join(wd->s, wd->j[last].job, SLICE_LIT("192.0.2.2"));
	other = small_for("192.0.2.3");
	/* and not later, when one with more to do wants it */
	sched_join(wd->s, wd->j[other].job, SLICE_LIT("192.0.2.1"));
	sched_join(wd->s, 12345678, SLICE_LIT("192.0.2.1"));
	answer(f[0]);
	for (int i = 0; i < 3; i++)
		finish(f[0]);
	assert_int_equal(wd->j[last].done, 1);
	assert_int_equal(wd->j[other].done, 1);
}

static void
a_doubtful_scan_gives_way_once(void **state)
{
	uint64_t d, s;

	(void)state;
	workers(1);
	d = submit(100, false, 9);
	start(f[0]);
	sched_doubt(wd->s, wd->j[d].job);
	s = submit(100, false, 9);
	pass(25 * MS);
	assert_true(f[0]->told);
	f[1] = worker();
	assert_int_equal(nth(f[1], 0), s);
	finish(f[1]);
	assert_int_equal(nth(f[1], 1), d);
	start(f[1]);
	(void)submit(100, false, 9);
	pass(2 * SEC);
	assert_false(f[1]->told);
	answer(f[1]);
	expect_done(d, SCHED_ANSWER);
}

/* Long ones run at a lower priority until half of their time is gone. */
static void
long_scans_yield(void **state)
{
	(void)state;
	workers(1);
	(void)submit(100, false, 9);
	start(f[0]);
	pass(19 * MS);
	assert_false(f[0]->yields);
	pass(2 * MS);
	assert_true(f[0]->yields);
	answer(f[0]);
	assert_false(f[0]->yields);
	(void)submit(100, false, 9);
	start(f[0]);
	pass(2499 * MS);
	assert_true(f[0]->yields);
	pass(2 * MS);
	assert_false(f[0]->yields);
	pass(2499 * MS);
	answer(f[0]);
}

/* Who has used much leaves the last idle worker to one who has not. */
static void
the_last_idle_one_is_for_light_clients(void **state)
{
	uint64_t b;

	(void)state;
	limits(1000, 2, 8);
	workers(2);
	(void)small_for(B);
	finish(f[0]->ngiven ? f[0] : f[1]);
	(void)submit_for(A, 100, false, 9);
	all_start(2);
	pass(100 * MS);
	(void)submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 0); /* not in debt yet */
	all_start(2);
	for (int i = 0; i < 2; i++)
		answer(f[i]);
	(void)submit_for(A, 100, false, 9);
	(void)submit_for(A, 100, false, 9);
	assert_int_equal(sched_queued(wd->s), 1);
	pass(5 * MS);
	assert_int_equal(wd->wanted, 3); /* one more, for that */
	b = small_for(B);
	assert_int_equal(sched_queued(wd->s), 1);
	all_start(2);
	for (int i = 0; i < 2; i++)
		if (f[i]->given[f[i]->first] == b)
			answer(f[i]);
	expect_done(b, SCHED_ANSWER);
	/* a debt is paid by waiting */
	pass(1 * SEC);
	assert_int_equal(sched_queued(wd->s), 0);
}

/* Much time of one weighs more than many turns of another. */
static void
light_clients_go_first(void **state)
{
	uint64_t b[3];

	(void)state;
	workers(1);
	(void)submit_for(A, 100, false, 9);
	start(f[0]);
	pass(100 * MS);
	for (int i = 0; i < 3; i++) {
		(void)submit_for(A, 100, false, 9);
		b[i] = submit_for(B, 100, false, 9);
	}
	answer(f[0]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(f[0]->given[f[0]->first], b[i]);
		finish(f[0]);
	}
}

/* A scan that was done twice because it waited behind a long one. */
static void
no_second_where_scans_take_long(void **state)
{
	unsigned int was;

	(void)state;
	workers(1);
	for (int i = 0; i < 10; i++) {
		(void)small();
		start(f[0]);
		pass(15 * MS);
		answer(f[0]);
	}
	(void)small();
	was = f[0]->ngiven;
	(void)small();
	assert_int_equal(f[0]->ngiven, was);
	assert_int_equal(sched_queued(wd->s), 1);
}

/* Without a loader nothing is stopped: nobody would take its place. */
static void
nothing_is_stopped_without_a_loader(void **state)
{
	uint64_t j;

	(void)state;
	limits(3, 1, 4);
	workers(1);
	wd->no_loader = true;
	j = submit(100, false, 9);
	start(f[0]);
	cancel(j);
	j = submit(100, false, 9);
	pass(2 * SEC);
	assert_false(f[0]->told);
	answer(f[0]);
	for (int i = 0; i < 5; i++) {
		finish(f[0]);
		(void)submit(100, false, 9);
	}
	assert_false(f[0]->retired);
	expect_done(j, SCHED_ANSWER);
	wd->no_loader = false;
	finish(f[0]);
	assert_true(f[0]->retired);
}

int
main(void)
{
#define SHARE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		SHARE_TEST(clients_take_turns),
		SHARE_TEST(a_long_queue_delays_nobody_else),
		SHARE_TEST(half_while_others_wait),
		SHARE_TEST(half_counts_across_lanes),
		SHARE_TEST(long_scans_leave_half),
		SHARE_TEST(crashes_leave_half),
		SHARE_TEST(nobody_waits_for_ever_for_a_replacement),
		SHARE_TEST(the_last_idle_one_is_for_light_clients),
		SHARE_TEST(light_clients_go_first),
		SHARE_TEST(no_second_where_scans_take_long),
		SHARE_TEST(nothing_is_stopped_without_a_loader),
		SHARE_TEST(a_retry_gets_a_fresh_worker),
		SHARE_TEST(a_retry_takes_any_worker_in_the_end),
		SHARE_TEST(more_when_none_becomes_free),
		SHARE_TEST(more_at_once_for_small_ones),
		SHARE_TEST(not_more_while_workers_become_free),
		SHARE_TEST(not_more_than_the_maximum),
		SHARE_TEST(fewer_when_not_needed),
		SHARE_TEST(without_a_loader_none_is_given_up),
		SHARE_TEST(a_cancelled_scan_goes_on_while_nobody_waits),
		SHARE_TEST(a_cancelled_scan_ends_when_its_worker_is_needed),
		SHARE_TEST(one_at_a_time_is_ended),
		SHARE_TEST(the_youngest_long_scan_gives_way),
		SHARE_TEST(the_only_worker_is_left_alone),
		SHARE_TEST(doubtful_ones_go_last),
		SHARE_TEST(joined_jobs_are_not_doubtful),
		SHARE_TEST(joined_jobs_come_sooner),
		SHARE_TEST(a_doubtful_scan_gives_way_once),
		SHARE_TEST(long_scans_yield),
	};

	int rc = cmocka_run_group_tests_name("told", tests, NULL, NULL);

	by_pages = true;
	return rc + cmocka_run_group_tests_name("looked up", tests, NULL, NULL);
}
