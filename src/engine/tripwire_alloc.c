/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Memory that a library does not get while a scan runs: a parser that gives up
 * for want of it looks like a harmless object. glibc allows its allocator's
 * entry points to be replaced one by one; with another C library, or under
 * sanitizers (which replace them too), this file is empty. Under valgrind:
 * --soname-synonyms=somalloc=NONE.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/real.h"
#include "engine/tripwire.h"

#if defined(__GLIBC__) && !defined(WITH_SANITIZERS)

/* glibc's own, exported under these names. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *p, size_t len);

WRAPPER void *
malloc(size_t len)
{
	void *p = __libc_malloc(len);

	if (p == NULL)
		tripwire_trip("malloc", ENOMEM);
	return p;
}

WRAPPER void *
calloc(size_t n, size_t len)
{
	void *p = __libc_calloc(n, len);

	if (p == NULL)
		tripwire_trip("calloc", ENOMEM);
	return p;
}

WRAPPER void *
realloc(void *p, size_t len)
{
	void *q = __libc_realloc(p, len);

	if (q == NULL && len > 0)
		tripwire_trip("realloc", ENOMEM);
	return q;
}

bool
tripwire_sees_memory(void)
{
	return true;
}

#else

bool
tripwire_sees_memory(void)
{
	return false;
}

#endif
