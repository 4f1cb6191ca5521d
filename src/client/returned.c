/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/returned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART ((size_t)64 << 10)

int
returned_init(struct returned *r, const struct source *s, uint64_t max, int fd)
{
	memset(r, 0, sizeof(*r));
	r->source = s;
	r->max = max;
	r->fd = fd;
	if (s->seekable)
		return (r->compare = malloc(PART)) != NULL ? 0 : -1;
	return (r->hash = hash_new()) != NULL ? 0 : -1;
}

void
returned_free(struct returned *r)
{
	free(r->compare);
	hash_free(&r->hash);
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}

static const char *
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return strerror(errno);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* Is it what stands at this place of the object? */
static bool
is_same(struct returned *r, struct slice bytes)
{
	uint64_t at = r->received;

	while (bytes.len > 0) {
		size_t want = bytes.len < PART ? bytes.len : PART;
		ssize_t n = source_read_at(r->source, r->compare, want, at);

		if (n <= 0 || memcmp(r->compare, bytes.p, (size_t)n) != 0)
			return false;
		bytes.p += n;
		bytes.len -= (size_t)n;
		at += (uint64_t)n;
	}
	return true;
}

const char *
returned_bytes(struct returned *r, struct slice bytes)
{
	const char *why = NULL;

	if (bytes.len > r->max - r->received)
		return "its answer is longer than --max-answer allows";
	if (r->hash != NULL) {
		if (hash_update(r->hash, bytes.p, bytes.len) == -1)
			return "out of memory";
	} else if (!r->differs && !is_same(r, bytes)) {
		r->differs = true;
	}
	if (r->fd != -1)
		why = write_all(r->fd, bytes.p, bytes.len);
	r->received += bytes.len;
	return why;
}

/* 206: what follows is the object's own from there on (PC-02, PC-03). */
static const char *
append_original(struct returned *r, uint64_t at)
{
	char part[4096];
	const char *why;
	ssize_t n;

	if (r->fd == -1)
		return NULL;
	if (!r->source->seekable)
		return "206 refers to an object that cannot be read again; "
		       "leave out --allow-206";
	while ((n = source_read_at(r->source, part, sizeof(part), at)) > 0) {
		if ((why = write_all(r->fd, part, (size_t)n)) != NULL)
			return why;
		at += (uint64_t)n;
	}
	return n == 0 ? NULL : strerror(errno);
}

static bool
hashes_equal(struct returned *r, const unsigned char sent[HASH_LEN])
{
	unsigned char got[HASH_LEN];

	return hash_final(r->hash, got) == 0 &&
	       memcmp(got, sent, HASH_LEN) == 0;
}

const char *
returned_end(struct returned *r, bool is_206, uint64_t original_at,
    const unsigned char sent[HASH_LEN], uint64_t sent_len, enum sameness *same)
{
	uint64_t size = r->source->has_size ? r->source->size : sent_len;

	*same = SAME_NO;
	if (is_206) {
		if (original_at == UINT64_MAX ||
		    (r->source->has_size && original_at > size) ||
		    (!r->source->has_size && original_at > sent_len))
			return "its 206 refers to a place that the object does "
			       "not have";
		/* nothing changed, nothing moved */
		if (original_at == r->received && !r->differs &&
		    (r->hash == NULL || r->received == 0))
			*same = SAME_YES;
		return append_original(r, original_at);
	}
	if (r->received == size && !r->differs &&
	    (r->hash == NULL || (sent_len == size && hashes_equal(r, sent))))
		*same = SAME_YES;
	return NULL;
}
