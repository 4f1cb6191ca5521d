/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/stash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_MAP ((size_t)1 << 18)

void
stash_init(struct stash *s, struct stash_space *space)
{
	*s = (struct stash){ .space = space, .fd = -1 };
}

static void
unmap(struct stash *s)
{
	if (s->mapped > 0)
		(void)munmap(s->p, s->mapped);
	s->p = NULL;
	s->mapped = 0;
}

static int
make_room(struct stash *s, size_t want)
{
	size_t size = s->mapped > 0 ? s->mapped : FIRST_MAP;
	void *p;

	while (size < want)
		if (__builtin_mul_overflow(size, 2, &size))
			return -1;
	if (size == s->mapped)
		return 0;
	p = s->mapped == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			   : mremap(s->p, s->mapped, size, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return -1;
	s->p = p;
	s->mapped = size;
	return 0;
}

/* Charged before it is written: the sum of all files has a limit. */
static int
write_all(struct stash *s, const unsigned char *p, size_t len)
{
	const struct engine_temp *t = engine_temp(s->space->engine);
	ssize_t n;

	if (len > t->max || s->space->used > t->max - len) {
		errno = ENOSPC;
		return -1;
	}
	s->space->used += len;
	for (; len > 0; p += n, len -= (size_t)n) {
		n = write(s->fd, p, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return -1;
	}
	return 0;
}

static int
to_file(struct stash *s)
{
	const struct engine_temp *t = engine_temp(s->space->engine);
	int n = snprintf(
	    s->path, sizeof(s->path), "%s/decoded-%u", t->dir, s->space->files);

	if (n < 0 || (size_t)n >= sizeof(s->path))
		return -1;
	s->fd = open(
	    s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return -1;
	s->space->files++;
	if (write_all(s, s->p, s->len) != 0)
		return -1;
	unmap(s);
	return 0;
}

/* Without a folder (tests) all is kept in memory. */
static bool
outgrows_memory(const struct stash *s, size_t len)
{
	return len > STASH_MEMORY &&
	       engine_temp(s->space->engine)->dir[0] != '\0';
}

int
stash_append(struct stash *s, const void *p, size_t len)
{
	size_t want;

	if (len == 0)
		return 0;
	if (__builtin_add_overflow(s->len, len, &want))
		return -1;
	if (s->fd == -1 && outgrows_memory(s, want) && to_file(s) != 0)
		return -1;
	if (s->fd != -1) {
		unmap(s);
		if (write_all(s, p, len) != 0)
			return -1;
	} else {
		if (make_room(s, want) != 0)
			return -1;
		memcpy(s->p + s->len, p, len);
	}
	s->len = want;
	return 0;
}

int
stash_data(struct stash *s, struct slice *data)
{
	void *p;

	if (s->fd != -1 && s->mapped == 0 && s->len > 0) {
		p = mmap(NULL, s->len, PROT_READ, MAP_PRIVATE, s->fd, 0);
		if (p == MAP_FAILED)
			return -1;
		s->p = p;
		s->mapped = s->len;
	}
	*data = (struct slice){ (const char *)s->p, s->len };
	return 0;
}

static void
drop_file(struct stash *s)
{
	if (s->fd == -1)
		return;
	unmap(s);
	(void)unlink(s->path);
	(void)close(s->fd);
	s->fd = -1;
	s->space->used -= s->space->used < s->len ? s->space->used : s->len;
}

void
stash_reset(struct stash *s)
{
	drop_file(s);
	s->len = 0;
}

void
stash_free(struct stash *s)
{
	stash_reset(s);
	unmap(s);
}
