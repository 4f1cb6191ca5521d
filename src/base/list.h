/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_LIST_H
#define BASE_LIST_H
/* Intrusive lists are sys/queue.h; this adds what glibc's lacks. */
#include <sys/queue.h>

/* var may be removed and freed in the loop; next is the one behind it. */
#define TAILQ_FOREACH_SAFE(var, head, field, next) \
	for ((var) = TAILQ_FIRST(head); \
	     (var) != NULL && ((next) = TAILQ_NEXT(var, field), 1); \
	     (var) = (next))
#endif
