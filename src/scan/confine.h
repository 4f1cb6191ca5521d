/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_CONFINE_H
#define SCAN_CONFINE_H
/* Which files a loader still needs when it is confined. */
#include <stddef.h>

#include "conf/conf.h"
#include "sandbox/sandbox.h"
#include "scan/loader.h"

struct confine_paths {
	struct sandbox_path *v;
	size_t n, cap;
	char **names; /* resolved links, ours */
	size_t nnames;
	char scratch[JAIL_PATH_MAX]; /* the folder above the slots */
};

/*
 * The signatures (with what symbolic links among them lead to) to be read, the
 * slots' folders to be written. 0, or -1 with the reason; free it in any case.
 */
int confine_paths(struct confine_paths *p, const struct conf *c,
    const struct loader *l, char *err, size_t errlen) MUST_CHECK;
void confine_paths_free(struct confine_paths *p);
/* What a worker has from its loader's sandbox. */
uint32_t confine_inherited(uint32_t have, const struct loader *l);
#endif
