/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-net that has no descriptor left for a while: from the moment when it
 * has accepted ACCEPTS connections, for DRY_US. For tests and never installed:
 * it is linked with --wrap.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"

#define ACCEPTS 60
#define DRY_US ((uint64_t)2000000)

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags);
int __real_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);

static unsigned int accepts;
static uint64_t since_us;

static bool
is_dry(void)
{
	if (accepts < ACCEPTS || clock_mono_us() - since_us >= DRY_US)
		return false;
	errno = EMFILE;
	return true;
}

int
__wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	int rc;

	if (is_dry())
		return -1;
	rc = __real_accept4(fd, a, len, flags);
	if (rc >= 0 && ++accepts == ACCEPTS)
		since_us = clock_mono_us();
	return rc;
}

int
__wrap_memfd_create(const char *name, unsigned int flags)
{
	return is_dry() ? -1 : __real_memfd_create(name, flags);
}

int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return is_dry() ? -1 : __real_openat(dir, path, flags, mode);
}
