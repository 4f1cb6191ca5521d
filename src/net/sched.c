/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/sched.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"

#define SMALL_MAX ((uint64_t)1 << 20)   /* larger bodies are bulk */
#define BULK_AGE_US ((uint64_t)2000000) /* then bulk goes before small */
/* A second job is sent only behind one that has not run for longer... */
#define SECOND_BEHIND_US ((uint64_t)3000)
/* ...and is given to another worker when it has not begun by then. */
#define SECOND_STEAL_US ((uint64_t)10000)
#define OVERDUE_SLACK_US ((uint64_t)50000) /* the worker's own timer first */
#define KILL_AFTER_US ((uint64_t)1000000)
#define BEGIN_WITHIN_US ((uint64_t)5000000) /* of what it has been given */
#define STUCK_AFTER_US ((uint64_t)2000000)
#define JOB_BUCKETS 1024
#define SLOTS 2

enum lane { LANE_SMALL, LANE_BULK, LANE_PREFIX, NLANES };

struct job {
	TAILQ_ENTRY(job) link, id_link;
	struct sched *sched;
	struct sched_job spec;
	uint64_t id; /* the owner's handle */
	enum lane lane;
	struct timer queue_timer;
	uint64_t submitted_us, started_us;
	struct worker *worker; /* that has it, or NULL */
	bool queued;           /* in its lane's queue */
};
TAILQ_HEAD(job_list, job);

/* A scan that a worker was given, in its order of work. */
struct sent {
	uint64_t scan_id; /* 0: empty */
	struct job *job;  /* NULL: nobody waits for it any more */
	bool started;
	bool quick; /* a small whole object: another may wait behind it */
	uint64_t sent_us, started_us, budget_us;
};
enum late { LATE_NO, LATE_TOLD, LATE_KILL, LATE_STUCK };

struct worker {
	TAILQ_ENTRY(worker) link;
	struct sched *sched;
	struct msg_worker id;
	struct sched_port port;
	struct sent sent[SLOTS];
	struct timer timer; /* of the running scan, or of stealing */
	enum late late;
	uint64_t scans;
	bool retiring, deaf; /* deaf: its channel is broken, EOF follows */
	int32_t signal;      /* from WORKER_LOST, when it came before EOF */
};
TAILQ_HEAD(worker_list, worker);

struct sched {
	struct timerq *tq;
	struct sched_ops ops;
	struct job_list lanes[NLANES];
	struct job_list by_id[JOB_BUCKETS];
	struct worker_list workers;
	uint32_t generation;
	uint64_t last_id, last_scan_id, worker_max_scans;
	unsigned int queued, running;
};

static void dispatch(struct sched *s);

/* ---- jobs ---- */

static void
gauge(const struct sched *s)
{
	METRIC_SET(scan_queue_depth, s->queued);
	METRIC_SET(scans_running, s->running);
}

static void
enqueue(struct sched *s, struct job *j, bool front)
{
	j->worker = NULL;
	j->queued = true;
	if (front)
		TAILQ_INSERT_HEAD(&s->lanes[j->lane], j, link);
	else
		TAILQ_INSERT_TAIL(&s->lanes[j->lane], j, link);
	s->queued++;
}

static void
dequeue(struct sched *s, struct job *j)
{
	TAILQ_REMOVE(&s->lanes[j->lane], j, link);
	j->queued = false;
	s->queued--;
}

static struct job *
job_find(struct sched *s, uint64_t id)
{
	struct job *j;

	TAILQ_FOREACH (j, &s->by_id[id % JOB_BUCKETS], id_link)
		if (j->id == id)
			return j;
	return NULL;
}

/* Nobody's any more: what was sent of it is answered into the void. */
static void
job_free(struct job *j)
{
	struct sched *s = j->sched;

	timer_disarm(s->tq, &j->queue_timer);
	if (j->queued)
		dequeue(s, j);
	else if (j->worker != NULL)
		for (int i = 0; i < SLOTS; i++)
			if (j->worker->sent[i].job == j)
				j->worker->sent[i].job = NULL;
	TAILQ_REMOVE(&s->by_id[j->id % JOB_BUCKETS], j, id_link);
	free(j);
}

/* The one way to the owner. */
static void
job_done(struct job *j, enum sched_how how, const struct scan_answer *answer,
    uint32_t generation, int32_t signal)
{
	struct sched *s = j->sched;
	uint64_t now = clock_mono_us();
	uint64_t begun = j->started_us != 0 ? j->started_us : now;
	uint64_t id = j->id, owner = j->spec.owner;
	struct sched_done d = { .how = how,
		.answer = answer,
		.queue_us = begun - j->submitted_us,
		.scan_us = now - begun,
		.generation = generation,
		.signal = signal };

	METRIC_ADD(queue_usec_total, d.queue_us);
	job_free(j);
	s->ops.done(s->ops.ctx, id, owner, &d);
}

static void
queue_timer_fired(struct timer *t)
{
	struct job *j = CONTAINER_OF(t, struct job, queue_timer);
	struct sched *s = j->sched;

	job_done(j, SCHED_QUEUED, NULL, s->generation, 0);
	gauge(s);
}

static enum lane
lane_of(const struct sched_job *spec)
{
	if (spec->prefix)
		return LANE_PREFIX;
	return spec->rq.size > SMALL_MAX ? LANE_BULK : LANE_SMALL;
}

uint64_t
sched_submit(struct sched *s, const struct sched_job *spec)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return 0;
	j->sched = s;
	j->spec = *spec;
	j->id = ++s->last_id;
	j->lane = lane_of(spec);
	j->submitted_us = clock_mono_us();
	timer_init(&j->queue_timer, queue_timer_fired);
	if (timer_arm(s->tq, &j->queue_timer, spec->queue_deadline_us) == -1) {
		free(j);
		return 0;
	}
	TAILQ_INSERT_HEAD(&s->by_id[j->id % JOB_BUCKETS], j, id_link);
	enqueue(s, j, false);
	if (spec->rq.kind == SCAN_PREFIX)
		METRIC_INC(prefix_scans_total);
	else
		METRIC_INC(scans_total);
	dispatch(s); /* never calls done(): j lives */
	return j->id;
}

void
sched_cancel(struct sched *s, uint64_t id)
{
	struct job *j = job_find(s, id);

	if (j != NULL)
		job_free(j);
	gauge(s);
}

/* ---- workers ---- */

static bool
idle(const struct worker *w)
{
	return w->sent[0].scan_id == 0;
}

static bool
usable(const struct worker *w)
{
	return !w->retiring && !w->deaf && w->late == LATE_NO;
}

static unsigned int
count_generation(const struct sched *s, uint32_t generation)
{
	const struct worker *w;
	unsigned int n = 0;

	TAILQ_FOREACH (w, &s->workers, link)
		if (w->id.generation == generation && usable(w))
			n++;
	return n;
}

/* Of the present generation; of an older one as long as there is no other. */
static bool
in_service(const struct sched *s, const struct worker *w)
{
	if (!usable(w))
		return false;
	if (w->id.generation == s->generation)
		return true;
	return w->id.generation < s->generation &&
	       count_generation(s, s->generation) == 0;
}

static void
worker_remove(struct worker *w)
{
	struct sched *s = w->sched;

	timer_disarm(s->tq, &w->timer);
	TAILQ_REMOVE(&s->workers, w, link);
	w->port.close(w->port.ctx);
	free(w);
	METRIC_SET(workers, sched_workers(s));
}

/* The end of what it was given: the started scan is blamed, others go on. */
static void
worker_over(struct worker *w, enum sched_how how)
{
	struct sched *s = w->sched;
	uint32_t generation = w->id.generation;
	int32_t signal = w->signal;
	struct job *blamed = NULL, *j;
	uint64_t now = clock_mono_us();

	for (int i = SLOTS - 1; i >= 0; i--) {
		struct sent *t = &w->sent[i];

		if (t->started)
			s->running--;
		if (t->scan_id == 0 || (j = t->job) == NULL)
			continue;
		t->job = NULL;
		j->worker = NULL;
		if (!t->started) {
			enqueue(s, j, true);
			continue;
		}
		blamed = j;
		if (how == SCHED_LOST &&
		    now + 1000 >= t->started_us + t->budget_us)
			how = SCHED_OVERDUE;
	}
	worker_remove(w);
	if (blamed != NULL)
		job_done(blamed, how, NULL, generation, signal);
	dispatch(s);
}

static struct worker *
worker_find(struct sched *s, uint64_t incarnation)
{
	struct worker *w;

	TAILQ_FOREACH (w, &s->workers, link)
		if (w->id.incarnation == incarnation)
			return w;
	return NULL;
}

static void
arm_worker(struct worker *w, uint64_t at_us)
{
	if (timer_arm(w->sched->tq, &w->timer, at_us) == -1)
		log_error("no-memory", "for=deadline");
}

/* A second job that has not begun goes back to the queue. */
static void
steal_second(struct worker *w)
{
	struct job *j = w->sent[1].job;

	if (j == NULL || w->sent[1].started)
		return;
	w->sent[1].job = NULL;
	enqueue(w->sched, j, true);
}

static uint64_t
overdue_at(const struct worker *w)
{
	return w->sent[0].started_us + w->sent[0].budget_us + OVERDUE_SLACK_US;
}

static void
arm_for_running(struct worker *w)
{
	const struct sent *second = &w->sent[1];

	if (idle(w))
		timer_disarm(w->sched->tq, &w->timer);
	else if (!w->sent[0].started)
		arm_worker(w, clock_mono_us() + BEGIN_WITHIN_US);
	else if (second->scan_id != 0 && second->job != NULL)
		arm_worker(w, second->sent_us + SECOND_STEAL_US);
	else
		arm_worker(w, overdue_at(w));
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
		METRIC_INC(workers_killed_total);
		arm_worker(w, overdue_at(w) + KILL_AFTER_US);
		if (j != NULL)
			job_done(j, SCHED_OVERDUE, NULL, w->id.generation, 0);
		dispatch(s);
		return;
	case LATE_TOLD:
		w->late = LATE_KILL;
		s->ops.overdue(s->ops.ctx, &w->id);
		arm_worker(w, clock_mono_us() + STUCK_AFTER_US);
		return;
	case LATE_KILL:
		w->late = LATE_STUCK;
		s->ops.stuck(s->ops.ctx, &w->id);
		return;
	case LATE_STUCK:
		return;
	}
}

/* It was given a scan and does not begin: stopped, or lost in a loop. */
static void
never_began(struct worker *w)
{
	struct sched *s = w->sched;

	log_warn("worker-stopped", "slot=%u incarnation=%llu", w->id.slot,
	    (unsigned long long)w->id.incarnation);
	METRIC_INC(workers_killed_total);
	s->ops.overdue(s->ops.ctx, &w->id);
	worker_over(w, SCHED_LOST);
}

static void
worker_timer_fired(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, timer);
	uint64_t now = clock_mono_us();

	if (!w->sent[0].started) {
		never_began(w);
		return;
	}
	if (w->late == LATE_NO && now < overdue_at(w)) {
		steal_second(w);
		arm_for_running(w);
		dispatch(w->sched);
		return;
	}
	steal_second(w);
	late_step(w);
}

/* ---- which job, which worker ---- */

/* One worker, when there are several, is kept for small objects. */
static bool
is_reserved(const struct sched *s, const struct worker *w)
{
	const struct worker *first;

	if (sched_workers(s) < 2)
		return false;
	TAILQ_FOREACH (first, &s->workers, link)
		if (in_service(s, first))
			return first == w;
	return false;
}

static struct worker *
find_idle(struct sched *s, bool small)
{
	struct worker *w, *other = NULL;

	TAILQ_FOREACH (w, &s->workers, link) {
		if (!idle(w) || !in_service(s, w))
			continue;
		if (is_reserved(s, w) == small)
			return w;
		if (small && other == NULL)
			other = w;
	}
	return other;
}

/* Behind a small scan that has just begun: hides the hand-over's latency. */
static struct worker *
find_second(struct sched *s)
{
	uint64_t now = clock_mono_us();
	struct worker *w;

	TAILQ_FOREACH (w, &s->workers, link)
		if (in_service(s, w) && w->sent[1].scan_id == 0 &&
		    w->sent[0].quick &&
		    now - w->sent[0].sent_us < SECOND_BEHIND_US)
			return w;
	return NULL;
}

/* False: the worker does not take it now. */
static bool
send_job(struct worker *w, struct job *j)
{
	struct sent *t = &w->sent[idle(w) ? 0 : 1];
	struct sched *s = w->sched;
	bool dead = false;

	j->spec.rq.scan_id = ++s->last_scan_id;
	if (!w->port.send(
		w->port.ctx, &j->spec.rq, j->spec.body, j->spec.fd, &dead)) {
		w->deaf = true; /* until it is writable, or ends */
		return false;
	}
	dequeue(s, j);
	j->worker = w;
	memset(t, 0, sizeof(*t));
	t->scan_id = j->spec.rq.scan_id;
	t->job = j;
	t->quick = j->lane == LANE_SMALL;
	t->sent_us = clock_mono_us();
	t->budget_us = j->spec.rq.budget_us;
	arm_for_running(w);
	return true;
}

static bool
bulk_is_old(const struct sched *s)
{
	const struct job *j = TAILQ_FIRST(&s->lanes[LANE_BULK]);

	return j != NULL && clock_mono_us() - j->submitted_us > BULK_AGE_US;
}

/* Sends the first job of the lane. False: no worker for it now. */
static bool
dispatch_lane(struct sched *s, enum lane lane)
{
	struct job *j = TAILQ_FIRST(&s->lanes[lane]);
	struct worker *w;

	if (j == NULL)
		return false;
	w = find_idle(s, lane != LANE_BULK);
	if (w == NULL && lane == LANE_SMALL && j->spec.fd == -1)
		w = find_second(s);
	while (w != NULL && !send_job(w, j))
		w = find_idle(s, lane != LANE_BULK);
	return w != NULL;
}

static void
dispatch(struct sched *s)
{
	while (bulk_is_old(s) && dispatch_lane(s, LANE_BULK))
		;
	while (dispatch_lane(s, LANE_SMALL))
		;
	while (dispatch_lane(s, LANE_BULK))
		;
	while (dispatch_lane(s, LANE_PREFIX))
		;
	gauge(s);
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
	s->ops.overdue(s->ops.ctx, &w->id);
	worker_over(w, SCHED_VIOLATION);
}

void
sched_started(struct sched *s, uint64_t incarnation, uint64_t scan_id)
{
	struct worker *w = worker_find(s, incarnation);
	struct sent *t;

	if (w == NULL)
		return;
	t = &w->sent[0];
	if (t->scan_id != scan_id || scan_id == 0 || t->started) {
		sched_violation(
		    s, incarnation, "started what it was not given");
		return;
	}
	t->started = true;
	t->started_us = clock_mono_us();
	s->running++;
	if (t->job != NULL) {
		t->job->started_us = t->started_us;
		timer_disarm(s->tq, &t->job->queue_timer);
	}
	arm_for_running(w);
	gauge(s);
}

/* After these a worker is replaced (architecture 1.1). */
static bool
is_spoilt(const struct worker *w, const struct scan_answer *a)
{
	if (w->scans >= w->sched->worker_max_scans || !a->complete)
		return true;
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome == OUTCOME_INFECTED &&
		    a->findings[i].part[0] != '\0')
			return true;
	return false;
}

static void
retire_if_idle(struct worker *w)
{
	struct sched *s = w->sched;

	if (!w->retiring || !idle(w))
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
	uint32_t generation;
	bool prefix;
	struct job *j;

	if (w == NULL)
		return;
	if (w->sent[0].scan_id != scan_id || !w->sent[0].started) {
		sched_violation(
		    s, incarnation, "answered what it did not start");
		return;
	}
	j = w->sent[0].job;
	prefix = j != NULL && j->spec.rq.kind == SCAN_PREFIX;
	generation = w->id.generation;
	s->running--;
	w->scans++;
	if (j != NULL)
		j->worker = NULL;
	w->sent[0] = w->sent[1];
	memset(&w->sent[1], 0, sizeof(w->sent[1]));
	METRIC_ADD(scan_usec_total, answer->wall_us);
	METRIC_ADD(scan_cpu_usec_total, answer->cpu_us);
	if (w->late != LATE_NO || (is_spoilt(w, answer) && !prefix))
		w->retiring = true;
	arm_for_running(w);
	if (w->retiring) {
		/* what it has not begun is for another one */
		if (w->sent[0].job != NULL) {
			struct job *next = w->sent[0].job;

			w->sent[0].job = NULL;
			enqueue(s, next, true);
		}
	}
	retire_if_idle(w);
	if (j != NULL)
		job_done(j, SCHED_ANSWER, answer, generation, 0);
	dispatch(s);
}

void
sched_worker_lost(struct sched *s, const struct msg_lost *l)
{
	struct worker *w = worker_find(s, l->worker.incarnation);

	if (l->signal != 0)
		log_warn("worker-lost", "slot=%u signal=%d overdue=%u",
		    l->worker.slot, l->signal, l->overdue);
	/* what it said before its end is read first: EOF follows */
	if (w != NULL)
		w->signal = l->signal;
}

void
sched_worker_eof(struct sched *s, uint64_t incarnation)
{
	struct worker *w = worker_find(s, incarnation);

	if (w == NULL)
		return;
	METRIC_INC(workers_lost_total);
	worker_over(w, SCHED_LOST);
}

void
sched_worker_writable(struct sched *s, uint64_t incarnation)
{
	struct worker *w = worker_find(s, incarnation);

	if (w != NULL)
		w->deaf = false;
	dispatch(s);
}

static void
retire_old(struct sched *s)
{
	struct worker *w, *next;

	/* in service until the new ones are there */
	if (count_generation(s, s->generation) == 0)
		return;
	TAILQ_FOREACH_SAFE(w, &s->workers, link, next)
	{
		if (w->id.generation >= s->generation)
			continue;
		w->retiring = true;
		retire_if_idle(w);
	}
}

void
sched_generation(struct sched *s, uint32_t generation)
{
	s->generation = generation;
	retire_old(s);
	METRIC_SET(workers, sched_workers(s));
	dispatch(s);
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
	retire_old(s);
	METRIC_SET(workers, sched_workers(s));
	dispatch(s);
	return 0;
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
	s->worker_max_scans = 1000;
	for (int i = 0; i < NLANES; i++)
		TAILQ_INIT(&s->lanes[i]);
	for (int i = 0; i < JOB_BUCKETS; i++)
		TAILQ_INIT(&s->by_id[i]);
	TAILQ_INIT(&s->workers);
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
	for (int i = 0; i < JOB_BUCKETS; i++)
		while ((j = TAILQ_FIRST(&s->by_id[i])) != NULL)
			job_free(j);
	while (!TAILQ_EMPTY(&s->workers))
		worker_remove(TAILQ_FIRST(&s->workers));
	free(s);
}

void
sched_limits(struct sched *s, uint64_t worker_max_scans)
{
	s->worker_max_scans = worker_max_scans;
}

unsigned int
sched_workers(const struct sched *s)
{
	return count_generation(s, s->generation);
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
