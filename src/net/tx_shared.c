/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Scans of whole objects that need not be made: the verdict cache has the
 * answer, or the same scan is under way for another transaction. That one leads
 * the flight, others follow it. When it leaves, the first follower inherits the
 * job; when its scan has no answer, the first follower scans on its own and
 * leads the others, so that an object that ends workers ends one at a time.
 */
#include "net/tx_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"

struct flight {
	TAILQ_ENTRY(flight) bucket;
	struct cache_key key;
	uint64_t budget_us;       /* the same for all of them */
	struct tx *leader;        /* whose the job is */
	struct tx_list followers; /* the first to come first */
	uint32_t reason; /* why the last scan was not complete, or NONE */
};

/* ---- flights ---- */

static struct flight_list *
bucket_of(struct net_core *c, const struct cache_key *key)
{
	return &c->flights[key->digest[0] % NET_CORE_BUCKETS];
}

/* One whose leader is about to be cut, and has no job, is none to follow. */
static struct flight *
find(const struct tx *tx)
{
	struct flight *f;

	TAILQ_FOREACH (f, bucket_of(tx->core, &tx->key), bucket)
		if (memcmp(&f->key, &tx->key, sizeof(f->key)) == 0 &&
		    f->budget_us == tx->scan_left_us && f->leader->job != 0)
			return f;
	return NULL;
}

/* Without memory for it nobody can follow. */
static void
lead(struct tx *tx)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return;
	f->key = tx->key;
	f->budget_us = tx->scan_left_us;
	TAILQ_INIT(&f->followers);
	TAILQ_INSERT_HEAD(bucket_of(tx->core, &f->key), f, bucket);
	f->leader = tx;
	tx->flight = f;
}

static void
flight_free(struct net_core *c, struct flight *f)
{
	TAILQ_REMOVE(bucket_of(c, &f->key), f, bucket);
	free(f);
}

static enum tx_ask
follow(struct tx *tx, struct flight *f)
{
	tx->follow_us = clock_mono_us();
	if (timer_arm(tx->core->tq, &tx->deadline,
		tx->follow_us + tx->queue_left_us + tx->scan_left_us) == -1)
		return ASK_SCAN;
	TAILQ_INSERT_TAIL(&f->followers, tx, flight_link);
	tx->flight = f;
	sched_join(tx->core->sched, f->leader->job, tx_client(tx));
	return ASK_WAIT;
}

/* Microseconds that it followed; it does so no longer. */
static uint64_t
unfollow(struct tx *tx)
{
	uint64_t waited = clock_mono_us() - tx->follow_us;

	TAILQ_REMOVE(&tx->flight->followers, tx, flight_link);
	tx->flight = NULL;
	tx->t.queue_us += waited;
	timer_disarm(tx->core->tq, &tx->deadline);
	return waited;
}

bool
tx_is_following(const struct tx *tx)
{
	return tx->flight != NULL && tx->flight->leader != tx;
}

bool
tx_is_followed(const struct tx *tx)
{
	return tx->flight != NULL && tx->flight->leader == tx &&
	       !TAILQ_EMPTY(&tx->flight->followers);
}

/* ---- before the scan ---- */

/* A part of an object, or what nobody can decode, is no object (SE-03). */
static bool
may_ask(const struct tx *tx)
{
	return tx->svc->conf->cache_verdicts && cache_is_on(tx->core->cache) &&
	       tx->core->loaded.generation != 0 && tx->missing == 0 &&
	       tx->extra == 0;
}

enum tx_ask
tx_shared_ask(struct tx *tx, const struct msg_scan_request *rq)
{
	struct net_core *c = tx->core;
	const unsigned char *digest = may_ask(tx) ? tx_digest(tx) : NULL;
	struct cache_source source;
	struct scan_answer answer;
	struct flight *f;

	if (digest == NULL || cache_key(c->cache, rq, c->loaded.generation,
				  digest, &tx->key) == -1)
		return ASK_SCAN;
	tx->key_generation = c->loaded.generation;
	if (cache_find(c->cache, &tx->key, &answer, &source)) {
		METRIC_INC(verdict_cache_hits_total);
		tx->source = SOURCE_CACHE;
		tx_take(tx, &(struct sched_done){ .how = SCHED_ANSWER,
				.answer = &answer,
				.generation = source.generation });
		return ASK_KNOWN;
	}
	METRIC_INC(verdict_cache_misses_total);
	tx->source = SOURCE_SCAN;
	if ((f = find(tx)) != NULL)
		return follow(tx, f);
	lead(tx);
	return ASK_SCAN;
}

/* ---- after it ---- */

static void
note(struct tx *tx, const struct sched_done *d)
{
	const struct cache_source source = { d->incarnation, d->generation };

	/* not by a generation that has come or gone meanwhile */
	if (tx->source != SOURCE_SCAN || tx->state != TX_SCAN ||
	    d->how != SCHED_ANSWER || d->generation != tx->key_generation ||
	    d->generation != tx->core->loaded.generation)
		return;
	cache_note(tx->core->cache, &tx->key, d->answer, &source);
}

static void
give(struct tx *tx, const struct sched_done *d)
{
	METRIC_INC(shared_scans_total);
	tx->source = SOURCE_SHARED;
	tx_take(tx, d);
	tx_event(tx, TX_EV_SCAN);
	tx->host->kick(tx->host->ctx);
}

/*
 * The answer is also theirs when it is complete, or when a second scan ended
 * for the same reason: then it is the object's. Else the next one scans.
 */
static void
settle(struct net_core *c, struct flight *f, const struct sched_done *d)
{
	bool answered = d->how == SCHED_ANSWER;
	bool theirs =
	    answered &&
	    (d->answer->complete == 1 ||
		(f->reason != OUTCOME_NONE && d->answer->reason == f->reason));
	struct tx *tx;
	uint64_t waited;

	if (answered)
		f->reason = d->answer->reason;
	while ((tx = TAILQ_FIRST(&f->followers)) != NULL) {
		waited = unfollow(tx);
		if (theirs) {
			give(tx, d);
			continue;
		}
		tx->done_how = d->how;
		tx->queue_left_us -=
		    waited < tx->queue_left_us ? waited : tx->queue_left_us;
		tx_event(tx, TX_EV_ALONE);
		tx->host->kick(tx->host->ctx);
		if (tx->job != 0) {
			f->leader = tx;
			tx->flight = f;
			return;
		}
	}
	flight_free(c, f);
}

void
tx_shared_end(struct tx *tx, const struct sched_done *d)
{
	struct flight *f = tx->flight;

	note(tx, d);
	/* what it does now is no reason for others to take over */
	tx->flight = NULL;
	tx_event(tx, TX_EV_SCAN);
	tx->host->kick(tx->host->ctx);
	if (f == NULL)
		return;
	if (tx->job != 0)
		tx->flight = f; /* once more, in another worker */
	else
		settle(tx->core, f, d);
}

/* The first follower waits for the job from now on. */
static void
bequeath(struct tx *tx, struct flight *f)
{
	struct tx *heir = TAILQ_FIRST(&f->followers);
	struct sched_job j;

	(void)unfollow(heir);
	heir->flight = f;
	f->leader = heir;
	heir->job = tx->job;
	tx->job = 0;
	tx_lend_body(heir, &j);
	sched_hand_over(tx->core->sched, heir->job,
	    &(struct sched_heir){ .owner = heir->id,
		.body = j.body,
		.fd = j.fd,
		.queue_deadline_us = heir->follow_us + heir->queue_left_us });
}

void
tx_shared_leave(struct tx *tx)
{
	struct flight *f = tx->flight;

	if (f == NULL)
		return;
	if (f->leader != tx) {
		(void)unfollow(tx);
	} else {
		tx->flight = NULL;
		if (TAILQ_EMPTY(&f->followers))
			flight_free(tx->core, f);
		else
			bequeath(tx, f);
	}
}
