/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "tests/unit/sched_world.h"

/* ---- recycling ---- */

static void
recycled_after_enough_scans(void **state)
{
	struct fake *f = worker();

	(void)state;
	limits(3, 1, 1);
	for (int i = 0; i < 3; i++) {
		assert_false(f->retired);
		(void)submit(100, false, 9);
		finish(f);
	}
	assert_true(f->retired && f->closed);
	assert_int_equal(sched_workers(wd->s), 0);
	assert_int_equal(wd->ndone, 3);
}

static void
answer_small_with(struct fake *f, const struct scan_answer *a, bool is_prefix)
{
	(void)submit(100, is_prefix, -1);
	start(f);
	answer_with(f, a);
}

static void
recycled_after_these(void **state)
{
	struct scan_answer failed = { .reason = OUTCOME_FAILED };
	struct scan_answer part = { .complete = 1, .nfindings = 1 };
	struct fake *f = worker();

	(void)state;
	part.findings[0].outcome = OUTCOME_INFECTED;
	answer_small_with(f, &part, false);
	assert_false(f->retired);
	answer_small_with(f, &failed, true);
	assert_false(f->retired);
	answer_small_with(f, &failed, false);
	assert_true(f->retired);

	f = worker();
	(void)str_copy(part.findings[0].part, 8, slice_of("a.exe"));
	answer_small_with(f, &part, false);
	assert_true(f->retired);
	assert_int_equal(wd->ndone, 4);
}

/* What waits behind the last scan of a worker goes to another one. */
static void
recycling_gives_the_second_back(void **state)
{
	struct scan_answer failed = { .reason = OUTCOME_FAILED };
	struct fake *f = worker(), *g;
	uint64_t first = small(), second = small();

	(void)state;
	start(f);
	answer_with(f, &failed);
	expect_done(first, SCHED_ANSWER);
	assert_false(f->retired); /* it has not answered all yet */
	assert_int_equal(sched_queued(wd->s), 1);
	g = worker();
	assert_int_equal(nth(g, 0), second);
	finish(f);
	assert_true(f->retired);
	finish(g);
	expect_done(second, SCHED_ANSWER);
	assert_int_equal(wd->ndone, 2);
}

/* ---- generations ---- */

/* Before there are new ones: jobs wait, what runs ends. */
static void
unloaded(void **state)
{
	struct fake *busy = worker(), *idle = worker(), *late, *new;
	uint64_t j = small(), k;

	(void)state;
	if (busy->ngiven == 0) {
		struct fake *t = busy;

		busy = idle;
		idle = t;
	}
	start(busy);
	sched_unload(wd->s);
	assert_true(idle->retired && idle->closed);
	assert_false(busy->retired);
	assert_int_equal(sched_workers(wd->s), 0);
	/* forked before its loader heard of it: nobody would end it else */
	late = worker();
	assert_true(late->retired && late->closed);
	k = small();
	assert_int_equal(sched_queued(wd->s), 1);
	answer(busy);
	assert_true(busy->retired && busy->closed);
	expect_done(j, SCHED_ANSWER);
	assert_int_equal(sched_queued(wd->s), 1);
	new = worker_of(2);
	sched_generation(wd->s, 2);
	assert_int_equal(nth(new, 0), k);
	finish(new);
	expect_done(k, SCHED_ANSWER);
}

/* A loader that ends before it serves takes its workers with it. */
static void
loader_gone(void **state)
{
	struct fake *old = worker(), *new = worker_of(2);
	uint64_t j = small();

	(void)state;
	assert_int_equal(nth(old, 0), j);
	assert_int_equal(new->ngiven, 0);
	sched_loader_gone(wd->s, 2);
	assert_true(new->closed);
	finish(old);
	expect_done(j, SCHED_ANSWER);
	/* those that serve go on without it */
	sched_loader_gone(wd->s, 1);
	assert_false(old->closed);
	j = small();
	assert_int_equal(nth(old, 1), j);
	finish(old);
}

static void
new_workers_after_the_word(void **state)
{
	struct fake *busy = worker(), *idle = worker(), *new;
	uint64_t j = small(), k;

	(void)state;
	if (busy->ngiven == 0) {
		struct fake *t = busy;

		busy = idle;
		idle = t;
	}
	start(busy);
	generation(2);
	assert_false(idle->retired); /* in service until there are new ones */
	assert_int_equal(sched_workers(wd->s), 0);
	k = small();
	assert_int_equal(nth(idle, 0), k);
	finish(idle);
	new = worker_of(2);
	assert_true(idle->retired && idle->closed);
	assert_false(busy->retired);
	assert_int_equal(sched_workers(wd->s), 1);
	answer(busy);
	assert_true(busy->retired);
	expect_done(j, SCHED_ANSWER);
	assert_int_equal(wd->j[j].last.generation, 1);
	k = small();
	assert_int_equal(nth(new, 0), k);
	finish(new);
	assert_int_equal(wd->j[k].last.generation, 2);
}

static void
new_workers_before_the_word(void **state)
{
	struct fake *old = worker(), *new = worker_of(2);
	uint64_t j = small(), k;

	(void)state;
	assert_int_equal(nth(old, 0), j);
	assert_int_equal(new->ngiven, 0);
	k = submit(100, false, 9);
	assert_int_equal(new->ngiven, 0);
	generation(2);
	assert_int_equal(nth(new, 0), k);
	assert_false(old->retired);
	finish(old);
	assert_true(old->retired);
	expect_done(j, SCHED_ANSWER);
	finish(new);
	assert_int_equal(wd->j[k].last.generation, 2);
}

/* The new ones end at once: there is nothing to scan with, jobs wait. */
static void
new_workers_lost(void **state)
{
	struct fake *old = worker(), *new;
	uint64_t j;

	(void)state;
	generation(2);
	new = worker_of(2);
	assert_true(old->retired);
	eof(new);
	j = small();
	assert_int_equal(sched_queued(wd->s), 1);
	new = worker_of(2);
	assert_int_equal(nth(new, 0), j);
}

/* ---- queue time and cancelling ---- */

static void
queue_time_ends(void **state)
{
	uint64_t j = small();

	(void)state;
	pass(20 * SEC - 1);
	assert_int_equal(wd->ndone, 0);
	pass(1);
	expect_done(j, SCHED_QUEUED);
	assert_int_equal(wd->j[j].last.queue_us, 20 * SEC);
	assert_int_equal(sched_queued(wd->s), 0);
	assert_int_equal(worker()->ngiven, 0);
}

static void
queue_time_counts_until_the_start(void **state)
{
	struct fake *f;
	uint64_t j = small(), k = small();

	(void)state;
	pass(20 * SEC - 1 * MS);
	f = worker();
	start(f);
	pass(1 * MS);
	assert_int_equal(wd->j[j].done, 0);
	expect_done(k, SCHED_QUEUED); /* sent, but not begun */
	pass(1 * SEC);
	answer(f);
	expect_done(j, SCHED_ANSWER);
	finish(f);
	assert_int_equal(wd->ndone, 2);
}

static void
cancelled_in_the_queue(void **state)
{
	uint64_t j = small(), k = small();
	struct fake *f;

	(void)state;
	cancel(j);
	assert_int_equal(sched_queued(wd->s), 1);
	f = worker();
	assert_int_equal(nth(f, 0), k);
	cancel(j); /* twice is nothing */
	finish(f);
	cancel(k); /* nor is one that is done */
	assert_int_equal(wd->ndone, 1);
}

static void
cancelled_when_sent(void **state)
{
	struct fake *f = worker();
	uint64_t j = small(), k = small();

	(void)state;
	cancel(j);
	finish(f);
	assert_int_equal(wd->ndone, 0);
	finish(f);
	expect_done(k, SCHED_ANSWER);
	assert_false(f->told);
}

static void
cancelled_when_started(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	start(f);
	cancel(j);
	assert_int_equal(sched_running(wd->s), 1); /* it is still at it */
	answer(f);
	assert_int_equal(sched_running(wd->s), 0);
	assert_int_equal(wd->ndone, 0);
	assert_false(f->told || f->retired);
}

static void
cancelled_and_overdue(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	start(f);
	cancel(j);
	pass(6 * SEC + 50 * MS);
	assert_true(f->told);
	eof(f);
	assert_int_equal(wd->ndone, 0);
}

static void
cancelled_and_lost(void **state)
{
	struct fake *f = worker();
	uint64_t j = small(), k = small();

	(void)state;
	start(f);
	cancel(j);
	cancel(k);
	eof(f);
	assert_int_equal(wd->ndone, 0);
	assert_int_equal(sched_queued(wd->s), 0);
	assert_int_equal(sched_running(wd->s), 0);
}

/* ---- ports ---- */

static void
full_port_is_tried_again(void **state)
{
	struct fake *f = worker(), *g;
	uint64_t j;

	(void)state;
	f->full = true;
	j = small();
	assert_int_equal(sched_queued(wd->s), 1);
	g = worker();
	assert_int_equal(nth(g, 0), j);
	f->full = false;
	j = small();
	sched_worker_writable(wd->s, incarnation(f));
	j = submit(100, false, 9);
	assert_int_equal(nth(f, 0), j);
}

static void
dead_port_ends(void **state)
{
	struct fake *f = worker(), *g;
	uint64_t j;

	(void)state;
	f->dead = true;
	j = small();
	assert_int_equal(wd->ndone, 0);
	eof(f);
	g = worker();
	assert_int_equal(nth(g, 0), j);
}

static void
submits_in_done(void **state)
{
	struct fake *f = worker();
	uint64_t j = small();

	(void)state;
	wd->resubmit = true;
	start(f);
	answer(f);
	expect_done(j, SCHED_ANSWER);
	assert_int_equal(nth(f, 1), j + 1);
	wd->resubmit = true;
	start(f);
	eof(f);
	assert_int_equal(sched_queued(wd->s), 1);
	wd->resubmit = true;
	pass(21 * SEC);
	expect_done(j + 2, SCHED_QUEUED);
	assert_int_equal(sched_queued(wd->s), 1);
}

static void
freed_with_work_left(void **state)
{
	struct fake *f = worker(), *g = worker();

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)small();
	start(f);
	sched_free(&wd->s);
	assert_null(wd->s);
	assert_int_equal(wd->ndone, 0);
	assert_true(f->closed && g->closed);
}

/* What an evil worker said before it showed may have been a lie. */
static void
not_believed_afterwards(void **state)
{
	struct fake *f[6];

	(void)state;
	limits(1, 6, 6);
	for (unsigned int i = 0; i < 5; i++) {
		f[i] = worker();
		(void)small();
		assert_int_equal(f[i]->ngiven, 1);
	}
	f[5] = worker();
	start(f[0]);
	sched_violation(wd->s, incarnation(f[0]), "test");
	start(f[1]);
	end_by(f[1], SIGSEGV);
	start(f[2]); /* late */
	/* f[3] does not begin */
	finish(f[4]); /* as planned */
	eof(f[5]);
	pass(40 * SEC);
	assert_true(f[0]->distrusted);
	assert_true(f[1]->distrusted);
	assert_true(f[2]->distrusted);
	assert_true(f[3]->distrusted);
	assert_true(f[4]->retired);
	assert_false(f[4]->distrusted);
	assert_true(f[5]->distrusted);
}

/* ---- anything, in any order ---- */

static uint64_t seed = 88172645463325252;

static unsigned int
any(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % n);
}

/* One of the last workers that lives and, if so wanted, has work. */
static struct fake *
any_worker(bool with_work)
{
	for (unsigned int i = 0; i < 40 && wd->nw > 0; i++) {
		struct fake *f = &wd->w[1 + any(wd->nw)];

		if (!f->closed && (!with_work || f->first < f->ngiven))
			return f;
	}
	return NULL;
}

static bool running[MAX_WORKERS];

static void
work_on(struct fake *f)
{
	struct scan_answer a = { .complete = any(20) > 0 };
	bool *runs = &running[incarnation(f)];

	if (!*runs) {
		*runs = true;
		start(f);
		return;
	}
	*runs = false;
	if (!a.complete)
		a.reason = OUTCOME_FAILED;
	answer_with(f, &a);
}

static void
doubt_or_join(void)
{
	uint64_t j;

	if (wd->nj == 0)
		return;
	j = wd->nj - any(wd->nj < 20 ? wd->nj : 20);
	if (any(2) == 0)
		sched_doubt(wd->s, wd->j[j].job);
	sched_join(wd->s, wd->j[j].job, slice_of(any(2) == 0 ? "a" : "b"));
}

static void
random_step(uint32_t *gen)
{
	struct fake *f;
	uint64_t j;

	switch (any(16)) {
	case 0:
	case 1:
	case 2:
		(void)submit(any(4) == 0 ? BULK : 100, any(5) == 0,
		    any(2) == 0 ? 9 : -1);
		break;
	case 3:
		if (wd->nj > 0) {
			j = wd->nj - any(wd->nj < 20 ? wd->nj : 20);
			if (wd->j[j].done == 0)
				cancel(j);
		}
		break;
	case 4:
		if (sched_workers(wd->s) < 5)
			(void)worker_of(*gen);
		break;
	case 5:
		if (any(5) == 0 && (f = any_worker(false)) != NULL)
			eof(f);
		break;
	case 6:
		if ((f = any_worker(false)) != NULL) {
			f->full = !f->full;
			if (!f->full)
				sched_worker_writable(wd->s, incarnation(f));
		}
		break;
	case 7:
		doubt_or_join();
		pass(any(3) == 0 ? any(3 * SEC) : any(20 * MS));
		break;
	case 8:
		if (any(60) == 0)
			generation(++*gen);
		if (any(60) == 0 && (f = any_worker(true)) != NULL)
			sched_started(wd->s, incarnation(f), 3);
		break;
	default:
		if ((f = any_worker(true)) != NULL)
			work_on(f);
	}
}

static void
every_job_has_one_end(void **state)
{
	uint32_t gen = 1;
	unsigned int cancelled = 0, answered = 0;

	(void)state;
	memset(running, 0, sizeof(running));
	limits(20, 4, 8);
	for (int i = 0; i < 10000; i++)
		random_step(&gen);
	/* then all workers do their duty until nothing is left */
	for (int i = 0; i < 100; i++) {
		if (sched_workers(wd->s) == 0)
			(void)worker_of(gen);
		for (unsigned int w = 1; w <= wd->nw; w++) {
			struct fake *f = &wd->w[w];

			f->full = false;
			if (!f->closed)
				sched_worker_writable(wd->s, w);
			while (!f->closed && f->first < f->ngiven)
				work_on(f);
		}
		pass(1 * SEC);
	}
	for (unsigned int j = 1; j <= wd->nj; j++) {
		cancelled += wd->j[j].cancelled;
		answered += wd->j[j].last.how == SCHED_ANSWER;
		if (wd->j[j].done != !wd->j[j].cancelled)
			fail_msg("job %u: done %u times", j, wd->j[j].done);
	}
	assert_int_equal(sched_queued(wd->s), 0);
	assert_int_equal(sched_running(wd->s), 0);
	/* the walk went where it was meant to go */
	assert_true(wd->nj > 1000 && cancelled > 50 && answered > 300);
}

int
main(void)
{
#define SCHED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		SCHED_TEST(recycled_after_enough_scans),
		SCHED_TEST(recycled_after_these),
		SCHED_TEST(recycling_gives_the_second_back),
		SCHED_TEST(unloaded),
		SCHED_TEST(loader_gone),
		SCHED_TEST(new_workers_after_the_word),
		SCHED_TEST(new_workers_before_the_word),
		SCHED_TEST(new_workers_lost),
		SCHED_TEST(queue_time_ends),
		SCHED_TEST(queue_time_counts_until_the_start),
		SCHED_TEST(cancelled_in_the_queue),
		SCHED_TEST(cancelled_when_sent),
		SCHED_TEST(cancelled_when_started),
		SCHED_TEST(cancelled_and_overdue),
		SCHED_TEST(cancelled_and_lost),
		SCHED_TEST(full_port_is_tried_again),
		SCHED_TEST(dead_port_ends),
		SCHED_TEST(submits_in_done),
		SCHED_TEST(freed_with_work_left),
		SCHED_TEST(not_believed_afterwards),
		SCHED_TEST(every_job_has_one_end),
	};

	int rc = cmocka_run_group_tests_name("told", tests, NULL, NULL);

	by_pages = true;
	return rc + cmocka_run_group_tests_name("looked up", tests, NULL, NULL);
}
