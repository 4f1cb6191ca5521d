/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_STASH_H
#define SCAN_STASH_H
/*
 * Bytes that were decoded and are to be scanned: in memory while they are few,
 * else in a file in the worker's private temporary folder, which counts
 * against WorkerTempSize. Written once from front to back, then read.
 */
#include "base/str.h"
#include "engine/engine.h"

/* So much of one stash is kept in memory. */
#define STASH_MEMORY ((size_t)16 << 20)

/* Where the files of all stashes of one object go. */
struct stash_space {
	struct engine *engine; /* knows the folder */
	uint64_t used;         /* bytes in files */
	unsigned int files;    /* made so far, for their names */
};
struct stash {
	struct stash_space *space;
	unsigned char *p; /* mapped memory, or the mapped file */
	size_t len, mapped;
	int fd; /* -1: in memory */
	char path[288];
};
void stash_init(struct stash *s, struct stash_space *space);
/* 0, or -1 when there is no memory or temporary space. */
int stash_append(struct stash *s, const void *p, size_t len) MUST_CHECK;
/* All of it, until the next call for this stash. 0 or -1. */
int stash_data(struct stash *s, struct slice *data) MUST_CHECK;
/* Forgets the contents, keeps the memory. */
void stash_reset(struct stash *s);
void stash_free(struct stash *s);
#endif
