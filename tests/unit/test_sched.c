/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sched_world.h"

/* ---- order ---- */

static void
small_ones_in_order(void **state)
{
	struct fake *f = worker();

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)small();
	assert_int_equal(f->ngiven, 2); /* one running, one behind it */
	assert_int_equal(sched_queued(wd->s), 18);
	for (uint64_t i = 0; i < 20; i++) {
		finish(f);
		assert_int_equal(wd->order[i], i + 1);
		expect_done(i + 1, SCHED_ANSWER);
	}
	assert_int_equal(sched_queued(wd->s), 0);
	assert_int_equal(sched_running(wd->s), 0);
}

static void
idle_workers_first(void **state)
{
	struct fake *a = worker(), *b = worker(), *c = worker();

	(void)state;
	for (int i = 0; i < 3; i++)
		(void)small();
	assert_int_equal(a->ngiven, 1);
	assert_int_equal(b->ngiven, 1);
	assert_int_equal(c->ngiven, 1);
}

static void
waits_for_a_worker(void **state)
{
	uint64_t j = small();
	struct fake *f;

	(void)state;
	assert_int_equal(sched_queued(wd->s), 1);
	f = worker();
	assert_int_equal(nth(f, 0), j);
}

static void
measures_times(void **state)
{
	uint64_t j = small();
	struct fake *f;

	(void)state;
	pass(3 * SEC);
	f = worker();
	start(f);
	pass(2 * SEC);
	answer(f);
	assert_int_equal(wd->j[j].last.queue_us, 3 * SEC);
	assert_int_equal(wd->j[j].last.scan_us, 2 * SEC);
	assert_int_equal(wd->j[j].last.generation, 1);
	assert_true(wd->j[j].had_answer);
}

/* Only a small inline body waits behind another, and not behind a long one. */
static void
who_may_be_second(void **state)
{
	struct fake *f = worker();

	(void)state;
	(void)small();
	(void)submit(100, false, 9);
	assert_int_equal(f->ngiven, 1);
	finish(f);
	assert_int_equal(f->ngiven, 2);
	finish(f);

	(void)small();
	start(f);
	pass(4 * MS);
	(void)small();
	assert_int_equal(f->ngiven, 3);
	answer(f);
	assert_int_equal(f->ngiven, 4);
	finish(f);

	(void)bulk();
	(void)small();
	assert_int_equal(f->ngiven, 5);
	finish(f);
	assert_int_equal(f->ngiven, 6);
	finish(f);

	(void)prefix();
	(void)small();
	assert_int_equal(f->ngiven, 7);
}

static void
second_is_given_to_another(void **state)
{
	struct fake *a = worker(), *b;
	uint64_t first = small(), second = small();

	(void)state;
	start(a);
	assert_int_equal(nth(a, 1), second);
	pass(11 * MS);
	assert_int_equal(sched_queued(wd->s), 1);
	b = worker();
	assert_int_equal(nth(b, 0), second);
	finish(b);
	expect_done(second, SCHED_ANSWER);
	answer(a);
	expect_done(first, SCHED_ANSWER);
	finish(a); /* it works on what it was given: into the void */
	assert_int_equal(wd->ndone, 2);
	assert_false(a->told);
	assert_int_equal(sched_running(wd->s), 0);
}

static void
bulk_leaves_one_worker_free(void **state)
{
	struct fake *a = worker(), *b = worker();
	uint64_t b1 = bulk(), b2 = bulk(), s;

	(void)state;
	assert_int_equal(a->ngiven + b->ngiven, 1);
	s = small();
	assert_int_equal(a->ngiven + b->ngiven, 2);
	assert_int_equal(sched_queued(wd->s), 1);
	assert_true(nth(a, 0) == s || nth(b, 0) == s);
	assert_true(nth(a, 0) == b1 || nth(b, 0) == b1);
	if (nth(a, 0) == b1)
		finish(a);
	else
		finish(b);
	assert_int_equal(sched_queued(wd->s), 0);
	assert_true(nth(a, 1) == b2 || nth(b, 1) == b2);
}

static void
small_before_bulk(void **state)
{
	struct fake *f = worker();
	uint64_t b, s1, s2;

	(void)state;
	(void)bulk();
	start(f);
	b = bulk();
	s1 = small();
	s2 = submit(100, false, 9);
	answer(f);
	assert_int_equal(nth(f, 1), s1);
	finish(f);
	assert_int_equal(nth(f, 2), s2);
	finish(f);
	assert_int_equal(nth(f, 3), b);
}

static void
old_bulk_before_small(void **state)
{
	struct fake *f = worker();
	uint64_t b, s;

	(void)state;
	(void)bulk();
	start(f);
	b = bulk();
	pass(1 * SEC);
	s = small();
	pass(1 * SEC + 1);
	answer(f);
	assert_int_equal(nth(f, 1), b);
	finish(f);
	assert_int_equal(nth(f, 2), s);
}

static void
prefix_never_before_whole(void **state)
{
	struct fake *f = worker();
	uint64_t p, b, s;

	(void)state;
	(void)bulk();
	start(f);
	p = prefix();
	b = bulk();
	s = submit(100, false, 9);
	answer(f);
	assert_int_equal(nth(f, 1), s);
	finish(f);
	assert_int_equal(nth(f, 2), b);
	finish(f);
	assert_int_equal(nth(f, 3), p);
	finish(f);
	expect_done(p, SCHED_ANSWER);
}

/* ---- workers that end ---- */

static void
started_one_is_blamed(void **state)
{
	struct fake *a = worker(), *b;
	uint64_t first = small(), second = small(), third = small();
	struct msg_lost lost = { .worker = { .incarnation = 1 }, .signal = 11 };

	(void)state;
	start(a);
	sched_worker_lost(wd->s, &lost);
	assert_int_equal(wd->ndone, 0); /* until what it said is read */
	eof(a);
	expect_done(first, SCHED_LOST);
	assert_int_equal(wd->j[first].last.signal, 11);
	assert_int_equal(wd->ndone, 1);
	assert_true(a->closed);
	b = worker();
	assert_int_equal(nth(b, 0), second);
	assert_int_equal(nth(b, 1), third);
	finish(b);
	finish(b);
	expect_done(second, SCHED_ANSWER);
	expect_done(third, SCHED_ANSWER);
}

static void
unstarted_ones_go_on_in_order(void **state)
{
	struct fake *a = worker(), *b;
	uint64_t first = small(), second = small(), third = small();

	(void)state;
	eof(a);
	assert_int_equal(wd->ndone, 0);
	assert_int_equal(sched_queued(wd->s), 3);
	b = worker();
	for (int i = 0; i < 3; i++)
		finish(b);
	assert_int_equal(wd->order[0], first);
	assert_int_equal(wd->order[1], second);
	assert_int_equal(wd->order[2], third);
	eof(a); /* long gone */
	sched_worker_writable(wd->s, incarnation(a));
}

/* It ends itself at its deadline, a moment before sched would say so. */
static void
own_deadline_is_overdue(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	start(f);
	pass(5 * SEC);
	eof(f);
	expect_done(j, SCHED_OVERDUE);
	f = worker();
	j = small();
	start(f);
	pass(4 * SEC);
	eof(f);
	expect_done(j, SCHED_LOST);
}

/* Who ended it is known from its loader, a moment after its channel closed. */
static void
waits_for_the_word_of_the_loader(void **state)
{
	struct fake *f = worker(), *g;
	uint64_t j = small(), k = small();

	(void)state;
	start(f);
	sched_worker_eof(wd->s, incarnation(f));
	assert_int_equal(wd->ndone, 0);
	assert_int_equal(sched_workers(wd->s), 0);
	assert_int_equal(sched_queued(wd->s), 1); /* that one need not wait */
	g = worker();
	assert_int_equal(nth(g, 0), k);
	end_by(f, 9);
	expect_done(j, SCHED_LOST);
	assert_int_equal(wd->j[j].last.signal, 9);
	finish(g);
	/* not for ever */
	j = small();
	start(g);
	sched_worker_eof(wd->s, incarnation(g));
	pass(99 * MS);
	assert_int_equal(wd->j[j].done, 0);
	pass(1 * MS);
	expect_done(j, SCHED_LOST);
	assert_true(g->closed);
	/* and not where there is none */
	wd->no_loader = true;
	g = worker();
	j = small();
	start(g);
	sched_worker_eof(wd->s, incarnation(g));
	expect_done(j, SCHED_LOST);
	wd->no_loader = false;
	/* the signal of the deadline, whenever */
	g = worker();
	j = small();
	start(g);
	end_by(g, 14);
	expect_done(j, SCHED_OVERDUE);
}

static void
overdue_then_kill_then_stuck(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	start(f);
	pass(5 * SEC + 49 * MS);
	assert_int_equal(wd->ndone, 0);
	pass(1 * MS);
	expect_done(j, SCHED_OVERDUE);
	assert_false(f->told);
	pass(1 * SEC - 1);
	assert_false(f->told);
	pass(1);
	assert_true(f->told);
	pass(2 * SEC - 1);
	assert_false(f->stuck);
	pass(1);
	assert_true(f->stuck);
	pass(3600 * SEC);
	assert_int_equal(wd->ndone, 1);
	eof(f);
	assert_int_equal(wd->ndone, 1);
	assert_int_equal(sched_running(wd->s), 0);
}

static void
overdue_gets_no_more_work(void **state)
{
	struct fake *f = worker(), *g;
	uint64_t late = small(), behind = small(), next;

	(void)state;
	start(f);
	pass(6 * SEC);
	expect_done(late, SCHED_OVERDUE);
	next = small();
	assert_int_equal(sched_queued(wd->s), 2);
	assert_int_equal(sched_workers(wd->s), 0);
	g = worker();
	assert_int_equal(nth(g, 0), behind);
	finish(g);
	finish(g);
	expect_done(behind, SCHED_ANSWER);
	expect_done(next, SCHED_ANSWER);
	answer(f); /* after all: nobody waits for it */
	finish(f);
	assert_true(f->retired);
	assert_int_equal(wd->ndone, 3);
}

static void
killed_in_time_is_not_stuck(void **state)
{
	struct fake *f = worker();

	(void)state;
	(void)small();
	start(f);
	pass(7 * SEC);
	assert_true(f->told);
	eof(f);
	pass(10 * SEC);
	assert_false(f->stuck);
}

/* It takes a scan and never begins it: stopped, or lost in a loop. */
static void
never_begins(void **state)
{
	struct fake *a = worker(), *b;
	uint64_t j = small();

	(void)state;
	pass(5 * SEC - 1);
	assert_false(a->told);
	pass(1);
	assert_true(a->told && a->closed);
	assert_int_equal(wd->ndone, 0);
	b = worker();
	assert_int_equal(nth(b, 0), j);
	finish(b);
	expect_done(j, SCHED_ANSWER);
}

/* ---- violations ---- */

static void
expect_violation(struct fake *f, uint64_t j, bool blamed)
{
	assert_true(f->told);
	assert_true(f->closed);
	assert_int_equal(sched_running(wd->s), 0);
	if (blamed) {
		expect_done(j, SCHED_VIOLATION);
		return;
	}
	assert_int_equal(wd->j[j].done, 0);
	assert_int_equal(sched_queued(wd->s), 1);
	finish(worker());
	expect_done(j, SCHED_ANSWER);
}

static void
starts_what_it_was_not_given(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	sched_started(wd->s, incarnation(f), f->ids[0] + 1);
	expect_violation(f, j, false);
}

static void
starts_nothing(void **state)
{
	struct fake *f = worker();

	(void)state;
	sched_started(wd->s, incarnation(f), 0);
	assert_true(f->told && f->closed);
}

static void
answers_nothing(void **state)
{
	static const struct scan_answer a = { .complete = 1 };
	struct fake *f = worker();

	(void)state;
	sched_result(wd->s, incarnation(f), 0, &a);
	assert_true(f->told && f->closed);
}

static void
starts_twice(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	if (by_pages)
		return; /* it cannot */
	start(f);
	start(f);
	expect_violation(f, j, true);
}

/* ---- pages of workers ---- */

static void
page_of_another_scan(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	if (!by_pages)
		return;
	f->begun = 12345;
	f->begun_us = now;
	pass(4900 * MS);
	assert_false(f->told);
	pass(200 * MS); /* it never began what it was given */
	assert_true(f->told);
	assert_int_equal(wd->ndone, 0);
	f = worker();
	finish(f);
	expect_done(j, SCHED_ANSWER);
}

/* It is at the second one: the first one's answer is under way. */
static void
page_of_the_second(void **state)
{
	struct fake *f = worker();
	uint64_t a = small(), b = small();

	(void)state;
	if (!by_pages)
		return;
	assert_int_equal(nth(f, 1), b);
	f->begun = f->ids[1];
	f->begun_us = now;
	answer(f);
	expect_done(a, SCHED_ANSWER);
	answer(f);
	expect_done(b, SCHED_ANSWER);
	assert_false(f->told);
}

/* The time is the worker's word: never before it was given, never later. */
static void
page_with_a_wrong_time(void **state)
{
	static const uint64_t times[] = { 0, 1, UINT64_MAX };
	struct fake *f = worker();
	uint64_t j;

	(void)state;
	if (!by_pages)
		return;
	for (size_t i = 0; i < COUNTOF(times); i++) {
		j = small();
		pass(5 * MS);
		start(f);
		f->begun_us = times[i];
		pass(5 * MS);
		answer(f);
		expect_done(j, SCHED_ANSWER);
		assert_true(wd->j[j].last.scan_us <= 10 * MS);
	}
	/* the deadline is not put off */
	j = small();
	start(f);
	f->begun_us = UINT64_MAX;
	pass(wd->budget_us + 100 * MS);
	expect_done(j, SCHED_OVERDUE);
}

/* Whether it had begun counts at its end, whenever that is. */
static void
page_of_a_dead_one(void **state)
{
	struct fake *f = worker();
	uint64_t a = small(), b;

	(void)state;
	if (!by_pages)
		return;
	start(f); /* nobody has looked yet */
	eof(f);
	expect_done(a, SCHED_LOST);
	f = worker();
	b = small();
	eof(f);
	assert_int_equal(wd->j[b].done, 0);
	finish(worker());
	expect_done(b, SCHED_ANSWER);
}

/* Waiting has an end before the scan begins, not after. */
static void
page_and_queue_time(void **state)
{
	struct fake *f = worker();
	uint64_t j;

	(void)state;
	if (!by_pages)
		return;
	wd->budget_us = 60 * SEC;
	j = small();
	start(f);
	pass(30 * SEC); /* queued for 20 s at most */
	assert_int_equal(wd->j[j].done, 0);
	answer(f);
	expect_done(j, SCHED_ANSWER);
}

static void
answers_before_it_starts(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	answer(f);
	expect_violation(f, j, false);
}

static void
answers_for_another(void **state)
{
	static const struct scan_answer a = { .complete = 1 };
	struct fake *f = worker(), *g = worker();
	uint64_t j = small(), k = small();

	(void)state;
	start(f);
	start(g);
	sched_result(wd->s, incarnation(f), g->ids[0], &a);
	assert_true(f->told && f->closed);
	expect_done(nth(f, 0), SCHED_VIOLATION);
	assert_int_equal(wd->j[nth(g, 0)].done, 0);
	answer(g);
	expect_done(nth(g, 0), SCHED_ANSWER);
	assert_int_equal(wd->j[j].done + wd->j[k].done, 2);
}

static void
starts_the_second_first(void **state)
{
	struct fake *f = worker();
	uint64_t j = small(), k = small();

	(void)state;
	sched_started(wd->s, incarnation(f), f->ids[1]);
	assert_true(f->told && f->closed);
	assert_int_equal(wd->j[j].done + wd->j[k].done, 0);
	assert_int_equal(sched_queued(wd->s), 2);
}

static void
answers_twice(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	finish(f);
	f->first--;
	answer(f);
	assert_true(f->told && f->closed);
	expect_done(j, SCHED_ANSWER);
}

static void
channel_says_violation(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	start(f);
	sched_violation(wd->s, incarnation(f), "wrong length");
	expect_violation(f, j, true);
	sched_violation(wd->s, incarnation(f), "again");
}

int
main(void)
{
#define SCHED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		SCHED_TEST(small_ones_in_order),
		SCHED_TEST(idle_workers_first),
		SCHED_TEST(waits_for_a_worker),
		SCHED_TEST(measures_times),
		SCHED_TEST(who_may_be_second),
		SCHED_TEST(second_is_given_to_another),
		SCHED_TEST(bulk_leaves_one_worker_free),
		SCHED_TEST(small_before_bulk),
		SCHED_TEST(old_bulk_before_small),
		SCHED_TEST(prefix_never_before_whole),
		SCHED_TEST(started_one_is_blamed),
		SCHED_TEST(unstarted_ones_go_on_in_order),
		SCHED_TEST(own_deadline_is_overdue),
		SCHED_TEST(waits_for_the_word_of_the_loader),
		SCHED_TEST(overdue_then_kill_then_stuck),
		SCHED_TEST(overdue_gets_no_more_work),
		SCHED_TEST(killed_in_time_is_not_stuck),
		SCHED_TEST(never_begins),
		SCHED_TEST(starts_what_it_was_not_given),
		SCHED_TEST(starts_nothing),
		SCHED_TEST(answers_nothing),
		SCHED_TEST(starts_twice),
		SCHED_TEST(answers_before_it_starts),
		SCHED_TEST(answers_for_another),
		SCHED_TEST(starts_the_second_first),
		SCHED_TEST(answers_twice),
		SCHED_TEST(channel_says_violation),
		SCHED_TEST(page_of_another_scan),
		SCHED_TEST(page_of_the_second),
		SCHED_TEST(page_with_a_wrong_time),
		SCHED_TEST(page_of_a_dead_one),
		SCHED_TEST(page_and_queue_time),
	};

	int rc = cmocka_run_group_tests_name("told", tests, NULL, NULL);

	by_pages = true;
	return rc + cmocka_run_group_tests_name("looked up", tests, NULL, NULL);
}
