/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Who asks for scans. Inside a lane clients take turns; those that have used
 * little time of workers lately go before those that used much, and one that
 * holds half of the workers waits for those that hold less. That alone does
 * not help who comes when all workers are held already: where another client
 * has come within the last seconds, no client may have more than half of all
 * workers that there may be at long scans, or half of those that there are at
 * scans that nobody waits for, or replaced because of it; and one that has used
 * much leaves the last idle worker to those that used little.
 */
#include "net/sched_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define RECENT_US ((uint64_t)10000000)
#define MAX_CLIENTS 4096 /* that are remembered while they have no job */
#define SWEEP 8          /* looked at for each that comes */
#define LIGHT_FROM 8     /* of the last to come: is one of them light? */
#define DEBT_PAID 4      /* a debt shrinks by a fourth of the time that goes */
#define DEBT_SMALL_US ((uint64_t)10000)
#define DEBT_MAX_US ((uint64_t)1000000)

unsigned int
sched_half(unsigned int n)
{
	return n < 4 ? 1 : n / 2;
}

void
clients_init(struct sched *s)
{
	for (size_t i = 0; i < SCHED_BUCKETS; i++)
		TAILQ_INIT(&s->clients[i]);
	TAILQ_INIT(&s->recent);
	/* so that nobody can choose names for one bucket */
	if (getrandom(&s->seed, sizeof(s->seed), GRND_NONBLOCK) !=
	    sizeof(s->seed))
		s->seed = clock_mono_us();
}

static struct client_list *
bucket_of(struct sched *s, struct slice name)
{
	uint64_t h = s->seed ^ UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3);
	return &s->clients[(h ^ h >> 32) % SCHED_BUCKETS];
}

static void
client_free(struct sched *s, struct client *c)
{
	struct slice name = { c->name, c->name_len };

	TAILQ_REMOVE(bucket_of(s, name), c, bucket);
	TAILQ_REMOVE(&s->recent, c, recent);
	s->nclients--;
	free(c);
}

static bool
is_idle(const struct client *c)
{
	return c->jobs == 0 && c->held == 0 && c->replaced == 0;
}

/* Forgets some that have not come for long; busy ones are passed over. */
static void
sweep(struct sched *s, uint64_t now)
{
	struct client *c = TAILQ_LAST(&s->recent, client_list), *before;

	for (int i = 0; i < SWEEP && c != NULL; i++, c = before) {
		before = TAILQ_PREV(c, client_list, recent);
		if (now - c->last_us < RECENT_US && s->nclients < MAX_CLIENTS)
			return;
		if (is_idle(c))
			client_free(s, c);
	}
}

static struct client *
client_new(struct sched *s, struct slice name)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	memcpy(c->name, name.p, name.len);
	c->name_len = name.len;
	for (int i = 0; i < NLANES; i++) {
		c->turns[i].client = c;
		TAILQ_INIT(&c->turns[i].jobs);
	}
	TAILQ_INSERT_HEAD(bucket_of(s, name), c, bucket);
	TAILQ_INSERT_HEAD(&s->recent, c, recent);
	s->nclients++;
	return c;
}

struct client *
client_of(struct sched *s, struct slice name)
{
	uint64_t now = clock_mono_us();
	struct client *c;

	if (name.p == NULL)
		name = SLICE_LIT("");
	if (name.len > SCHED_CLIENT_MAX)
		name.len = SCHED_CLIENT_MAX;
	TAILQ_FOREACH (c, bucket_of(s, name), bucket)
		if (c->name_len == name.len &&
		    memcmp(c->name, name.p, name.len) == 0)
			break;
	if (c == NULL) {
		sweep(s, now);
		if ((c = client_new(s, name)) == NULL)
			return NULL;
	} else if (TAILQ_FIRST(&s->recent) != c) {
		TAILQ_REMOVE(&s->recent, c, recent);
		TAILQ_INSERT_HEAD(&s->recent, c, recent);
	}
	c->last_us = now;
	return c;
}

static void
pay_debt(struct client *c)
{
	uint64_t now = clock_mono_us();
	uint64_t paid = (now - c->debt_at_us) / DEBT_PAID;

	c->debt_us = paid < c->debt_us ? c->debt_us - paid : 0;
	c->debt_at_us = now;
}

void
client_charge(struct client *c, uint64_t us)
{
	pay_debt(c);
	c->debt_us += us;
	if (c->debt_us > DEBT_MAX_US)
		c->debt_us = DEBT_MAX_US;
}

bool
client_in_debt(struct client *c)
{
	pay_debt(c);
	return c->debt_us > DEBT_SMALL_US;
}

/* Another one has come lately, so it may come again at any moment. */
static bool
others_are_near(const struct sched *s, const struct client *c)
{
	const struct client *other = TAILQ_FIRST(&s->recent);

	if (other == c)
		other = TAILQ_NEXT(other, recent);
	return other != NULL &&
	       (other->jobs > 0 ||
		   clock_mono_us() - other->last_us < RECENT_US);
}

/* One that has used little lately is near: its next object is served at once.
 */
static bool
a_light_one_is_near(const struct sched *s, const struct client *c)
{
	uint64_t now = clock_mono_us();
	struct client *other;
	unsigned int n = 0;

	TAILQ_FOREACH (other, &s->recent, recent) {
		if (now - other->last_us >= RECENT_US || n++ == LIGHT_FROM)
			return false;
		if (other != c && !client_in_debt(other))
			return true;
	}
	return false;
}

bool
client_may(const struct sched *s, const struct client *c, bool below_half)
{
	if (below_half && c->held >= sched_half(s->serving))
		return false;
	if (c->heavy < sched_half(s->limits.workers_max) &&
	    c->replaced + c->unwanted < sched_half(s->wanted))
		return true;
	return !others_are_near(s, c);
}

bool
client_gives_way(const struct sched *s, struct client *c)
{
	return client_in_debt(c) && a_light_one_is_near(s, c);
}

void
clients_free(struct sched *s)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&s->recent)) != NULL)
		client_free(s, c);
}
