/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Mappings. A failure is seen by the tripwire; and small anonymous ones, which
 * libclamav takes for every file that it looks into (four for a page of 1 KB)
 * and gives back at once, are kept for the next one: that is two system calls
 * and a page fault each, a quarter of the time of that page. They are empty
 * when they are taken, as new ones are. Sanitizers see what is used too long,
 * so nothing is kept with them.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/real.h"
#include "engine/tripwire.h"

/* Lengths are powers of two, so that one fits others than it was made for. */
#define LEN_MAX ((size_t)256 << 10)
#define PLACES 16

static struct place {
	char *p;      /* NULL: free */
	size_t len;   /* what there is */
	size_t asked; /* what of it is in use, 0: none */
} places[PLACES];

#ifdef WITH_SANITIZERS
#define KEEP 0
#else
#define KEEP 1
#endif

static size_t
page_size(void)
{
	static size_t page;

	if (page == 0)
		page = (size_t)sysconf(_SC_PAGESIZE);
	return page;
}

static size_t
whole_pages(size_t len)
{
	return (len + page_size() - 1) / page_size() * page_size();
}

/* Of a mapping for len bytes. */
static size_t
length_for(size_t len)
{
	size_t n = page_size();

	while (n < len)
		n *= 2;
	return n;
}

static int
real_munmap(void *p, size_t len)
{
	REAL(munmap);
	return real(p, len);
}

/* Empty, as far as it is asked for. */
static void *
take(size_t len)
{
	size_t n = length_for(len);

	for (size_t i = 0; i < COUNTOF(places); i++) {
		struct place *at = &places[i];

		if (at->p == NULL || at->asked != 0 || at->len != n)
			continue;
		at->asked = len;
		/* up to the end of the page, which is empty in a new one */
		memset(at->p, 0, whole_pages(len));
		return at->p;
	}
	return NULL;
}

/* A place for one more: of one that nobody uses, if need be. NULL: none. */
static struct place *
find_place(void)
{
	struct place *unused = NULL;

	for (size_t i = 0; i < COUNTOF(places); i++) {
		if (places[i].p == NULL)
			return &places[i];
		if (places[i].asked == 0)
			unused = &places[i];
	}
	if (unused != NULL) {
		(void)real_munmap(unused->p, unused->len);
		unused->p = NULL;
	}
	return unused;
}

/* Nobody knows of what is behind the bytes that were asked for. */
static void
drop_rest(const struct place *at)
{
	size_t used = whole_pages(at->asked);

	if (used < at->len)
		(void)real_munmap(at->p + used, at->len - used);
}

/* Something else is done with it: it will not be kept. */
static void
forget(const void *p, size_t len)
{
	uintptr_t begin = (uintptr_t)p, end = begin + len;

	for (size_t i = 0; i < COUNTOF(places); i++) {
		uintptr_t at = (uintptr_t)places[i].p;

		if (at != 0 && at < end && begin < at + places[i].len) {
			drop_rest(&places[i]);
			places[i].p = NULL;
		}
	}
}

WRAPPER void *
mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	bool small = KEEP && tripwire_is_armed() && at == NULL && fd == -1 &&
		     len > 0 && len <= LEN_MAX &&
		     prot == (PROT_READ | PROT_WRITE) &&
		     flags == (MAP_PRIVATE | MAP_ANONYMOUS);
	struct place *place;
	void *p;

	REAL(mmap64);
	if (small && (p = take(len)) != NULL)
		return p;
	if ((flags & MAP_FIXED) != 0)
		forget(at, len);
	place = small ? find_place() : NULL;
	p = real(
	    at, place != NULL ? length_for(len) : len, prot, flags, fd, off);
	if (p == MAP_FAILED)
		tripwire_trip("mmap", errno);
	else if (place != NULL)
		*place = (struct place){ p, length_for(len), len };
	return p;
}

WRAPPER int
munmap(void *p, size_t len)
{
	for (size_t i = 0; i < COUNTOF(places) && p != NULL; i++)
		if (places[i].p == p && places[i].asked == len) {
			places[i].asked = 0;
			return 0;
		}
	forget(p, len);
	return real_munmap(p, len);
}

WRAPPER int
mprotect(void *p, size_t len, int prot)
{
	REAL(mprotect);
	forget(p, len);
	return real(p, len, prot);
}
