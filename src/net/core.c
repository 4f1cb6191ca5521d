/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/core.h"

#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/harmless.h"
#include "net/tx.h"

/* Each net has its share. */
static void
limit_cache(struct net_core *c)
{
	const struct conf *conf = c->set->conf;

	if (cache_limits(c->cache, conf->verdict_cache / conf->net_processes,
		conf->verdict_cache_time * 1000) == -1)
		log_error("no-memory", "for=VerdictCache");
}

int
net_core_init(struct net_core *c, struct timerq *tq, struct sched *sched,
    struct spool_pool *spool, struct service_set *set)
{
	memset(c, 0, sizeof(*c));
	c->tq = tq;
	c->sched = sched;
	c->spool = spool;
	c->loading = true;
	c->server = SLICE_LIT("tolsey");
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->all);
	for (size_t i = 0; i < NET_CORE_BUCKETS; i++) {
		TAILQ_INIT(&c->by_id[i]);
		TAILQ_INIT(&c->flights[i]);
	}
	c->set = service_set_ref(set);
	if ((c->killers = killers_new()) == NULL ||
	    (c->harmless = harmless_new()) == NULL ||
	    (c->cache = cache_new()) == NULL)
		return -1;
	limit_cache(c);
	return service_set_tags(c->set, NULL);
}

void
net_core_free(struct net_core *c)
{
	service_set_unref(&c->set);
	killers_free(&c->killers);
	harmless_free(&c->harmless);
	cache_free(&c->cache);
}

static const unsigned char *
engine_digest(const struct net_core *c)
{
	return c->loaded.generation != 0 ? c->loaded.digest : NULL;
}

/* Whoever waits for signatures looks again. */
static void
wake_waiting(struct net_core *c)
{
	struct tx *tx, *next;

	TAILQ_FOREACH_SAFE(tx, &c->waiting, wait_link, next)
	tx_ready(tx);
}

static void
remember(struct net_core *c, const struct msg_loaded *loaded)
{
	struct net_generation *g =
	    &c->recent[loaded->generation % NET_CORE_RECENT];

	g->number = loaded->generation;
	memcpy(g->digest, loaded->digest, sizeof(g->digest));
}

static const unsigned char *
digest_of(const struct net_core *c, uint32_t generation)
{
	const struct net_generation *g =
	    &c->recent[generation % NET_CORE_RECENT];

	return g->number == generation && generation != 0 ? g->digest : NULL;
}

void
net_core_tag(const struct net_core *c, const struct service_set *set,
    const struct service *svc, uint32_t generation, char out[SERVICE_TAG_LEN])
{
	const unsigned char *older = digest_of(c, generation);
	bool present = older == NULL || generation == c->loaded.generation;

	/* the tags of the newest snapshot are kept, those of others stale */
	if ((present && set == c->set) ||
	    service_tag(set, svc, present ? engine_digest(c) : older, out) ==
		-1)
		memcpy(out, svc->istag, SERVICE_TAG_LEN);
}

int
net_core_unload(struct net_core *c)
{
	memset(&c->loaded, 0, sizeof(c->loaded));
	c->loading = true;
	cache_forget(c->cache);
	METRIC_SET(generation, 0);
	METRIC_SET(signatures, 0);
	return service_set_tags(c->set, NULL);
}

int
net_core_generation(struct net_core *c, const struct msg_loaded *loaded)
{
	c->loading = false;
	if (loaded != NULL) {
		if (loaded->generation != c->loaded.generation) {
			killers_forget(c->killers);
			cache_forget(c->cache);
		}
		c->loaded = *loaded;
		remember(c, loaded);
		METRIC_SET(generation, loaded->generation);
		METRIC_SET(signatures, loaded->signatures);
		METRIC_SET(signatures_loaded_timestamp_seconds,
		    loaded->loaded_wall_us / 1000000);
		if (service_set_tags(c->set, engine_digest(c)) == -1)
			return -1;
	}
	wake_waiting(c);
	return 0;
}

int
net_core_set(struct net_core *c, struct service_set *set)
{
	if (service_set_tags(set, engine_digest(c)) == -1)
		return -1;
	service_set_unref(&c->set);
	c->set = service_set_ref(set);
	limit_cache(c);
	return 0;
}

void
net_core_distrust(struct net_core *c, const struct msg_worker *w)
{
	cache_distrust(c->cache, w->incarnation);
}

void
net_core_scan_done(struct net_core *c, uint64_t job, uint64_t owner,
    const struct sched_done *d)
{
	struct tx *tx;

	TAILQ_FOREACH (tx, &c->by_id[owner % NET_CORE_BUCKETS], id_link)
		if (tx->id == owner) {
			tx_scan_done(tx, job, d);
			return;
		}
}
