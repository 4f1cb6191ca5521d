/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
fail(struct source *s, const char *why, struct buf *err)
{
	(void)buf_append_str(err, why);
	source_close(s);
	return -1;
}

/* Files of /proc and /sys say that they are empty, and are not. */
static int
look_inside(struct source *s, struct buf *err)
{
	struct slice first;

	s->has_size = false;
	if (source_peek(s, 1, &first) == -1)
		return fail(s, strerror(errno), err);
	s->has_size = first.len == 0;
	return 0;
}

int
source_open(struct source *s, const char *path, struct buf *err)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	s->name = path;
	s->own_fd = strcmp(path, "-") != 0;
	s->fd = s->own_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (s->fd == -1 || fstat(s->fd, &st) == -1)
		return fail(s, strerror(errno), err);
	if (S_ISDIR(st.st_mode))
		return fail(s, "it is a folder", err);
	if (S_ISREG(st.st_mode)) {
		off_t now = s->own_fd ? 0 : lseek(s->fd, 0, SEEK_CUR);

		/* standard input that is a file counts from where it stands */
		s->seekable = now == 0;
		s->has_size = now == 0 && st.st_size >= 0;
		s->size = s->has_size ? (uint64_t)st.st_size : 0;
	}
	if ((s->buffer = malloc(SOURCE_BUFFER)) == NULL ||
	    (!s->seekable && (s->hash = hash_new()) == NULL))
		return fail(s, "out of memory", err);
	return s->has_size && s->size == 0 ? look_inside(s, err) : 0;
}

int
source_memory(struct source *s, const char *name, struct slice bytes)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->name = name;
	s->seekable = s->has_size = s->ended = true;
	s->size = s->to = bytes.len;
	if ((s->memory = malloc(bytes.len + 1)) == NULL)
		return -1;
	if (bytes.len > 0)
		memcpy(s->memory, bytes.p, bytes.len);
	s->buffer = s->memory;
	return 0;
}

int
source_eicar(struct source *s)
{
	/*
	 * XORed: nothing is to find this program infected. volatile: the
	 * compiler must not do it beforehand, as some do.
	 */
	static const volatile unsigned char key = 0x55;
	static const unsigned char hidden[] = { 0x0d, 0x60, 0x1a, 0x74, 0x05,
		0x70, 0x15, 0x14, 0x05, 0x0e, 0x61, 0x09, 0x05, 0x0f, 0x0d,
		0x60, 0x61, 0x7d, 0x05, 0x0b, 0x7c, 0x62, 0x16, 0x16, 0x7c,
		0x62, 0x28, 0x71, 0x10, 0x1c, 0x16, 0x14, 0x07, 0x78, 0x06,
		0x01, 0x14, 0x1b, 0x11, 0x14, 0x07, 0x11, 0x78, 0x14, 0x1b,
		0x01, 0x1c, 0x03, 0x1c, 0x07, 0x00, 0x06, 0x78, 0x01, 0x10,
		0x06, 0x01, 0x78, 0x13, 0x1c, 0x19, 0x10, 0x74, 0x71, 0x1d,
		0x7e, 0x1d, 0x7f };
	char text[sizeof(hidden)];

	for (size_t i = 0; i < sizeof(hidden); i++)
		text[i] = (char)(hidden[i] ^ key);
	return source_memory(s, "EICAR", (struct slice){ text, sizeof(text) });
}

void
source_close(struct source *s)
{
	if (s->own_fd && s->fd >= 0)
		(void)close(s->fd);
	free(s->buffer);
	hash_free(&s->hash);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

int
source_rewind(struct source *s)
{
	if (s->memory != NULL) {
		s->from = 0;
		s->at = 0;
		return 0;
	}
	if (!s->seekable || lseek(s->fd, 0, SEEK_SET) == -1)
		return -1;
	s->from = s->to = 0;
	s->at = 0;
	s->ended = false;
	return 0;
}

bool
source_is_ready(const struct source *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	return s->seekable || s->ended || s->from < s->to ||
	       poll(&pfd, 1, 0) != 0;
}

/* A file that grows meanwhile is sent as long as it was. */
int
source_peek(struct source *s, size_t max, struct slice *bytes)
{
	ssize_t n;

	if (s->has_size && max > s->size - s->at)
		max = (size_t)(s->size - s->at);
	if (s->from == s->to && !s->ended && max > 0) {
		do
			n = read(s->fd, s->buffer, SOURCE_BUFFER);
		while (n == -1 && errno == EINTR);
		if (n == -1)
			return -1;
		s->ended = n == 0;
		s->from = 0;
		s->to = (size_t)n;
	}
	*bytes = (struct slice){ s->buffer + s->from, s->to - s->from };
	if (bytes->len > max)
		bytes->len = max;
	return 0;
}

int
source_take(struct source *s, size_t n)
{
	int rc = 0;

	CHECK(n <= s->to - s->from);
	if (s->hash != NULL)
		rc = hash_update(s->hash, s->buffer + s->from, n);
	s->from += n;
	s->at += n;
	return rc;
}

ssize_t
source_read_at(const struct source *s, void *p, size_t len, uint64_t at)
{
	ssize_t n;

	CHECK(s->seekable);
	if (s->memory != NULL) {
		if (at >= s->size)
			return 0;
		if (len > s->size - at)
			len = (size_t)(s->size - at);
		memcpy(p, s->memory + at, len);
		return (ssize_t)len;
	}
	if (at > (uint64_t)INT64_MAX - len) {
		errno = EOVERFLOW;
		return -1;
	}
	do
		n = pread(s->fd, p, len, (off_t)at);
	while (n == -1 && errno == EINTR);
	return n;
}
