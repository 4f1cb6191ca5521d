/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The wrappers. They are transparent: the result and errno are what the C
 * library gave. Buffered writes that fail late (fputs, fprintf) are seen by
 * fclose, which asks ferror first.
 */
#undef _FORTIFY_SOURCE /* its inline open() and write() would be in the way */
#include "engine/tripwire.h"

#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/real.h"
#include "engine/wish.h"

#define MAX_DEPTH 16

static struct {
	bool armed;
	char fault[96]; /* the first one */
	char dir[256];
	uint64_t max;  /* 0: no limit */
	uint64_t left; /* may be written before usage is looked at again */
} tw;

real_fn
real_lookup(const char *name)
{
	union {
		void *p;
		real_fn f;
	} u = { .p = dlsym(RTLD_NEXT, name) };

	CHECK(u.p != NULL);
	return u.f;
}

void
tripwire_trip(const char *what, int err)
{
	int saved = errno;

	if (tw.armed && tw.fault[0] == '\0')
		(void)snprintf(tw.fault, sizeof(tw.fault), "%s: %s", what,
		    err != 0 ? strerror(err) : "short write");
	errno = saved;
}

static uint64_t
usage_below(int dirfd, unsigned int depth)
{
	uint64_t sum = 0;
	struct dirent *d;
	struct stat st;
	DIR *dir = dirfd >= 0 ? fdopendir(dirfd) : NULL;

	if (dir == NULL) {
		if (dirfd >= 0)
			(void)close(dirfd);
		return 0;
	}
	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		sum += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
			sum += usage_below(openat(dirfd, d->d_name,
					       O_RDONLY | O_DIRECTORY |
						   O_NOFOLLOW | O_CLOEXEC),
			    depth + 1);
	}
	(void)closedir(dir);
	return sum;
}

/* So many bytes have been written since the last look: look again. */
static void
look_at_usage(void)
{
	int saved = errno;
	bool armed = tw.armed;
	uint64_t used, step = tw.max / 64 + 1;

	tw.armed = false;
	used = usage_below(open(tw.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
	tw.armed = armed;
	if (used > tw.max)
		_exit(ENGINE_EXIT_TEMP);
	tw.left = tw.max - used > step ? tw.max - used : step;
	errno = saved;
}

static void
wrote(const char *what, ssize_t n, size_t wanted)
{
	if (n < 0 && errno != EINTR)
		tripwire_trip(what, errno);
	if (n < 0 || !tw.armed)
		return;
	if ((size_t)n < wanted)
		tripwire_trip(what, 0);
	if (tw.max == 0)
		return;
	if ((uint64_t)n < tw.left)
		tw.left -= (uint64_t)n;
	else
		look_at_usage();
}

void
tripwire_arm(void)
{
	tw.fault[0] = '\0';
	tw.armed = true;
}

bool
tripwire_is_armed(void)
{
	return tw.armed;
}

const char *
tripwire_disarm(void)
{
	tw.armed = false;
	return tw.fault[0] != '\0' ? tw.fault : NULL;
}

int
tripwire_limit(const char *dir, uint64_t max)
{
	if (strlen(dir) >= sizeof(tw.dir) || max == 0)
		return -1;
	(void)str_copy(tw.dir, sizeof(tw.dir), slice_of(dir));
	tw.max = max;
	tw.left = max;
	return 0;
}

void
tripwire_count_anew(void)
{
	tw.left = 0;
}

WRAPPER ssize_t
write(int fd, const void *p, size_t len)
{
	ssize_t n;

	REAL(write);
	n = real(fd, p, len);
	wrote("write", n, len);
	return n;
}

WRAPPER ssize_t
pwrite64(int fd, const void *p, size_t len, off64_t at)
{
	ssize_t n;

	REAL(pwrite64);
	n = real(fd, p, len, at);
	wrote("pwrite", n, len);
	return n;
}

/* On systems of 64 bits off_t is off64_t. */
WRAPPER ssize_t
pwrite(int fd, const void *p, size_t len, off_t at)
{
	return pwrite64(fd, p, len, at);
}

WRAPPER ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	ssize_t n;
	size_t wanted = 0;

	REAL(writev);
	for (int i = 0; i < count; i++)
		wanted += iov[i].iov_len;
	n = real(fd, iov, count);
	wrote("writev", n, wanted);
	return n;
}

WRAPPER size_t
fwrite(const void *p, size_t size, size_t count, FILE *f)
{
	size_t n;

	REAL(fwrite);
	n = real(p, size, count, f);
	if (n < count)
		tripwire_trip("fwrite", errno);
	else if (tw.armed)
		wrote("fwrite", (ssize_t)(size * n), size * count);
	return n;
}

WRAPPER int
fclose(FILE *f)
{
	int rc;
	bool failed = tw.armed && ferror(f) != 0;

	REAL(fclose);
	rc = real(f);
	if (rc != 0)
		tripwire_trip("fclose", errno);
	else if (failed)
		tripwire_trip("fclose", EIO);
	return rc;
}

WRAPPER int
fflush(FILE *f)
{
	int rc;

	REAL(fflush);
	rc = real(f);
	if (rc != 0)
		tripwire_trip("fflush", errno);
	return rc;
}

WRAPPER int
ftruncate64(int fd, off64_t len)
{
	int rc;

	REAL(ftruncate64);
	rc = real(fd, len);
	if (rc != 0)
		tripwire_trip("ftruncate", errno);
	return rc;
}

WRAPPER int
mkdir(const char *path, mode_t mode)
{
	int rc;

	REAL(mkdir);
	if (tw.armed && wish_make(path, mode))
		return 0;
	wish_touch(path);
	rc = real(path, mode);
	if (rc != 0)
		tripwire_trip("mkdir", errno);
	return rc;
}

/*
 * Whatever is opened to be written must open; what is only read may be
 * missing (a time zone file), or closed to us by the jail outside the
 * temporary folder, but not for want of descriptors or memory.
 */
static void
opened(const char *what, bool ok, bool to_write)
{
	int e = errno;

	if (ok || (!to_write && (e == ENOENT || e == EACCES || e == ENOTDIR)))
		return;
	tripwire_trip(what, e);
}

static mode_t
mode_arg(int flags, va_list ap)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0
		   ? (mode_t)va_arg(ap, unsigned int)
		   : 0;
}

#define OPEN_BODY(name, fd_call, flags) \
	va_list ap; \
	mode_t mode; \
	int fd; \
	va_start(ap, flags); \
	mode = mode_arg(flags, ap); \
	va_end(ap); \
	fd = fd_call; \
	opened(name, fd >= 0, ((flags)&O_ACCMODE) != O_RDONLY); \
	return fd

WRAPPER int
open(const char *path, int flags, ...)
{
	REAL(open);
	wish_touch(path);
	OPEN_BODY("open", real(path, flags, mode), flags);
}

WRAPPER int
open64(const char *path, int flags, ...)
{
	REAL(open64);
	wish_touch(path);
	OPEN_BODY("open", real(path, flags, mode), flags);
}

WRAPPER int
openat(int dir, const char *path, int flags, ...)
{
	REAL(openat);
	wish_touch(path);
	OPEN_BODY("openat", real(dir, path, flags, mode), flags);
}

WRAPPER int
openat64(int dir, const char *path, int flags, ...)
{
	REAL(openat64);
	wish_touch(path);
	OPEN_BODY("openat", real(dir, path, flags, mode), flags);
}

WRAPPER FILE *
fopen(const char *path, const char *mode)
{
	FILE *f;

	REAL(fopen);
	wish_touch(path);
	f = real(path, mode);
	opened("fopen", f != NULL, mode[0] != 'r' || strchr(mode, '+') != NULL);
	return f;
}

WRAPPER FILE *
fopen64(const char *path, const char *mode)
{
	FILE *f;

	REAL(fopen64);
	wish_touch(path);
	f = real(path, mode);
	opened("fopen", f != NULL, mode[0] != 'r' || strchr(mode, '+') != NULL);
	return f;
}

/*
 * A folder is opened for what was unpacked into it: what cannot be opened
 * (for want of descriptors) is left out without a word. Some folders are made
 * only when there is something for them.
 */
WRAPPER DIR *
opendir(const char *path)
{
	DIR *dir;

	REAL(opendir);
	/* it is opened to be removed with all that is in it: nothing */
	if (wish_drop(path)) {
		errno = ENOENT;
		return NULL;
	}
	wish_touch(path);
	dir = real(path);
	if (dir == NULL && errno != ENOENT)
		tripwire_trip("opendir", errno);
	return dir;
}

WRAPPER DIR *
fdopendir(int fd)
{
	DIR *dir;

	REAL(fdopendir);
	dir = real(fd);
	if (dir == NULL)
		tripwire_trip("fdopendir", errno);
	return dir;
}

WRAPPER FILE *
fdopen(int fd, const char *mode)
{
	FILE *f;

	REAL(fdopen);
	f = real(fd, mode);
	if (f == NULL)
		tripwire_trip("fdopen", errno);
	return f;
}

WRAPPER int
dup(int fd)
{
	int other;

	REAL(dup);
	other = real(fd);
	if (other < 0)
		tripwire_trip("dup", errno);
	return other;
}

WRAPPER off64_t
lseek64(int fd, off64_t at, int whence)
{
	off64_t now;

	REAL(lseek64);
	now = real(fd, at, whence);
	if (now < 0)
		tripwire_trip("lseek", errno);
	return now;
}

WRAPPER int
lstat64(const char *path, struct stat64 *st)
{
	int rc;

	REAL(lstat64);
	wish_touch(path);
	rc = real(path, st);
	if (rc != 0 && errno != ENOENT)
		tripwire_trip("lstat", errno);
	return rc;
}

WRAPPER ssize_t
read(int fd, void *p, size_t len)
{
	ssize_t n;

	REAL(read);
	n = real(fd, p, len);
	if (n < 0 && errno != EINTR)
		tripwire_trip("read", errno);
	return n;
}

WRAPPER ssize_t
pread64(int fd, void *p, size_t len, off64_t at)
{
	ssize_t n;

	REAL(pread64);
	n = real(fd, p, len, at);
	if (n < 0 && errno != EINTR)
		tripwire_trip("pread", errno);
	return n;
}
