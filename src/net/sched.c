/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Jobs: their life, and which of them goes to which worker next. */
#include "net/sched_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define SMALL_MAX ((uint64_t)1 << 20)   /* larger bodies are bulk */
#define BULK_AGE_US ((uint64_t)2000000) /* then bulk goes before small */
/* A second job is sent only behind one that has not run for longer. */
#define SECOND_BEHIND_US ((uint64_t)3000)
/* A retry waits so long for a fresh worker, then takes any. */
#define FRESH_FOR_US ((uint64_t)1000000)
#define PICK_FROM 32 /* clients that are looked at for one job */

/* ---- the queue ---- */

void
sched_gauge(const struct sched *s)
{
	METRIC_SET(scan_queue_depth, s->queued);
	METRIC_SET(scans_running, s->running);
}

void
job_enqueue(struct job *j, bool front)
{
	struct sched *s = j->sched;
	struct lane_queue *q = &s->lanes[j->lane];
	struct turn *t = &j->client->turns[j->lane];
	bool first = TAILQ_EMPTY(&t->jobs);

	j->worker = NULL;
	j->queued = true;
	s->queued++;
	if (front) {
		TAILQ_INSERT_HEAD(&t->jobs, j, link);
		TAILQ_INSERT_HEAD(&q->all, j, lane_link);
	} else {
		TAILQ_INSERT_TAIL(&t->jobs, j, link);
		TAILQ_INSERT_TAIL(&q->all, j, lane_link);
	}
	if (!first && front)
		TAILQ_REMOVE(&q->ring, t, ring);
	if (front)
		TAILQ_INSERT_HEAD(&q->ring, t, ring);
	else if (first)
		TAILQ_INSERT_TAIL(&q->ring, t, ring);
}

static void
dequeue(struct job *j)
{
	struct sched *s = j->sched;
	struct lane_queue *q = &s->lanes[j->lane];
	struct turn *t = &j->client->turns[j->lane];

	TAILQ_REMOVE(&t->jobs, j, link);
	TAILQ_REMOVE(&q->all, j, lane_link);
	j->queued = false;
	s->queued--;
	if (TAILQ_EMPTY(&t->jobs))
		TAILQ_REMOVE(&q->ring, t, ring);
}

/* The client has had its turn. */
static void
turn_over(struct sched *s, struct turn *t, enum lane lane)
{
	if (TAILQ_EMPTY(&t->jobs))
		return;
	TAILQ_REMOVE(&s->lanes[lane].ring, t, ring);
	TAILQ_INSERT_TAIL(&s->lanes[lane].ring, t, ring);
}

struct job *
lane_pick(struct sched *s, enum lane lane, bool below_half)
{
	struct turn *t, *in_debt = NULL;
	unsigned int n = 0;

	/* few can be over their share, so that one of the first will do */
	TAILQ_FOREACH (t, &s->lanes[lane].ring, ring) {
		if (!client_may(s, t->client, below_half))
			continue;
		if (s->nidle == 1 && s->serving > 1 &&
		    client_gives_way(s, t->client)) {
			s->left_last = true;
			continue;
		}
		if (!client_in_debt(t->client))
			return TAILQ_FIRST(&t->jobs);
		if (in_debt == NULL)
			in_debt = t;
		if (++n == PICK_FROM)
			break;
	}
	return in_debt != NULL ? TAILQ_FIRST(&in_debt->jobs) : NULL;
}

/* ---- jobs ---- */

static struct job *
job_find(struct sched *s, uint64_t id)
{
	struct job *j;

	TAILQ_FOREACH (j, &s->by_id[id % SCHED_BUCKETS], id_link)
		if (j->id == id)
			return j;
	return NULL;
}

static void
leave_worker(struct job *j)
{
	for (int i = 0; i < SCHED_SLOTS; i++)
		if (j->worker->sent[i].job == j)
			j->worker->sent[i].job = NULL;
	if (j->worker->sent[0].job == NULL)
		worker_unwanted(j->worker);
}

/* Nobody's any more: what was sent of it is answered into the void. */
static void
job_free(struct job *j)
{
	struct sched *s = j->sched;

	timer_disarm(s->tq, &j->queue_timer);
	if (j->queued)
		dequeue(j);
	else if (j->worker != NULL)
		leave_worker(j);
	TAILQ_REMOVE(&s->by_id[j->id % SCHED_BUCKETS], j, id_link);
	j->client->jobs--;
	free(j);
}

void
job_done(struct job *j, enum sched_how how, const struct scan_answer *answer,
    const struct msg_worker *w, int32_t signal)
{
	struct sched *s = j->sched;
	uint64_t now = clock_mono_us();
	uint64_t begun = j->started_us != 0 ? j->started_us : now;
	uint64_t id = j->id, owner = j->spec.owner;
	struct sched_done d = { .how = how,
		.answer = answer,
		.queue_us = begun - j->submitted_us,
		.scan_us = now - begun,
		.generation = w->generation,
		.incarnation = w->incarnation,
		.signal = signal };

	METRIC_ADD(queue_usec_total, d.queue_us);
	job_free(j);
	s->ops.done(s->ops.ctx, id, owner, &d);
}

static bool
has_begun(struct job *j)
{
	if (j->started_us == 0 && j->worker != NULL &&
	    j->worker->sent[0].job == j)
		worker_look(j->worker);
	return j->started_us != 0;
}

static void
queue_timer_fired(struct timer *t)
{
	struct job *j = CONTAINER_OF(t, struct job, queue_timer);
	struct sched *s = j->sched;
	const struct msg_worker none = { .generation = s->generation };

	if (has_begun(j))
		return;
	job_done(j, SCHED_QUEUED, NULL, &none, 0);
	sched_gauge(s);
}

void
job_again(struct job *j, enum lane lane)
{
	struct sched *s = j->sched;
	uint64_t now = clock_mono_us();

	/* the time under scan was no waiting */
	j->spec.queue_deadline_us += now - j->started_us;
	j->started_us = 0;
	j->preempted = true;
	j->lane = lane;
	if (timer_arm(s->tq, &j->queue_timer, j->spec.queue_deadline_us) == -1)
		log_error("no-memory", "for=deadline");
	job_enqueue(j, false);
}

static enum lane
lane_of(const struct sched_job *spec)
{
	if (spec->prefix)
		return LANE_PREFIX;
	if (spec->fresh)
		return LANE_FRESH;
	return spec->rq.size > SMALL_MAX ? LANE_BULK : LANE_SMALL;
}

static struct job *
job_new(struct sched *s, const struct sched_job *spec)
{
	struct client *c = client_of(s, spec->client);
	struct job *j = calloc(1, sizeof(*j));

	if (c == NULL || j == NULL) {
		free(j);
		return NULL;
	}
	j->sched = s;
	j->client = c;
	j->spec = *spec;
	j->spec.client = SLICE_NONE; /* it need not live so long */
	j->lane = lane_of(spec);
	j->submitted_us = clock_mono_us();
	timer_init(&j->queue_timer, queue_timer_fired);
	if (timer_arm(s->tq, &j->queue_timer, spec->queue_deadline_us) == -1) {
		free(j);
		return NULL;
	}
	j->id = ++s->last_id;
	c->jobs++;
	TAILQ_INSERT_HEAD(&s->by_id[j->id % SCHED_BUCKETS], j, id_link);
	return j;
}

uint64_t
sched_submit(struct sched *s, const struct sched_job *spec)
{
	struct job *j = job_new(s, spec);

	if (j == NULL)
		return 0;
	job_enqueue(j, false);
	if (spec->rq.kind == SCAN_PREFIX)
		METRIC_INC(prefix_scans_total);
	else
		METRIC_INC(scans_total);
	sched_dispatch(s); /* never calls done(): j lives */
	return j->id;
}

void
sched_cancel(struct sched *s, uint64_t id)
{
	struct job *j = job_find(s, id);

	if (j != NULL)
		job_free(j);
	sched_dispatch(s); /* its worker may be what others wait for */
}

void
sched_doubt(struct sched *s, uint64_t id)
{
	struct job *j = job_find(s, id);

	if (j == NULL || j->doubtful || j->lane == LANE_PREFIX)
		return;
	j->doubtful = true;
	if (j->queued) {
		dequeue(j);
		j->lane = LANE_LAST;
		job_enqueue(j, false);
	} else if (j->worker != NULL && j->worker->sent[0].job == j) {
		worker_unwanted(j->worker);
	}
	sched_dispatch(s);
}

/* To another lane, or another client's turn. */
static void
move_queued(struct job *j, enum lane lane, struct client *c)
{
	dequeue(j);
	j->client->jobs--;
	j->client = c;
	c->jobs++;
	j->lane = lane;
	job_enqueue(j, false);
}

/* Whether the job comes sooner among the jobs of c. */
static bool
is_better_off(const struct job *j, struct client *c)
{
	if (client_in_debt(j->client) != client_in_debt(c))
		return client_in_debt(j->client);
	return c->jobs + 1 < j->client->jobs;
}

void
sched_join(struct sched *s, uint64_t id, struct slice name)
{
	struct job *j = job_find(s, id);
	struct client *c = client_of(s, name);
	bool was_doubtful;

	if (j == NULL || c == NULL)
		return;
	was_doubtful = j->doubtful;
	j->doubtful = false;
	if (!j->queued) {
		if (j->worker != NULL && j->worker->sent[0].job == j &&
		    !client_gives_way(s, c))
			worker_wanted(j->worker);
	} else if (was_doubtful || is_better_off(j, c)) {
		move_queued(j, was_doubtful ? lane_of(&j->spec) : j->lane,
		    is_better_off(j, c) ? c : j->client);
	}
	sched_dispatch(s);
}

void
sched_hand_over(struct sched *s, uint64_t id, const struct sched_heir *heir)
{
	struct job *j = job_find(s, id);

	if (j == NULL)
		return;
	j->spec.owner = heir->owner;
	j->spec.body = heir->body;
	j->spec.fd = heir->fd;
	j->spec.queue_deadline_us = heir->queue_deadline_us;
	if (!has_begun(j) &&
	    timer_arm(s->tq, &j->queue_timer, heir->queue_deadline_us) == -1)
		log_error("no-memory", "for=deadline");
}

/* ---- which job, which worker ---- */

/* What scans that last may not take from small objects. */
static unsigned int
reserve(const struct sched *s)
{
	return s->serving < 2 ? 0 : s->serving < 8 ? 1 : s->serving / 4;
}

static struct worker *
fresh_worker(const struct sched *s, const struct job *j)
{
	struct worker *w;

	TAILQ_FOREACH (w, &s->idle, idle_link)
		if (w->scans == 0)
			return w;
	return clock_mono_us() - j->submitted_us < FRESH_FOR_US
		   ? NULL
		   : TAILQ_FIRST(&s->idle);
}

/* Behind a small scan that has just begun: hides the hand-over's latency. */
static struct worker *
second_place(struct sched *s, const struct job *j)
{
	uint64_t now = clock_mono_us();
	struct worker *w;

	if (j->lane != LANE_SMALL || j->spec.fd != -1)
		return NULL;
	while ((w = TAILQ_FIRST(&s->open)) != NULL) {
		if (now - w->sent[0].sent_us < SECOND_BEHIND_US)
			return w;
		worker_close(w);
	}
	return NULL;
}

static struct worker *
worker_for(struct sched *s, const struct job *j)
{
	struct worker *w = TAILQ_FIRST(&s->idle);

	switch (j->lane) {
	case LANE_FRESH:
		return fresh_worker(s, j);
	case LANE_BULK:
		return s->bulk + reserve(s) < s->serving ? w : NULL;
	case LANE_LAST:
		return s->nidle > reserve(s) &&
			       s->bulk + reserve(s) < s->serving
			   ? w
			   : NULL;
	case LANE_SMALL:
	case LANE_PREFIX:
		break;
	case NLANES:
		break;
	}
	return w != NULL ? w : second_place(s, j);
}

/* False: the worker does not take it now. */
static bool
send_job(struct worker *w, struct job *j)
{
	struct sent *t = &w->sent[worker_is_idle(w) ? 0 : 1];
	struct sched *s = w->sched;
	uint64_t now = clock_mono_us();
	bool dead = false;

	j->spec.rq.scan_id = ++s->last_scan_id;
	if (!w->port.send(
		w->port.ctx, &j->spec.rq, j->spec.body, j->spec.fd, &dead)) {
		w->deaf = true; /* until it is writable, or ends */
		workers_recount(s);
		return false;
	}
	dequeue(j);
	turn_over(s, &j->client->turns[j->lane], j->lane);
	s->lanes[j->lane].last_sent_us = now;
	j->worker = w;
	*t = (struct sent){ .scan_id = j->spec.rq.scan_id,
		.job = j,
		.client = j->client,
		.prefix = j->spec.rq.kind == SCAN_PREFIX,
		.quick = j->lane == LANE_SMALL,
		.sent_us = now,
		.budget_us = j->spec.rq.budget_us };
	if (t == &w->sent[0]) {
		worker_occupy(w);
		if (client_gives_way(s, j->client))
			worker_yield(w);
	} else {
		worker_close(w);
	}
	worker_arm(w);
	return true;
}

/* Sends the next job of the lane. False: none, or no worker for it now. */
static bool
dispatch_lane(struct sched *s, enum lane lane, bool below_half)
{
	struct worker *w;
	struct job *j;

	if (TAILQ_EMPTY(&s->lanes[lane].ring))
		return false;
	if (s->nidle == 0 && (lane != LANE_SMALL || TAILQ_EMPTY(&s->open)))
		return false;
	if ((j = lane_pick(s, lane, below_half)) == NULL)
		return false;
	while ((w = worker_for(s, j)) != NULL)
		if (send_job(w, j))
			return true;
	return false;
}

static bool
bulk_is_old(const struct sched *s)
{
	const struct job *j = TAILQ_FIRST(&s->lanes[LANE_BULK].all);

	return j != NULL && clock_mono_us() - j->submitted_us > BULK_AGE_US;
}

static void
dispatch_whole(struct sched *s, bool below_half)
{
	while (dispatch_lane(s, LANE_FRESH, below_half))
		;
	while (bulk_is_old(s) && dispatch_lane(s, LANE_BULK, below_half))
		;
	while (dispatch_lane(s, LANE_SMALL, below_half))
		;
	while (dispatch_lane(s, LANE_BULK, below_half))
		;
}

void
sched_dispatch(struct sched *s)
{
	pool_forget_old(s);
	s->left_last = false;
	if (s->queued > 0) {
		dispatch_whole(s, true);
		dispatch_whole(s, false);
		while (dispatch_lane(s, LANE_LAST, false))
			;
		while (dispatch_lane(s, LANE_PREFIX, true))
			;
		while (dispatch_lane(s, LANE_PREFIX, false))
			;
	}
	pool_check(s);
	sched_gauge(s);
}

/* ---- life ---- */

struct sched *
sched_new(struct timerq *tq, const struct sched_ops *ops)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->tq = tq;
	s->ops = *ops;
	for (int i = 0; i < NLANES; i++) {
		TAILQ_INIT(&s->lanes[i].ring);
		TAILQ_INIT(&s->lanes[i].all);
	}
	for (int i = 0; i < SCHED_BUCKETS; i++) {
		TAILQ_INIT(&s->by_id[i]);
		TAILQ_INIT(&s->by_incarnation[i]);
	}
	TAILQ_INIT(&s->workers);
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->open);
	TAILQ_INIT(&s->longest);
	clients_init(s);
	pool_init(s);
	sched_limits(s,
	    &(struct sched_limits){ .worker_max_scans = 1000, .workers = 1 });
	return s;
}

void
sched_free(struct sched **sp)
{
	struct sched *s = *sp;
	struct job *j;

	if (s == NULL)
		return;
	*sp = NULL;
	for (int i = 0; i < SCHED_BUCKETS; i++)
		while ((j = TAILQ_FIRST(&s->by_id[i])) != NULL)
			job_free(j);
	workers_end(s);
	pool_free(s);
	clients_free(s);
	free(s);
}

void
sched_limits(struct sched *s, const struct sched_limits *l)
{
	s->limits = *l;
	if (s->limits.workers < 1)
		s->limits.workers = 1;
	if (s->limits.workers_max < s->limits.workers)
		s->limits.workers_max = s->limits.workers;
	if (s->wanted < s->limits.workers)
		s->wanted = s->limits.workers;
	METRIC_SET(workers_wanted, s->wanted);
}

unsigned int
sched_workers(const struct sched *s)
{
	return s->present;
}

unsigned int
sched_wanted(const struct sched *s)
{
	return s->wanted;
}

unsigned int
sched_queued(const struct sched *s)
{
	return s->queued;
}

unsigned int
sched_running(const struct sched *s)
{
	return s->running;
}

bool
sched_has_idle(const struct sched *s)
{
	return s->nidle > 0;
}
