/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef IPC_PRIVDROP_H
#define IPC_PRIVDROP_H
/* The first act of every process that the parent starts. */
#include <stdint.h>

#include "base/check.h"

/*
 * Becomes uid and gid for good, without supplementary groups, and can gain no
 * new privileges by exec. UINT32_MAX: stay as started (only the latter). 0 or
 * -1 with errno.
 */
int privdrop(uint32_t uid, uint32_t gid) MUST_CHECK;
#endif
