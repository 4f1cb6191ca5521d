/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_MEMROOM_H
#define SYS_MEMROOM_H
/*
 * Is there memory for a second signature set beside the one that serves? The
 * machine's and the control groups' (v1 and v2) word on it, read from /proc
 * and /sys through one door, so that a test can put other texts there.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

struct memroom_source {
	/*
	 * The text of the file, terminated, cut to fit; its length, or -1:
	 * it is not there.
	 */
	ssize_t (*read)(void *ctx, const char *path, char *out, size_t len);
	void *ctx;
};
extern const struct memroom_source memroom_system;

struct memroom {
	uint64_t bytes; /* that may still be taken; UINT64_MAX: not known */
	char what[160]; /* what sets this bound: "MemAvailable", ... */
};
/*
 * MemAvailable, or less where a control group of ours, or one above it, has a
 * limit: its limit less what it uses, where cached files count as free.
 */
void memroom_now(const struct memroom_source *s, struct memroom *out);
/* Bytes of memory of its own (not of files) that a process has; 0: unknown. */
uint64_t memroom_of_process(const struct memroom_source *s, pid_t pid);
/* What the next set needs where the present one takes so much. */
uint64_t memroom_need(uint64_t present);
#endif
