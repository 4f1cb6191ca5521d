/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The table of name prefixes, and the set of plain names: 64-bit hashes of the
 * plain ones in a sorted array, all others in a bit map of fixed size. Official
 * sets have millions of names and nearly all are hashes', so the map (its
 * rare false hits cost only a "not plain") is what keeps this small.
 */
#include "engine/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_BITS ((uint64_t)1 << 27)

struct prefix_row {
	const char *prefix;
	enum outcome outcome;
};
/*
 * First match counts. Heuristics that recognise one piece of malware by an
 * algorithm are detections like any other; those that judge are suspicious.
 */
static const struct prefix_row prefix_rows[] = {
	{ "Heuristics.Limits.Exceeded.MaxScanTime", OUTCOME_TIMEOUT },
	{ "Heuristics.Limits.Exceeded.", OUTCOME_LIMIT },
	{ "Heuristics.Zip.OverlappingFiles", OUTCOME_LIMIT }, /* zip bomb */
	{ "Heuristics.XZ.DicSizeLimit", OUTCOME_LIMIT },
	{ "Heuristics.Encrypted.", OUTCOME_ENCRYPTED },
	{ "Heuristics.W32.", OUTCOME_INFECTED }, /* Parite, Magistr ... */
	{ "Heuristics.Trojan.", OUTCOME_INFECTED },
	{ "Heuristics.Worm.", OUTCOME_INFECTED },
	{ "Heuristics.Exploit.", OUTCOME_INFECTED },
	{ "Heuristics.Safebrowsing.", OUTCOME_INFECTED }, /* listed URL */
	{ "Heuristics.Phishing.URL.Blocked", OUTCOME_INFECTED }, /* listed */
	{ "Heuristics.", OUTCOME_SUSPICIOUS },
	{ "PUA.", OUTCOME_PUA },
};

struct names {
	uint64_t *plain;
	size_t nplain, cap;
	unsigned char *other; /* OTHER_BITS, NULL after names_done() */
};

enum outcome
names_outcome(struct slice name)
{
	for (size_t i = 0; i < COUNTOF(prefix_rows); i++)
		if (slice_has_prefix(name, slice_of(prefix_rows[i].prefix)))
			return prefix_rows[i].outcome;
	return OUTCOME_INFECTED;
}

/* FNV-1a of the name without what libclamav adds to unsigned ones. */
static uint64_t
name_hash(struct slice name)
{
	static const char suffix[] = ".UNOFFICIAL";
	uint64_t h = 14695981039346656037u;
	size_t n = sizeof(suffix) - 1;

	if (name.len > n && memcmp(name.p + name.len - n, suffix, n) == 0)
		name.len -= n;
	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
	return h;
}

struct names *
names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->other = calloc(OTHER_BITS / 8, 1);
	if (n->other == NULL)
		names_free(&n);
	return n;
}

void
names_free(struct names **n)
{
	if (*n == NULL)
		return;
	free((*n)->plain);
	free((*n)->other);
	free(*n);
	*n = NULL;
}

static int
add_plain(struct names *n, uint64_t h)
{
	if (n->nplain == n->cap) {
		size_t cap = n->cap == 0 ? 1024 : n->cap * 2;
		uint64_t *p = reallocarray(n->plain, cap, sizeof(*p));

		if (p == NULL)
			return -1;
		n->plain = p;
		n->cap = cap;
	}
	n->plain[n->nplain++] = h;
	return 0;
}

static bool
other_has(const struct names *n, uint64_t h)
{
	uint64_t a = h % OTHER_BITS, b = (h >> 32) % OTHER_BITS;

	return (n->other[a / 8] >> (a % 8) & 1) != 0 &&
	       (n->other[b / 8] >> (b % 8) & 1) != 0;
}

int
names_add(struct names *n, struct slice name, bool plain)
{
	uint64_t h = name_hash(name);
	uint64_t a = h % OTHER_BITS, b = (h >> 32) % OTHER_BITS;

	if (plain)
		return add_plain(n, h);
	n->other[a / 8] |= (unsigned char)(1u << (a % 8));
	n->other[b / 8] |= (unsigned char)(1u << (b % 8));
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
names_done(struct names *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->nplain; i++)
		if (!other_has(n, n->plain[i]))
			n->plain[kept++] = n->plain[i];
	n->nplain = kept;
	if (kept > 0)
		qsort(n->plain, kept, sizeof(*n->plain), compare);
	free(n->other);
	n->other = NULL;
}

bool
names_plain(const struct names *n, struct slice name)
{
	uint64_t h = name_hash(name);

	return n->nplain > 0 &&
	       bsearch(&h, n->plain, n->nplain, sizeof(h), compare) != NULL;
}
