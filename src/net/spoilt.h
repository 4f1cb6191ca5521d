/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SPOILT_H
#define NET_SPOILT_H
#include <stdbool.h>

#include "base/scan.h"

/*
 * After these a worker is replaced (architecture 1.1): something went wrong
 * inside it, or it looked into something that was made to do harm. The scan of
 * a preview ends in an error by nature: the object was cut.
 */
bool answer_spoils(const struct scan_answer *a, bool prefix);
#endif
