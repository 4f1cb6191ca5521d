/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_HARMLESS_H
#define NET_HARMLESS_H
/*
 * Previews in which nothing was found, in this signature generation and under
 * these settings: the same one again costs a hash, and no scan. It is never an
 * outcome: what follows is scanned whole. Of fixed size; newer ones push older
 * ones out.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct harmless;

struct harmless *harmless_new(void); /* NULL when out of memory */
void harmless_free(struct harmless **h);
/* The digest is over everything that the scan's answer depends on. */
void harmless_note(struct harmless *h, const unsigned char digest[HASH_LEN]);
bool harmless_has(
    const struct harmless *h, const unsigned char digest[HASH_LEN]);
#endif
