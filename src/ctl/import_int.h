/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CTL_IMPORT_INT_H
#define CTL_IMPORT_INT_H
/* What the files of import share. */
#include <sys/types.h>

#include "base/arena.h"
#include "ctl/import.h"

#define IMPORT_WORDS 256    /* of a line */
#define IMPORT_NAME_MAX 128 /* of a directive, as it is looked up */

enum import_kind { IMPORT_CICAP, IMPORT_SQUIDCLAMAV, IMPORT_CLAMD };
enum import_end {
	IMPORT_OPEN, /* not decided yet; none is left so at the end */
	IMPORT_TRANSLATED,
	IMPORT_DEFAULT,
	IMPORT_REPORTED
};
/* A line of the input, and what became of it. */
struct import_line {
	const char *file;
	unsigned int line;
	const char *text;
	char **words;
	size_t nwords;
	enum import_kind kind;
	enum import_end end;
	bool differs;       /* of REPORTED and TRANSLATED: look at it */
	const char *into;   /* of TRANSLATED */
	const char *remark; /* or NULL */
	struct import_line *next;
};
/* A line of the output. */
struct import_setting {
	const char *name, *value;
	const struct import_line *from;
	struct import_setting *next;
};
struct import_acl {
	const char *name;
	struct import_line *line;
	bool only_src; /* its addresses are the words from the third on */
	struct import_acl *next;
};
struct import_word {
	const char *word;
	struct import_word *next;
};
struct import {
	struct arena *mem;
	struct import_line *lines, **lines_end;
	size_t nlines;
	struct import_setting *settings, **settings_end;
	size_t nsettings;
	struct import_acl *acls;
	/* devices and inodes of what was read */
	struct {
		dev_t dev;
		ino_t ino;
	} files[64];
	size_t nfiles;
	unsigned int depth; /* of Include */
	bool seen[3];       /* a file of the kind */
	/* services */
	bool services; /* some were named: then all are written */
	bool echo;
	const char *default_service, *contact;
	struct import_word *aliases, *echo_aliases;
	/* limits that belong together */
	uint64_t servers, threads;
	bool no_memory;
};

/* A row of import.def. */
struct import_row {
	enum import_kind kind;
	const char *name;
	int how;
	const char *arg;
	void (*call)(struct import *im, struct import_line *l,
	    const struct import_row *row);
	const char *remark;
};
const struct import_row *import_row_find(
    enum import_kind kind, const char *name);

/* Memory of the import; NULL (and no_memory) without. */
char *import_printf(struct import *im, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A word as the lexer of tolsey.conf reads it back; never NULL. */
const char *import_word(struct import *im, const char *word);
/* The one end of a line. remark: stays the caller's, "" or NULL for none. */
void import_end_default(struct import_line *l, const char *remark);
void import_end_needless(struct import_line *l, const char *remark);
void import_end_differs(struct import_line *l, const char *remark);
/*
 * "Name value" becomes a line of the output, if it is valid and not our
 * default; the line ends accordingly. Several: one after the other.
 */
void import_set(struct import *im, struct import_line *l, const char *name,
    const char *value, const char *remark);
/* The value of a boolean in words of the old programs: 1, 0, -1 neither. */
int import_bool(const char *word);
/* A file that a line includes, relative to the line's own. */
void import_include(struct import *im, struct import_line *l);
/* What depends on several lines. */
void import_cicap_finish(struct import *im);

/* The functions that rows name. */
#define IMPORT(kind, name, how, arg, remark) IMPORT_DECLARE_##how(arg)
#define IMPORT_DECLARE_CALL(fn) \
	void import_##fn(struct import *im, struct import_line *l, \
	    const struct import_row *row);
#define IMPORT_DECLARE_COPY(arg)
#define IMPORT_DECLARE_WORDS(arg)
#define IMPORT_DECLARE_SECONDS(arg)
#define IMPORT_DECLARE_LIMIT(arg)
#define IMPORT_DECLARE_WHEN_ON(arg)
#define IMPORT_DECLARE_DIFF_ON(arg)
#define IMPORT_DECLARE_DIFF_OFF(arg)
#define IMPORT_DECLARE_DIFFERS(arg)
#define IMPORT_DECLARE_NEEDLESS(arg)
#include "ctl/import.def"
#endif
