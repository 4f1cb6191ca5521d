/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_RAR5_H
#define ENGINE_UNPACK_RAR5_H
/*
 * A walk over the headers of a RAR 5 archive: which members are encrypted.
 * The library that unpacks it does not say, and unpacks noise.
 */
#include <stdbool.h>

#include "base/str.h"

struct rar5_walk {
	struct slice rest; /* from the next header on; empty: no more */
	bool hidden;       /* even the headers are encrypted */
};
/* Other bytes than a RAR 5 archive give a walk without members. */
void rar5_walk_start(struct rar5_walk *w, struct slice data);
/* Whether the next member is encrypted. */
bool rar5_walk_next(struct rar5_walk *w);
/* Whether a header that hides all others came, now or before. */
bool rar5_walk_hidden(struct rar5_walk *w);
#endif
