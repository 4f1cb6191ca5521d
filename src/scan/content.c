/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What a body is: a multipart, the fields of a form, or one file. By what its
 * sender says and by what it looks like; where both fail it is one file.
 */
#include <stdio.h>
#include <string.h>

#include "engine/unpack/embedded.h"
#include "engine/unpack/multipart.h"
#include "engine/unpack/transfer.h"
#include "scan/forms.h"

#define RAW_SMALL ((size_t)4 << 20) /* a multipart to be scanned whole too */
#define HEAD_MAX ((size_t)1024)     /* a longer head is data as well */
#define MIN_FIELD ((size_t)32)      /* a shorter value is no file */

/* ---- one file ---- */

static void
file_scan(struct forms *f, const struct content *c)
{
	object_scan(&f->v, c->data, c->part);
	if (c->head->is_text || c->head->is_form || embedded_is_text(c->data))
		embedded_scan(f, c);
}

/* ---- a part ---- */

typedef enum decode_rc (*transfer)(
    struct slice in, decode_sink sink, void *ctx);

/* What a part's coding gives. */
static void
coded_part(struct forms *f, const struct content *c)
{
	const struct mime_head *h = c->head;

	if (h->ncodings > 0)
		coded_note(f, coded_scan(f, c, h->codings, h->ncodings));
	else
		content_scan(f, c);
}

static void
transferred_part(struct forms *f, const struct content *c, transfer decode)
{
	struct content inner = *c;
	struct stash stash;
	enum decode_rc rc;

	stash_init(&stash, &f->space);
	rc = decode(c->data, forms_sink, &stash);
	if (rc == DECODE_OK && stash_data(&stash, &inner.data) == 0)
		coded_part(f, &inner);
	else
		coded_note(f, DECODE_SYSTEM);
	stash_free(&stash);
}

/*
 * Not every receiver undoes a transfer encoding (in forms hardly any does), so
 * the part is scanned as it is, too.
 */
static void
part_data_scan(struct forms *f, const struct content *c)
{
	const struct mime_head *h = c->head;

	if (h->unknown_transfer)
		scan_answer_incomplete(f->v.answer, OUTCOME_UNDECODABLE,
		    "unknown Content-Transfer-Encoding");
	if (h->base64)
		transferred_part(f, c, transfer_base64);
	if (h->quoted_printable)
		transferred_part(f, c, transfer_quoted_printable);
	if (h->base64 || h->quoted_printable)
		object_scan(&f->v, c->data, c->part);
	else
		coded_part(f, c);
}

static void
part_scan(struct forms *f, const struct content *outer,
    const struct multipart_part *p, unsigned int number)
{
	char own[SCAN_PART_MAX], name[SCAN_PART_MAX];
	struct mime_head h;
	struct content c = { .data = p->data,
		.head = &h,
		.part = name,
		.depth = outer->depth + 1 };

	if (p->kind != MULTIPART_PART) {
		object_scan(&f->v, p->whole, outer->part);
		return;
	}
	mime_head_parse(&h, p->head);
	(void)snprintf(own, sizeof(own), "part %u", number);
	if (h.name[0] != '\0')
		(void)str_copy(own, sizeof(own), slice_of(h.name));
	forms_join(name, outer->part, own);
	if (p->data.len > 0)
		part_data_scan(f, &c);
	/* what is no head hides nothing */
	if (p->head.len > HEAD_MAX || !h.is_head)
		object_scan(&f->v, p->whole, name);
}

/* ---- multipart ---- */

static void
split(struct forms *f, const struct content *c, struct slice boundary,
    enum multipart_way way)
{
	struct multipart m;
	struct multipart_part p;
	unsigned int number = 0;

	multipart_begin(&m, c->data, boundary, way);
	while (multipart_next(&m, &p) && !forms_stop(f)) {
		number += p.kind == MULTIPART_PART;
		part_scan(f, c, &p, number);
	}
}

/* In every way in which it gives something else. False: in none. */
static bool
split_by(struct forms *f, const struct content *c, struct slice boundary)
{
	size_t counts[MULTIPART_NWAYS], before = 0;

	if (!forms_work(f, c->data.len) ||
	    !multipart_count(c->data, boundary, counts))
		return false;
	for (unsigned int w = 0; w < MULTIPART_NWAYS; w++) {
		if (counts[w] == before || !forms_work(f, c->data.len))
			continue;
		before = counts[w];
		split(f, c, boundary, (enum multipart_way)w);
	}
	return true;
}

static bool
split_by_any(
    struct forms *f, const struct content *c, const struct mime_boundaries *b)
{
	bool found = false;

	for (size_t i = 0; i < b->n; i++)
		found |=
		    split_by(f, c, (struct slice){ b->text[i], b->len[i] });
	return found;
}

/*
 * By the boundaries that are declared; if none of them is there, by the one
 * that the body seems to have. What cannot be split at all is one file: no
 * receiver can split it either.
 */
static bool
multipart_scan(struct forms *f, const struct content *c)
{
	struct mime_boundaries own = { .n = 0 };

	if (split_by_any(f, c, &c->head->boundaries))
		return true;
	mime_body_boundary(&own, c->data, c->head->is_multipart);
	return own.n > 0 && split_by_any(f, c, &own);
}

/* ---- forms ---- */

static bool
has_any(struct slice s, char a, char b)
{
	return s.len > 0 &&
	       (memchr(s.p, a, s.len) != NULL || memchr(s.p, b, s.len) != NULL);
}

/* The value as its receiver gets it, and with every '+' kept for base64. */
static void
decoded_field(struct forms *f, const struct content *c, bool plus_is_blank)
{
	struct content value = *c;
	struct stash stash;
	enum decode_rc rc;

	stash_init(&stash, &f->space);
	rc = transfer_percent(c->data, plus_is_blank, forms_sink, &stash);
	if (rc != DECODE_OK || stash_data(&stash, &value.data) != 0)
		coded_note(f, DECODE_SYSTEM);
	else if (plus_is_blank)
		object_scan(&f->v, value.data, value.part);
	else
		embedded_scan(f, &value);
	stash_free(&stash);
}

static void
field_scan(struct forms *f, const struct content *outer, struct slice name,
    struct slice value)
{
	char own[SCAN_PART_MAX], part[SCAN_PART_MAX];
	struct content c = { .data = value,
		.head = &forms_nothing_said,
		.part = part,
		.depth = outer->depth + 1 };

	(void)str_copy(own, sizeof(own), name);
	forms_join(part, outer->part, own);
	if (!has_any(value, '%', '+')) {
		object_scan(&f->v, value, part);
		embedded_scan(f, &c);
		return;
	}
	decoded_field(f, &c, true);
	decoded_field(f, &c, false);
}

/* False when it is none, whatever was declared. */
static bool
form_scan(struct forms *f, const struct content *c)
{
	struct slice rest = c->data, name, value;

	if (!embedded_is_form(c->data) || !forms_work(f, c->data.len))
		return false;
	while (embedded_next_field(&rest, &name, &value)) {
		if (value.len < MIN_FIELD)
			continue;
		if (forms_stop(f))
			break;
		field_scan(f, c, name, value);
	}
	return true;
}

void
content_scan(struct forms *f, const struct content *c)
{
	uint32_t max = f->v.opts.max_recursion;

	if (max != 0 && c->depth > max) {
		scan_answer_incomplete(f->v.answer, OUTCOME_LIMIT,
		    "parts are nested deeper than MaxRecursion");
		object_scan(&f->v, c->data, c->part);
		return;
	}
	if (multipart_scan(f, c)) {
		/* the parts first: their names are the better ones */
		if (c->depth == 0 && c->data.len <= RAW_SMALL)
			object_scan(&f->v, c->data, c->part);
		return;
	}
	if (form_scan(f, c) && c->head->is_form)
		object_scan(&f->v, c->data, c->part);
	else
		file_scan(f, c);
}
