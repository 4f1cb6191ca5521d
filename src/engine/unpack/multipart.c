/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/multipart.h"

#include <string.h>

#include "engine/unpack/mime.h"

struct delimiter {
	size_t at;     /* of its "--" */
	size_t before; /* end of the data before it, without the line end */
	size_t behind; /* begin of what follows its line */
	enum multipart_way way;
	bool closes;
};

/* How the byte before `at` ends the line before. */
static enum multipart_way
line_start(struct slice b, size_t at)
{
	if (at == 0)
		return MULTIPART_STRICT;
	if (b.p[at - 1] == '\n')
		return at > 1 && b.p[at - 2] == '\r' ? MULTIPART_STRICT
						     : MULTIPART_LF;
	return b.p[at - 1] == '\r' ? MULTIPART_LOOSE : MULTIPART_NWAYS;
}

static size_t
data_end(struct slice b, size_t at)
{
	if (at > 0 && b.p[at - 1] == '\n')
		at--;
	if (at > 0 && b.p[at - 1] == '\r')
		at--;
	return at;
}

/* Blanks, then a line end or the end of the body: nothing else. */
static enum multipart_way
line_end(struct slice b, size_t at, size_t *behind)
{
	while (at < b.len && (b.p[at] == ' ' || b.p[at] == '\t'))
		at++;
	*behind = at;
	if (at == b.len)
		return MULTIPART_STRICT;
	if (b.p[at] == '\n') {
		*behind = at + 1;
		return MULTIPART_LF;
	}
	if (b.p[at] != '\r')
		return MULTIPART_NWAYS;
	if (at + 1 < b.len && b.p[at + 1] == '\n') {
		*behind = at + 2;
		return MULTIPART_STRICT;
	}
	*behind = at + 1;
	return at + 1 == b.len ? MULTIPART_STRICT : MULTIPART_LOOSE;
}

static enum multipart_way
wider(enum multipart_way a, enum multipart_way b)
{
	return a > b ? a : b;
}

/* What begins at "--boundary". */
static void
look_at(struct slice b, size_t at, size_t blen, enum multipart_way start,
    struct delimiter *d)
{
	size_t end = at + 2 + blen;
	enum multipart_way way;

	d->at = at;
	d->before = data_end(b, at);
	d->closes = false;
	way = line_end(b, end, &d->behind);
	if (way == MULTIPART_NWAYS && end + 2 <= b.len &&
	    memcmp(b.p + end, "--", 2) == 0) {
		/* a close is often without a line end, or has text behind it */
		d->closes = true;
		way = line_end(b, end + 2, &d->behind);
	}
	if (way == MULTIPART_NWAYS) {
		/* the rest of the line may be anything, data even */
		way = MULTIPART_LOOSE;
		d->behind = d->closes ? end + 2 : end;
	}
	d->way = wider(start, way);
}

/* One that stands inside a line is followed by many, if somebody wants so. */
static size_t
next_line(struct slice b, size_t at)
{
	while (at < b.len && b.p[at] != '\n' && b.p[at] != '\r')
		at++;
	return at;
}

/* The next delimiter at or behind `from`, in that way. */
static bool
find_delimiter(struct slice b, struct slice boundary, enum multipart_way way,
    size_t from, struct delimiter *d)
{
	const char *at;
	enum multipart_way start;

	while (from < b.len) {
		at = memmem(b.p + from, b.len - from, boundary.p, boundary.len);
		if (at == NULL)
			return false;
		from = (size_t)(at - b.p) + 1;
		if (at - b.p < 2 || at[-1] != '-' || at[-2] != '-')
			continue;
		start = line_start(b, (size_t)(at - b.p) - 2);
		if (start == MULTIPART_NWAYS) {
			from = next_line(b, from);
			continue;
		}
		look_at(b, (size_t)(at - b.p) - 2, boundary.len, start, d);
		if (d->way <= way)
			return true;
	}
	return false;
}

bool
multipart_count(
    struct slice body, struct slice boundary, size_t counts[MULTIPART_NWAYS])
{
	struct delimiter d;
	size_t from = 0;

	memset(counts, 0, MULTIPART_NWAYS * sizeof(counts[0]));
	if (boundary.len == 0)
		return false;
	while (find_delimiter(body, boundary, MULTIPART_LOOSE, from, &d)) {
		for (unsigned int w = d.way; w < MULTIPART_NWAYS; w++)
			counts[w]++;
		from = d.at + 2 + boundary.len;
	}
	return counts[MULTIPART_LOOSE] > 0;
}

void
multipart_begin(struct multipart *m, struct slice body, struct slice boundary,
    enum multipart_way way)
{
	*m = (struct multipart){ .body = body,
		.boundary = boundary,
		.way = way,
		.in_preamble = true,
		.over = boundary.len == 0 };
}

/* Up to the first empty line is the head. */
static void
split_head(struct multipart_part *p)
{
	struct slice rest = p->whole, line;

	p->head = SLICE_NONE;
	p->data = p->whole;
	p->has_blank_line = false;
	while (mime_line(&rest, &line)) {
		if (line.len > 0)
			continue;
		p->head =
		    (struct slice){ p->whole.p, (size_t)(line.p - p->whole.p) };
		p->data = rest;
		p->has_blank_line = true;
		return;
	}
}

static void
make_part(struct multipart *m, struct multipart_part *p, size_t end)
{
	size_t from = m->at < end ? m->at : end;

	p->whole = (struct slice){ m->body.p + from, end - from };
	p->kind = m->in_preamble   ? MULTIPART_PREAMBLE
		  : m->in_epilogue ? MULTIPART_EPILOGUE
				   : MULTIPART_PART;
	if (p->kind == MULTIPART_PART) {
		split_head(p);
		return;
	}
	p->head = SLICE_NONE;
	p->data = p->whole;
	p->has_blank_line = false;
}

bool
multipart_next(struct multipart *m, struct multipart_part *p)
{
	struct delimiter d;

	while (!m->over) {
		bool found =
		    find_delimiter(m->body, m->boundary, m->way, m->at, &d);

		/* the line end before a delimiter may be that of the last */
		make_part(m, p, found ? d.before : m->body.len);
		p->ended = found;
		if (found) {
			m->at = d.behind;
			m->in_preamble = false;
			m->in_epilogue = d.closes;
		} else {
			m->over = true;
		}
		if (p->kind == MULTIPART_PART ||
		    slice_trim_folded(p->whole).len > 0)
			return true;
	}
	return false;
}
