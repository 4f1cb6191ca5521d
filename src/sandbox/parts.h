/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SANDBOX_PARTS_H
#define SANDBOX_PARTS_H
/*
 * The parts of sandbox_enter(). Each gives PART_DONE; PART_ABSENT with errno
 * when this system does not offer it, and nothing has changed; PART_FAILED
 * with errno when it does and it went wrong all the same.
 */
#include "sandbox/sandbox.h"

enum part { PART_DONE, PART_ABSENT, PART_FAILED };

/*
 * root.c: mount, network and IPC namespaces of its own, and a root folder with
 * nothing but the paths in it.
 */
enum part root_enter(
    const struct sandbox_path *paths, size_t n, const char *scratch);
/* landlock.c: no file can be opened but those. */
enum part landlock_enter(const struct sandbox_path *paths, size_t n);
/* calls.c: the filter of system calls. */
enum part calls_enter(enum role role);
#endif
