/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H
/*
 * What the files of this folder share: a configuration while it is being read
 * still knows where each of its values was written.
 */
#include <sys/types.h>

#include "conf/conf.h"

#define CONF_LINE_MAX 8192
#define CONF_WORDS_MAX 256
#define CONF_NAMES_MAX 1024 /* of services and aliases together */
#define CONF_ERR_MAX 320

/* The index of each row in conf_directives[]. */
enum conf_id {
#define GLOBAL(type, dir, field, def, min, max, class, verdict, text) \
	CONF_ID_##field,
#define BOTH GLOBAL
#define SERVICE GLOBAL
#include "conf/directives.def"
	CONF_NIDS
};

struct conf_where {
	const char *file; /* NULL: not set */
	unsigned int line;
};
struct conf_named {
	const char *name;
	struct conf_where where;
};
struct conf_load {
	struct conf *c;
	struct conf_errors *err;
	struct conf_where where[CONF_NIDS]; /* outside <Service> */
	bool by_option[CONF_NIDS];
	/* services have one slot more, for a block that is not accepted */
	struct conf_where service_where[CONF_MAX_SERVICES + 1][CONF_NIDS];
	struct conf_service common; /* SERVICE directives given by -o */
	struct conf_service *open;  /* the block that is being read */
	bool open_bad;
	struct conf_named names[CONF_NAMES_MAX];
	size_t nnames;
	unsigned int nfiles;
};

/* conf.c */
extern const char conf_builtin_services[]; /* as a file would say it */
const struct conf_directive *conf_directive_find(const char *name);
const char *conf_nearest(const char *name); /* or NULL */
struct conf *conf_new(void); /* with room for the services, all zero */
char *conf_strdup(struct arena *mem, struct slice s); /* NULL: no memory */
int conf_list_add(
    struct arena *mem, struct conf_list *l, const char *word) MUST_CHECK;
/* Room for one more, zeroed. NULL: no memory. */
struct conf_extra *conf_extra_add(struct arena *mem, struct conf_service *s);
/* The field of d in a struct conf or, service, a struct conf_service. */
void *conf_field(const struct conf_directive *d, void *base, bool service);
const void *conf_field_const(
    const struct conf_directive *d, const void *base, bool service);
void conf_derive(struct conf *c); /* stall_poke_ms and actions */

/* conf_value.c */
/* Sets a field (LIST: appends). 0, or -1 with the reason. */
int conf_set(struct arena *mem, const struct conf_directive *d, void *field,
    const char *value, char *err, size_t errlen) MUST_CHECK;
/* The value as the lexer reads it back; a LIST as its words. */
int conf_print(
    struct buf *out, const struct conf_directive *d, const void *field);
int conf_print_quoted(struct buf *out, struct slice s);
/* StallPoke in ms, UINT64_MAX = off. */
int conf_stall_poke(const char *value, uint64_t *ms, char *err, size_t errlen);

/* conf_lex.c */
/*
 * Cuts the next word off a line, in place. 1, 0 at the end of the line (or at
 * a comment), -1 with *what.
 */
int conf_lex(char **at, char **word, const char **what) MUST_CHECK;
/* The same for all words: how many, or -1. */
ssize_t conf_lex_all(
    char *line, char *words[CONF_WORDS_MAX], const char **what) MUST_CHECK;

/* conf_file.c */
void conf_file_read(struct conf_load *l, const char *path);
void conf_file_text(struct conf_load *l, const char *name, struct slice text);

/* conf_load.c: what the reader of files found */
void conf_load_directive(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n);
void conf_load_open(
    struct conf_load *l, struct conf_where at, char *const *words, size_t n);
void conf_load_close(struct conf_load *l);
/* "Directive 'value': ..." in front of the text. */
void conf_load_fail(struct conf_load *l, struct conf_where at,
    char *const *words, size_t n, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* conf_check.c */
bool conf_good_name(const char *name); /* of a service */
/*
 * The word, or where it is "", none or off, and the directive's thing can be
 * left out, the one of these that is kept for that: nobody has to know which.
 */
const char *conf_plain_word(enum conf_id id, const char *word);
/* One word of the directive's value. 0, or -1 with the reason. */
int conf_check_word(
    enum conf_id id, const char *word, char *err, size_t errlen) MUST_CHECK;
/* What depends on several directives. */
void conf_check_all(struct conf_load *l);
#endif
