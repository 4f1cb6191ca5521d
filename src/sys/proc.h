/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_PROC_H
#define SYS_PROC_H
/* Finding and starting the helper programs. */
#include <sys/types.h>

#include "base/str.h"

#define PROC_NO_EXEC 127 /* exit status of one that could not be executed */

/*
 * Full path of a helper ("tolsey-net"): beside the running program, else in the
 * libexec folder. 0, or -1 when there is none.
 */
int proc_helper_path(const char *name, char *out, size_t len) MUST_CHECK;
/* Folder of the running program, "" when unknown. */
void proc_own_folder(char *out, size_t len);
/*
 * Starts the helper with the descriptor as its number 3 and no other but
 * stdio; arg may be NULL. The descriptor stays the caller's. -1 on failure.
 */
pid_t proc_spawn(const char *name, const char *arg, int fd) MUST_CHECK;
#endif
