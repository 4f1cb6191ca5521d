/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_WORKER_H
#define SCAN_WORKER_H
/* A worker: scans one object at a time until its channel closes. */
#include "engine/engine.h"
#include "scan/jail.h"

/* Exit statuses, beside 0 (its channel was closed) and ENGINE_EXIT_TEMP. */
#define WORKER_EXIT_SETUP 72     /* it could not enter its jail */
#define WORKER_EXIT_VIOLATION 73 /* net broke the rules of the channel */

/*
 * Right after the fork, never returns: closes every descriptor but channel and
 * the standard ones, enters its jail, and works.
 */
_Noreturn void worker_run(struct engine *e, const struct jail *j, int channel);
/* The loop alone; the exit status. */
int worker_loop(struct engine *e, int channel);
#endif
