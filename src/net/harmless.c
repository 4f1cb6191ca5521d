/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/harmless.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS ((size_t)16384)

/* An all-zero row is empty: no input is known that has this digest. */
struct harmless {
	unsigned char rows[SLOTS][HASH_LEN];
};

struct harmless *
harmless_new(void)
{
	return calloc(1, sizeof(struct harmless));
}

void
harmless_free(struct harmless **h)
{
	free(*h);
	*h = NULL;
}

static size_t
slot_of(const unsigned char digest[HASH_LEN])
{
	uint32_t n;

	memcpy(&n, digest, sizeof(n));
	return n % SLOTS;
}

void
harmless_note(struct harmless *h, const unsigned char digest[HASH_LEN])
{
	memcpy(h->rows[slot_of(digest)], digest, HASH_LEN);
}

bool
harmless_has(const struct harmless *h, const unsigned char digest[HASH_LEN])
{
	return memcmp(h->rows[slot_of(digest)], digest, HASH_LEN) == 0;
}
