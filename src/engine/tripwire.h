/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_TRIPWIRE_H
#define ENGINE_TRIPWIRE_H
/*
 * libclamav answers clean when it cannot write what it unpacked. So the
 * program defines write(), mkdir(), open() and their like itself (it must be
 * linked with -rdynamic): the library calls these, and a failure while a scan
 * runs is remembered.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

void tripwire_arm(void);
bool tripwire_is_armed(void);
/* NULL, or what failed since tripwire_arm() (static, until the next one). */
const char *tripwire_disarm(void);
/* A wrapper reports a failure: what failed and errno, 0 for a short write. */
void tripwire_trip(const char *what, int err);
/* Whether failed allocations are seen in this build. */
bool tripwire_sees_memory(void);
/*
 * From now on at most max bytes may lie below dir; whoever writes more ends
 * the process with ENGINE_EXIT_TEMP.
 */
int tripwire_limit(const char *dir, uint64_t max) MUST_CHECK;
/* What lies there is looked at again before the next write is counted. */
void tripwire_count_anew(void);
#endif
