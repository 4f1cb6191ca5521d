/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_SIGFILE_H
#define BASE_SIGFILE_H
/*
 * Which names in a signature folder are signature files: what libclamav loads,
 * no more and no less. Everything else that lies there (freshclam.dat, locks,
 * *.cvd.sign, folders of a download under way) is of no account.
 */
#include <stdbool.h>

/* By its last extension, in any case; a name that begins with a dot counts. */
bool sigfile_is_one(const char *name);
/*
 * A container whose head tells its version, which stands for its content:
 * .cvd is signed, .cld is made of signed parts. A .cud is neither.
 */
bool sigfile_is_container(const char *name);
#endif
