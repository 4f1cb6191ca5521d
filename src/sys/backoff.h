/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_BACKOFF_H
#define SYS_BACKOFF_H
#include <stdint.h>

/*
 * How long to wait before a process is started again: at once the first time
 * and when it lived for 10 s, else 1, 2, 4 ... 30 s. *fails counts the ends in
 * a row that no long life lay between.
 */
uint64_t backoff_us(unsigned int *fails, uint64_t lived_us);
#endif
