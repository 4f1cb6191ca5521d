/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_JAIL_H
#define SCAN_JAIL_H
/*
 * Where a worker lives: a private folder for its temporary files, and as
 * little else as this system lets it give up. A table of techniques, of which
 * the first that works wins.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "ipc/msg.h"

#define JAIL_PATH_MAX 288

struct jail {
	const char *path;     /* the slot's folder */
	uint32_t kind;        /* enum msg_jail: what path is */
	uint64_t incarnation; /* names the worker's own folder below it */
	uint64_t temp_max;
	uint64_t memory_max; /* beyond what is mapped on entry */
	bool off;            /* for debugging: nothing but the folder */
};

/*
 * In a new worker: makes its folder (*dir) and goes in, for good. The name of
 * the technique, or NULL with errno.
 */
const char *jail_enter(const struct jail *j, char dir[JAIL_PATH_MAX]);
/* In the loader: removes the folder of a worker that has ended. */
void jail_clean(const struct jail *j);
/*
 * Which technique a worker would get, found out in a child that tries. NULL:
 * none works.
 */
const char *jail_probe(const struct jail *j);
/* Whether that technique is more than a folder. */
bool jail_is_confined(const char *technique);

/* Removes a folder with all that is in it; follows no symbolic link. */
void jail_remove_tree(const char *path);
#endif
