/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/killers.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/metrics.h"

#define BUCKETS 256 /* a power of two */

struct entry {
	TAILQ_ENTRY(entry) bucket, age;
	struct killer object;
	unsigned int weight;
};
TAILQ_HEAD(entry_list, entry);

struct killers {
	struct entry_list buckets[BUCKETS];
	struct entry_list few, many; /* by weight; the oldest first */
	unsigned int n;
};

struct killers *
killers_new(void)
{
	struct killers *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		TAILQ_INIT(&k->buckets[i]);
	TAILQ_INIT(&k->few);
	TAILQ_INIT(&k->many);
	return k;
}

/* A digest's first byte is as random as any hash of it. */
static struct entry_list *
bucket_of(struct killers *k, const struct killer *object)
{
	return &k->buckets[object->digest[0] % BUCKETS];
}

static struct entry_list *
age_of(struct killers *k, const struct entry *e)
{
	return e->weight < KILLERS_WHOLE ? &k->few : &k->many;
}

static void
drop(struct killers *k, struct entry *e)
{
	TAILQ_REMOVE(bucket_of(k, &e->object), e, bucket);
	TAILQ_REMOVE(age_of(k, e), e, age);
	k->n--;
	free(e);
	METRIC_SET(killer_objects, k->n);
}

static struct entry *
find(struct killers *k, const struct killer *object)
{
	struct entry *e;

	TAILQ_FOREACH (e, bucket_of(k, object), bucket)
		if (memcmp(&e->object, object, sizeof(*object)) == 0)
			return e;
	return NULL;
}

static struct entry *
add(struct killers *k, const struct killer *object)
{
	struct entry *oldest =
	    TAILQ_EMPTY(&k->few) ? TAILQ_FIRST(&k->many) : TAILQ_FIRST(&k->few);
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	if (k->n >= KILLERS_MAX)
		drop(k, oldest);
	e->object = *object;
	TAILQ_INSERT_HEAD(bucket_of(k, object), e, bucket);
	TAILQ_INSERT_TAIL(&k->few, e, age);
	k->n++;
	METRIC_SET(killer_objects, k->n);
	return e;
}

unsigned int
killers_note(
    struct killers *k, const struct killer *object, unsigned int weight)
{
	struct entry *e = find(k, object);

	if (e == NULL)
		e = add(k, object);
	if (e == NULL)
		return weight;
	TAILQ_REMOVE(age_of(k, e), e, age);
	e->weight += weight;
	TAILQ_INSERT_TAIL(age_of(k, e), e, age);
	return e->weight;
}

unsigned int
killers_weight(struct killers *k, const struct killer *object)
{
	const struct entry *e = find(k, object);

	return e != NULL ? e->weight : 0;
}

void
killers_clear(struct killers *k, const struct killer *object)
{
	struct entry *e = find(k, object);

	if (e != NULL)
		drop(k, e);
}

bool
killers_is_empty(const struct killers *k)
{
	return k->n == 0;
}

void
killers_forget(struct killers *k)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&k->few)) != NULL ||
	       (e = TAILQ_FIRST(&k->many)) != NULL)
		drop(k, e);
}

void
killers_free(struct killers **k)
{
	if (*k == NULL)
		return;
	killers_forget(*k);
	free(*k);
	*k = NULL;
}
