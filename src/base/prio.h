/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_PRIO_H
#define BASE_PRIO_H
/*
 * How a process competes for the processors, besides its nice value: by the
 * length of the time slices that it asks for (Linux 6.12 and later). Who asks
 * for long ones is interrupted by anybody who wakes up and does not, at equal
 * shares of the time, and among its like it is interrupted less often. Unlike
 * a nice value this needs no right to be taken back.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIO_LONG_SLICE_NS ((uint64_t)10000000)

/*
 * Long slices for that process of the caller's account (0: itself), or the
 * usual ones. 0, or -1 with errno. An older kernel changes nothing. The nice
 * value stays; whoever changes it at the same time has to do so once more
 * after this call.
 */
int prio_long_slices(pid_t pid, bool on);
#endif
