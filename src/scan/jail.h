/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_JAIL_H
#define SCAN_JAIL_H
/*
 * Where a worker lives: a private folder for its temporary files, its root
 * where that can be had, limits of memory and size, and the sandbox of
 * sandbox/sandbox.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "sandbox/sandbox.h"

#define JAIL_PATH_MAX 288

struct jail {
	const char *path;     /* the slot's folder */
	uint64_t incarnation; /* names the worker's own folder below it */
	uint64_t temp_max;
	uint64_t memory_max; /* beyond what is mapped on entry */
	uint64_t mapped;     /* bytes of address space mapped on entry */
	bool off;            /* for debugging: nothing but the folder */
};

/*
 * In a new worker: makes its folder and goes in, for good. *dir is how the
 * worker names it from now on. Adds to *r. 0, or -1 with the reason.
 */
int jail_enter(const struct jail *j, char dir[JAIL_PATH_MAX],
    struct sandbox_report *r, char *err, size_t errlen) MUST_CHECK;
/* In the loader: removes the folder of a worker that has ended. */
void jail_clean(const struct jail *j);
/* What a worker would get, found out in a child that tries. 0 or -1. */
int jail_probe(const struct jail *j, struct sandbox_report *r, char *err,
    size_t errlen) MUST_CHECK;

/*
 * What the loader opens, before it can open nothing more, to know its size and
 * to make its workers the first that go when memory runs out.
 */
struct jail_host {
	int statm_fd, oom_fd;
	char oom[16]; /* our own score, "" when it need not be changed */
};
void jail_host_open(struct jail_host *h);
void jail_host_close(struct jail_host *h);
uint64_t jail_host_mapped(const struct jail_host *h); /* bytes, 0: unknown */
/* Bytes that it has in memory, without those of files; 0: unknown. */
uint64_t jail_host_memory(const struct jail_host *h);
/*
 * From now on it is the first to go when memory runs out, or no longer: while
 * signatures are loaded, the former ones are served by others.
 */
void jail_host_loading(const struct jail_host *h, bool loading);
/* Just before a fork, and in the parent behind it. */
void jail_host_fork(const struct jail_host *h, bool about_to);

/* Removes a folder with all that is in it; follows no symbolic link. */
void jail_remove_tree(const char *path);
#endif
