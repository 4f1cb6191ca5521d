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
	unsigned int count;
};
TAILQ_HEAD(entry_list, entry);

struct killers {
	struct entry_list buckets[BUCKETS];
	struct entry_list once, again; /* by count; the oldest first */
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
	TAILQ_INIT(&k->once);
	TAILQ_INIT(&k->again);
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
	return e->count < KILLERS_WHOLE ? &k->once : &k->again;
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
	struct entry *oldest = TAILQ_EMPTY(&k->once) ? TAILQ_FIRST(&k->again)
						     : TAILQ_FIRST(&k->once);
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	if (k->n >= KILLERS_MAX)
		drop(k, oldest);
	e->object = *object;
	TAILQ_INSERT_HEAD(bucket_of(k, object), e, bucket);
	TAILQ_INSERT_TAIL(&k->once, e, age);
	k->n++;
	METRIC_SET(killer_objects, k->n);
	return e;
}

unsigned int
killers_note(struct killers *k, const struct killer *object)
{
	struct entry *e = find(k, object);

	if (e == NULL)
		e = add(k, object);
	if (e == NULL)
		return 1;
	TAILQ_REMOVE(age_of(k, e), e, age);
	e->count++;
	TAILQ_INSERT_TAIL(age_of(k, e), e, age);
	return e->count;
}

unsigned int
killers_count(struct killers *k, const struct killer *object)
{
	const struct entry *e = find(k, object);

	return e != NULL ? e->count : 0;
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

	while ((e = TAILQ_FIRST(&k->once)) != NULL ||
	       (e = TAILQ_FIRST(&k->again)) != NULL)
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
