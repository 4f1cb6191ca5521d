/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metrics.h"

#define SECRET_LEN 32
#define SOURCES 256 /* buckets, a power of two */
/* What malloc adds to a block. */
#define BLOCK_EXTRA ((uint64_t)16)
#define BUCKETS_MAX ((size_t)1 << 24)

struct source {
	TAILQ_ENTRY(source) bucket;
	TAILQ_HEAD(, entry) entries;
	struct cache_source of;
};
struct entry {
	TAILQ_ENTRY(entry) bucket, use, sibling;
	struct source *source;
	struct cache_key key;
	uint64_t since_us;
	uint32_t wall_us, cpu_us;
	uint32_t nfindings;
	char type[SCAN_TYPE_MAX];
	struct scan_finding findings[];
};
TAILQ_HEAD(entry_list, entry);
TAILQ_HEAD(source_list, source);

struct cache {
	unsigned char secret[SECRET_LEN];
	struct hash *hash;
	uint64_t max_bytes, max_age_us, bytes;
	struct entry_list *buckets; /* NULL: off */
	size_t nbuckets;            /* a power of two */
	struct entry_list used;     /* the least recently used first */
	struct source_list sources[SOURCES];
	unsigned int n;
};

struct cache *
cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	TAILQ_INIT(&c->used);
	for (size_t i = 0; i < SOURCES; i++)
		TAILQ_INIT(&c->sources[i]);
	c->hash = hash_new();
	if (c->hash == NULL ||
	    getrandom(c->secret, SECRET_LEN, 0) != SECRET_LEN)
		cache_free(&c);
	return c;
}

static void
gauge(const struct cache *c)
{
	METRIC_SET(verdict_cache_entries, c->n);
	METRIC_SET(verdict_cache_bytes, c->bytes);
}

/* ---- sources ---- */

static struct source_list *
source_bucket(struct cache *c, uint64_t incarnation)
{
	return &c->sources[incarnation % SOURCES];
}

static struct source *
source_find(struct cache *c, uint64_t incarnation)
{
	struct source *s;

	TAILQ_FOREACH (s, source_bucket(c, incarnation), bucket)
		if (s->of.incarnation == incarnation)
			return s;
	return NULL;
}

static struct source *
source_of(struct cache *c, const struct cache_source *of)
{
	struct source *s = source_find(c, of->incarnation);

	if (s != NULL || (s = calloc(1, sizeof(*s))) == NULL)
		return s;
	s->of = *of;
	TAILQ_INIT(&s->entries);
	TAILQ_INSERT_HEAD(source_bucket(c, of->incarnation), s, bucket);
	c->bytes += sizeof(*s) + BLOCK_EXTRA;
	return s;
}

static void
source_free_unused(struct cache *c, struct source *s)
{
	if (!TAILQ_EMPTY(&s->entries))
		return;
	TAILQ_REMOVE(source_bucket(c, s->of.incarnation), s, bucket);
	c->bytes -= sizeof(*s) + BLOCK_EXTRA;
	free(s);
}

/* ---- entries ---- */

static uint64_t
entry_size(uint32_t nfindings)
{
	return sizeof(struct entry) + nfindings * sizeof(struct scan_finding) +
	       BLOCK_EXTRA;
}

/* The key is as random as any hash of it. */
static struct entry_list *
bucket_of(struct cache *c, const struct cache_key *key)
{
	uint64_t n;

	memcpy(&n, key->digest, sizeof(n));
	return &c->buckets[n & (c->nbuckets - 1)];
}

static struct entry *
find(struct cache *c, const struct cache_key *key)
{
	struct entry *e;

	TAILQ_FOREACH (e, bucket_of(c, key), bucket)
		if (memcmp(&e->key, key, sizeof(*key)) == 0)
			return e;
	return NULL;
}

static void
drop(struct cache *c, struct entry *e)
{
	struct source *s = e->source;

	TAILQ_REMOVE(bucket_of(c, &e->key), e, bucket);
	TAILQ_REMOVE(&c->used, e, use);
	TAILQ_REMOVE(&s->entries, e, sibling);
	c->bytes -= entry_size(e->nfindings);
	c->n--;
	free(e);
	source_free_unused(c, s);
}

static void
evict(struct cache *c)
{
	while (c->bytes > c->max_bytes && c->n > 0) {
		drop(c, TAILQ_FIRST(&c->used));
		METRIC_INC(verdict_cache_evicted_total);
	}
}

void
cache_forget(struct cache *c)
{
	while (!TAILQ_EMPTY(&c->used))
		drop(c, TAILQ_FIRST(&c->used));
	gauge(c);
}

void
cache_distrust(struct cache *c, uint64_t incarnation)
{
	struct source *s = source_find(c, incarnation);
	struct entry *e, *next;

	if (s == NULL)
		return;
	/* its source goes with the last of them */
	for (e = TAILQ_FIRST(&s->entries); e != NULL; e = next) {
		next = TAILQ_NEXT(e, sibling);
		drop(c, e);
	}
	gauge(c);
}

/* ---- size ---- */

static void
free_buckets(struct cache *c)
{
	c->bytes -= c->nbuckets * sizeof(c->buckets[0]);
	free(c->buckets);
	c->buckets = NULL;
	c->nbuckets = 0;
}

/* Two buckets for three entries at the most. */
static size_t
buckets_for(uint64_t max_bytes)
{
	uint64_t most = max_bytes / entry_size(0);
	size_t n = 1;

	while (n < BUCKETS_MAX && (uint64_t)n * 3 < most)
		n *= 2;
	return n;
}

/* All entries into a new table. */
static int
rehash(struct cache *c, size_t n)
{
	struct entry_list *buckets = calloc(n, sizeof(*buckets));
	struct entry *e;

	if (buckets == NULL)
		return -1;
	for (size_t i = 0; i < n; i++)
		TAILQ_INIT(&buckets[i]);
	free_buckets(c);
	c->buckets = buckets;
	c->nbuckets = n;
	c->bytes += n * sizeof(*buckets);
	TAILQ_FOREACH (e, &c->used, use)
		TAILQ_INSERT_HEAD(bucket_of(c, &e->key), e, bucket);
	return 0;
}

static void
turn_off(struct cache *c)
{
	c->max_bytes = 0;
	cache_forget(c);
	free_buckets(c);
}

int
cache_limits(struct cache *c, uint64_t max_bytes, uint64_t max_age_us)
{
	size_t n = buckets_for(max_bytes);
	int rc = 0;

	c->max_bytes = max_bytes;
	c->max_age_us = max_age_us;
	if (max_bytes != 0 && n != c->nbuckets)
		rc = rehash(c, n);
	if (max_bytes == 0 || rc == -1)
		turn_off(c);
	evict(c);
	gauge(c);
	return rc;
}

bool
cache_is_on(const struct cache *c)
{
	return c->buckets != NULL;
}

unsigned int
cache_count(const struct cache *c)
{
	return c->n;
}

uint64_t
cache_bytes(const struct cache *c)
{
	return c->bytes;
}

void
cache_free(struct cache **cp)
{
	struct cache *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	cache_forget(c);
	free_buckets(c);
	hash_free(&c->hash);
	explicit_bzero(c->secret, sizeof(c->secret));
	free(c);
}

/* ---- asking and telling ---- */

/*
 * Whatever is put into a request counts, also what will be put there later:
 * only what names this one scan, or bounds its time, is left out. A complete
 * answer does not depend on the time that there was for it.
 */
int
cache_key(struct cache *c, const struct msg_scan_request *rq,
    uint32_t generation, const unsigned char body[HASH_LEN],
    struct cache_key *key)
{
	struct msg_scan_request all;

	memcpy(&all, rq, sizeof(all));
	all.scan_id = 0;
	all.budget_us = 0;
	if (hash_update(c->hash, c->secret, SECRET_LEN) == -1 ||
	    hash_update(c->hash, &generation, sizeof(generation)) == -1 ||
	    hash_update(c->hash, body, HASH_LEN) == -1 ||
	    hash_update(c->hash, &all, sizeof(all)) == -1)
		return -1;
	return hash_final(c->hash, key->digest);
}

static bool
is_too_old(const struct cache *c, const struct entry *e)
{
	return c->max_age_us != 0 &&
	       clock_mono_us() - e->since_us >= c->max_age_us;
}

bool
cache_find(struct cache *c, const struct cache_key *key,
    struct scan_answer *answer, struct cache_source *source)
{
	struct entry *e;

	if (!cache_is_on(c) || (e = find(c, key)) == NULL)
		return false;
	if (is_too_old(c, e)) {
		drop(c, e);
		gauge(c);
		return false;
	}
	TAILQ_REMOVE(&c->used, e, use);
	TAILQ_INSERT_TAIL(&c->used, e, use);
	memset(answer, 0, sizeof(*answer));
	answer->complete = 1;
	answer->wall_us = e->wall_us;
	answer->cpu_us = e->cpu_us;
	memcpy(answer->type, e->type, sizeof(answer->type));
	answer->nfindings = e->nfindings;
	memcpy(answer->findings, e->findings,
	    e->nfindings * sizeof(e->findings[0]));
	*source = e->source->of;
	return true;
}

/*
 * What is sure to be said again of the same bytes. Not what a limit, a lack of
 * time or memory, a password or a coding has to do with.
 */
static bool
is_kept(const struct scan_answer *a)
{
	const outcome_set lasting = OUTCOME_BIT(OUTCOME_INFECTED) |
				    OUTCOME_BIT(OUTCOME_PUA) |
				    OUTCOME_BIT(OUTCOME_SUSPICIOUS);

	if (a->complete != 1 || a->reason != OUTCOME_NONE || a->dropped != 0 ||
	    a->text[0] != '\0' || a->nfindings > SCAN_MAX_FINDINGS)
		return false;
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome >= NOUTCOMES ||
		    (OUTCOME_BIT(a->findings[i].outcome) & lasting) == 0)
			return false;
	return true;
}

static struct entry *
entry_new(const struct cache_key *key, const struct scan_answer *a)
{
	struct entry *e =
	    malloc(sizeof(*e) + a->nfindings * sizeof(struct scan_finding));

	if (e == NULL)
		return NULL;
	e->key = *key;
	e->since_us = clock_mono_us();
	e->wall_us = a->wall_us;
	e->cpu_us = a->cpu_us;
	e->nfindings = a->nfindings;
	memcpy(e->type, a->type, sizeof(e->type));
	memcpy(e->findings, a->findings, a->nfindings * sizeof(e->findings[0]));
	return e;
}

void
cache_note(struct cache *c, const struct cache_key *key,
    const struct scan_answer *answer, const struct cache_source *of)
{
	struct source *s;
	struct entry *e;

	if (!cache_is_on(c) || !is_kept(answer))
		return;
	if ((e = find(c, key)) != NULL)
		drop(c, e);
	if ((s = source_of(c, of)) == NULL)
		return;
	if ((e = entry_new(key, answer)) == NULL) {
		source_free_unused(c, s);
		return;
	}
	e->source = s;
	TAILQ_INSERT_HEAD(bucket_of(c, key), e, bucket);
	TAILQ_INSERT_TAIL(&c->used, e, use);
	TAILQ_INSERT_TAIL(&s->entries, e, sibling);
	c->bytes += entry_size(e->nfindings);
	c->n++;
	METRIC_INC(verdict_cache_stored_total);
	evict(c);
	gauge(c);
}
