/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Import: lines in, settings and report out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "ctl/import_int.h"

#define MEMORY_MAX ((size_t)512 << 20)
#define VALUE_MAX ((size_t)8192)
#define WIDTH 79
#define SETTINGS_MAX 256

struct import *
import_new(void)
{
	struct import *im = calloc(1, sizeof(*im));

	if (im == NULL || (im->mem = arena_new(MEMORY_MAX)) == NULL) {
		free(im);
		return NULL;
	}
	im->lines_end = &im->lines;
	im->settings_end = &im->settings;
	return im;
}

void
import_free(struct import **im)
{
	if (*im == NULL)
		return;
	arena_free(&(*im)->mem);
	free(*im);
	*im = NULL;
}

char *
import_printf(struct import *im, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : arena_alloc(im->mem, (size_t)n + 1);
	if (p == NULL) {
		im->no_memory = true;
		return NULL;
	}
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

const char *
import_word(struct import *im, const char *word)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "._-/:%+,=@*[]~!";
	const char *made = NULL;
	struct buf out;

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0')
		return word;
	buf_init(&out, VALUE_MAX * 4);
	if (log_quote(&out, slice_of(word), VALUE_MAX) == 0)
		made = import_printf(im, "%s", buf_cstr(&out));
	buf_free(&out);
	return made != NULL ? made : "\"\"";
}

/* ---- the ends of a line ---- */

static const char *
remark_or_null(const char *remark)
{
	return remark != NULL && remark[0] != '\0' ? remark : NULL;
}

void
import_end_default(struct import_line *l, const char *remark)
{
	l->end = IMPORT_DEFAULT;
	l->remark = remark_or_null(remark);
}

void
import_end_needless(struct import_line *l, const char *remark)
{
	l->end = IMPORT_REPORTED;
	l->differs = false;
	l->remark = remark_or_null(remark);
}

void
import_end_differs(struct import_line *l, const char *remark)
{
	l->end = IMPORT_REPORTED;
	l->differs = true;
	l->remark = remark_or_null(remark);
}

/* ---- settings ---- */

static const struct conf_directive *
directive(const char *name)
{
	for (size_t i = 0; i < conf_ndirectives; i++)
		if (strcasecmp(conf_directives[i].name, name) == 0)
			return &conf_directives[i];
	return NULL;
}

static bool
is_list(const char *name)
{
	const struct conf_directive *d = directive(name);

	return d != NULL && d->type == CONF_LIST;
}

/* "-o:7: Name 'value': why\n" without its ends. */
static const char *
reason(struct import *im, const char *text)
{
	const char *blank = strchr(text, ' ');
	size_t n;

	text = blank != NULL ? blank + 1 : text;
	n = strcspn(text, "\n");
	return import_printf(im, "%.*s", (int)n, text);
}

/*
 * Beside those that there are. 1: it is our default, 0: valid, -1: not valid,
 * with the reason.
 */
static int
try_setting(
    struct import *im, const char *name, const char *value, const char **why)
{
	const char *overrides[SETTINGS_MAX + 1];
	struct conf_errors err;
	struct conf *without, *with;
	bool changed = false;
	size_t n = 0;

	for (const struct import_setting *s = im->settings; s != NULL;
	     s = s->next)
		if (strcmp(s->name, name) != 0 || is_list(name))
			overrides[n++] =
			    import_printf(im, "%s %s", s->name, s->value);
	overrides[n] = import_printf(im, "%s %s", name, value);
	if (im->no_memory)
		return -1;
	conf_errors_init(&err);
	without = conf_load(NULL, overrides, n, &err);
	with = conf_load(NULL, overrides, n + 1, &err);
	if (without != NULL && with != NULL)
		for (int c = CONF_LIVE; c <= CONF_START; c++)
			changed = changed || conf_changed(without, with,
						 (enum conf_class)c, NULL);
	else
		*why = reason(im, buf_cstr(&err.text));
	n = without != NULL && with != NULL;
	conf_unref(&without);
	conf_unref(&with);
	conf_errors_free(&err);
	return n == 0 ? -1 : !changed;
}

/* The last one counts, as in the old programs; lists grow. */
static const struct import_setting *
store(struct import *im, const struct import_line *from, const char *name,
    const char *value)
{
	struct import_setting *s;

	for (s = im->settings; s != NULL && !is_list(name); s = s->next)
		if (strcmp(s->name, name) == 0)
			break;
	if (s == NULL || is_list(name)) {
		if (im->nsettings == SETTINGS_MAX)
			return NULL;
		im->nsettings++;
		if ((s = arena_alloc(im->mem, sizeof(*s))) == NULL) {
			im->no_memory = true;
			return NULL;
		}
		*im->settings_end = s;
		im->settings_end = &s->next;
	}
	s->name = name;
	s->value = value;
	s->from = from;
	return s;
}

/* A default that is written again must undo what was set before. */
static bool
is_set(const struct import *im, const char *name)
{
	const struct import_setting *s;

	for (s = im->settings; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			return true;
	return false;
}

void
import_set(struct import *im, struct import_line *l, const char *name,
    const char *value, const char *remark)
{
	const char *why = NULL;
	char *own, *own_name;
	int rc;

	if (l->end == IMPORT_REPORTED)
		return; /* a part of it was not taken over: neither is this */
	own = import_printf(im, "%s", value);
	own_name = import_printf(im, "%s", name);
	rc = own == NULL || own_name == NULL
		 ? -1
		 : try_setting(im, name, value, &why);

	if (rc == -1) {
		import_end_differs(l, import_printf(im, "not taken over: %s",
					  why != NULL ? why : "no memory"));
		return;
	}
	if (rc == 1 && !is_set(im, name)) {
		if (l->end != IMPORT_TRANSLATED)
			import_end_default(l, NULL);
		return;
	}
	if (store(im, l, own_name, own) == NULL) {
		import_end_differs(l, "too many settings; not taken over");
		return;
	}
	l->into = l->end == IMPORT_TRANSLATED
		      ? import_printf(im, "%s; %s %s", l->into, name, value)
		      : import_printf(im, "%s %s", name, value);
	l->end = IMPORT_TRANSLATED;
	if (remark_or_null(remark) != NULL)
		l->remark = remark;
}

/* ---- what is written ---- */

static void
write_setting(struct buf *out, const struct import_setting *s,
    const struct import_line **last)
{
	/* one comment for the settings of one line */
	if (s->from != *last)
		(void)buf_printf(
		    out, "\n# %s:%u: ", s->from->file, s->from->line);
	if (s->from != *last)
		for (const char *p = s->from->text; *p != '\0'; p++)
			(void)buf_printf(out, "%c",
			    (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	if (s->from != *last)
		(void)buf_append_str(out, "\n");
	*last = s->from;
	(void)buf_printf(out, "%s %s\n", s->name, s->value);
}

static void
write_aliases(struct buf *out, const struct import_word *w)
{
	for (; w != NULL; w = w->next)
		(void)buf_printf(out, "    Alias %s\n", w->word);
}

/* The services that the old server had; our own names for it stay. */
static void
write_services(struct buf *out, const struct import *im)
{
	bool echo = im->default_service != NULL &&
		    strcasecmp(im->default_service, "echo") == 0;

	if (!im->services && im->contact == NULL)
		return; /* those that are there without any block */
	(void)buf_printf(out,
	    "\n<Service avscan>\n"
	    "    UseModule clamav_scan\n"
	    "    Default %s\n"
	    "    Alias virus_scan srv_clamav squidclamav scan respmod reqmod\n"
	    "    Alias request response req resp SYMCScanResp-AV "
	    "SYMCScanReq-AV\n"
	    "    Alias OMSScanResp-AV OMSScanReq-AV\n",
	    echo ? "off" : "on");
	write_aliases(out, im->aliases);
	if (im->contact != NULL) {
		(void)buf_append_str(out, "    Contact ");
		(void)log_quote(out, slice_of(im->contact), VALUE_MAX);
		(void)buf_append_str(out, "\n");
	}
	(void)buf_append_str(out, "</Service>\n");
	if (!im->echo && im->services)
		return;
	(void)buf_printf(out,
	    "<Service echo>\n    UseModule echo\n    Default %s\n",
	    echo ? "on" : "off");
	write_aliases(out, im->echo_aliases);
	(void)buf_append_str(out, "</Service>\n");
}

/* The whole must pass what tolseyd --check-config checks. 0 or -1. */
static int
check(struct buf *conf, struct buf *err)
{
	struct conf_errors errors;
	struct conf *c = NULL;
	char path[64];
	int fd = memfd_create("tolsey.conf", MFD_CLOEXEC);

	conf_errors_init(&errors);
	if (fd != -1 && write(fd, conf->p, conf->len) == (ssize_t)conf->len) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		c = conf_load(path, NULL, 0, &errors);
	}
	if (c == NULL)
		(void)buf_printf(err, "what was made of it is not valid:\n%s",
		    buf_cstr(&errors.text));
	if (fd != -1)
		(void)close(fd);
	fd = c != NULL ? 0 : -1;
	conf_unref(&c);
	conf_errors_free(&errors);
	return fd;
}

/* ---- the report ---- */

/* "word: text", at most WIDTH wide, with the same indent throughout. */
static void
paragraph(
    struct buf *out, const char *indent, const char *head, const char *text)
{
	struct slice rest = slice_of(text), word;
	size_t column = strlen(indent) + strlen(head);

	(void)buf_printf(out, "%s%s", indent, head);
	while (slice_next(&rest, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (column + 1 + word.len > WIDTH) {
			(void)buf_printf(out, "\n%s ", indent);
			column = strlen(indent) + 1;
		}
		(void)buf_append_str(out, " ");
		for (size_t i = 0; i < word.len; i++)
			(void)buf_printf(out,
			    (unsigned char)word.p[i] < 0x20 || word.p[i] == 0x7f
				? "\\x%02x"
				: "%c",
			    (unsigned char)word.p[i]);
		column += 1 + word.len;
	}
	(void)buf_append_str(out, "\n");
}

static void
report_line(struct buf *out, const struct import_line *l)
{
	char *at = NULL;

	if (asprintf(&at, "%s:%u:", l->file, l->line) == -1)
		return;
	paragraph(out, "", at, l->text);
	free(at);
	switch (l->end) {
	case IMPORT_TRANSLATED:
		paragraph(out, "    ", "translated:", l->into);
		break;
	case IMPORT_DEFAULT:
		paragraph(out, "    ", "the same:", "as without this line");
		break;
	case IMPORT_REPORTED:
	case IMPORT_OPEN:
		paragraph(out, "    ", l->differs ? "DIFFERS:" : "not needed:",
		    l->remark != NULL ? l->remark : "");
		return;
	}
	if (l->remark != NULL)
		paragraph(out, "    ", "note:", l->remark);
}

static const struct {
	enum import_kind kind;
	const char *name, *remark;
} absent[] = {
#undef IMPORT
#define ABSENT(kind, name, remark) { IMPORT_##kind, name, remark },
#include "ctl/import.def"
};

/* "module.": the prefix of a name, or the empty string. */
static size_t
prefix_len(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL ? (size_t)(dot - name) + 1 : 0;
}

/* Does the old default of this directive (or of its module) count? */
static bool
is_absent(const struct import *im, enum import_kind kind, const char *name)
{
	size_t n = prefix_len(name);
	const struct import_line *l;
	bool module = n == 0, named = false;

	if (!im->seen[kind])
		return false;
	for (l = im->lines; l != NULL; l = l->next) {
		if (l->kind != kind || l->nwords == 0)
			continue;
		named = named || strcasecmp(l->words[0], name) == 0;
		module = module || strncasecmp(l->words[0], name, n) == 0;
		/* the line that loads it stands for the module, too */
		for (size_t i = 1; i < l->nwords && n > 1; i++)
			module = module ||
				 strncasecmp(l->words[i], name, n - 1) == 0;
	}
	return module && !named;
}

static void
report_absent(struct buf *out, const struct import *im)
{
	bool any = false;

	for (size_t i = 0; i < COUNTOF(absent); i++) {
		const char *name = absent[i].name;
		size_t n = prefix_len(name);
		bool whole = name[0] == '\0' || name[n] == '\0';

		if (!is_absent(im, absent[i].kind, name))
			continue;
		if (!any)
			(void)buf_append_str(out,
			    "\nWhat no line says, and what differs all the "
			    "same:\n");
		any = true;
		paragraph(out, "    ", whole ? "DIFFERS:" : "DIFFERS, without",
		    whole ? absent[i].remark : name);
		if (!whole)
			paragraph(out, "        ", "", absent[i].remark);
	}
}

static void
report(struct buf *out, const struct import *im)
{
	size_t ends[IMPORT_REPORTED + 1] = { 0 }, differs = 0;

	for (const struct import_line *l = im->lines; l != NULL; l = l->next) {
		report_line(out, l);
		ends[l->end]++;
		differs += l->end == IMPORT_REPORTED && l->differs;
	}
	report_absent(out, im);
	(void)buf_printf(out,
	    "\n%zu lines: %zu translated, %zu the same without them, %zu not "
	    "needed, %zu DIFFER.\n",
	    im->nlines, ends[IMPORT_TRANSLATED], ends[IMPORT_DEFAULT],
	    ends[IMPORT_REPORTED] - differs, differs);
}

int
import_finish(
    struct import *im, struct buf *conf, struct buf *rep, struct buf *err)
{
	const struct import_line *last = NULL;

	import_cicap_finish(im);
	for (struct import_line *l = im->lines; l != NULL; l = l->next)
		if (l->end == IMPORT_OPEN)
			import_end_differs(l, "not taken over");
	(void)buf_append_str(conf,
	    "# Written by tolseyctl import. Its report tells what differs.\n"
	    "# All directives: tolsey.conf(5).\n");
	for (const struct import_setting *s = im->settings; s != NULL;
	     s = s->next)
		write_setting(conf, s, &last);
	write_services(conf, im);
	report(rep, im);
	if (im->no_memory || conf->failed || rep->failed) {
		(void)buf_append_str(err, "out of memory");
		return -1;
	}
	return check(conf, err);
}
