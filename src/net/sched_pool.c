/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * How many workers there are, and which scan gives way when all are held.
 * More are asked for when jobs of a lane have waited for a second without any
 * of them being given out; for small objects as soon as every worker is at a
 * long scan. What was asked for goes away again when it was not needed for a
 * while. When there may be no more, a worker whose scan nobody waits for is
 * ended; then the youngest long scan of those that came as small ones, which
 * begins again as what it is: bulk. A scan is stopped only if it has run for
 * longer than a replacement takes, so that nobody can have work undone faster
 * than it is done.
 */
#include "net/sched_int.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define WAIT_US ((uint64_t)1000000)
#define LOOK_US ((uint64_t)10000) /* while jobs wait */
#define GROWS_WITHIN_US ((uint64_t)500000)
#define UNNEEDED_US ((uint64_t)30000000)
#define REPLACED_WITHIN_US ((uint64_t)2000000)
#define REPLACE_FIRST_US ((uint64_t)10000) /* until it is measured */
#define REPLACE_MAX_US ((uint64_t)500000)

/* ---- workers that are being replaced ---- */

static void
forget(struct sched *s, struct replacing *r)
{
	if (r->client != NULL)
		r->client->replaced--;
	TAILQ_REMOVE(&s->replacing, r, link);
	s->nreplacing--;
	free(r);
}

void
pool_replacing(struct sched *s, struct client *c)
{
	struct replacing *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return;
	r->client = c;
	r->since_us = clock_mono_us();
	if (c != NULL)
		c->replaced++;
	TAILQ_INSERT_TAIL(&s->replacing, r, link);
	s->nreplacing++;
}

void
pool_replaced(struct sched *s)
{
	struct replacing *r = TAILQ_FIRST(&s->replacing);
	uint64_t took;

	if (r == NULL)
		return;
	took = clock_mono_us() - r->since_us;
	if (took > REPLACE_MAX_US)
		took = REPLACE_MAX_US;
	s->replace_us = (s->replace_us * 7 + took) / 8;
	forget(s, r);
}

/* A loader that died replaces nothing: nobody is held back for that. */
void
pool_forget_old(struct sched *s)
{
	struct replacing *r = TAILQ_FIRST(&s->replacing);

	if (r != NULL && clock_mono_us() - r->since_us > REPLACED_WITHIN_US)
		forget(s, r);
}

/* ---- more of them, and fewer ---- */

static void
look_again(struct sched *s)
{
	if (!timer_armed(&s->pool_timer) &&
	    timer_arm(s->tq, &s->pool_timer, clock_mono_us() + LOOK_US) == -1)
		log_error("no-memory", "for=pool");
}

static void
watch_idle(struct sched *s)
{
	s->idle_low = s->nidle;
	if (timer_arm(s->tq, &s->shrink_timer, clock_mono_us() + UNNEEDED_US) ==
	    -1)
		log_error("no-memory", "for=pool");
}

static bool
want(struct sched *s, unsigned int n)
{
	if (!s->ops.want(s->ops.ctx, s->generation, n))
		return false;
	log_info("workers-wanted", "count=%u before=%u waiting=%u", n,
	    s->wanted, s->queued);
	s->wanted = n;
	METRIC_SET(workers_wanted, n);
	return true;
}

static bool
grow(struct sched *s, unsigned int by)
{
	unsigned int room = s->limits.workers_max - s->wanted;

	if (s->limits.workers_max <= s->wanted)
		return false;
	s->grown_us = clock_mono_us();
	if (!want(s, s->wanted + (by < room ? by : room)))
		return false;
	if (!timer_armed(&s->shrink_timer))
		watch_idle(s);
	return true;
}

static void
shrink_timer_fired(struct timer *t)
{
	struct sched *s = CONTAINER_OF(t, struct sched, shrink_timer);
	unsigned int n = s->idle_low;
	struct worker *w;

	if (s->wanted <= s->limits.workers)
		return;
	if (n > s->wanted - s->limits.workers)
		n = s->wanted - s->limits.workers;
	if (n > 0 && want(s, s->wanted - n))
		while (n-- > 0 &&
		       (w = TAILQ_LAST(&s->idle, worker_list)) != NULL) {
			w->retiring = true;
			worker_retire_if_idle(w);
		}
	if (s->wanted > s->limits.workers)
		watch_idle(s);
}

/* ---- who waits ---- */

static struct job *
waiting(struct sched *s, enum lane lane)
{
	struct job *j;

	if (TAILQ_EMPTY(&s->lanes[lane].ring))
		return NULL;
	j = lane_pick(s, lane, true);
	return j != NULL ? j : lane_pick(s, lane, false);
}

/* None of the lane was given out for a second, though one waits. */
static bool
stands_still(struct sched *s, enum lane lane, uint64_t now)
{
	const struct job *j = waiting(s, lane);

	return j != NULL && now - j->submitted_us >= WAIT_US &&
	       now - s->lanes[lane].last_sent_us >= WAIT_US;
}

/* A small one waits, and every worker is at something long. */
static bool
small_is_stuck(struct sched *s)
{
	return s->nidle == 0 && s->nheavy >= s->serving &&
	       (waiting(s, LANE_SMALL) != NULL ||
		   waiting(s, LANE_FRESH) != NULL);
}

/* ---- which scan gives way ---- */

static bool
may_be_stopped(const struct sched *s, const struct worker *w, uint64_t now)
{
	uint64_t least = s->replace_us > HEAVY_US ? s->replace_us : HEAVY_US;

	return w->late == LATE_NO && w->ended_us == 0 &&
	       now - w->sent[0].started_us >= least;
}

/* The one of which nobody, or perhaps nobody, wants to know the answer. */
static struct worker *
find_unwanted(struct sched *s, uint64_t now)
{
	struct worker *w, *doubtful = NULL;

	TAILQ_FOREACH (w, &s->longest, long_link) {
		const struct job *j = w->sent[0].job;

		if (!may_be_stopped(s, w, now))
			continue;
		if (j == NULL)
			return w;
		if (doubtful == NULL && j->doubtful && !j->preempted)
			doubtful = w;
	}
	return doubtful;
}

static struct worker *
find_youngest_small(struct sched *s, uint64_t now)
{
	struct worker *w;

	TAILQ_FOREACH_REVERSE(w, &s->longest, worker_list, long_link)
	{
		const struct job *j = w->sent[0].job;

		if (j != NULL && j->lane == LANE_SMALL && !j->preempted &&
		    may_be_stopped(s, w, now))
			return w;
	}
	return NULL;
}

/* Its scan, if anybody waits for it, begins again later. */
static void
stop(struct worker *w)
{
	struct job *j = w->sent[0].job;

	log_info("scan-stopped", "slot=%u wanted=%d", w->id.slot, j != NULL);
	METRIC_INC(scans_stopped_total);
	if (j != NULL) {
		w->sent[0].job = NULL;
		j->worker = NULL;
		job_again(j, j->doubtful ? LANE_LAST : LANE_BULK);
	}
	worker_kill(w, SCHED_LOST); /* it looks at all this anew */
}

static bool
more_are_coming(const struct sched *s, uint64_t now)
{
	return s->serving < s->wanted && now - s->grown_us < GROWS_WITHIN_US;
}

/* True when a worker is about to be free for those who wait. */
static bool
make_room(struct sched *s, bool small, uint64_t now)
{
	struct worker *w;

	if (s->nreplacing >= sched_half(s->wanted))
		return true;
	if (!s->ops.has_loader(s->ops.ctx, s->generation))
		return false;
	w = s->nunwanted > 0 ? find_unwanted(s, now) : NULL;
	if (w == NULL && small && s->serving > 1 &&
	    s->wanted >= s->limits.workers_max && !more_are_coming(s, now))
		w = find_youngest_small(s, now);
	if (w == NULL)
		return false;
	stop(w);
	return true;
}

static bool
nobody_waits(const struct sched *s)
{
	return TAILQ_EMPTY(&s->lanes[LANE_FRESH].ring) &&
	       TAILQ_EMPTY(&s->lanes[LANE_SMALL].ring) &&
	       TAILQ_EMPTY(&s->lanes[LANE_BULK].ring);
}

void
pool_check(struct sched *s)
{
	uint64_t now = clock_mono_us();
	bool small, still;

	if (nobody_waits(s) || s->unloaded)
		return;
	look_again(s);
	small = small_is_stuck(s);
	still = stands_still(s, LANE_SMALL, now) ||
		stands_still(s, LANE_BULK, now) ||
		stands_still(s, LANE_FRESH, now);
	if (!small && !still && s->nunwanted == 0 && !s->left_last)
		return;
	if (make_room(s, small, now))
		return;
	if (small && now - s->grown_us >= LOOK_US)
		(void)grow(s, 1);
	else if (s->left_last && s->wanted == s->limits.workers)
		(void)grow(s, 1); /* for the one that is left idle */
	else if (still && now - s->grown_us >= GROWS_WITHIN_US)
		(void)grow(s, sched_half(s->limits.workers));
}

static void
pool_timer_fired(struct timer *t)
{
	sched_dispatch(CONTAINER_OF(t, struct sched, pool_timer));
}

void
pool_init(struct sched *s)
{
	TAILQ_INIT(&s->replacing);
	s->replace_us = REPLACE_FIRST_US;
	timer_init(&s->pool_timer, pool_timer_fired);
	timer_init(&s->shrink_timer, shrink_timer_fired);
}

void
pool_free(struct sched *s)
{
	struct replacing *r;

	timer_disarm(s->tq, &s->pool_timer);
	timer_disarm(s->tq, &s->shrink_timer);
	while ((r = TAILQ_FIRST(&s->replacing)) != NULL)
		forget(s, r);
}
