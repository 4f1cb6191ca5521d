/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_IDGEN_H
#define BASE_IDGEN_H
/*
 * Transaction ids that a person reads from a block page to an operator:
 * 13 characters of base32 (no 0, 1, O, I, L), unique over processes and
 * restarts of one host.
 */
#include <stdint.h>

#define IDGEN_LEN 14 /* with NUL */

/* instance: the number of the net process. Seeds from the clock and random. */
void idgen_init(unsigned int instance);
void idgen_next(char out[IDGEN_LEN]);
/* Process-wide counter for ids inside a process and in messages; never 0. */
uint64_t idgen_u64(void);
#endif
