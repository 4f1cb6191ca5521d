/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_RETURNED_H
#define CLIENT_RETURNED_H
/*
 * The body that comes back: compared with the object, counted, bounded, and
 * written to a file when that is wanted.
 */
#include "base/hash.h"
#include "client/source.h"
#include "client/verdict.h"

struct returned {
	const struct source *source;
	struct hash *hash; /* of what came, if the source cannot be reread */
	uint64_t received, max;
	bool differs;
	char *compare; /* a part of the source */
	int fd;        /* -1: it is not kept */
};

/* max: bytes; fd: where to write, -1 for nowhere, stays the caller's. 0 or -1
 * (no memory). */
int returned_init(struct returned *r, const struct source *s, uint64_t max,
    int fd) MUST_CHECK;
void returned_free(struct returned *r);
/* NULL, or what is wrong (static text or strerror's). */
const char *returned_bytes(struct returned *r, struct slice bytes);
/*
 * The answer has ended. sent: the digest of what was sent of a source that
 * cannot be reread. original_at: where the object goes on (206), UINT64_MAX
 * when it does not. NULL, or what is wrong.
 */
const char *returned_end(struct returned *r, bool is_206, uint64_t original_at,
    const unsigned char sent[HASH_LEN], uint64_t sent_len, enum sameness *same);
#endif
