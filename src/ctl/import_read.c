/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Import: files, their kinds, their lines, and the rows of import.def. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ctl/import_int.h"

#define FILE_MAX ((size_t)4 << 20)
#define LINES_MAX 20000
#define DEPTH_MAX 16
#define SQUID_VALUE_MAX 255 /* bytes that squidclamav kept of a value */
#define SQUID_NAME_MAX 31

/* ---- rows ---- */

enum how {
	HOW_COPY,
	HOW_WORDS,
	HOW_SECONDS,
	HOW_LIMIT,
	HOW_WHEN_ON,
	HOW_DIFF_ON,
	HOW_DIFF_OFF,
	HOW_DIFFERS,
	HOW_NEEDLESS,
	HOW_CALL
};

/* clang-format off */
#define ROW(kind, name, how, arg, remark) \
	{ IMPORT_##kind, name, HOW_##how, arg, NULL, remark },
#define ROW_COPY(kind, name, arg, remark) ROW(kind, name, COPY, arg, remark)
#define ROW_WORDS(kind, name, arg, remark) ROW(kind, name, WORDS, arg, remark)
#define ROW_SECONDS(kind, name, arg, remark) \
	ROW(kind, name, SECONDS, arg, remark)
#define ROW_LIMIT(kind, name, arg, remark) ROW(kind, name, LIMIT, arg, remark)
#define ROW_WHEN_ON(kind, name, arg, remark) \
	ROW(kind, name, WHEN_ON, arg, remark)
#define ROW_DIFF_ON(kind, name, arg, remark) \
	ROW(kind, name, DIFF_ON, arg, remark)
#define ROW_DIFF_OFF(kind, name, arg, remark) \
	ROW(kind, name, DIFF_OFF, arg, remark)
#define ROW_DIFFERS(kind, name, arg, remark) \
	ROW(kind, name, DIFFERS, arg, remark)
#define ROW_NEEDLESS(kind, name, arg, remark) \
	ROW(kind, name, NEEDLESS, arg, remark)
#define ROW_CALL(kind, name, arg, remark) \
	{ IMPORT_##kind, name, HOW_CALL, NULL, import_##arg, remark },

static const struct import_row rows[] = {
#define IMPORT(kind, name, how, arg, remark) ROW_##how(kind, name, arg, remark)
#include "ctl/import.def"
};

/* Names of clamd.conf (and c-icap) that tolsey.conf explains. */
static const struct { const char *name, *text; } foreign[] = {
#define FOREIGN(name, text) { #name, text },
#include "conf/foreign.def"
};
/* clang-format on */

/* Old names (by their case: clamav_mod is none) of modules' directives become
 * those of today. */
static const char *
today(const char *name, char out[IMPORT_NAME_MAX])
{
	static const struct {
		const char *old, *new;
	} prefixes[] = { { "srv_clamav.ClamAv", "clamav_mod." },
		{ "virus_scan.ClamAv", "clamav_mod." },
		{ "antivirus_module.ClamAv", "clamav_mod." },
		{ "ClamAv", "clamav_mod." }, { "srv_clamav.", "virus_scan." },
		{ "antivirus_module.", "virus_scan." } };

	for (size_t i = 0; i < COUNTOF(prefixes); i++) {
		size_t n = strlen(prefixes[i].old);

		if (strncmp(name, prefixes[i].old, n) != 0)
			continue;
		(void)snprintf(
		    out, IMPORT_NAME_MAX, "%s%s", prefixes[i].new, name + n);
		return out;
	}
	return name;
}

const struct import_row *
import_row_find(enum import_kind kind, const char *name)
{
	char now[IMPORT_NAME_MAX];

	if (kind == IMPORT_CICAP)
		name = today(name, now);
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].kind == kind && strcasecmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static const struct conf_directive *
own_directive(const char *name)
{
	for (size_t i = 0; i < conf_ndirectives; i++)
		if (strcasecmp(conf_directives[i].name, name) == 0 &&
		    conf_directives[i].scope != CONF_SERVICE)
			return &conf_directives[i];
	return NULL;
}

static const char *
foreign_text(const char *name)
{
	for (size_t i = 0; i < COUNTOF(foreign); i++)
		if (strcasecmp(foreign[i].name, name) == 0)
			return foreign[i].text;
	return NULL;
}

/* ---- what the rows say ---- */

int
import_bool(const char *word)
{
	bool v;

	return conf_value_bool(word, &v) == 0 ? v : -1;
}

static void
set_words(struct import *im, struct import_line *l, const char *name,
    const char *remark)
{
	const char *all = import_word(im, l->words[1]);

	for (size_t i = 2; i < l->nwords && all != NULL; i++)
		all = import_printf(
		    im, "%s %s", all, import_word(im, l->words[i]));
	if (all != NULL)
		import_set(im, l, name, all, remark);
}

static void
set_seconds(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	struct slice names = slice_of(row->arg), name;
	char one[IMPORT_NAME_MAX], value[32];
	uint64_t n;

	if (str_to_u64(slice_of(l->words[1]), 1000000000, &n) == -1) {
		import_end_differs(l, "not a number of seconds, or no limit at "
				      "all; the default stays");
		return;
	}
	(void)snprintf(value, sizeof(value), "%llus", (unsigned long long)n);
	while (slice_next(&names, ' ', &name)) {
		(void)str_copy(one, sizeof(one), name);
		import_set(im, l, one, value, row->remark);
		if (l->end == IMPORT_REPORTED)
			return;
	}
}

/* What was above the limit passed; here it would be blocked. */
static void
set_limit(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const struct conf_directive *d = own_directive(row->arg);
	uint64_t value, ours;
	char why[128];

	CHECK(d != NULL && conf_value_number(d->type, d->def, NULL, NULL, &ours,
			       why, sizeof(why)) == 0);
	if (conf_value_number(d->type, l->words[1], NULL, NULL, &value, why,
		sizeof(why)) == -1) {
		import_end_differs(l, import_printf(im, "%s; %s stays %s", why,
					  row->arg, d->def));
	} else if (value == 0) {
		import_end_differs(l,
		    import_printf(im,
			"no limit was set; %s stays %s, and what exceeds it is "
			"blocked",
			row->arg, d->def));
	} else if (value > ours) {
		import_set(im, l, row->arg, l->words[1], row->remark);
	} else if (value == ours) {
		import_end_default(l, row->remark);
	} else {
		import_end_differs(
		    l, import_printf(im,
			   "%s%s%s stays %s. For "
			   "the former value write %s %s",
			   row->remark, row->remark[0] != '\0' ? ". " : "",
			   row->arg, d->def, row->arg, l->words[1]));
	}
}

static void
set_lines(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	struct slice all = slice_of(row->arg), one;
	char name[IMPORT_NAME_MAX], value[IMPORT_NAME_MAX];
	ptrdiff_t blank;

	while (slice_next(&all, ';', &one)) {
		blank = slice_find(one, ' ');
		CHECK(blank > 0);
		(void)str_copy(
		    name, sizeof(name), (struct slice){ one.p, (size_t)blank });
		(void)str_copy(value, sizeof(value),
		    (struct slice){
			one.p + blank + 1, one.len - (size_t)blank - 1 });
		import_set(im, l, name, value, row->remark);
	}
}

static void
by_switch(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	int on = import_bool(l->words[1]);

	if (on == -1)
		import_end_differs(l, "neither on nor off; the default stays");
	else if (row->how == HOW_WHEN_ON && on == 1)
		set_lines(im, l, row);
	else if ((row->how == HOW_DIFF_ON && on == 1) ||
		 (row->how == HOW_DIFF_OFF && on == 0))
		import_end_differs(l, row->remark);
	else
		import_end_default(l, NULL);
}

static void
by_row(struct import *im, struct import_line *l, const struct import_row *row)
{
	bool needs_value = row->how != HOW_DIFFERS && row->how != HOW_NEEDLESS;

	if (needs_value && l->nwords < 2) {
		import_end_differs(l, "it has no value; the default stays");
		return;
	}
	switch ((enum how)row->how) {
	case HOW_COPY:
		if (l->nwords > 2)
			import_end_differs(
			    l, "more than one value; the default stays");
		else
			import_set(im, l, row->arg,
			    import_word(im, l->words[1]), row->remark);
		break;
	case HOW_WORDS:
		set_words(im, l, row->arg, row->remark);
		break;
	case HOW_SECONDS:
		set_seconds(im, l, row);
		break;
	case HOW_LIMIT:
		set_limit(im, l, row);
		break;
	case HOW_WHEN_ON:
	case HOW_DIFF_ON:
	case HOW_DIFF_OFF:
		by_switch(im, l, row);
		break;
	case HOW_DIFFERS:
		import_end_differs(l, row->remark);
		break;
	case HOW_NEEDLESS:
		import_end_needless(l, row->remark);
		break;
	case HOW_CALL:
		row->call(im, l, row);
		break;
	}
}

/* A directive that has no row. */
static void
without_row(struct import *im, struct import_line *l)
{
	const char *name = l->words[0], *text = foreign_text(name);
	const char *dot = strchr(name, '.');

	if (l->kind == IMPORT_CLAMD && l->nwords > 1 &&
	    own_directive(name) != NULL)
		set_words(im, l, own_directive(name)->name, NULL);
	else if (l->kind == IMPORT_CLAMD && text != NULL)
		import_end_differs(l, text);
	else if (l->kind == IMPORT_CICAP && dot != NULL)
		import_end_differs(l,
		    import_printf(im,
			"%.*s is another module or service, which tolsey does not "
			"have (or a directive that it did not know)",
			(int)(dot - name), name));
	else
		import_end_differs(l,
		    "no directive that is known; it may be mistyped, and "
		    "have had no effect");
}

/* ---- lines ---- */

/* Words between blanks, in quotes or not; false: a quote is open. */
static bool
split(char *p, char **words, size_t *n)
{
	*n = 0;
	for (;;) {
		char *to;
		bool quoted;

		p += strspn(p, " \t\r");
		if (*p == '\0' || *n == IMPORT_WORDS)
			return *p == '\0';
		quoted = *p == '"';
		p += quoted;
		words[(*n)++] = to = p;
		while (*p != '\0' &&
		       (quoted ? *p != '"' : strchr(" \t\r", *p) == NULL)) {
			if (quoted && *p == '\\' && p[1] != '\0')
				p++;
			*to++ = *p++;
		}
		if (quoted && *p == '\0')
			return false;
		if (*p != '\0')
			p++;
		*to = '\0';
	}
}

static struct import_line *
new_line(struct import *im, enum import_kind kind, const char *file,
    unsigned int number, struct slice text)
{
	struct import_line *l =
	    im->nlines < LINES_MAX ? arena_alloc(im->mem, sizeof(*l)) : NULL;
	struct slice copy = arena_dup(im->mem, text);

	if (l == NULL || copy.p == NULL ||
	    (l->words = arena_alloc(
		 im->mem, IMPORT_WORDS * sizeof(*l->words))) == NULL) {
		im->no_memory = true;
		return NULL;
	}
	l->kind = kind;
	l->file = file;
	l->line = number;
	l->text = copy.p;
	*im->lines_end = l;
	im->lines_end = &l->next;
	im->nlines++;
	return l;
}

/* "%31s %255s": what squidclamav did not read of a line. */
static const char *
squid_cut(const struct import_line *l)
{
	if (l->nwords > 2)
		return "squidclamav read the first word of the value only";
	if (l->nwords > 1 && strlen(l->words[1]) > SQUID_VALUE_MAX)
		return "squidclamav read the first 255 bytes only";
	if (strlen(l->words[0]) > SQUID_NAME_MAX)
		return "squidclamav read the first 31 bytes of the name only";
	return NULL;
}

static void
one_line(struct import *im, struct import_line *l, struct slice raw)
{
	const struct import_row *row;
	char *own = arena_alloc(im->mem, raw.len + 1);
	const char *cut;

	if (own == NULL) {
		im->no_memory = true;
		return;
	}
	/* what continues in the next line */
	for (size_t i = 0; i < raw.len; i++) {
		bool joint =
		    raw.p[i] == '\n' || (raw.p[i] == '\\' && i + 1 < raw.len &&
					    raw.p[i + 1] == '\n');
		own[i] = joint ? ' ' : raw.p[i];
	}
	if (memchr(raw.p, '\0', raw.len) != NULL) {
		import_end_differs(l, "it holds a NUL byte and is not read");
		return;
	}
	if (!split(own, l->words, &l->nwords)) {
		l->nwords = 0;
		import_end_differs(l, "a quote is not closed, or there are too "
				      "many words");
		return;
	}
	if (l->kind == IMPORT_SQUIDCLAMAV && (cut = squid_cut(l)) != NULL) {
		import_end_differs(l, cut);
		return;
	}
	if ((row = import_row_find(l->kind, l->words[0])) != NULL)
		by_row(im, l, row);
	else
		without_row(im, l);
}

static bool
is_empty(struct slice line)
{
	while (line.len > 0 && strchr(" \t\r", *line.p) != NULL &&
	       *line.p != '\0') {
		line.p++;
		line.len--;
	}
	return line.len == 0 || *line.p == '#';
}

/* One line, or several that end in a backslash (c-icap). */
static struct slice
take_line(struct slice *rest, enum import_kind kind, unsigned int *count)
{
	struct slice line = { rest->p, 0 };

	for (*count = 0;;) {
		ptrdiff_t at = slice_find(*rest, '\n');
		size_t n = at >= 0 ? (size_t)at : rest->len;
		bool more = kind == IMPORT_CICAP && at > 0 &&
			    rest->p[n - 1] == '\\' && line.p[0] != '#';

		line.len = (size_t)(rest->p + n - line.p);
		rest->p += n + (at >= 0);
		rest->len -= n + (at >= 0);
		++*count;
		if (!more)
			return line;
	}
}

static void
lines(struct import *im, enum import_kind kind, const char *file,
    struct slice text)
{
	unsigned int number = 1, count;

	while (text.len > 0 && !im->no_memory) {
		struct slice line = take_line(&text, kind, &count);
		struct import_line *l;

		if (!is_empty(line)) {
			l = new_line(im, kind, file, number, slice_trim(line));
			if (l != NULL)
				one_line(im, l, slice_trim(line));
		}
		number += count;
	}
}

/* ---- files ---- */

/* Whose directives are these? */
static enum import_kind
kind_of(const char *name, struct slice text)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash != NULL ? slash + 1 : name;
	size_t known[3] = { 0 };
	unsigned int count;

	while (text.len > 0) {
		struct slice line =
		    take_line(&text, IMPORT_SQUIDCLAMAV, &count);
		char word[IMPORT_NAME_MAX];
		size_t n = 0;

		if (is_empty(line))
			continue;
		line = slice_trim(line);
		while (n < line.len && strchr(" \t\r", line.p[n]) == NULL)
			n++;
		(void)str_copy(word, sizeof(word), (struct slice){ line.p, n });
		known[IMPORT_CICAP] +=
		    import_row_find(IMPORT_CICAP, word) != NULL;
		known[IMPORT_SQUIDCLAMAV] +=
		    import_row_find(IMPORT_SQUIDCLAMAV, word) != NULL;
		known[IMPORT_CLAMD] +=
		    import_row_find(IMPORT_CLAMD, word) != NULL ||
		    own_directive(word) != NULL;
	}
	if (strncasecmp(base, "squidclamav", 11) == 0 ||
	    (known[IMPORT_SQUIDCLAMAV] > known[IMPORT_CICAP] &&
		known[IMPORT_SQUIDCLAMAV] >= known[IMPORT_CLAMD]))
		return IMPORT_SQUIDCLAMAV;
	if (strncasecmp(base, "clamd.conf", 10) == 0 ||
	    known[IMPORT_CLAMD] > known[IMPORT_CICAP])
		return IMPORT_CLAMD;
	return IMPORT_CICAP;
}

int
import_text(struct import *im, const char *name, struct slice text)
{
	const char *own = import_printf(im, "%s", name);
	enum import_kind kind;

	if (own == NULL)
		return -1;
	kind = kind_of(name, text);
	im->seen[kind] = true;
	lines(im, kind, own, text);
	return im->no_memory ? -1 : 0;
}

/* 1: it was read before. */
static int
remember(struct import *im, const struct stat *st)
{
	for (size_t i = 0; i < im->nfiles; i++)
		if (im->files[i].dev == st->st_dev &&
		    im->files[i].ino == st->st_ino)
			return 1;
	if (im->nfiles == COUNTOF(im->files)) {
		errno = EMFILE;
		return -1;
	}
	im->files[im->nfiles].dev = st->st_dev;
	im->files[im->nfiles++].ino = st->st_ino;
	return 0;
}

/* 0, 1: it was read before, -1 with errno. */
static int
read_file(struct import *im, const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
	struct stat st;
	char part[8192];
	ssize_t n = -1;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		rc = S_ISREG(st.st_mode) ? remember(im, &st) : -1;
	}
	while (rc == 0 && (n = read(fd, part, sizeof(part))) > 0)
		if (buf_append(out, part, (size_t)n) == -1) {
			errno = EFBIG;
			rc = -1;
		}
	if (rc == 0 && n == -1)
		rc = -1;
	n = errno;
	(void)close(fd);
	errno = (int)n;
	return rc;
}

int
import_file(struct import *im, const char *path, struct buf *err)
{
	struct buf text;
	int rc;

	buf_init(&text, FILE_MAX);
	rc = read_file(im, path, &text);
	if (rc == -1)
		(void)buf_printf(err, "%s: %s", path, strerror(errno));
	if (rc == 0 && import_text(im, path, buf_slice(&text)) == -1) {
		(void)buf_printf(
		    err, "%s: too many lines, or out of memory", path);
		rc = -1;
	}
	buf_free(&text);
	return rc == -1 ? -1 : 0;
}

static void
include_all(struct import *im, struct import_line *l, const glob_t *found)
{
	struct buf err;

	buf_init(&err, 1024);
	for (size_t i = 0; i < found->gl_pathc; i++)
		if (import_file(im, found->gl_pathv[i], &err) == -1)
			break;
	if (err.len > 0)
		import_end_differs(
		    l, import_printf(im,
			   "it cannot be read, and is not part of this: %s",
			   buf_cstr(&err)));
	else
		import_end_needless(l, "its lines are taken over here");
	buf_free(&err);
}

void
import_include(struct import *im, struct import_line *l)
{
	const char *slash = strrchr(l->file, '/'), *path = l->words[1];
	glob_t found;
	int rc;

	if (path[0] != '/' && slash != NULL)
		path = import_printf(
		    im, "%.*s/%s", (int)(slash - l->file), l->file, path);
	if (path == NULL || im->depth == DEPTH_MAX) {
		import_end_differs(l, "included too deeply; not read");
		return;
	}
	rc = glob(path, GLOB_NOCHECK, NULL, &found);
	if (rc != 0) {
		import_end_differs(l, "it cannot be read, and is not part of "
				      "this");
		return;
	}
	im->depth++;
	include_all(im, l, &found);
	im->depth--;
	globfree(&found);
}
