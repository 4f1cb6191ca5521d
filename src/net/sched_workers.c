/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Workers: what they have, what they say, and how they end. */
#include "net/sched_int.h"
#include "net/spoilt.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

/* A second job that has not begun by then is given to another worker. */
#define SECOND_STEAL_US ((uint64_t)10000)
/* ...so it is sent only where scans of small objects take less than this. */
#define SECOND_IF_US ((uint64_t)3000)
/* Why a worker ended is known to its loader, and here a moment later. */
#define KNOWN_WITHIN_US ((uint64_t)100000)
#define OVERDUE_SLACK_US ((uint64_t)50000) /* the worker's own timer first */
#define KILL_AFTER_US ((uint64_t)1000000)
#define BEGIN_WITHIN_US ((uint64_t)5000000) /* of what it has been given */
#define STUCK_AFTER_US ((uint64_t)2000000)

bool
worker_is_idle(const struct worker *w)
{
	return w->sent[0].scan_id == 0;
}

static bool
usable(const struct worker *w)
{
	return !w->retiring && !w->deaf && w->late == LATE_NO &&
	       w->ended_us == 0;
}

/* Of the present generation; of an older one as long as there is no other. */
static bool
may_serve(const struct sched *s, const struct worker *w)
{
	if (!usable(w))
		return false;
	if (w->id.generation == s->generation)
		return true;
	return w->id.generation < s->generation && s->present == 0;
}

static void
set_idle(struct worker *w, bool idle)
{
	struct sched *s = w->sched;

	if (w->is_idle == idle)
		return;
	w->is_idle = idle;
	if (idle) {
		/* the last to work is the next: what it touched is warm */
		TAILQ_INSERT_HEAD(&s->idle, w, idle_link);
		s->nidle++;
		return;
	}
	TAILQ_REMOVE(&s->idle, w, idle_link);
	s->nidle--;
	if (s->nidle < s->idle_low)
		s->idle_low = s->nidle;
}

static void
set_open(struct worker *w, bool open)
{
	if (w->is_open == open)
		return;
	w->is_open = open;
	if (open)
		TAILQ_INSERT_TAIL(&w->sched->open, w, open_link);
	else
		TAILQ_REMOVE(&w->sched->open, w, open_link);
}

void
worker_close(struct worker *w)
{
	set_open(w, false);
}

void
workers_recount(struct sched *s)
{
	struct worker *w;

	s->present = s->serving = 0;
	TAILQ_FOREACH (w, &s->workers, link)
		if (w->id.generation == s->generation && usable(w))
			s->present++;
	TAILQ_FOREACH (w, &s->workers, link) {
		w->serving = may_serve(s, w);
		s->serving += w->serving;
		set_idle(w, w->serving && worker_is_idle(w));
		if (!w->serving)
			set_open(w, false);
	}
	METRIC_SET(workers, s->present);
}

/* ---- the scan that it is at ---- */

static void
set_bulk(struct worker *w, bool on)
{
	if (w->counted_bulk == on)
		return;
	w->counted_bulk = on;
	if (on)
		w->sched->bulk++;
	else
		w->sched->bulk--;
}

static void
set_yield(struct worker *w, bool on)
{
	if (w->yields == on)
		return;
	w->yields = on;
	w->sched->ops.yield(w->sched->ops.ctx, &w->id, on);
}

void
worker_yield(struct worker *w)
{
	set_yield(w, true);
}

static void
set_heavy(struct worker *w, bool on)
{
	struct sched *s = w->sched;
	struct client *c = w->sent[0].client;

	if (w->heavy == on)
		return;
	w->heavy = on;
	if (on) {
		TAILQ_INSERT_TAIL(&s->longest, w, long_link);
		s->nheavy++;
		c->heavy++;
	} else {
		TAILQ_REMOVE(&s->longest, w, long_link);
		s->nheavy--;
		c->heavy--;
	}
}

static void
set_unwanted(struct worker *w, bool on)
{
	struct client *c = w->sent[0].client;

	if (w->unwanted == on)
		return;
	w->unwanted = on;
	if (on)
		w->sched->nunwanted++;
	else
		w->sched->nunwanted--;
	if (w->sent[0].stolen)
		return; /* not the client's doing */
	if (on)
		c->unwanted++;
	else
		c->unwanted--;
}

void
worker_unwanted(struct worker *w)
{
	if (!worker_is_idle(w))
		set_unwanted(w, true);
}

void
worker_wanted(struct worker *w)
{
	set_unwanted(w, false);
	if (!w->heavy)
		set_yield(w, false);
}

void
worker_occupy(struct worker *w)
{
	struct sent *t = &w->sent[0];

	set_idle(w, false);
	w->sched->running++;
	t->first_us = clock_mono_us();
	t->client->held++;
	if (t->job != NULL &&
	    (t->job->lane == LANE_BULK || t->job->lane == LANE_LAST))
		set_bulk(w, true);
	set_unwanted(w, t->job == NULL || t->job->doubtful);
	/* its last scan before it is replaced: nothing comes after that */
	set_open(w, t->quick && w->serving &&
			w->sched->small_us < SECOND_IF_US &&
			w->sent[1].scan_id == 0 &&
			w->scans + 1 < w->sched->limits.worker_max_scans);
}

void
worker_vacate(struct worker *w)
{
	if (worker_is_idle(w))
		return;
	set_open(w, false);
	set_bulk(w, false);
	set_heavy(w, false);
	set_unwanted(w, false);
	w->sched->running--;
	w->sent[0].client->held--;
	if (w->sent[0].started)
		client_charge(
		    w->sent[0].client, clock_mono_us() - w->sent[0].started_us);
}

/* The first scan is over: the second, if any, is the first now. */
static void
shift(struct worker *w)
{
	worker_vacate(w);
	w->sent[0] = w->sent[1];
	memset(&w->sent[1], 0, sizeof(w->sent[1]));
	if (w->yields && usable(w))
		set_yield(w, false);
	if (!worker_is_idle(w))
		worker_occupy(w);
	else
		set_idle(w, w->serving);
}

void
worker_give_back(struct worker *w)
{
	struct job *j = w->sent[1].job;

	if (j == NULL || w->sent[1].started)
		return;
	w->sent[1].job = NULL;
	w->sent[1].stolen = true;
	job_enqueue(j, true);
}

/* ---- its timer ---- */

static uint64_t
overdue_at(const struct worker *w)
{
	return w->sent[0].started_us + w->sent[0].budget_us + OVERDUE_SLACK_US;
}

/* Ageing: with half of its time gone a long scan competes like any other. */
static uint64_t
aged_at(const struct worker *w)
{
	return w->sent[0].started_us + w->sent[0].budget_us / 2;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
arm(struct worker *w, uint64_t at_us)
{
	if (timer_arm(w->sched->tq, &w->timer, at_us) == -1)
		log_error("no-memory", "for=deadline");
}

void
worker_arm(struct worker *w)
{
	const struct sent *second = &w->sent[1];
	bool begun = w->sent[0].started;
	uint64_t at =
	    begun ? overdue_at(w) : w->sent[0].first_us + BEGIN_WITHIN_US;

	if (worker_is_idle(w)) {
		timer_disarm(w->sched->tq, &w->timer);
		return;
	}
	if (!begun && w->port.begun == NULL) {
		arm(w, at);
		return;
	}
	if (second->scan_id != 0 && second->job != NULL)
		at = earlier(at, second->sent_us + SECOND_STEAL_US);
	if (!begun)
		at = earlier(at, clock_mono_us() + HEAVY_US);
	else if (!w->heavy)
		at = earlier(at, w->sent[0].started_us + HEAVY_US);
	else if (w->yields)
		at = earlier(at, aged_at(w));
	arm(w, at);
}

static void
distrust(const struct worker *w)
{
	w->sched->ops.distrust(w->sched->ops.ctx, &w->id);
}

/* The deadline passed and the worker still lives (architecture 9.4). */
static void
late_step(struct worker *w)
{
	struct sched *s = w->sched;
	struct job *j = w->sent[0].job;

	switch (w->late) {
	case LATE_NO:
		w->late = LATE_TOLD;
		distrust(w);
		METRIC_INC(workers_killed_total);
		arm(w, overdue_at(w) + KILL_AFTER_US);
		workers_recount(s);
		if (j != NULL)
			job_done(j, SCHED_OVERDUE, NULL, &w->id, 0);
		sched_dispatch(s);
		return;
	case LATE_TOLD:
		w->late = LATE_KILL;
		s->ops.overdue(s->ops.ctx, &w->id);
		arm(w, clock_mono_us() + STUCK_AFTER_US);
		return;
	case LATE_KILL:
		w->late = LATE_STUCK;
		s->ops.stuck(s->ops.ctx, &w->id);
		return;
	case LATE_STUCK:
		return;
	}
}

static void
begin(struct worker *w, uint64_t at_us)
{
	struct sent *t = &w->sent[0];

	t->started = true;
	t->started_us = at_us;
	if (t->job == NULL)
		return;
	t->job->started_us = at_us;
	timer_disarm(w->sched->tq, &t->job->queue_timer);
}

void
worker_look(struct worker *w)
{
	const struct sent *t = &w->sent[0];
	uint64_t id, now, at = 0;

	if (worker_is_idle(w) || t->started || w->port.begun == NULL)
		return;
	id = w->port.begun(w->port.ctx, &at);
	if (id != t->scan_id) {
		/* at the next one already: its answer is under way */
		if (id == 0 || id != w->sent[1].scan_id)
			return;
		at = t->first_us;
	}
	now = clock_mono_us();
	begin(w, at < t->sent_us ? t->sent_us : earlier(at, now));
}

/* It was given a scan and does not begin: stopped, or lost in a loop. */
static void
never_began(struct worker *w)
{
	log_warn("worker-stopped", "slot=%u incarnation=%llu", w->id.slot,
	    (unsigned long long)w->id.incarnation);
	METRIC_INC(workers_killed_total);
	distrust(w);
	worker_kill(w, SCHED_LOST);
}

static void worker_ended(struct worker *w);

static void
worker_timer_fired(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, timer);
	uint64_t now = clock_mono_us();

	if (w->ended_us != 0) {
		worker_ended(w);
		return;
	}
	worker_look(w);
	if (!w->sent[0].started &&
	    now >= w->sent[0].first_us + BEGIN_WITHIN_US) {
		never_began(w);
		return;
	}
	if (now >= w->sent[1].sent_us + SECOND_STEAL_US)
		worker_give_back(w);
	if (!w->sent[0].started) {
		worker_arm(w);
		sched_dispatch(w->sched);
		return;
	}
	if (w->late != LATE_NO || now >= overdue_at(w)) {
		worker_give_back(w);
		late_step(w);
		return;
	}
	if (!w->heavy && now >= w->sent[0].started_us + HEAVY_US) {
		set_heavy(w, true);
		set_bulk(w, true);
		if (now < aged_at(w))
			set_yield(w, true);
	} else if (w->heavy && now >= aged_at(w)) {
		set_yield(w, false);
	}
	worker_arm(w);
	sched_dispatch(w->sched);
}

/* ---- its end ---- */

void
worker_remove(struct worker *w)
{
	struct sched *s = w->sched;

	worker_vacate(w);
	set_idle(w, false);
	timer_disarm(s->tq, &w->timer);
	TAILQ_REMOVE(&s->workers, w, link);
	TAILQ_REMOVE(
	    &s->by_incarnation[w->id.incarnation % SCHED_BUCKETS], w, bucket);
	w->port.close(w->port.ctx);
	free(w);
	workers_recount(s);
}

/* Its unstarted scans go on; the started one, if any, is returned. */
static struct job *
take_jobs(struct worker *w)
{
	struct job *blamed = NULL, *j;

	for (int i = SCHED_SLOTS - 1; i >= 0; i--) {
		struct sent *t = &w->sent[i];

		if (t->scan_id == 0 || (j = t->job) == NULL)
			continue;
		t->job = NULL;
		j->worker = NULL;
		if (t->started)
			blamed = j;
		else
			job_enqueue(j, true);
	}
	return blamed;
}

/*
 * It ends itself at its deadline (SIGALRM, SIGXCPU). Where that is not known
 * the time tells: its deadline was counted from a moment before it was heard
 * here that it had started.
 */
static bool
ended_by_deadline(const struct worker *w)
{
	const struct sent *t = &w->sent[0];
	uint64_t at = w->ended_us != 0 ? w->ended_us : clock_mono_us();

	if (w->lost_known && w->signal != 0)
		return w->signal == SIGALRM || w->signal == SIGXCPU;
	return at + 1000 + t->budget_us / 16 >= t->started_us + t->budget_us;
}

/* The end of what it was given: the started scan is blamed, others go on. */
static void
worker_over(struct worker *w, enum sched_how how)
{
	struct sched *s = w->sched;
	const struct msg_worker id = w->id;
	int32_t signal = w->signal;
	bool was_its_deadline;
	struct job *blamed;
	struct sent t;

	worker_look(w);
	t = w->sent[0];
	was_its_deadline = ended_by_deadline(w);
	blamed = take_jobs(w);

	if (how == SCHED_LOST && t.started && was_its_deadline)
		how = SCHED_OVERDUE;
	worker_remove(w);
	if (id.generation == s->generation)
		pool_replacing(s, t.started ? t.client : NULL);
	if (blamed != NULL)
		job_done(blamed, how, NULL, &id, signal);
	sched_dispatch(s);
}

/* By itself, or by somebody else's hand. */
static void
worker_ended(struct worker *w)
{
	distrust(w);
	worker_over(w, SCHED_LOST);
}

void
worker_kill(struct worker *w, enum sched_how how)
{
	struct sched *s = w->sched;

	s->ops.overdue(s->ops.ctx, &w->id);
	worker_over(w, how);
}

struct worker *
worker_find(struct sched *s, uint64_t incarnation)
{
	struct worker *w;

	TAILQ_FOREACH (
	    w, &s->by_incarnation[incarnation % SCHED_BUCKETS], bucket)
		if (w->id.incarnation == incarnation)
			return w;
	return NULL;
}

/* ---- what workers say ---- */

void
sched_violation(struct sched *s, uint64_t incarnation, const char *why)
{
	struct worker *w = worker_find(s, incarnation);

	if (w == NULL)
		return;
	log_error("worker-violation", "slot=%u incarnation=%llu why=\"%s\"",
	    w->id.slot, (unsigned long long)incarnation, why);
	METRIC_INC(ipc_violations_total);
	distrust(w);
	worker_kill(w, SCHED_VIOLATION);
}

void
sched_started(struct sched *s, uint64_t incarnation, uint64_t scan_id)
{
	struct worker *w = worker_find(s, incarnation);
	const struct sent *t;

	if (w == NULL)
		return;
	t = &w->sent[0];
	if (t->scan_id != scan_id || scan_id == 0 || t->started) {
		sched_violation(
		    s, incarnation, "started what it was not given");
		return;
	}
	begin(w, clock_mono_us());
	worker_arm(w);
}

/* It has scanned enough. Without a loader nobody would take its place. */
static bool
is_worn(const struct worker *w)
{
	const struct sched *s = w->sched;

	return w->scans >= s->limits.worker_max_scans &&
	       s->ops.has_loader(s->ops.ctx, s->generation);
}

void
worker_retire_if_idle(struct worker *w)
{
	struct sched *s = w->sched;

	if (!w->retiring || !worker_is_idle(w))
		return;
	METRIC_INC(workers_recycled_total);
	s->ops.retire(s->ops.ctx, &w->id);
	worker_remove(w);
}

void
sched_result(struct sched *s, uint64_t incarnation, uint64_t scan_id,
    const struct scan_answer *answer)
{
	struct worker *w = worker_find(s, incarnation);
	struct msg_worker id;
	struct sent was;
	bool spoilt;

	if (w == NULL)
		return;
	worker_look(w);
	was = w->sent[0];
	if (was.scan_id != scan_id || !was.started) {
		sched_violation(
		    s, incarnation, "answered what it did not start");
		return;
	}
	id = w->id;
	w->scans++;
	if (was.quick)
		s->small_us =
		    (s->small_us * 7 + clock_mono_us() - was.started_us) / 8;
	METRIC_ADD(scan_usec_total, answer->wall_us);
	METRIC_ADD(scan_cpu_usec_total, answer->cpu_us);
	if (was.job != NULL)
		was.job->worker = NULL;
	spoilt = answer_spoils(answer, was.prefix);
	if (spoilt || w->late != LATE_NO || is_worn(w)) {
		w->retiring = true;
		worker_give_back(w); /* for another one */
		if (id.generation == s->generation)
			pool_replacing(s, spoilt ? was.client : NULL);
		workers_recount(s);
	}
	shift(w);
	worker_arm(w);
	worker_retire_if_idle(w);
	if (was.job != NULL)
		job_done(was.job, SCHED_ANSWER, answer, &id, 0);
	sched_dispatch(s);
}

void
sched_worker_lost(struct sched *s, const struct msg_lost *l)
{
	struct worker *w = worker_find(s, l->worker.incarnation);

	if (l->signal != 0)
		log_warn("worker-lost", "slot=%u signal=%d overdue=%u",
		    l->worker.slot, l->signal, l->overdue);
	if (w == NULL)
		return;
	w->signal = l->signal;
	w->lost_known = true;
	/* what it said before its end is read first: EOF follows */
	if (w->ended_us != 0)
		worker_ended(w);
}

void
sched_worker_eof(struct sched *s, uint64_t incarnation)
{
	struct worker *w = worker_find(s, incarnation);

	if (w == NULL || w->ended_us != 0)
		return;
	METRIC_INC(workers_lost_total);
	worker_look(w);
	w->ended_us = clock_mono_us();
	if (w->lost_known || w->sent[0].job == NULL || !w->sent[0].started ||
	    !s->ops.has_loader(s->ops.ctx, w->id.generation)) {
		worker_ended(w);
		return;
	}
	/* whose fault it was: the loader will know in a moment */
	workers_recount(s);
	worker_give_back(w);
	arm(w, w->ended_us + KNOWN_WITHIN_US);
	sched_dispatch(s);
}

void
sched_worker_writable(struct sched *s, uint64_t incarnation)
{
	struct worker *w = worker_find(s, incarnation);

	if (w != NULL && w->deaf) {
		w->deaf = false;
		workers_recount(s);
	}
	sched_dispatch(s);
}

/* ---- generations, coming and going ---- */

static void
retire_old(struct sched *s)
{
	struct worker *w, *next;

	/* in service until the new ones are there */
	if (s->present == 0)
		return;
	TAILQ_FOREACH_SAFE(w, &s->workers, link, next)
	{
		if (w->id.generation >= s->generation)
			continue;
		w->retiring = true;
		worker_retire_if_idle(w);
	}
	workers_recount(s);
}

void
sched_unload(struct sched *s)
{
	struct worker *w, *next;

	s->unloaded = true;
	TAILQ_FOREACH_SAFE(w, &s->workers, link, next)
	{
		w->retiring = true;
		worker_give_back(w); /* it waits for the next generation */
		worker_retire_if_idle(w);
	}
	workers_recount(s);
}

void
sched_loader_gone(struct sched *s, uint32_t generation)
{
	struct worker *w, *next;

	if (generation <= s->generation)
		return; /* they go on without it */
	TAILQ_FOREACH_SAFE(w, &s->workers, link, next)
	if (w->id.generation == generation)
		worker_remove(w);
}

void
sched_generation(struct sched *s, uint32_t generation)
{
	s->generation = generation;
	s->unloaded = false;
	workers_recount(s);
	retire_old(s);
	sched_dispatch(s);
}

int
sched_worker_add(
    struct sched *s, const struct msg_worker *id, const struct sched_port *port)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	w->sched = s;
	w->id = *id;
	w->port = *port;
	timer_init(&w->timer, worker_timer_fired);
	TAILQ_INSERT_TAIL(&s->workers, w, link);
	TAILQ_INSERT_HEAD(
	    &s->by_incarnation[id->incarnation % SCHED_BUCKETS], w, bucket);
	if (id->generation == s->generation)
		pool_replaced(s);
	workers_recount(s);
	retire_old(s);
	/* the loader had replaced one before it heard that it has to go */
	if (s->unloaded && id->generation <= s->generation) {
		w->retiring = true;
		worker_retire_if_idle(w);
	}
	sched_dispatch(s);
	return 0;
}

void
workers_end(struct sched *s)
{
	while (!TAILQ_EMPTY(&s->workers))
		worker_remove(TAILQ_FIRST(&s->workers));
}
