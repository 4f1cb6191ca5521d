/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/peers.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/list.h"

#define BUCKETS 1024

struct peer {
	TAILQ_ENTRY(peer) link;
	struct addr addr;
	unsigned int connections;
};
TAILQ_HEAD(peer_list, peer);

struct peers {
	struct peer_list bucket[BUCKETS];
	uint64_t seed; /* nobody outside can choose who shares a bucket */
};

struct peers *
peers_new(void)
{
	struct peers *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		TAILQ_INIT(&c->bucket[i]);
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(c->seed))
		c->seed = (uint64_t)(uintptr_t)c;
	return c;
}

void
peers_free(struct peers **c)
{
	if (*c == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		CHECK(TAILQ_EMPTY(&(*c)->bucket[i]));
	free(*c);
	*c = NULL;
}

static struct peer_list *
bucket_of(struct peers *c, const struct addr *a)
{
	uint64_t h = c->seed;

	for (size_t i = 0; i < sizeof(a->ip); i++)
		h = (h ^ a->ip[i]) * 0x100000001b3u;
	h ^= h >> 32;
	return &c->bucket[(h ^ h >> 16) % BUCKETS];
}

struct peer *
peers_enter(struct peers *c, const struct addr *a)
{
	struct peer_list *b = bucket_of(c, a);
	struct peer *one;

	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		return NULL;
	TAILQ_FOREACH (one, b, link)
		if (addr_equal(&one->addr, a)) {
			one->connections++;
			return one;
		}
	if ((one = calloc(1, sizeof(*one))) == NULL)
		return NULL;
	one->addr = *a;
	one->connections = 1;
	TAILQ_INSERT_HEAD(b, one, link);
	return one;
}

void
peers_leave(struct peers *c, struct peer *one)
{
	if (one == NULL || --one->connections > 0)
		return;
	TAILQ_REMOVE(bucket_of(c, &one->addr), one, link);
	free(one);
}

unsigned int
peer_connections(const struct peer *one)
{
	return one->connections;
}
