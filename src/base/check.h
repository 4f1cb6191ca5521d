/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H
/*
 * CHECK() is for programming errors only and is never compiled out. What a
 * peer (client, worker, file) can influence is never CHECKed: it gets an
 * error path. A failed CHECK aborts; the parent restarts the process.
 */
#include <stddef.h>

/* Logs the failed expression to stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *expr);

#define CHECK(e) ((e) ? (void)0 : check_failed(__FILE__, __LINE__, #e))
#define COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) \
	((type *)(void *)((char *)(p)-offsetof(type, member)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#endif
