/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CACHE_H
#define NET_CACHE_H
/*
 * What workers answered about whole objects: the same bytes, asked about in the
 * same way, cost a hash (SE-13). Of one net process alone, so that one under an
 * attacker's control whitens nothing for others; it ends with its process. It
 * knows nothing of services: what is kept is the worker's answer, and what an
 * object's findings mean is decided anew each time.
 *
 * Kept are clean and infected answers of complete scans, until a new generation
 * (its owner forgets all), until they are too old, until the worker that gave
 * them turns out not to be trusted, or until others are used more.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "ipc/msg.h"

struct cache;

struct cache_key {
	unsigned char digest[HASH_LEN];
};
/* Where an answer comes from. */
struct cache_source {
	uint64_t incarnation; /* of the worker */
	uint32_t generation;  /* of its signatures */
};

struct cache *cache_new(void); /* NULL when out of memory; off */
void cache_free(struct cache **c);
/*
 * So many bytes of memory, tables included (0: off), and an answer is good for
 * so long (0: for ever). What is there stays, as far as it fits. 0, or -1 when
 * out of memory: then it is off.
 */
int cache_limits(
    struct cache *c, uint64_t max_bytes, uint64_t max_age_us) MUST_CHECK;
bool cache_is_on(const struct cache *c);
/*
 * The name of a scan: all of the request but its number and its deadline, the
 * signatures, and the SHA-256 of the body. Secret, so that nobody can choose
 * names that meet. 0 or -1.
 */
int cache_key(struct cache *c, const struct msg_scan_request *rq,
    uint32_t generation, const unsigned char body[HASH_LEN],
    struct cache_key *key) MUST_CHECK;
/* True: the worker's answer, with the times of its scan, and its source. */
bool cache_find(struct cache *c, const struct cache_key *key,
    struct scan_answer *answer, struct cache_source *source);
/* Nothing happens with an answer that is not to be kept. */
void cache_note(struct cache *c, const struct cache_key *key,
    const struct scan_answer *answer, const struct cache_source *source);
/* A worker has ended as none should: what it said is not believed any more. */
void cache_distrust(struct cache *c, uint64_t incarnation);
void cache_forget(struct cache *c); /* all */
unsigned int cache_count(const struct cache *c);
uint64_t cache_bytes(const struct cache *c);
#endif
