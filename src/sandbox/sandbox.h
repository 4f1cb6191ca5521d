/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H
/*
 * What confines net, loader, worker and ctl, for good, from the moment when
 * they have all that they need. protections.def says what there is,
 * syscalls.def which system calls remain.
 *
 * A protection that this system does not offer is left out and reported; one
 * that it offers and that cannot be put in place is an error, upon which the
 * process must end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "ipc/msg.h"

enum protection {
#define PROTECTION(id, word, roles, demanded, text) PROTECTION_##id,
#include "sandbox/protections.def"
	NPROTECTIONS
};
/* Sets of them travel between processes as bits. */
#define PROTECTION_BIT(id) ((uint32_t)1 << PROTECTION_##id)

/* A folder or file that stays reachable. */
struct sandbox_path {
	const char *path; /* absolute; NULL: see fd */
	int fd;           /* of a folder, used when path is NULL */
	bool write;       /* files and folders in it may be made and removed */
	/*
	 * Not 0: where the process gets a root of its own, a fresh tmpfs of
	 * this size is mounted there instead of the folder.
	 */
	uint64_t fresh_tmpfs;
};

struct sandbox {
	enum role role; /* NET, SCAN, WORKER or CTL */
	bool off;       /* for debugging */
	const struct sandbox_path *paths;
	size_t npaths;
	/*
	 * Of a loader: a folder in which nothing else is needed, where its own
	 * root is put together.
	 */
	const char *scratch;
};

struct sandbox_report {
	uint32_t have; /* PROTECTION_BIT()s */
	char why[192]; /* what this system does not offer, "" if all */
};

/*
 * Confines this process, which must have one thread and must have dropped its
 * rights (privdrop.h). Adds to *r. 0, or -1 with the reason in err.
 */
int sandbox_enter(const struct sandbox *s, struct sandbox_report *r, char *err,
    size_t errlen) MUST_CHECK;
/* Adds a reason to r->why. */
void sandbox_lacks(struct sandbox_report *r, const char *what, int error);

/* Those that a process of that role is to have and lacks. */
uint32_t sandbox_missing(enum role role, uint32_t have);
/*
 * Sandbox require: 0, or -1 with a sentence that names what is demanded and
 * missing.
 */
int sandbox_demand(enum role role, const struct sandbox_report *r, char *err,
    size_t errlen) MUST_CHECK;
/* A line for the log: a warning when something is missing. */
void sandbox_log(enum role role, const struct sandbox_report *r);
/* The words of a set with a blank between them; "none" if it is empty. */
int sandbox_words(struct buf *out, uint32_t set);
const char *sandbox_word(enum protection p);

/*
 * What processes of that account would get, tried out in one that ends. For
 * SCAN also what its worker would get. 0, or -1 with the reason.
 */
int sandbox_try(enum role role, uint32_t uid, uint32_t gid,
    struct sandbox_report *r, struct sandbox_report *worker, char *err,
    size_t errlen) MUST_CHECK;
#endif
