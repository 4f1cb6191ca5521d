/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/sched_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

struct world *wd;
bool by_pages;
uint64_t now;
static uint64_t wall;

/* ---- what sched calls ---- */

static bool
port_send(void *ctx, const struct msg_scan_request *rq, struct slice body,
    int fd, bool *dead)
{
	struct fake *f = ctx;

	(void)body;
	(void)fd;
	assert_false(f->closed);
	if (f->full || f->dead) {
		*dead = f->dead;
		return false;
	}
	assert_true(f->ngiven < COUNTOF(f->given));
	assert_true(f->ngiven - f->first < 2); /* one runs, one waits */
	f->ids[f->ngiven] = rq->scan_id;
	f->given[f->ngiven++] = rq->conf_generation; /* carries the owner */
	return true;
}

static void
port_close(void *ctx)
{
	struct fake *f = ctx;

	assert_false(f->closed);
	f->closed = true;
}

static uint64_t
port_begun(void *ctx, uint64_t *at_us)
{
	const struct fake *f = ctx;

	*at_us = f->begun_us;
	return f->begun;
}

static void
on_overdue(void *ctx, const struct msg_worker *w)
{
	(void)ctx;
	wd->w[w->incarnation].told = true;
}

static void
on_retire(void *ctx, const struct msg_worker *w)
{
	(void)ctx;
	assert_false(wd->w[w->incarnation].retired);
	wd->w[w->incarnation].retired = true;
}

static void
on_stuck(void *ctx, const struct msg_worker *w)
{
	(void)ctx;
	assert_true(wd->w[w->incarnation].told);
	assert_false(wd->w[w->incarnation].stuck);
	wd->w[w->incarnation].stuck = true;
}

static bool
on_want(void *ctx, uint32_t generation, unsigned int workers)
{
	(void)ctx;
	assert_int_equal(generation, wd->generation);
	if (wd->no_loader)
		return false;
	wd->wanted = workers;
	return true;
}

static bool
on_has_loader(void *ctx, uint32_t generation)
{
	(void)ctx;
	(void)generation;
	return !wd->no_loader;
}

static void
on_yield(void *ctx, const struct msg_worker *w, bool on)
{
	(void)ctx;
	assert_int_not_equal(wd->w[w->incarnation].yields, on);
	wd->w[w->incarnation].yields = on;
}

static void
on_done(void *ctx, uint64_t job, uint64_t owner, const struct sched_done *d)
{
	struct outcome_of *o = &wd->j[owner];

	(void)ctx;
	assert_int_equal(o->job, job);
	assert_false(o->cancelled);
	assert_int_equal(o->done, 0);
	assert_int_equal(d->answer != NULL, d->how == SCHED_ANSWER);
	o->done++;
	o->last = *d;
	o->had_answer = d->answer != NULL;
	o->last.answer = NULL;
	wd->order[wd->ndone++] = owner;
	if (wd->resubmit) {
		wd->resubmit = false;
		(void)submit(100, false, -1);
	}
}

static void
on_distrust(void *ctx, const struct msg_worker *w)
{
	(void)ctx;
	wd->w[w->incarnation].distrusted = true;
}

static const struct sched_ops ops = { on_overdue, on_retire, on_stuck, on_want,
	on_has_loader, on_yield, on_distrust, on_done, NULL };

/* ---- what a test does ---- */

int
setup(void **state)
{
	(void)state;
	log_init("test", LOG_ERROR);
	log_set_syslog(LOG_EVENTS, "test", -1); /* nobody listens */
	wd = calloc(1, sizeof(*wd));
	assert_non_null(wd);
	now = wall = 1000 * SEC;
	wd->budget_us = 5 * SEC;
	clock_set_fake(&now, &wall);
	assert_non_null(wd->tq = timerq_new());
	assert_non_null(wd->s = sched_new(wd->tq, &ops));
	generation(1);
	return 0;
}

int
teardown(void **state)
{
	int rc = 0;

	(void)state;
	sched_free(&wd->s);
	for (unsigned int i = 1; i <= wd->nw; i++)
		if (!wd->w[i].closed)
			rc = -1;
	if (timerq_next_us(wd->tq) != UINT64_MAX)
		rc = -1; /* a timer outlived its owner */
	timerq_free(&wd->tq);
	clock_set_fake(NULL, NULL);
	free(wd);
	return rc;
}

/* Time passes, timer by timer. */
void
pass(uint64_t us)
{
	uint64_t until = now + us, at;

	while ((at = timerq_next_us(wd->tq)) <= until) {
		if (at > now)
			now = at;
		(void)timerq_run(wd->tq, now);
	}
	now = until;
}

struct fake *
worker_of(uint32_t generation)
{
	struct msg_worker id = { .slot = wd->nw,
		.generation = generation,
		.incarnation = ++wd->nw };
	struct fake *f = &wd->w[wd->nw];
	struct sched_port port = { .send = port_send,
		.close = port_close,
		.begun = by_pages ? port_begun : NULL,
		.ctx = f };

	assert_true(wd->nw < MAX_WORKERS);
	f->generation = generation;
	assert_int_equal(sched_worker_add(wd->s, &id, &port), 0);
	return f;
}

struct fake *
worker(void)
{
	return worker_of(1);
}

void
limits(uint64_t scans, unsigned int workers, unsigned int most)
{
	struct sched_limits l = { scans, workers, most };

	sched_limits(wd->s, &l);
	if (wd->wanted < workers)
		wd->wanted = workers;
}

void
generation(uint32_t n)
{
	wd->generation = n;
	sched_generation(wd->s, n);
}

uint64_t
submit_for(const char *client, uint64_t size, bool prefix, int fd)
{
	struct sched_job job = { .fd = fd, .prefix = prefix };
	uint64_t owner = ++wd->nj;

	assert_true(owner < MAX_JOBS);
	job.owner = owner;
	job.fresh = wd->fresh;
	job.client = slice_of(client);
	job.queue_deadline_us = now + 20 * SEC;
	job.rq.kind = prefix ? SCAN_PREFIX : SCAN_WHOLE;
	job.rq.size = size;
	job.rq.budget_us = wd->budget_us;
	job.rq.conf_generation = (uint32_t)owner;
	wd->j[owner].prefix = prefix;
	/* done() never runs inside, so that its id may be noted afterwards */
	wd->j[owner].job = sched_submit(wd->s, &job);
	assert_true(wd->j[owner].job != 0);
	assert_int_equal(wd->j[owner].done, 0);
	return owner;
}

uint64_t
submit(uint64_t size, bool prefix, int fd)
{
	return submit_for("192.0.2.1", size, prefix, fd);
}

uint64_t
small_for(const char *client)
{
	return submit_for(client, 100, false, -1);
}

uint64_t
bulk_for(const char *client)
{
	return submit_for(client, BULK, false, 9);
}

uint64_t
small(void)
{
	return submit(100, false, -1);
}

uint64_t
bulk(void)
{
	return submit(BULK, false, 9);
}

uint64_t
prefix(void)
{
	return submit(100, true, -1);
}

uint64_t
incarnation(const struct fake *f)
{
	return (uint64_t)(f - wd->w);
}

void
start(struct fake *f)
{
	assert_true(f->first < f->ngiven);
	f->nstarted = f->first + 1;
	f->begun = f->ids[f->first];
	f->begun_us = now;
	if (!by_pages)
		sched_started(wd->s, incarnation(f), f->begun);
}

void
answer_with(struct fake *f, const struct scan_answer *a)
{
	uint64_t id = f->ids[f->first++];

	sched_result(wd->s, incarnation(f), id, a);
}

void
answer(struct fake *f)
{
	static const struct scan_answer clean = { .complete = 1 };

	answer_with(f, &clean);
}

void
finish(struct fake *f)
{
	start(f);
	answer(f);
}

void
end_by(struct fake *f, int signal)
{
	struct msg_lost lost = { .worker = { .incarnation = incarnation(f) },
		.signal = signal };

	sched_worker_eof(wd->s, incarnation(f));
	sched_worker_lost(wd->s, &lost);
}

void
eof(struct fake *f)
{
	end_by(f, 0);
}

void
cancel(uint64_t owner)
{
	wd->j[owner].cancelled = true;
	sched_cancel(wd->s, wd->j[owner].job);
}

/* The n-th that the worker was given, 0 if it was not given so many. */
uint64_t
nth(const struct fake *f, unsigned int n)
{
	return n < f->ngiven ? f->given[n] : 0;
}

void
expect_done(uint64_t owner, enum sched_how how)
{
	assert_int_equal(wd->j[owner].done, 1);
	assert_int_equal(wd->j[owner].last.how, how);
}
