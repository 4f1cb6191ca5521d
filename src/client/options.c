/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define HELP_COLUMN 28
#define HELP_WIDTH 80
#define VALUE_OF_ROW 1000 /* of getopt_long(): from here on a row's number */

enum type { FLAG, COUNT, TEXT, LIST, NUMBER, SIZE, TIME };

struct row {
	const char *heading; /* and its text; else an option */
	enum type type;
	size_t offset;
	int c;
	const char *name, *also, *arg, *def, *min, *max, *text;
};

/* clang-format off */
static const struct row rows[] = {
#define HEADING(title, text) \
	{ title, FLAG, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, text },
#define OPTION(type, field, c, name, also, arg, def, min, max, text) \
	{ NULL, type, offsetof(struct client_options, field), c, name, also, \
	    arg, def, min, max, text },
#include "client/options.def"
};
/* clang-format on */

int
client_list_add(struct client_list *l, const char *text)
{
	const char **v;

	/* grows at the powers of two */
	if ((l->n & (l->n - 1)) == 0) {
		v = reallocarray(l->v, l->n > 0 ? l->n * 2 : 1, sizeof(*l->v));
		if (v == NULL)
			return -1;
		l->v = v;
	}
	l->v[l->n++] = text;
	return 0;
}

static int
set_number(
    uint64_t *field, const struct row *r, const char *value, struct buf *err)
{
	enum conf_type type = r->type == SIZE   ? CONF_SIZE
			      : r->type == TIME ? CONF_TIME
						: CONF_UINT;
	char why[128];

	if (conf_value_number(
		type, value, r->min, r->max, field, why, sizeof(why)) == 0)
		return 0;
	(void)buf_printf(err, "--%s %s: %s", r->name, value, why);
	return -1;
}

static int
set(struct client_options *o, const struct row *r, const char *value,
    struct buf *err)
{
	void *field = (char *)o + r->offset;

	switch (r->type) {
	case FLAG:
		*(bool *)field = true;
		break;
	case COUNT:
		++*(unsigned int *)field;
		break;
	case TEXT:
		*(const char **)field = value;
		break;
	case LIST:
		if (client_list_add(field, value) == 0)
			break;
		(void)buf_append_str(err, "out of memory");
		return -1;
	case NUMBER:
	case SIZE:
	case TIME:
		return set_number(field, r, value, err);
	}
	return 0;
}

static int
set_defaults(struct client_options *o, struct buf *err)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		if (rows[i].heading != NULL)
			continue;
		if (rows[i].def == NULL && rows[i].type >= NUMBER)
			*(uint64_t *)(void *)((char *)o + rows[i].offset) =
			    CLIENT_UNSET;
		else if (rows[i].def != NULL &&
			 set(o, &rows[i], rows[i].def, err) == -1)
			return -1;
	}
	return 0;
}

/* What getopt_long_only() wants, made of the rows. */
struct getopt_tables {
	char shorts[2 * COUNTOF(rows) + 2];
	struct option longs[2 * COUNTOF(rows) + 1];
};

static void
add_long(struct getopt_tables *t, size_t *n, const char *name, size_t row)
{
	t->longs[(*n)++] = (struct option){ name,
		rows[row].arg != NULL ? required_argument : no_argument, NULL,
		VALUE_OF_ROW + (int)row };
}

static void
make_tables(struct getopt_tables *t)
{
	size_t n = 0, len = 0;

	memset(t, 0, sizeof(*t));
	t->shorts[len++] = ':';
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		if (rows[i].heading != NULL)
			continue;
		add_long(t, &n, rows[i].name, i);
		if (rows[i].also != NULL)
			add_long(t, &n, rows[i].also, i);
		if (rows[i].c == 0)
			continue;
		t->shorts[len++] = (char)rows[i].c;
		if (rows[i].arg != NULL)
			t->shorts[len++] = ':';
	}
}

static const struct row *
row_of(int value)
{
	if (value >= VALUE_OF_ROW)
		return &rows[value - VALUE_OF_ROW];
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].c != 0 && rows[i].c == value)
			return &rows[i];
	return NULL;
}

/* The word at fault, and the option that may have been meant. */
static void
unknown(const char *word, struct buf *err)
{
	const char *names[COUNTOF(rows)], *near;
	size_t n = 0;

	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].heading == NULL)
			names[n++] = rows[i].name;
	(void)buf_printf(err, "%s: no such option", word);
	near = str_nearest(word + strspn(word, "-"), names, n);
	if (near != NULL)
		(void)buf_printf(err, "; is --%s meant?", near);
	else
		(void)buf_append_str(err, "; see --help");
}

static int
parse(struct client_options *o, int argc, char *argv[], struct buf *err)
{
	struct getopt_tables t;
	const struct row *r;
	int c;

	make_tables(&t);
	opterr = 0;
	optind = 0; /* GNU: begin anew */
	/* one dash before a long name, too, as c-icap-client has it */
	while (
	    (c = getopt_long_only(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		if (c == ':') {
			(void)buf_printf(err,
			    "%s: what? An argument is missing",
			    argv[optind - 1]);
			return -1;
		}
		if (c == '?' || (r = row_of(c)) == NULL) {
			unknown(argv[optind > 1 ? optind - 1 : 1], err);
			return -1;
		}
		if (set(o, r, optarg, err) == -1)
			return -1;
	}
	for (; optind < argc; optind++)
		if (client_list_add(&o->names, argv[optind]) == -1) {
			(void)buf_append_str(err, "out of memory");
			return -1;
		}
	return 0;
}

/* What several options mean together. NULL, or what is wrong. */
static const char *
settle(struct client_options *o)
{
	for (size_t i = 0; i < o->file.n; i++)
		if (client_list_add(&o->names, o->file.v[i]) == -1)
			return "out of memory";
	if (o->req_url != NULL && o->resp_url != NULL)
		return "--req and --resp: an object is sent with one of them";
	if (o->req_url != NULL)
		o->reqmod = true;
	if (o->resp_url != NULL && o->reqmod)
		return "--resp and --reqmod: write --req URL instead";
	if (o->reqmod && (o->response_header.n > 0 || o->no_response_head))
		return "--reqmod has no response: leave out --response-header "
		       "and --no-response-head";
	if (o->no_preview && o->preview != CLIENT_UNSET)
		return "--preview and --no-preview: leave out one of them";
	if (o->tls_key != NULL && o->tls_cert == NULL)
		return "--tls-key needs --tls-cert";
	if (o->verify) {
		o->no_204 = true;
		if (o->preview == CLIENT_UNSET && !o->allow_206)
			o->no_preview = true;
	}
	if (o->trace && o->debug < 2)
		o->debug = 2;
	return NULL;
}

int
client_options_parse(
    struct client_options *o, int argc, char *argv[], struct buf *err)
{
	const char *why;

	if (set_defaults(o, err) == -1 || parse(o, argc, argv, err) == -1)
		return -1;
	if ((why = settle(o)) == NULL)
		return 0;
	(void)buf_append_str(err, why);
	return -1;
}

void
client_options_free(struct client_options *o)
{
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].heading == NULL && rows[i].type == LIST)
			free(((struct client_list *)(void *)((char *)o +
							     rows[i].offset))
				 ->v);
	free(o->names.v);
	memset(o, 0, sizeof(*o));
}

/* ---- the same rows for readers ---- */

/* Words of text from `left` on; the line is at `column` now. */
static void
wrapped(FILE *f, struct slice text, size_t column, size_t left)
{
	struct slice word;

	while (slice_next(&text, ' ', &word)) {
		if (column + 1 + word.len > HELP_WIDTH) {
			fprintf(f, "\n%*s", (int)left, "");
			column = left;
		}
		column += (size_t)fprintf(f, " %.*s", SLICE_FMT(word));
	}
	(void)fputc('\n', f);
}

static void
help_row(FILE *f, const struct row *r)
{
	size_t n = 0;
	int w;

	w = r->c != 0 ? fprintf(f, "  -%c, --%s", r->c, r->name)
		      : fprintf(f, "      --%s", r->name);
	n += w > 0 ? (size_t)w : 0;
	w = r->arg != NULL ? fprintf(f, " %s", r->arg) : 0;
	n += w > 0 ? (size_t)w : 0;
	if (n >= HELP_COLUMN)
		n = (size_t)HELP_WIDTH; /* the text begins in the next line */
	else
		n += (size_t)fprintf(f, "%*s", (int)(HELP_COLUMN - n), "");
	wrapped(f, slice_of(r->text), n, HELP_COLUMN);
	if (r->def != NULL)
		fprintf(f, "%*s Default: %s\n", HELP_COLUMN, "", r->def);
}

void
client_options_help(FILE *f)
{
	fputs("usage: tolsey-client [OPTION]... [FILE|FOLDER|-]...\n"
	      "Sends files to an ICAP server and says what it thinks of them.\n"
	      "Ends with 0: all clean; 1: something was found or blocked; "
	      "2: an error.\n",
	    f);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		if (rows[i].heading == NULL) {
			help_row(f, &rows[i]);
			continue;
		}
		fprintf(f, "\n%s:\n", rows[i].heading);
		if (rows[i].text[0] != '\0')
			wrapped(f, slice_of(rows[i].text), 0, 1);
	}
	fputs("\nEach long option may be written with one dash, too; those of "
	      "c-icap-client work.\n",
	    f);
}

/* Text as roff takes it, a sentence a line. */
static void
roff(FILE *f, const char *text)
{
	bool start = true;

	for (; *text != '\0'; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", f);
		start = false;
		if (*text == '\\')
			fputs("\\e", f);
		else if (*text == '-')
			fputs("\\-", f);
		else if (*text == ' ' && text[-1] == '.')
			start = true;
		else
			(void)fputc(*text, f);
		if (start)
			(void)fputc('\n', f);
	}
	(void)fputc('\n', f);
}

static void
man_row(FILE *f, const struct row *r)
{
	const char *arg = r->arg != NULL ? " Ar " : "";
	const char *value = r->arg != NULL ? r->arg : "";

	fputs(".It ", f);
	if (r->c != 0)
		fprintf(f, "Fl %c%s%s , ", r->c, arg, value);
	fprintf(f, "Fl -%s%s%s\n", r->name, arg, value);
	roff(f, r->text);
	if (r->def != NULL)
		fprintf(f, "The default is %s.\n", r->def);
	if (r->also != NULL)
		fprintf(f, "(In c-icap-client:\n.Fl %s . )\n", r->also);
}

void
client_options_man(FILE *f)
{
	bool in_list = false;

	for (size_t i = 0; i < COUNTOF(rows); i++) {
		if (rows[i].heading == NULL) {
			man_row(f, &rows[i]);
			continue;
		}
		if (in_list)
			fputs(".El\n", f);
		fprintf(f, ".Ss %s\n", rows[i].heading);
		if (rows[i].text[0] != '\0')
			roff(f, rows[i].text);
		fputs(".Bl -tag -width Ds\n", f);
		in_list = true;
	}
	fputs(".El\n", f);
}
