/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What is looked for is generous: a look too many costs time. What is judged
 * is strict: only what surely is a container, and could be opened neither by
 * the engine nor here, is opaque.
 */
#include "scan/second.h"

#include <stdio.h>
#include <string.h>

#include "engine/cfb.h"
#include "engine/layers.h"
#include "engine/unpack/bytes.h"
#include "engine/unpack/container.h"
#include "engine/unpack/media.h"
#include "engine/unpack/zip.h"
#include "scan/object.h"
#include "scan/stash.h"

/* What second_begins() saw in a layer, bits. */
#define SAW_IGNORED 1u   /* a type that the engine does not look into */
#define SAW_CONTAINER 2u /* it begins as a container */
#define SAW_ZIP 4u       /* it ends as a zip archive */
#define SAW_EMBEDDED 8u  /* an archive behind other bytes */
#define SAW_OLE2 16u     /* a compound file */

/* One layer while it is looked at again. */
struct second {
	struct viewing *v;
	const struct engine_layer *l;
	const char *name;   /* of the kind of container */
	struct stash stash; /* a member of it */
	uint32_t encrypted;
};

static void
find(struct second *s, enum outcome o, const char *what, const char *name)
{
	char text[SCAN_NAME_MAX];

	(void)snprintf(text, sizeof(text), "Tolsey.%s.%s", what, name);
	scan_answer_add(s->v->answer, o, slice_of(text), slice_of(s->l->part));
}

static void
opaque(struct second *s)
{
	find(s, OUTCOME_OPAQUE_ARCHIVE, "OpaqueArchive", s->name);
}

/* Scans bytes that lie in the layer, as something in it. */
static bool
scan_inside(struct second *s, struct slice data, const char *part)
{
	struct viewing *v = s->v;
	uint32_t depth = v->depth, below = v->below;
	bool scanned;

	v->depth += s->l->level + 1;
	v->below = 0;
	scanned = object_scan(v, data, part);
	v->depth = depth;
	v->below = below;
	return scanned;
}

/* ---- types that the engine does not look into ---- */

/*
 * Without the bytes that made the engine pass over it; where these are not
 * known, without the first. Behind a tag that is not before audio there may be
 * anything.
 */
static void
look_ignored(struct second *s)
{
	struct slice d = s->l->data;
	const char *media = media_is(d);
	size_t magic = media_magic_len(d), tag = media_id3_len(d);

	if (magic == 0)
		magic = 1;
	(void)scan_inside(
	    s, (struct slice){ d.p + magic, d.len - magic }, s->l->part);
	if (media == NULL && tag > 0)
		(void)scan_inside(
		    s, (struct slice){ d.p + tag, d.len - tag }, s->l->part);
	if (media != NULL)
		find(s, OUTCOME_OPAQUE_MEDIA, "OpaqueMedia", media);
}

/* ---- the second reader ---- */

static void
member_part(const struct second *s, const struct reader_member *m, char *part)
{
	size_t at = str_copy(part, SCAN_PART_MAX, slice_of(s->l->part));
	char number[32];

	(void)snprintf(
	    number, sizeof(number), "#%llu", (unsigned long long)m->number);
	if (at > 0)
		at += str_copy(part + at, SCAN_PART_MAX - at, SLICE_LIT("/"));
	(void)str_copy(part + at, SCAN_PART_MAX - at,
	    m->name.len > 0 ? m->name : slice_of(number));
}

static int
write_member(void *ctx, const void *p, size_t len)
{
	static const char zeros[65536];
	struct second *s = ctx;

	while (p == NULL && len > 0) {
		size_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		if (stash_append(&s->stash, zeros, n) != 0)
			return -1;
		len -= n;
	}
	return p != NULL ? stash_append(&s->stash, p, len) : 0;
}

static void
no_room(struct second *s)
{
	scan_answer_incomplete(
	    s->v->answer, OUTCOME_FAILED, "no room to unpack it");
}

static bool
take_member(void *ctx, const struct reader_member *m)
{
	struct second *s = ctx;
	char part[SCAN_PART_MAX];
	struct slice data;
	bool more = true;

	if (m->encrypted) {
		s->encrypted++;
		return true;
	}
	if (m->cut)
		scan_answer_incomplete(s->v->answer, OUTCOME_LIMIT,
		    "a member is larger than MaxFileSize");
	member_part(s, m, part);
	if (stash_data(&s->stash, &data) == 0)
		more = scan_inside(s, data, part);
	else
		no_room(s);
	stash_reset(&s->stash);
	return more;
}

/* False when it, or a member of it, could not be read. */
static bool
read_with(struct second *s, enum reader_format f, struct slice data)
{
	const struct scan_opts *o = &s->v->opts;
	struct reader r = { .format = f,
		.max_member =
		    o->max_file_size != 0 ? o->max_file_size : UINT64_MAX / 4,
		.deadline_us = s->v->budget.deadline_us,
		.write = write_member,
		.member = take_member,
		.ctx = s };
	enum reader_rc rc;

	if (r.max_member > s->v->budget.bytes)
		r.max_member = s->v->budget.bytes + 1;
	stash_init(&s->stash, s->v->space);
	rc = reader_read(&r, data);
	stash_free(&s->stash);
	if (rc == READER_TIME)
		scan_answer_incomplete(
		    s->v->answer, OUTCOME_TIMEOUT, "no time for all of it");
	if (rc == READER_MEMORY)
		no_room(s);
	return rc != READER_FAILED;
}

static void
note_encrypted(struct second *s)
{
	static const uint64_t wanted =
	    SCAN_BIT(alert_encrypted) | SCAN_BIT(alert_encrypted_archive);

	if (s->encrypted > 0 && (s->v->opts.switches & wanted) != 0)
		find(s, OUTCOME_ENCRYPTED, "Encrypted", s->name);
}

static void
read_container(struct second *s, const struct container *c, struct slice data)
{
	bool read = read_with(s, c->format, data);

	if (c->weak)
		return;
	note_encrypted(s);
	if (!read)
		opaque(s);
}

/* ---- containers that the engine opens ---- */

/*
 * Whether every member that is listed has a layer of its size. Of one that is
 * longer than max the engine saw a part only, and said so.
 */
static bool
all_seen(
    const struct reader_list *list, const struct engine_layer *l, uint64_t max)
{
	size_t k = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (max != 0 && list->sizes[i] > max)
			break;
		while (k < l->ninner && l->inner[k] < list->sizes[i])
			k++;
		if (k == l->ninner || l->inner[k] != list->sizes[i])
			return false;
		k++;
	}
	return true;
}

static bool
engine_saw_all(struct second *s, const struct container *c)
{
	const struct engine_layer *l = s->l;
	struct reader_list list;
	enum reader_rc rc;
	bool all;

	if (l->ninner == 0)
		return false;
	rc = reader_list(
	    c->format, l->data, LAYER_MIN, s->v->budget.deadline_us, &list);
	all = rc == READER_OK && all_seen(&list, l, s->v->opts.max_file_size);
	reader_list_free(&list);
	if (rc == READER_FAILED)
		all = l->announced > 0 && l->announced <= l->ninner;
	return all;
}

static void
look_engine_only(struct second *s)
{
	const struct engine_layer *l = s->l;

	/* what is encrypted the engine tells by itself */
	if (l->announced > l->ninner || (l->ninner == 0 && l->spoken == 0))
		opaque(s);
}

/* ---- zip ---- */

/* The engine takes members in the middle of a file by their headers alone. */
static bool
needs_directory(const struct second *s, const struct zip_look *z)
{
	if (z->by_directory || (z->first > 0 && z->descriptors))
		return true;
	return !z->by_stream && z->members > s->l->ninner;
}

static void
look_zip(struct second *s)
{
	struct slice d = s->l->data;
	struct zip_look z;
	bool read = true;

	zip_look(d, &z);
	if (!z.found)
		return;
	s->name = "ZIP";
	if (needs_directory(s, &z) &&
	    !read_with(s, READER_ZIP_DIRECTORY,
		(struct slice){ d.p + z.start, d.len - z.start })) {
		z.by_stream = true;
	}
	if (z.by_stream)
		read = read_with(s, READER_ZIP_STREAM,
		    (struct slice){ d.p + z.first, d.len - z.first });
	note_encrypted(s);
	if (!read || z.contradicts)
		opaque(s);
}

/* ---- all of them ---- */

static void
look_container(struct second *s)
{
	const struct container *c = container_look(s->l->data);

	if (c == NULL)
		return;
	s->name = c->name;
	switch (c->how) {
	case CONTAINER_LISTED:
		if (engine_saw_all(s, c))
			return;
		read_container(s, c, s->l->data);
		return;
	case CONTAINER_READER:
	case CONTAINER_BZIP2:
		read_container(s, c, s->l->data);
		return;
	case CONTAINER_ENGINE:
		look_engine_only(s);
		return;
	case CONTAINER_ZIP:
		look_zip(s);
		return;
	case CONTAINER_OPAQUE:
		opaque(s);
		return;
	}
}

static void
look_embedded(struct second *s)
{
	struct slice d = s->l->data;
	size_t at;
	bool zips = (s->l->kind & SAW_ZIP) == 0;
	const struct container *c = container_embedded(d, zips, &at);

	if (c == NULL)
		return;
	s->name = c->name;
	read_container(s, c, (struct slice){ d.p + at, d.len - at });
}

/* A second stream in a bzip2: its magic and that of a block or of its end. */
static bool
has_more_streams(struct slice d)
{
	static const struct slice blocks[] = { { "1AY&SY", 6 },
		{ "\x17rE8P\x90", 6 } };

	for (size_t i = 0; i < COUNTOF(blocks); i++) {
		size_t at = 4;

		while ((at = bytes_find(d, at + 1, blocks[i], 0)) < d.len)
			if (memcmp(d.p + at - 4, "BZh", 3) == 0)
				return true;
	}
	return false;
}

/* An archive may stand in the middle of all but text. */
static bool
may_embed(const struct engine_layer *l)
{
	static const char *const no[] = { "HTML", "HTML_UTF16", "SCRIPT",
		"MAIL", "RTF", "ISO9660" };

	if (strncmp(l->type, "TEXT_", 5) == 0)
		return false;
	for (size_t i = 0; i < COUNTOF(no); i++)
		if (strcmp(l->type, no[i]) == 0)
			return false;
	return true;
}

/* The engine leaves out, without a word, streams that are said to be long. */
static void
look_ole2(struct second *s)
{
	uint64_t max = s->v->opts.max_file_size;
	struct cfb_walk w = { .begun = false };
	struct cfb_entry e;
	struct cfb c;

	if (max == 0 || !cfb_open(&c, s->l->data))
		return;
	while (cfb_next(&c, &w, &e) && c.steps <= CFB_STEPS)
		if (e.type == CFB_STREAM && e.size > max) {
			scan_answer_incomplete(s->v->answer, OUTCOME_LIMIT,
			    "a stream is larger than MaxFileSize");
			return;
		}
}

static uint32_t
see(const struct engine_layer *l)
{
	const struct container *c;
	struct zip_look z;
	size_t at;
	uint32_t saw = 0;

	if (strcmp(l->type, "IGNORED") == 0)
		return SAW_IGNORED; /* and then the rest of it again */
	if (strcmp(l->type, "MSOLE2") == 0)
		saw |= SAW_OLE2;
	c = container_look(l->data);
	if (c != NULL &&
	    (c->how != CONTAINER_BZIP2 || has_more_streams(l->data)))
		saw |= SAW_CONTAINER;
	if (c == NULL || c->how != CONTAINER_ZIP) {
		zip_look(l->data, &z);
		saw |= z.found ? SAW_ZIP : 0;
	}
	if (c == NULL && may_embed(l) &&
	    container_embedded(l->data, (saw & SAW_ZIP) == 0, &at) != NULL)
		saw |= SAW_EMBEDDED;
	return saw;
}

/*
 * What is going to be read as a whole in any case. What the engine makes of
 * its pieces meanwhile (the first stream alone, say) is seldom whole.
 */
static bool
will_be_read(const struct engine_layer *l, uint32_t saw)
{
	const struct container *c;

	if ((saw & SAW_CONTAINER) == 0)
		return false;
	c = container_look(l->data);
	return c != NULL && !c->weak &&
	       (c->how == CONTAINER_READER || c->how == CONTAINER_BZIP2);
}

uint32_t
second_begins(void *ctx, const struct engine_layer *l)
{
	struct viewing *v = ctx;
	uint32_t saw;

	if (l->level > 0)
		budget_use(&v->budget, 1, l->data.len);
	if (v->kind == SCAN_PREFIX || (v->below > 0 && l->level >= v->below))
		return 0;
	saw = see(l);
	/* archives are not to be opened: ScanArchive no */
	if ((v->opts.switches & SCAN_BIT(scan_archive)) == 0)
		saw &= SAW_IGNORED;
	if (will_be_read(l, saw))
		v->below = l->level + 1;
	return saw;
}

void
second_ends(void *ctx, const struct engine_layer *l)
{
	struct viewing *v = ctx;
	struct second s = { .v = v, .l = l, .name = "" };

	if (v->below == l->level + 1)
		v->below = 0;
	if ((l->kind & SAW_IGNORED) != 0)
		look_ignored(&s);
	if ((l->kind & SAW_CONTAINER) != 0)
		look_container(&s);
	if ((l->kind & SAW_ZIP) != 0)
		look_zip(&s);
	if ((l->kind & SAW_EMBEDDED) != 0)
		look_embedded(&s);
	if ((l->kind & SAW_OLE2) != 0)
		look_ole2(&s);
}
