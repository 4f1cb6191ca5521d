/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H
/*
 * Ways to put some bytes where a scanner may not look: behind others, into
 * containers, and into containers that lie.
 */
#include "base/buf.h"
#include "base/str.h"

typedef void (*way_pack)(struct buf *b, struct slice data);
struct way {
	const char *name;
	way_pack pack;
};
/*
 * All that must be found; ends with a name of NULL. The first WAYS_FIRST are
 * those that are tried with large files, too.
 */
extern const struct way ways_hidden[];
#define WAYS_FIRST 5
/* Containers with one member, to be tried with a long one; the same. */
extern const struct way ways_long[];
/* In a tar in a gzip: for what is hidden in the second layer. */
void way_in_tar_gz(struct buf *b, struct slice data);
#endif
