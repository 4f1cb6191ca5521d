/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_DBWATCH_H
#define SYS_DBWATCH_H
/* Has anything in the signature folder changed? */
#include <stdint.h>

/*
 * A number that changes with the set of files, their sizes, inodes and times;
 * 0 when the folder (or single file) cannot be read. "embedded" is always 1.
 */
uint64_t dbwatch_fingerprint(const char *folder);
#endif
