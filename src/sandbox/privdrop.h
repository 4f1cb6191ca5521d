/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SANDBOX_PRIVDROP_H
#define SANDBOX_PRIVDROP_H
/* The first act of every process that the parent starts, and the parent's own
 * share. */
#include <stdint.h>

#include "base/check.h"

#define CAP_BIT(capability) ((uint64_t)1 << (capability))

/*
 * Becomes uid and gid for good, without supplementary groups, and can gain no
 * new privileges by exec. UINT32_MAX: stay as started (only the latter). Of
 * its capabilities it keeps those in `keep` that it has. 0 or -1 with errno.
 */
int privdrop(uint32_t uid, uint32_t gid, uint64_t keep) MUST_CHECK;
/* Has no capabilities from now on but those in `keep` that it has. 0 or -1. */
int capabilities_keep(uint64_t keep) MUST_CHECK;
/*
 * The same of what programs that root starts from here can have (the bounding
 * set). Best effort: it needs CAP_SETPCAP.
 */
void capabilities_bound(uint64_t keep);
/* Whether it has that one (CAP_...) now. */
int capability_has(unsigned int capability);
#endif
