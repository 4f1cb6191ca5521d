/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "conf/conf_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

#define VALUE_SHOWN 120

/* The words behind the name, joined, cleaned for a terminal, cut. */
static void
shown_value(
    char out[VALUE_SHOWN + 4], char *const *words, size_t from, size_t n)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = from; i < n && len < VALUE_SHOWN; i++) {
		if (i > from)
			out[len++] = ' ';
		len += str_copy_clean(
		    out + len, VALUE_SHOWN + 1 - len, slice_of(words[i]), "");
	}
	if (len >= VALUE_SHOWN)
		(void)snprintf(out + VALUE_SHOWN, 4, "...");
}

void
conf_load_fail(struct conf_load *l, struct conf_where at, char *const *words,
    size_t n, const char *fmt, ...)
{
	char name[64], value[VALUE_SHOWN + 4], text[CONF_ERR_MAX];
	va_list ap;

	str_copy_clean(name, sizeof(name), slice_of(words[0]), "");
	shown_value(value, words, 1, n);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_errors_add(
	    l->err, at.file, at.line, "%s '%s': %s", name, value, text);
}

static enum conf_id
id_of(const struct conf_directive *d)
{
	return (enum conf_id)(d - conf_directives);
}

/* A name of a service may be given once, in whatever case. */
static bool
claim_name(struct conf_load *l, struct conf_where at, char *const *words,
    size_t n, const char *name)
{
	const struct conf_named *other;

	for (size_t i = 0; i < l->nnames; i++) {
		other = &l->names[i];
		if (strcasecmp(other->name, name) != 0)
			continue;
		conf_load_fail(l, at, words, n,
		    "the name %s is already used at %s:%u; names of services "
		    "and aliases are unique in any case",
		    name, other->where.file, other->where.line);
		return false;
	}
	if (l->nnames == CONF_NAMES_MAX) {
		conf_load_fail(
		    l, at, words, n, "more than 1024 names of services");
		return false;
	}
	l->names[l->nnames].name = name;
	l->names[l->nnames++].where = at;
	return true;
}

static bool
list_has(const struct conf_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

/* Puts one word of the value into its field. */
static bool
set_word(struct conf_load *l, const struct conf_directive *d, void *field,
    struct conf_where at, char *const *words, size_t n, const char *word)
{
	char err[CONF_ERR_MAX];

	word = conf_plain_word(id_of(d), word);
	if (d->type == CONF_LIST && list_has(field, word)) {
		conf_load_fail(
		    l, at, words, n, "%.64s is given twice; remove one", word);
		return false;
	}
	if (conf_check_word(id_of(d), word, err, sizeof(err)) == -1 ||
	    conf_set(l->c->mem, d, field, word, err, sizeof(err)) == -1) {
		conf_load_fail(l, at, words, n, "%s", err);
		return false;
	}
	return true;
}

static void
set_words(struct conf_load *l, const struct conf_directive *d, void *field,
    struct conf_where at, char *const *words, size_t n)
{
	const struct conf_list *list = field;

	if (n == 1) {
		conf_load_fail(l, at, words, n, "the value is missing");
		return;
	}
	if (n > 2 && d->type != CONF_LIST) {
		conf_load_fail(l, at, words, n,
		    "one value is expected; put a value with blanks into "
		    "\"quotes\"");
		return;
	}
	for (size_t i = 1; i < n; i++) {
		if (!set_word(l, d, field, at, words, n, words[i]))
			continue;
		if (id_of(d) == CONF_ID_aliases && l->open != NULL)
			(void)claim_name(l, at, words, n, list->v[list->n - 1]);
	}
}

/* Keeps a module's directive as it is; tolsey-net knows the module. */
static void
keep_extra(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	struct conf_extra *x = conf_extra_add(l->c->mem, l->open);
	struct buf value;

	buf_init(&value, CONF_LINE_MAX);
	for (size_t i = 1; i < n; i++) {
		(void)buf_append_str(&value, i > 1 ? " " : "");
		(void)buf_append_str(&value, words[i]);
	}
	if (x != NULL) {
		x->name = conf_strdup(l->c->mem, slice_of(words[0]));
		x->value = conf_strdup(l->c->mem, buf_slice(&value));
		x->file = at.file;
		x->line = at.line;
	}
	if (x == NULL || x->name == NULL || x->value == NULL)
		conf_load_fail(l, at, words, n, "out of memory");
	buf_free(&value);
}

/* What another program's directive of this name is here, or NULL. */
static const char *
foreign(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
#define FOREIGN(name, text) { #name, text },
#include "conf/foreign.def"
	};

	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (strcasecmp(rows[i].name, name) == 0)
			return rows[i].text;
	return NULL;
}

static void
unknown(struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	const char *near = conf_nearest(words[0]);

	if (foreign(words[0]) != NULL)
		conf_load_fail(l, at, words, n,
		    "there is no such directive here; %s", foreign(words[0]));
	else if (near != NULL && strcasecmp(near, words[0]) == 0)
		conf_load_fail(
		    l, at, words, n, "it cannot stand here; use a file");
	else if (near != NULL)
		conf_load_fail(l, at, words, n,
		    "unknown directive; did you mean %s?", near);
	else
		conf_load_fail(l, at, words, n,
		    "unknown directive; see tolsey.conf(5), and write those "
		    "of a module into a <Service> block");
}

/* True when d may stand here for the first time (a LIST: again). */
static bool
first_time(struct conf_load *l, const struct conf_directive *d,
    struct conf_where *where, struct conf_where at, char *const *words,
    size_t n)
{
	if (where->file != NULL && d->type != CONF_LIST) {
		conf_load_fail(l, at, words, n,
		    "already given at %s:%u; remove one of them", where->file,
		    where->line);
		return false;
	}
	if (where->file == NULL)
		*where = at;
	return true;
}

void
conf_load_directive(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	const struct conf_directive *d = conf_directive_find(words[0]);
	bool inside = l->open != NULL;
	struct conf_where *where;
	void *base;

	if (d == NULL && inside && foreign(words[0]) == NULL) {
		keep_extra(l, at, words, n);
		return;
	}
	if (d == NULL) {
		unknown(l, at, words, n);
		return;
	}
	if ((d->scope & (inside ? CONF_SERVICE : CONF_GLOBAL)) == 0) {
		conf_load_fail(l, at, words, n, "it belongs %s",
		    inside ? "outside of <Service> blocks; move it out"
			   : "into a <Service> block; move it there");
		return;
	}
	where = inside ? &l->service_where[l->c->nservices][id_of(d)]
		       : &l->where[id_of(d)];
	base = inside ? (void *)l->open : (void *)l->c;
	if (first_time(l, d, where, at, words, n))
		set_words(l, d, conf_field(d, base, inside), at, words, n);
}

void
conf_load_open(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	struct conf_service *s = &l->c->services[l->c->nservices];

	if (l->open != NULL) {
		conf_load_fail(l, at, words, n,
		    "the <Service> of %s:%u is still open; end it with "
		    "</Service>",
		    l->open->file, l->open->line);
		conf_load_close(l);
		s = &l->c->services[l->c->nservices];
	}
	l->open = s;
	l->open_bad = true;
	s->line = at.line;
	s->file = at.file;
	s->name = conf_strdup(l->c->mem, slice_of(n > 1 ? words[1] : ""));
	if (s->name == NULL)
		conf_load_fail(l, at, words, n, "out of memory");
	else if (l->c->nservices == CONF_MAX_SERVICES)
		conf_load_fail(l, at, words, n, "more than 64 services");
	else if (n != 2 || !conf_good_name(s->name))
		conf_load_fail(l, at, words, n,
		    "one name of 1 to 31 letters, digits and "
		    "!#$%%&'*+-.^_`|~ is expected");
	else
		l->open_bad = !claim_name(l, at, words, n, s->name);
}

void
conf_load_close(struct conf_load *l)
{
	if (l->open_bad) {
		memset(l->open, 0, sizeof(*l->open));
		memset(l->service_where[l->c->nservices], 0,
		    sizeof(l->service_where[0]));
	} else {
		l->c->nservices++;
	}
	l->open = NULL;
}

/* The first -o of a name replaces what the file said. */
static void
override(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	const struct conf_directive *d = conf_directive_find(words[0]);
	bool common;
	void *field;

	if (d == NULL) {
		unknown(l, at, words, n);
		return;
	}
	common = d->scope == CONF_SERVICE;
	field =
	    conf_field(d, common ? (void *)&l->common : (void *)l->c, common);
	if (!l->by_option[id_of(d)]) {
		l->by_option[id_of(d)] = true;
		l->where[id_of(d)].file = NULL;
		if (d->type == CONF_LIST)
			*(struct conf_list *)field = (struct conf_list){ 0 };
	}
	if (first_time(l, d, &l->where[id_of(d)], at, words, n))
		set_words(l, d, field, at, words, n);
}

static void
apply_option(struct conf_load *l, const char *text, unsigned int number)
{
	struct conf_where at = { "-o", number };
	char line[CONF_LINE_MAX + 1], *words[CONF_WORDS_MAX];
	const char *what = NULL;
	ssize_t n;

	if (strlen(text) > CONF_LINE_MAX) {
		conf_errors_add(l->err, at.file, at.line,
		    "the value is longer than 8192 bytes");
		return;
	}
	str_copy(line, sizeof(line), slice_of(text));
	n = conf_lex_all(line, words, &what);
	if (n > 0)
		override(l, at, words, (size_t)n);
	else
		conf_errors_add(l->err, at.file, at.line, "%s",
		    n == 0 ? "empty; write -o 'Directive value'" : what);
}

/* The default of the table. It can only fail by a lack of memory. */
static int
set_default(struct conf *c, const struct conf_directive *d, void *field)
{
	char line[CONF_LINE_MAX], *at = line, *word, err[CONF_ERR_MAX];
	const char *what;
	int rc;

	if (d->type != CONF_LIST)
		return conf_set(c->mem, d, field, d->def, err, sizeof(err));
	str_copy(line, sizeof(line), slice_of(d->def));
	while ((rc = conf_lex(&at, &word, &what)) == 1)
		if (conf_set(c->mem, d, field, word, err, sizeof(err)) == -1)
			return -1;
	return rc;
}

static void
copy_field(const struct conf_directive *d, void *to, const void *from)
{
	static const size_t sizes[] = { [CONF_BOOL] = sizeof(bool),
		[CONF_UINT] = sizeof(uint64_t),
		[CONF_SIZE] = sizeof(uint64_t),
		[CONF_TIME] = sizeof(uint64_t),
		[CONF_STR] = sizeof(char *),
		[CONF_LIST] = sizeof(struct conf_list),
		[CONF_ENUM] = sizeof(unsigned int) };

	memcpy(to, from, sizes[d->type]);
}

/* Whether a STR was left without a value by an error. */
static bool
lacks_value(const struct conf_directive *d, const void *field)
{
	return d->type == CONF_STR && *(char *const *)field == NULL;
}

static void
inherit(struct conf_load *l, const struct conf_directive *d, const void *from)
{
	struct conf_service *s;

	for (size_t i = 0; i < l->c->nservices; i++) {
		s = &l->c->services[i];
		if (l->service_where[i][id_of(d)].file == NULL ||
		    lacks_value(d, conf_field(d, s, true)))
			copy_field(d, conf_field(d, s, true), from);
	}
}

/* An Alias by -o can belong to one service only. */
static void
claim_common_aliases(struct conf_load *l)
{
	const struct conf_list *list = &l->common.aliases;
	char name[] = "Alias", *words[2] = { name, NULL };
	size_t heirs = 0;

	for (size_t i = 0; i < l->c->nservices; i++)
		heirs += l->service_where[i][CONF_ID_aliases].file == NULL;
	for (size_t i = 0; heirs > 0 && i < list->n; i++) {
		words[1] = list->v[i];
		if (heirs > 1)
			conf_load_fail(l, l->where[CONF_ID_aliases], words, 2,
			    "there are several services without Alias; write "
			    "it into a <Service> block");
		else
			(void)claim_name(
			    l, l->where[CONF_ID_aliases], words, 2, list->v[i]);
	}
}

static void
fill_in(struct conf_load *l)
{
	const struct conf_directive *d;
	bool common;
	void *field;

	for (size_t i = 0; i < conf_ndirectives; i++) {
		d = &conf_directives[i];
		common = d->scope == CONF_SERVICE;
		field = conf_field(
		    d, common ? (void *)&l->common : (void *)l->c, common);
		if ((l->where[i].file == NULL || lacks_value(d, field)) &&
		    set_default(l->c, d, field) == -1)
			conf_errors_add(l->err, NULL, 0, "out of memory");
		if (d->scope != CONF_GLOBAL)
			inherit(l, d, field);
	}
	claim_common_aliases(l);
}

struct conf *
conf_load(const char *file, const char *const overrides[], size_t noverrides,
    struct conf_errors *err)
{
	struct conf_load *l = calloc(1, sizeof(*l));
	struct conf *c = conf_new();
	unsigned int before = err->count;

	if (l == NULL || c == NULL) {
		conf_errors_add(err, NULL, 0, "out of memory");
		goto out;
	}
	l->c = c;
	l->err = err;
	if (file != NULL)
		conf_file_read(l, file);
	for (size_t i = 0; i < noverrides; i++)
		apply_option(l, overrides[i], (unsigned int)i + 1);
	if (c->nservices == 0)
		conf_file_text(l, "built-in", slice_of(conf_builtin_services));
	fill_in(l);
	if (err->count == before) {
		conf_derive(c);
		conf_check_all(l);
	}
out:
	free(l);
	if (err->count > before)
		conf_unref(&c);
	return c;
}
