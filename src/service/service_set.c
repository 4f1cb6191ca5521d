/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The service instances of one configuration snapshot. */
#include "service/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

/* Raised when the same findings are to give other verdicts than before. */
#define VERDICT_REVISION "tolsey verdict revision 1"
#define SETTINGS_MAX ((size_t)1024)
#define NAMES_MAX ((size_t)512)
#define DIGEST_TEXT_MAX ((size_t)1 << 20)

/* ---- settings of one <Service> block ---- */

struct settings {
	struct svc_setting v[SETTINGS_MAX];
	size_t n;
};

static const struct svc_directive *
directive_find(const struct service_module *m, const char *name)
{
	for (size_t i = 0; i < m->ndirectives; i++)
		if (slice_case_eq(
			slice_of(m->directives[i].name), slice_of(name)))
			return &m->directives[i];
	return NULL;
}

/* One error, in the words of conf: FILE:LINE: Name 'value': what. */
static void
fail(struct conf_errors *err, const struct conf_extra *e, const char *what)
{
	char name[64], value[64];

	(void)str_copy_clean(name, sizeof(name), slice_of(e->name), "");
	(void)str_copy_clean(value, sizeof(value), slice_of(e->value), "");
	conf_errors_add(
	    err, e->file, e->line, "%s '%s': %s", name, value, what);
}

static void
unknown_directive(const struct service_module *m, const struct conf_extra *e,
    struct conf_errors *err)
{
	const char *names[NAMES_MAX], *near;
	char what[256];
	size_t n = 0;

	for (size_t i = 0; i < m->ndirectives && n < NAMES_MAX; i++)
		names[n++] = m->directives[i].name;
	for (size_t i = 0; i < conf_ndirectives && n < NAMES_MAX; i++)
		if (conf_directives[i].scope & CONF_SERVICE)
			names[n++] = conf_directives[i].name;
	near = str_nearest(e->name, names, n);
	(void)snprintf(what, sizeof(what),
	    "unknown directive, also to module %s%s%s%s", m->name,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
	fail(err, e, what);
}

/* The module's own table is in the same types as the core's. */
static int
check_value(
    const struct svc_directive *d, const char *value, char *why, size_t whylen)
{
	uint64_t number;
	unsigned int word;
	bool yes;

	switch ((enum conf_type)d->type) {
	case CONF_STR:
		return 0;
	case CONF_LIST:
		(void)snprintf(
		    why, whylen, "an empty value; leave the directive out");
		return value[0] != '\0' ? 0 : -1;
	case CONF_BOOL:
		(void)snprintf(why, whylen,
		    "neither yes (on, true, 1) nor no (off, false, 0)");
		return conf_value_bool(value, &yes);
	case CONF_ENUM:
		(void)snprintf(why, whylen, "not one of %s", d->min);
		return conf_value_enum(d->min, value, &word);
	default:
		return conf_value_number((enum conf_type)d->type, value, d->min,
		    d->max, &number, why, whylen);
	}
}

/* The earlier line of the same directive, or NULL. */
static const struct conf_extra *
earlier(const struct conf_service *c, const struct conf_extra *e)
{
	for (const struct conf_extra *p = c->extra; p < e; p++)
		if (slice_case_eq(slice_of(p->name), slice_of(e->name)))
			return p;
	return NULL;
}

static void
take_extra(struct settings *s, const struct service_module *m,
    const struct conf_service *c, const struct conf_extra *e,
    struct conf_errors *err)
{
	const struct svc_directive *d = directive_find(m, e->name);
	const struct conf_extra *before = earlier(c, e);
	char why[512];

	if (d == NULL) {
		unknown_directive(m, e, err);
	} else if (before != NULL && d->type != CONF_LIST) {
		(void)snprintf(why, sizeof(why),
		    "already given at %s:%u; remove one of them", before->file,
		    before->line);
		fail(err, e, why);
	} else if (check_value(d, e->value, why, sizeof(why)) == -1) {
		fail(err, e, why);
	} else if (s->n == SETTINGS_MAX) {
		fail(err, e, "one directive too many in this service");
	} else {
		s->v[s->n++] = (struct svc_setting){ d->name, e->value };
	}
}

/* -1: there are too many. */
static int
fill_defaults(struct settings *s, const struct service_module *m)
{
	size_t given = s->n;

	for (size_t i = 0; i < m->ndirectives; i++) {
		const struct svc_directive *d = &m->directives[i];
		bool have = false;

		for (size_t k = 0; k < given; k++)
			have = have || s->v[k].name == d->name;
		if (have)
			continue;
		if (s->n == SETTINGS_MAX)
			return -1;
		s->v[s->n++] = (struct svc_setting){ d->name,
			d->def != NULL ? d->def : "" };
	}
	return 0;
}

/* ---- instances ---- */

static void
start_service(struct service *svc, struct conf_errors *err)
{
	const struct conf_service *c = svc->conf;
	unsigned int before = err->count;
	struct settings *s = calloc(1, sizeof(*s));
	char why[256] = "";

	if (s == NULL) {
		conf_errors_add(err, c->file, c->line, "out of memory");
		return;
	}
	for (size_t i = 0; i < c->nextra; i++)
		take_extra(s, svc->module, c, &c->extra[i], err);
	if (err->count == before && fill_defaults(s, svc->module) == -1)
		conf_errors_add(err, c->file, c->line,
		    "too many directives of module %s", svc->module->name);
	if (err->count == before) {
		svc->instance =
		    svc->module->configure(s->v, s->n, why, sizeof(why));
		if (svc->instance == NULL)
			conf_errors_add(err, c->file, c->line, "service %s: %s",
			    c->name,
			    why[0] != '\0' ? why : "its module refuses it");
	}
	free(s);
}

static void
free_set(struct service_set *s)
{
	for (size_t i = 0; s->services != NULL && i < s->conf->nservices; i++)
		if (s->services[i].instance != NULL)
			s->services[i].module->unconfigure(
			    s->services[i].instance);
	free(s->services);
	free(s->template);
	conf_unref(&s->conf);
	free(s);
}

struct service_set *
service_set_new(struct registry *r, struct conf *c, struct conf_errors *err)
{
	unsigned int before = err->count;
	struct service_set *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		conf_errors_add(err, NULL, 0, "out of memory");
		return NULL;
	}
	s->refs = 1;
	s->conf = conf_ref(c);
	/* one more, so that none is no failure */
	s->services = calloc(c->nservices + 1, sizeof(*s->services));
	if (s->services == NULL)
		conf_errors_add(err, NULL, 0, "out of memory");
	for (size_t i = 0; s->services != NULL && i < c->nservices; i++) {
		struct service *svc = &s->services[i];

		svc->conf = &c->services[i];
		svc->module = registry_find(r, svc->conf->use_module);
		if (svc->module != NULL)
			start_service(svc, err);
		else
			conf_errors_add(err, svc->conf->file, svc->conf->line,
			    "service %s: no module %s is loaded",
			    svc->conf->name, svc->conf->use_module);
	}
	if (err->count == before)
		return s;
	free_set(s);
	return NULL;
}

struct service_set *
service_set_ref(struct service_set *s)
{
	CHECK(s->refs > 0);
	s->refs++;
	return s;
}

void
service_set_unref(struct service_set **s)
{
	struct service_set *set = *s;

	*s = NULL;
	if (set == NULL)
		return;
	CHECK(set->refs > 0);
	if (--set->refs == 0)
		free_set(set);
}

struct service *
service_set_find(struct service_set *s, struct slice name)
{
	const struct conf_service *c = conf_service_find(s->conf, name);

	return c != NULL ? &s->services[c - s->conf->services] : NULL;
}

/* ---- ISTag ---- */

static void
add_words(struct buf *b, const char *value)
{
	struct slice rest = slice_of(value), word;

	while (slice_next(&rest, ' ', &word))
		if (word.len > 0)
			(void)buf_printf(
			    b, " %zu:%.*s", word.len, SLICE_FMT(word));
}

/* The value, not how it is written: 1K is 1024, on is yes. */
static void
add_value(struct buf *b, const struct svc_directive *d, const char *value)
{
	uint64_t number = 0;
	unsigned int word = 0;
	char err[128];
	bool yes = false;

	switch ((enum conf_type)d->type) {
	case CONF_STR:
		(void)buf_printf(b, " %zu:%s", strlen(value), value);
		break;
	case CONF_LIST:
		add_words(b, value);
		break;
	case CONF_BOOL:
		(void)conf_value_bool(value, &yes);
		(void)buf_printf(b, " %d", yes);
		break;
	case CONF_ENUM:
		(void)conf_value_enum(d->min, value, &word);
		(void)buf_printf(b, " %u", word);
		break;
	default:
		(void)conf_value_number((enum conf_type)d->type, value, d->min,
		    d->max, &number, err, sizeof(err));
		(void)buf_printf(b, " %ju", (uintmax_t)number);
	}
}

/* The module's own directives that can change a verdict, in its order. */
static int
module_digest(const struct service *svc, unsigned char out[HASH_LEN])
{
	const struct service_module *m = svc->module;
	const struct conf_service *c = svc->conf;
	struct buf b;
	int rc;

	buf_init(&b, DIGEST_TEXT_MAX);
	for (size_t i = 0; i < m->ndirectives; i++) {
		const struct svc_directive *d = &m->directives[i];
		bool given = false;

		if (!d->verdict)
			continue;
		(void)buf_append_str(&b, d->name);
		for (size_t k = 0; k < c->nextra; k++)
			if (directive_find(m, c->extra[k].name) == d) {
				add_value(&b, d, c->extra[k].value);
				given = true;
			}
		if (!given && d->def != NULL && d->def[0] != '\0')
			add_value(&b, d, d->def);
		(void)buf_append_str(&b, "\n");
	}
	rc = b.failed ? -1 : hash_once(b.p, b.len, out);
	buf_free(&b);
	return rc;
}

int
service_tag(const struct service_set *s, const struct service *svc,
    const unsigned char *engine_digest, char out[SERVICE_TAG_LEN])
{
	static const unsigned char none[HASH_LEN];
	unsigned char settings[HASH_LEN], module[HASH_LEN], digest[HASH_LEN];
	struct hash *h = hash_new();
	int rc = -1;

	if (h == NULL)
		return -1;
	if (engine_digest == NULL)
		engine_digest = none;
	if (conf_verdict_digest(s->conf, svc->conf, settings) == 0 &&
	    module_digest(svc, module) == 0 &&
	    hash_update(h, VERDICT_REVISION, sizeof(VERDICT_REVISION)) == 0 &&
	    hash_update(h, engine_digest, HASH_LEN) == 0 &&
	    hash_update(h, settings, sizeof(settings)) == 0 &&
	    hash_update(h, module, sizeof(module)) == 0 &&
	    hash_final(h, digest) == 0) {
		hash_base32(digest, out, SERVICE_TAG_LEN - 1);
		rc = 0;
	}
	hash_free(&h);
	return rc;
}

int
service_set_tags(struct service_set *s, const unsigned char *engine_digest)
{
	for (size_t i = 0; i < s->conf->nservices; i++)
		if (service_tag(s, &s->services[i], engine_digest,
			s->services[i].istag) == -1)
			return -1;
	return 0;
}
