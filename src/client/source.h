/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_SOURCE_H
#define CLIENT_SOURCE_H
/* The bytes of an object: a file, standard input, or memory. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/hash.h"

#define SOURCE_BUFFER ((size_t)64 << 10)

struct source {
	int fd;        /* -1: memory */
	bool own_fd;   /* is closed with the source */
	bool seekable; /* can begin again, and be read at any place */
	bool has_size;
	uint64_t size; /* if has_size */
	uint64_t at;   /* of what was taken, as far as it was read */
	char *buffer;  /* what was read and not taken: [from, to) */
	size_t from, to;
	bool ended;
	struct hash *hash; /* of what was taken, if it cannot be read again */
	const char *name;  /* what is shown; the caller's */
	char *memory;      /* of a source in memory; buffer is it */
};

/* A file, or standard input for "-". 0, or -1 with the reason in err. */
int source_open(struct source *s, const char *path, struct buf *err) MUST_CHECK;
/* A copy of these bytes. 0, or -1 without memory. */
int source_memory(
    struct source *s, const char *name, struct slice bytes) MUST_CHECK;
/* The EICAR test file, put together here. 0, or -1 without memory. */
int source_eicar(struct source *s) MUST_CHECK;
void source_close(struct source *s);
/* source_peek() would not wait for somebody who writes into a pipe. */
bool source_is_ready(const struct source *s);
/* From the beginning again. 0, or -1 when it cannot. */
int source_rewind(struct source *s) MUST_CHECK;
/*
 * The next bytes, at most max; empty only at the end. They stay where they are
 * until source_take(). 0, or -1 with errno.
 */
int source_peek(struct source *s, size_t max, struct slice *bytes) MUST_CHECK;
/* 0, or -1 when it cannot be hashed (out of memory). */
int source_take(struct source *s, size_t n) MUST_CHECK;
/* Bytes at any place of a seekable source: how many, or -1 with errno. */
ssize_t source_read_at(
    const struct source *s, void *p, size_t len, uint64_t at) MUST_CHECK;
#endif
