/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_CFB_H
#define ENGINE_CFB_H
/*
 * Reads compound files (OLE2; MS-CFB), which are hostile: every step is
 * bounded by the size of the file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define CFB_DIFAT_IN_HEAD 109
#define CFB_STEPS 2000000

struct cfb {
	struct slice file;
	size_t sector;   /* bytes */
	uint32_t nsects; /* that the file has */
	uint32_t first_dir, first_minifat, first_difat;
	uint32_t cutoff; /* shorter streams are in the mini stream */
	uint32_t mini_start;
	uint64_t mini_size;
	uint32_t steps; /* from sector to sector; over CFB_STEPS: given up */
};
struct cfb_entry {
	uint16_t name[32]; /* without its end */
	size_t namelen;
	unsigned int type; /* CFB_STREAM ... */
	uint32_t start;
	uint64_t size;
};
enum { CFB_STORAGE = 1, CFB_STREAM = 2, CFB_ROOT = 5 };

/* False: it is none, or its head makes no sense. */
bool cfb_open(struct cfb *c, struct slice file);
/* Where the walk through the directory has come to; zeroed at the start. */
struct cfb_walk {
	uint32_t sector, seen;
	size_t at;
	bool begun;
};
/* The next entry in use; false at the end. */
bool cfb_next(struct cfb *c, struct cfb_walk *w, struct cfb_entry *e);
/* The first bytes of a stream: how many there were, at most len. */
size_t cfb_read(
    struct cfb *c, const struct cfb_entry *e, void *out, size_t len);
/* Whether the entry is called so (ASCII, in any case). */
bool cfb_is(const struct cfb_entry *e, const char *name);
#endif
