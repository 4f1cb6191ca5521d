/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK ((size_t)4096)

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) char mem[];
};
struct arena {
	struct block *first, *last;
	size_t max, used;
};

static struct block *
block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(size_t max)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2;
	if ((a->first = a->last = block_new(ARENA_BLOCK)) == NULL) {
		free(a);
		return NULL;
	}
	return a;
}

static void
free_blocks(struct block *b)
{
	struct block *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	free_blocks((*a)->first);
	free(*a);
	*a = NULL;
}

void
arena_reset(struct arena *a)
{
	free_blocks(a->first->next);
	a->first->next = NULL;
	a->first->used = 0;
	a->last = a->first;
	a->used = 0;
}

void *
arena_alloc(struct arena *a, size_t len)
{
	const size_t align = alignof(max_align_t);
	struct block *b = a->last;
	void *p;

	if (len > a->max || a->used > a->max - len)
		return NULL;
	len = (len + align - 1) / align * align;
	if (b->size - b->used < len) {
		b = block_new(len > ARENA_BLOCK ? len : ARENA_BLOCK);
		if (b == NULL)
			return NULL;
		a->last->next = b;
		a->last = b;
	}
	p = b->mem + b->used;
	b->used += len;
	a->used += len;
	memset(p, 0, len);
	return p;
}

struct slice
arena_dup(struct arena *a, struct slice s)
{
	char *p = s.len < SIZE_MAX ? arena_alloc(a, s.len + 1) : NULL;

	if (p == NULL)
		return SLICE_NONE;
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return (struct slice){ p, s.len };
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}
