/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The snapshot as text and back, and what differs between two. Lines of the
 * dump are 'Directive value...' and, for what is no directive, '@word ...'.
 */
#include "conf/conf_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"

#define DUMP_LINE_MAX ((size_t)1 << 20)
#define VALUE_MAX ((size_t)1 << 20)

static void
dump_directives(struct buf *out, const void *base, bool service)
{
	const struct conf_directive *d;

	for (size_t i = 0; i < conf_ndirectives; i++) {
		d = &conf_directives[i];
		if ((d->scope & (service ? CONF_SERVICE : CONF_GLOBAL)) == 0)
			continue;
		(void)buf_printf(out, "%s ", d->name);
		(void)conf_print(out, d, conf_field_const(d, base, service));
		(void)buf_append_str(out, "\n");
	}
}

static void
dump_texts(struct buf *out, const char *word, const char *const texts[],
    size_t n, unsigned int line)
{
	(void)buf_append_str(out, word);
	for (size_t i = 0; i < n; i++) {
		(void)buf_append_str(out, " ");
		(void)conf_print_quoted(out, slice_of(texts[i]));
	}
	(void)buf_printf(out, " %u\n", line);
}

int
conf_dump(const struct conf *c, struct buf *out)
{
	const struct conf_service *s;
	const struct conf_extra *x;

	(void)buf_printf(out, "@generation %u\n", c->generation);
	dump_directives(out, c, false);
	for (size_t i = 0; i < c->nservices; i++) {
		s = &c->services[i];
		dump_texts(out, "@service",
		    (const char *const[]){ s->name, s->file }, 2, s->line);
		dump_directives(out, s, true);
		for (size_t j = 0; j < s->nextra; j++) {
			x = &s->extra[j];
			dump_texts(out, "@extra",
			    (const char *const[]){ x->name, x->value, x->file },
			    3, x->line);
		}
	}
	(void)buf_append_str(out, "@end\n");
	return out->failed ? -1 : 0;
}

/* A dump that is being read. */
struct reading {
	struct conf *c;
	struct conf_service *s; /* NULL: before the first */
	bool seen[CONF_NIDS];
	bool ended;
	char why[CONF_ERR_MAX];
};

static int
refuse(struct reading *r, const char *why)
{
	str_copy(r->why, sizeof(r->why), slice_of(why));
	return -1;
}

/* Nothing may be missing of what belongs to the scope that ends. */
static int
scope_complete(struct reading *r)
{
	enum conf_scope scope = r->s != NULL ? CONF_SERVICE : CONF_GLOBAL;

	for (size_t i = 0; i < conf_ndirectives; i++)
		if ((conf_directives[i].scope & scope) != 0 && !r->seen[i])
			return refuse(r, "a directive is missing before");
	memset(r->seen, 0, sizeof(r->seen));
	return 0;
}

static int
number_of(struct reading *r, const char *word, unsigned int *out)
{
	uint64_t v;

	if (str_to_u64(slice_of(word), UINT32_MAX, &v) == -1)
		return refuse(r, "not a number");
	*out = (unsigned int)v;
	return 0;
}

static int
read_service(struct reading *r, char *const *words, size_t n)
{
	struct conf *c = r->c;

	if (n != 4 || c->nservices == CONF_MAX_SERVICES)
		return refuse(r, "a wrong service");
	if (scope_complete(r) == -1)
		return -1;
	r->s = &c->services[c->nservices++];
	r->s->name = conf_strdup(c->mem, slice_of(words[1]));
	r->s->file = conf_strdup(c->mem, slice_of(words[2]));
	if (r->s->name == NULL || r->s->file == NULL)
		return refuse(r, "out of memory");
	return number_of(r, words[3], &r->s->line);
}

static int
read_extra(struct reading *r, char *const *words, size_t n)
{
	struct conf_extra *x;

	if (n != 5 || r->s == NULL)
		return refuse(r, "a wrong extra");
	if ((x = conf_extra_add(r->c->mem, r->s)) == NULL)
		return refuse(r, "out of memory");
	x->name = conf_strdup(r->c->mem, slice_of(words[1]));
	x->value = conf_strdup(r->c->mem, slice_of(words[2]));
	x->file = conf_strdup(r->c->mem, slice_of(words[3]));
	if (x->name == NULL || x->value == NULL || x->file == NULL)
		return refuse(r, "out of memory");
	return number_of(r, words[4], &x->line);
}

static int
read_special(struct reading *r, char *const *words, size_t n)
{
	if (strcmp(words[0], "@service") == 0)
		return read_service(r, words, n);
	if (strcmp(words[0], "@extra") == 0)
		return read_extra(r, words, n);
	if (strcmp(words[0], "@generation") == 0 && n == 2)
		return number_of(r, words[1], &r->c->generation);
	if (strcmp(words[0], "@end") != 0 || n != 1)
		return refuse(r, "an unknown line");
	r->ended = true;
	return scope_complete(r);
}

/* The rest of the line, behind the name. */
static int
read_value(struct reading *r, const struct conf_directive *d, char *at)
{
	void *field = conf_field(
	    d, r->s != NULL ? (void *)r->s : (void *)r->c, r->s != NULL);
	const char *what = NULL;
	size_t n = 0;
	char *word;
	int rc;

	while ((rc = conf_lex(&at, &word, &what)) == 1) {
		n++;
		if (conf_set(r->c->mem, d, field, word, r->why,
			sizeof(r->why)) == -1)
			return -1;
	}
	if (rc == -1)
		return refuse(r, what);
	if (n != 1 && d->type != CONF_LIST)
		return refuse(r, "not one value");
	return 0;
}

static int
read_line(struct reading *r, char *line)
{
	char *words[CONF_WORDS_MAX], *at = line;
	const struct conf_directive *d;
	const char *what = NULL;
	ssize_t n;

	if (r->ended)
		return refuse(r, "text behind the end");
	if (line[0] == '@') {
		if ((n = conf_lex_all(line, words, &what)) < 1)
			return refuse(r, what);
		return read_special(r, words, (size_t)n);
	}
	if (conf_lex(&at, &words[0], &what) != 1 ||
	    (d = conf_directive_find(words[0])) == NULL)
		return refuse(r, "an unknown directive");
	if ((d->scope & (r->s != NULL ? CONF_SERVICE : CONF_GLOBAL)) == 0 ||
	    r->seen[d - conf_directives])
		return refuse(r, "a directive in the wrong place");
	r->seen[d - conf_directives] = true;
	return read_value(r, d, at);
}

/* 0 when every line was good. *line: the one that was not. */
static int
read_lines(struct reading *r, struct slice text, unsigned int *line)
{
	struct slice rest = text, raw;
	char *copy;
	int rc = 0;

	while (rc == 0 && rest.len > 0 && slice_next(&rest, '\n', &raw)) {
		++*line;
		if (raw.len >= DUMP_LINE_MAX || slice_find(raw, '\0') != -1)
			return refuse(r, "not a line of a dump");
		if ((copy = malloc(raw.len + 1)) == NULL)
			return refuse(r, "out of memory");
		str_copy(copy, raw.len + 1, raw);
		rc = read_line(r, copy);
		free(copy);
	}
	if (rc == 0 && !r->ended)
		return refuse(r, "it is cut short");
	return rc;
}

struct conf *
conf_parse_dump(struct slice text, struct conf_errors *err)
{
	struct reading r = { .c = conf_new() };
	unsigned int line = 0;

	if (r.c == NULL) {
		conf_errors_add(err, NULL, 0, "out of memory");
		return NULL;
	}
	if (read_lines(&r, text, &line) == -1) {
		conf_errors_add(err, "snapshot", line, "%s", r.why);
		conf_unref(&r.c);
		return NULL;
	}
	conf_derive(r.c);
	return r.c;
}

/* Both values as text, in a and b. */
static bool
differs(struct buf *a, struct buf *b, const struct conf_directive *d,
    const void *base_a, const void *base_b, bool service)
{
	buf_reset(a);
	buf_reset(b);
	(void)conf_print(a, d, conf_field_const(d, base_a, service));
	(void)conf_print(b, d, conf_field_const(d, base_b, service));
	return !slice_eq(buf_slice(a), buf_slice(b));
}

static bool
compare_scope(const void *base_a, const void *base_b, const char *service,
    enum conf_class class, struct buf *out)
{
	const struct conf_directive *d;
	bool changed = false;
	struct buf a, b;

	buf_init(&a, VALUE_MAX);
	buf_init(&b, VALUE_MAX);
	for (size_t i = 0; i < conf_ndirectives; i++) {
		d = &conf_directives[i];
		if (d->class != class ||
		    (d->scope & (service ? CONF_SERVICE : CONF_GLOBAL)) == 0 ||
		    !differs(&a, &b, d, base_a, base_b, service != NULL))
			continue;
		changed = true;
		if (out != NULL)
			(void)buf_printf(out, "%s%s%s%s %s -> %s",
			    out->len > 0 ? ", " : "",
			    service != NULL ? service : "",
			    service != NULL ? ": " : "", d->name, buf_cstr(&a),
			    buf_cstr(&b));
	}
	buf_free(&a);
	buf_free(&b);
	return changed;
}

static bool
extras_equal(const struct conf_service *a, const struct conf_service *b)
{
	if (a->nextra != b->nextra)
		return false;
	for (size_t i = 0; i < a->nextra; i++)
		if (strcmp(a->extra[i].name, b->extra[i].name) != 0 ||
		    strcmp(a->extra[i].value, b->extra[i].value) != 0)
			return false;
	return true;
}

static bool
say(struct buf *out, const char *name, const char *what)
{
	if (out != NULL)
		(void)buf_printf(out, "%sservice %s %s",
		    out->len > 0 ? ", " : "", name, what);
	return true;
}

static const struct conf_service *
by_name(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->nservices; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return &c->services[i];
	return NULL;
}

static bool
services_gone(const struct conf *a, const struct conf *b, const char *what,
    struct buf *out)
{
	bool gone = false;

	for (size_t i = 0; i < a->nservices; i++)
		if (by_name(b, a->services[i].name) == NULL)
			gone = say(out, a->services[i].name, what);
	return gone;
}

bool
conf_changed(const struct conf *a, const struct conf *b, enum conf_class class,
    struct buf *out)
{
	bool changed = compare_scope(a, b, NULL, class, out);
	const struct conf_service *s, *t;

	if (class == CONF_LIVE) {
		changed |= services_gone(a, b, "is gone", out);
		changed |= services_gone(b, a, "is new", out);
	}
	for (size_t i = 0; i < a->nservices; i++) {
		s = &a->services[i];
		if ((t = by_name(b, s->name)) == NULL)
			continue;
		changed |= compare_scope(s, t, s->name, class, out);
		if (class == CONF_LIVE && s->index != t->index)
			changed = say(out, s->name, "moved");
		if (class == CONF_LIVE && !extras_equal(s, t))
			changed = say(
			    out, s->name, "has other settings of its module");
	}
	return changed;
}

static void
digest_text(struct buf *out, const struct conf *c, const struct conf_service *s)
{
	const struct conf_directive *d;
	bool service;

	for (size_t i = 0; i < conf_ndirectives; i++) {
		d = &conf_directives[i];
		/* what takes part in loading is in the engine's digest */
		if (!d->verdict || d->class == CONF_LOAD)
			continue;
		service = d->scope != CONF_GLOBAL;
		(void)buf_printf(out, "%s ", d->name);
		(void)conf_print(out, d,
		    conf_field_const(d,
			service ? (const void *)s : (const void *)c, service));
		(void)buf_append_str(out, "\n");
	}
}

int
conf_verdict_digest(
    const struct conf *c, const struct conf_service *s, unsigned char out[32])
{
	struct buf b;
	int rc = -1;

	buf_init(&b, VALUE_MAX * 16);
	digest_text(&b, c, s);
	if (!b.failed)
		rc = hash_once(b.p, b.len, out);
	buf_free(&b);
	return rc;
}
