/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef IPC_PROGRESS_H
#define IPC_PROGRESS_H
/*
 * A page that one worker writes and its net reads: which scan it has begun.
 * net looks when it has to know (a scan lasts, a worker has ended), instead of
 * being woken by a message for each scan. Net makes it, of a size that cannot
 * be changed, and the worker can only write what a message could say as well.
 */
#include <stdint.h>

#include "base/check.h"

struct progress;

/* For net: NULL where the system cannot. *fd is for the worker; the caller's.
 */
struct progress *progress_new(int *fd);
/* For the worker; fd stays the caller's. NULL: it is no such page. */
struct progress *progress_open(int fd);
void progress_free(struct progress **p);
/* Said by the worker; at_us by CLOCK_MONOTONIC. */
void progress_begin(struct progress *p, uint64_t scan_id, uint64_t at_us);
/* The last one that it has begun, 0: none; *at_us is only its word. */
uint64_t progress_begun(const struct progress *p, uint64_t *at_us);
#endif
