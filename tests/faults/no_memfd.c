/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-net on a system that has no memfd left, for tests and never
 * installed: it is linked with --wrap.
 */
#include <errno.h>
#include <sys/mman.h>

int __wrap_memfd_create(const char *name, unsigned int flags);

int
__wrap_memfd_create(const char *name, unsigned int flags)
{
	(void)name, (void)flags;
	errno = ENFILE;
	return -1;
}
