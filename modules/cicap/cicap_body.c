/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tolsey_cicap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL ((size_t)TOLSEY_SCAN_INLINE_MAX)
#define COPY_SIZE ((size_t)65536)

void
cicap_body_init(struct cicap_body *b)
{
	memset(b, 0, sizeof(*b));
	b->fd = -1;
}

void
cicap_body_free(struct cicap_body *b)
{
	free(b->mem);
	if (b->fd != -1)
		(void)close(b->fd);
	cicap_body_init(b);
}

static bool
write_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
to_memfd(struct cicap_body *b)
{
	b->fd = memfd_create("tolsey-cicap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd == -1 || !write_all(b->fd, b->mem, (size_t)b->size))
		return false;
	free(b->mem);
	b->mem = NULL;
	return true;
}

/* Also when a memfd was sealed, and more came. */
static bool
to_file(struct cicap_body *b)
{
	int fd = open(cicap_conf.temp, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t off = 0;
	char *buf = malloc(COPY_SIZE);
	ssize_t n = 0;
	bool ok = fd != -1 && buf != NULL;

	while (ok && off < b->size) {
		n = cicap_body_read(b, buf, COPY_SIZE, off);
		ok = n > 0 && write_all(fd, buf, (size_t)n);
		off += n > 0 ? (uint64_t)n : 0;
	}
	free(buf);
	if (!ok) {
		CICAP_LOG(1, "tolsey: cannot keep a body in %s: %s\n",
		    cicap_conf.temp, strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return false;
	}
	if (b->fd != -1)
		(void)close(b->fd);
	free(b->mem);
	b->mem = NULL;
	b->fd = fd;
	b->is_file = true;
	b->sealed = false;
	return true;
}

static bool
add(struct cicap_body *b, const char *p, size_t len)
{
	if (b->fd == -1 && b->size + len <= SMALL) {
		if (b->mem == NULL && (b->mem = malloc(SMALL)) == NULL)
			return false;
		memcpy(b->mem + b->size, p, len);
		return true;
	}
	if (b->fd == -1 && !to_memfd(b))
		return false;
	if (!b->is_file &&
	    (b->sealed || b->size + len > (uint64_t)cicap_conf.memory) &&
	    !to_file(b))
		return false;
	return write_all(b->fd, p, len);
}

bool
cicap_body_add(struct cicap_body *b, const char *p, size_t len)
{
	if (len == 0)
		return !b->failed;
	if (!b->failed && !add(b, p, len))
		b->failed = true;
	if (!b->failed)
		b->size += len;
	return !b->failed;
}

ssize_t
cicap_body_read(const struct cicap_body *b, char *dst, size_t len, uint64_t off)
{
	ssize_t n;

	if (off >= b->size)
		return 0;
	if (len > b->size - off)
		len = (size_t)(b->size - off);
	if (b->mem != NULL) {
		memcpy(dst, b->mem + off, len);
		return (ssize_t)len;
	}
	do
		n = pread(b->fd, dst, len, (off_t)off);
	while (n == -1 && errno == EINTR);
	return n == 0 ? -1 : n; /* what was stored must be there */
}

int
cicap_body_lend(struct cicap_body *b, struct tolsey_scan_bytes *bytes)
{
	char path[48];
	int fd;

	bytes->p = NULL;
	bytes->len = 0;
	if (b->failed)
		return -2;
	if (b->fd == -1) {
		bytes->p = b->mem;
		bytes->len = (size_t)b->size;
		return -1;
	}
	if (b->is_file) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", b->fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} else {
		if (!b->sealed && tolsey_scan_seal(b->fd) == -1)
			return -2;
		b->sealed = true;
		fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	}
	return fd == -1 ? -2 : fd;
}
