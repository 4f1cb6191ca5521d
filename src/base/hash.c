/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/hash.h"

#include <stdbool.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct hash {
	EVP_MD_CTX *ctx;
	bool over; /* finished: begins anew when it is used again */
};

/* Fetched once: a fetch per object costs as much as a small object. */
static const EVP_MD *
sha256(void)
{
	static const EVP_MD *md;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	return md;
}

struct hash *
hash_new(void)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL || sha256() == NULL ||
	    EVP_DigestInit_ex2(h->ctx, sha256(), NULL) != 1)
		hash_free(&h);
	return h;
}

void
hash_free(struct hash **h)
{
	if (*h == NULL)
		return;
	EVP_MD_CTX_free((*h)->ctx);
	free(*h);
	*h = NULL;
}

/* Not at once after the end: most are not used again, and it allocates. */
static bool
begun(struct hash *h)
{
	if (h->over && EVP_DigestInit_ex2(h->ctx, sha256(), NULL) == 1)
		h->over = false;
	return !h->over;
}

int
hash_update(struct hash *h, const void *p, size_t len)
{
	return begun(h) && EVP_DigestUpdate(h->ctx, p, len) == 1 ? 0 : -1;
}

int
hash_final(struct hash *h, unsigned char out[HASH_LEN])
{
	if (!begun(h) || EVP_DigestFinal_ex(h->ctx, out, NULL) != 1)
		return -1;
	h->over = true;
	return 0;
}

int
hash_once(const void *p, size_t len, unsigned char out[HASH_LEN])
{
	struct hash *h = hash_new();
	int rc = -1;

	if (h != NULL && hash_update(h, p, len) == 0 && hash_final(h, out) == 0)
		rc = 0;
	hash_free(&h);
	return rc;
}

void
hash_hex(const unsigned char digest[HASH_LEN], char out[HASH_HEX_LEN])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_LEN; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[HASH_HEX_LEN - 1] = '\0';
}

void
hash_base32(const unsigned char digest[HASH_LEN], char *out, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned int bits = 0, nbits = 0;
	size_t at = 0;

	CHECK(n <= 51);
	for (size_t i = 0; i < n; i++) {
		if (nbits < 5) {
			bits = bits << 8 | digest[at++];
			nbits += 8;
		}
		nbits -= 5;
		out[i] = set[bits >> nbits & 31];
	}
	out[n] = '\0';
}
