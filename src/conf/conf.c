/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "conf/conf_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"

#define CONF_MEMORY_MAX ((size_t)64 << 20)
#define CONF_ERRORS_MAX ((size_t)65536)

#define FLAG_VERDICT true
#define FLAG_NEUTRAL false

/* clang-format off */
const struct conf_directive conf_directives[] = {
#define GLOBAL(type, dir, field, def, min, max, class, verdict, text) \
	{ #dir, CONF_GLOBAL, CONF_##type, CONF_##class, FLAG_##verdict, \
	    offsetof(struct conf, field), SIZE_MAX, def, min, max, text },
#define BOTH(type, dir, field, def, min, max, class, verdict, text) \
	{ #dir, CONF_BOTH, CONF_##type, CONF_##class, FLAG_##verdict, \
	    offsetof(struct conf, field), \
	    offsetof(struct conf_service, field), def, min, max, text },
#define SERVICE(type, dir, field, def, min, max, class, verdict, text) \
	{ #dir, CONF_SERVICE, CONF_##type, CONF_##class, FLAG_##verdict, \
	    SIZE_MAX, offsetof(struct conf_service, field), def, min, max, \
	    text },
#include "conf/directives.def"
};
/* clang-format on */
const size_t conf_ndirectives = COUNTOF(conf_directives);

/* What there is when no <Service> is written (FR-05: the usual names). */
const char conf_builtin_services[] =
    "<Service avscan>\n"
    "UseModule clamav_scan\n"
    "Default on\n"
    "Alias virus_scan srv_clamav squidclamav scan respmod reqmod\n"
    "Alias request response req resp SYMCScanResp-AV SYMCScanReq-AV\n"
    "Alias OMSScanResp-AV OMSScanReq-AV\n"
    "</Service>\n"
    "<Service echo>\n"
    "UseModule echo\n"
    "</Service>\n";

static const char *const names[] = {
#define GLOBAL(type, dir, field, def, min, max, class, verdict, text) #dir,
#define BOTH(type, dir, field, def, min, max, class, verdict, text) #dir,
#define SERVICE(type, dir, field, def, min, max, class, verdict, text) #dir,
#include "conf/directives.def"
	"Include", "Service"
};

const struct conf_directive *
conf_directive_find(const char *name)
{
	for (size_t i = 0; i < conf_ndirectives; i++)
		if (strcasecmp(conf_directives[i].name, name) == 0)
			return &conf_directives[i];
	return NULL;
}

const char *
conf_nearest(const char *name)
{
	return str_nearest(name, names, COUNTOF(names));
}

void
conf_errors_init(struct conf_errors *e)
{
	buf_init(&e->text, CONF_ERRORS_MAX);
	e->count = 0;
}

void
conf_errors_free(struct conf_errors *e)
{
	buf_free(&e->text);
	e->count = 0;
}

/* A line that no longer fits is still counted. */
void
conf_errors_add(struct conf_errors *e, const char *file, unsigned int line,
    const char *fmt, ...)
{
	size_t before = e->text.len;
	va_list ap;

	e->count++;
	e->text.failed = false;
	if (file != NULL && line > 0)
		(void)buf_printf(&e->text, "%s:%u: ", file, line);
	else if (file != NULL)
		(void)buf_printf(&e->text, "%s: ", file);
	va_start(ap, fmt);
	(void)buf_vprintf(&e->text, fmt, ap);
	va_end(ap);
	(void)buf_append_str(&e->text, "\n");
	if (e->text.failed)
		e->text.len = before;
}

struct conf *
conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->refs = 1;
	if ((c->mem = arena_new(CONF_MEMORY_MAX)) != NULL)
		c->services = arena_alloc(
		    c->mem, (CONF_MAX_SERVICES + 1) * sizeof(*c->services));
	if (c->services == NULL)
		conf_unref(&c);
	return c;
}

struct conf *
conf_ref(struct conf *c)
{
	c->refs++;
	return c;
}

void
conf_unref(struct conf **c)
{
	struct conf *gone = *c;

	*c = NULL;
	if (gone == NULL || --gone->refs > 0)
		return;
	arena_free(&gone->mem);
	free(gone);
}

char *
conf_strdup(struct arena *mem, struct slice s)
{
	char *copy = s.len < SIZE_MAX ? arena_alloc(mem, s.len + 1) : NULL;

	if (copy != NULL)
		str_copy(copy, s.len + 1, s);
	return copy;
}

/* The array has room up to the next power of two. */
int
conf_list_add(struct arena *mem, struct conf_list *l, const char *word)
{
	char *copy = conf_strdup(mem, slice_of(word)), **v;

	if (copy == NULL)
		return -1;
	if ((l->n & (l->n - 1)) == 0) {
		v = arena_alloc(mem, (l->n > 0 ? 2 * l->n : 1) * sizeof(*v));
		if (v == NULL)
			return -1;
		if (l->n > 0)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
	}
	l->v[l->n++] = copy;
	return 0;
}

struct conf_extra *
conf_extra_add(struct arena *mem, struct conf_service *s)
{
	struct conf_extra *grown;

	if ((s->nextra & (s->nextra - 1)) == 0) {
		grown = arena_alloc(
		    mem, (s->nextra > 0 ? 2 * s->nextra : 1) * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		if (s->nextra > 0)
			memcpy(grown, s->extra, s->nextra * sizeof(*grown));
		s->extra = grown;
	}
	return &s->extra[s->nextra++];
}

void *
conf_field(const struct conf_directive *d, void *base, bool service)
{
	size_t offset = service ? d->service_offset : d->global_offset;

	CHECK(offset != SIZE_MAX);
	return (char *)base + offset;
}

const void *
conf_field_const(const struct conf_directive *d, const void *base, bool service)
{
	size_t offset = service ? d->service_offset : d->global_offset;

	CHECK(offset != SIZE_MAX);
	return (const char *)base + offset;
}

static void
derive_service(struct conf_service *s)
{
	char err[CONF_ERR_MAX];

	if (conf_stall_poke(
		s->stall_poke, &s->stall_poke_ms, err, sizeof(err)) == -1)
		s->stall_poke_ms = UINT64_MAX;
	s->actions[OUTCOME_NONE] = ACTION_BLOCK;
	s->actions[OUTCOME_CLEAN] = ACTION_PASS;
#define OUTCOME(id, word, camel, field, act, status, user_text, text) \
	s->actions[OUTCOME_##id] = (enum action)s->on_##field;
#define OUTCOME_WITHOUT_CLEAN
#include "base/outcome.def"
}

void
conf_derive(struct conf *c)
{
	for (size_t i = 0; i < c->nservices; i++) {
		c->services[i].index = (unsigned int)i;
		derive_service(&c->services[i]);
	}
}

static bool
is_called(const struct conf_service *s, struct slice name,
    bool (*eq)(struct slice, struct slice))
{
	if (eq(slice_of(s->name), name))
		return true;
	for (size_t i = 0; i < s->aliases.n; i++)
		if (eq(slice_of(s->aliases.v[i]), name))
			return true;
	return false;
}

static const struct conf_service *
default_service(const struct conf *c)
{
	for (size_t i = 0; i < c->nservices; i++)
		if (c->services[i].is_default)
			return &c->services[i];
	return c->nservices > 0 ? &c->services[0] : NULL;
}

/* FR-04: exact first, then in any case; an empty path is the default. */
const struct conf_service *
conf_service_find(const struct conf *c, struct slice name)
{
	if (name.len == 0)
		return default_service(c);
	for (size_t i = 0; i < c->nservices; i++)
		if (is_called(&c->services[i], name, slice_eq))
			return &c->services[i];
	for (size_t i = 0; i < c->nservices; i++)
		if (is_called(&c->services[i], name, slice_case_eq))
			return &c->services[i];
	return NULL;
}

unsigned int
conf_worker_count(const struct conf *c)
{
	long cores;

	if (c->scan_workers > 0)
		return (unsigned int)c->scan_workers;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores > 0 && cores < 1024 ? (unsigned int)cores + 1 : 2;
}

unsigned int
conf_worker_max(const struct conf *c)
{
	unsigned int n = conf_worker_count(c);

	if (c->scan_workers_max > n)
		return (unsigned int)c->scan_workers_max;
	if (c->scan_workers_max > 0)
		return n;
	return n < 256 ? 4 * n : 1024;
}

uint64_t
conf_spool_memory(const struct conf *c)
{
	long pages, page;

	if (c->spool_memory > 0)
		return c->spool_memory;
	pages = sysconf(_SC_PHYS_PAGES);
	page = sysconf(_SC_PAGESIZE);
	if (pages <= 0 || page <= 0)
		return (uint64_t)256 << 20;
	return (uint64_t)pages * (uint64_t)page / 8;
}

uint64_t
conf_scan_budget_us(const struct conf_service *s, uint64_t size)
{
	uint64_t ms = s->scan_timeout, more = size / (4 << 20) * 1000;

	if (__builtin_add_overflow(ms, more, &ms) || ms > s->scan_timeout_max)
		ms = s->scan_timeout_max;
	return ms * 1000;
}

bool
conf_listens_plain(const struct conf *c)
{
	return c->listen.n != 1 || strcmp(c->listen.v[0], "none") != 0;
}

unsigned int
conf_listen_mode(const struct conf *c)
{
	return (unsigned int)strtoul(c->listen_mode, NULL, 8);
}
