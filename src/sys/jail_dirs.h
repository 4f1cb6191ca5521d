/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_JAIL_DIRS_H
#define SYS_JAIL_DIRS_H
/*
 * The workers' private temporary folders: one tmpfs each in a mount namespace
 * of our own where root may have that, else folders on a shared tmpfs. Three
 * sets, so that the workers of a generation that loads, one that serves and
 * one that ends never share.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define JAIL_SETS 3

struct jail_dirs {
	char base[160];
	unsigned int slots; /* of one set */
	uint64_t size_each;
	uint32_t uid, gid; /* the owner, UINT32_MAX: we */
	bool mounted;
	char missing[96]; /* why not, "" if mounted */
};

/* 0, or -1 with the reason. */
int jail_dirs_make(struct jail_dirs *j, unsigned int slots, uint64_t size_each,
    const char *shared_tmpfs, uint32_t uid, uint32_t gid, char *err,
    size_t errlen) MUST_CHECK;
void jail_dirs_path(const struct jail_dirs *j, unsigned int set,
    unsigned int slot, char *out, size_t len);
/* What a crash left in a set that is not used now goes away. */
void jail_dirs_renew(const struct jail_dirs *j, unsigned int set);
/* Unmounts and removes everything. */
void jail_dirs_remove(struct jail_dirs *j);
#endif
