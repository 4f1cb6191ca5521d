/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_BACKOFF_H
#define SYS_BACKOFF_H
#include <stdint.h>

/*
 * How long to wait before a process is started again: at once when it lived
 * for 10 s, else 1, 2, 4 ... 30 s. *fails counts short lives in a row.
 */
uint64_t backoff_us(unsigned int *fails, uint64_t lived_us);
#endif
