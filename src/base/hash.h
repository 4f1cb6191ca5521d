/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_HASH_H
#define BASE_HASH_H
/* SHA-256 by OpenSSL; nothing else in the tree includes its hash headers. */
#include <stddef.h>

#include "base/check.h"

#define HASH_LEN 32
#define HASH_HEX_LEN 65 /* with NUL */

struct hash;

struct hash *hash_new(void); /* NULL when out of memory */
void hash_free(struct hash **h);
int hash_update(struct hash *h, const void *p, size_t len) MUST_CHECK;
/* Writes the digest and makes the object ready for a new one. 0 or -1. */
int hash_final(struct hash *h, unsigned char out[HASH_LEN]) MUST_CHECK;
int hash_once(
    const void *p, size_t len, unsigned char out[HASH_LEN]) MUST_CHECK;
void hash_hex(const unsigned char digest[HASH_LEN], char out[HASH_HEX_LEN]);
/* The first n digits of the digest in base32 (RFC 4648, no padding), n <= 51.
 */
void hash_base32(const unsigned char digest[HASH_LEN], char *out, size_t n);
#endif
