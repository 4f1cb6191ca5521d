/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_KILLERS_H
#define NET_KILLERS_H
/*
 * The objects during whose scans workers ended, in this signature generation:
 * by SHA-256, size, kind and codings. One that has ended two is not scanned
 * again. What ends by SIGKILL was ended from outside (an operator, or the
 * kernel for lack of memory) and counts half; a scan that has an answer takes
 * all of it back. Bounded: of those seen once the oldest are forgotten first.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/scan.h"

#define KILLERS_MAX 4096
#define KILLERS_OUTSIDE 1 /* the weight of a worker ended by SIGKILL */
#define KILLERS_WORKER 2  /* of any other */
#define KILLERS_WHOLE 4   /* so much, and it is not scanned again */
#define KILLERS_PREFIX 2  /* a preview: its scan is optional work anyway */

struct killers;

struct killer {
	unsigned char digest[HASH_LEN];
	uint64_t size;
	uint32_t kind; /* enum scan_kind */
	uint32_t ncodings;
	uint32_t codings[SCAN_MAX_CODINGS]; /* behind ncodings: zero */
};

struct killers *killers_new(void); /* NULL when out of memory */
void killers_free(struct killers **k);
/* A worker has ended; what that makes in all. Not kept without memory. */
unsigned int killers_note(
    struct killers *k, const struct killer *object, unsigned int weight);
/* What it has against it, as far as is remembered. */
unsigned int killers_weight(struct killers *k, const struct killer *object);
/* It was scanned. */
void killers_clear(struct killers *k, const struct killer *object);
bool killers_is_empty(const struct killers *k);
/* New signatures, new chances. */
void killers_forget(struct killers *k);
#endif
