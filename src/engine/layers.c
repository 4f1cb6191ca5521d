/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/layers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/*
 * The library reads files into memory page by page and gives pages back when
 * there are more than 8 MiB: what was readable when a layer began may be gone
 * when it ends. Memory of smaller files stays.
 */
#define STAYS_MAX ((off_t)4 << 20)

struct layer {
	char type[SCAN_TYPE_MAX];
	const char *name; /* the library's */
	struct slice data;
	int fd;
	off_t place; /* of the data in fd's file */
	uint32_t level, spoken, announced, encrypted;
	uint32_t kind; /* what the watch answered */
	uint64_t *inner;
	size_t ninner, cap;
};
struct layers {
	const struct engine_job *job;
	struct scan_answer *answer;
	struct layer *stack;
	size_t n, cap;
};

struct layers *
layers_new(const struct engine_job *job, struct scan_answer *answer)
{
	struct layers *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->job = job;
	ls->answer = answer;
	return ls;
}

static void
no_memory(struct layers *ls)
{
	scan_answer_incomplete(
	    ls->answer, OUTCOME_FAILED, "no memory to look into it");
}

/* The library's own names of what it makes out of mail and HTML. */
static bool
is_made_up(struct slice name)
{
	return slice_has_prefix(name, SLICE_LIT("clamav-")) ||
	       slice_eq(name, SLICE_LIT("attachment")) ||
	       slice_eq(name, SLICE_LIT("textportion"));
}

void
layers_part(const struct layers *ls, char part[SCAN_PART_MAX])
{
	size_t at = str_copy(part, SCAN_PART_MAX, slice_of(ls->job->part));

	for (size_t i = 0; i < ls->n; i++) {
		struct slice name = slice_of(ls->stack[i].name);

		if (name.len == 0 || is_made_up(name))
			continue;
		if (at > 0)
			at += str_copy(
			    part + at, SCAN_PART_MAX - at, SLICE_LIT("/"));
		at += str_copy(part + at, SCAN_PART_MAX - at, name);
	}
}

/* Where in its file a layer's data lies: found by a layer around it. */
static off_t
place_of(const struct layers *ls, int fd, const char *p)
{
	for (size_t i = ls->n; i > 0; i--) {
		const struct layer *l = &ls->stack[i - 1];

		if (l->fd == fd && p >= l->data.p &&
		    p < l->data.p + l->data.len)
			return l->place + (p - l->data.p);
	}
	return 0;
}

static void
count_in_parent(struct layers *ls, uint64_t size)
{
	struct layer *up = ls->n > 0 ? &ls->stack[ls->n - 1] : NULL;

	if (up == NULL || up->kind == 0)
		return;
	if (up->ninner == up->cap) {
		size_t cap = up->cap == 0 ? 16 : up->cap * 2;
		uint64_t *p = reallocarray(up->inner, cap, sizeof(*p));

		if (p == NULL) {
			no_memory(ls);
			return;
		}
		up->inner = p;
		up->cap = cap;
	}
	up->inner[up->ninner++] = size;
}

static struct layer *
push(struct layers *ls)
{
	if (ls->n == ls->cap) {
		size_t cap = ls->cap == 0 ? 8 : ls->cap * 2;
		struct layer *p =
		    reallocarray(ls->stack, cap, sizeof(*ls->stack));

		if (p == NULL)
			return NULL;
		ls->stack = p;
		ls->cap = cap;
	}
	return &ls->stack[ls->n++];
}

static struct slice
short_type(const char *type)
{
	static const struct slice common = { "CL_TYPE_", 8 };
	struct slice t = slice_of(type);

	if (slice_has_prefix(t, common)) {
		t.p += common.len;
		t.len -= common.len;
	}
	return t;
}

bool
layers_in(const struct layers *ls, const char *type)
{
	return ls->n > 0 &&
	       slice_eq(slice_of(ls->stack[ls->n - 1].type), short_type(type));
}

void
layers_begin(struct layers *ls, int fd, const char *type, const char *name,
    struct slice data, uint32_t level)
{
	struct engine_layer info = { .data = data, .level = level };
	off_t place = fd >= 0 ? place_of(ls, fd, data.p) : 0;
	struct layer *l;

	while (ls->n > 0 && ls->stack[ls->n - 1].level >= level)
		layers_end(ls);
	count_in_parent(ls, data.len);
	l = push(ls);
	if (l == NULL) {
		no_memory(ls);
		return;
	}
	*l = (struct layer){ .name = name,
		.data = data,
		.fd = fd,
		.place = place,
		.level = level };
	(void)str_copy_clean(l->type, sizeof(l->type), short_type(type), "");
	if (ls->job->watch == NULL)
		return;
	info.type = l->type;
	layers_part(ls, info.part);
	l->kind = ls->job->watch->begins(ls->job->watch->ctx, &info);
}

void
layers_member(struct layers *ls, uint64_t size, bool encrypted)
{
	struct layer *l = ls->n > 0 ? &ls->stack[ls->n - 1] : NULL;

	if (l == NULL)
		return;
	l->spoken++;
	if (encrypted)
		l->encrypted++;
	else if (size > LAYER_MIN)
		l->announced++;
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The file's own bytes, where the library's copy may be gone. */
static bool
must_map(const struct layer *l)
{
	struct stat st;

	return l->fd >= 0 && l->data.len > 0 && fstat(l->fd, &st) == 0 &&
	       st.st_size > STAYS_MAX;
}

static void
tell_end(struct layers *ls, struct layer *l)
{
	struct engine_layer info = { .type = l->type,
		.data = l->data,
		.level = l->level,
		.kind = l->kind,
		.inner = l->inner,
		.ninner = l->ninner,
		.spoken = l->spoken,
		.announced = l->announced,
		.encrypted = l->encrypted };
	off_t at = l->place & ~(off_t)4095;
	size_t before = (size_t)(l->place - at);
	void *p = NULL;

	layers_part(ls, info.part);
	if (l->ninner > 1)
		qsort(l->inner, l->ninner, sizeof(*l->inner), by_size);
	if (must_map(l)) {
		p = mmap(NULL, before + l->data.len, PROT_READ, MAP_PRIVATE,
		    l->fd, at);
		if (p == MAP_FAILED) {
			no_memory(ls);
			return;
		}
		info.data.p = (const char *)p + before;
	}
	ls->job->watch->ends(ls->job->watch->ctx, &info);
	if (p != NULL)
		(void)munmap(p, before + l->data.len);
}

void
layers_end(struct layers *ls)
{
	struct layer *l;

	if (ls->n == 0)
		return;
	l = &ls->stack[ls->n - 1];
	if (l->kind != 0)
		tell_end(ls, l);
	free(l->inner);
	ls->n--;
}

void
layers_free(struct layers **ls)
{
	if (*ls == NULL)
		return;
	while ((*ls)->n > 0)
		layers_end(*ls);
	free((*ls)->stack);
	free(*ls);
	*ls = NULL;
}
