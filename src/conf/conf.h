/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CONF_CONF_H
#define CONF_CONF_H
/*
 * The configuration as a typed snapshot. It is never changed after conf_load():
 * a transaction keeps (conf_ref) the one it began with. directives.def is the
 * table that everything here derives from.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "base/str.h"

#define CONF_MAX_SERVICES 64
#define CONF_NAME_MAX 31 /* bytes in the name of a service */

enum conf_type {
	CONF_BOOL,
	CONF_UINT,
	CONF_SIZE,
	CONF_TIME,
	CONF_STR,
	CONF_LIST,
	CONF_ENUM
};
enum conf_scope { CONF_GLOBAL = 1, CONF_SERVICE = 2, CONF_BOTH = 3 };
enum conf_class { CONF_LIVE, CONF_LOAD, CONF_RESTART, CONF_START };

struct arena;

struct conf_list {
	char **v;
	size_t n;
};

#define CONF_CTYPE_BOOL bool
#define CONF_CTYPE_UINT uint64_t
#define CONF_CTYPE_SIZE uint64_t
#define CONF_CTYPE_TIME uint64_t
#define CONF_CTYPE_STR char *
#define CONF_CTYPE_LIST struct conf_list
#define CONF_CTYPE_ENUM unsigned int

/* Values of ENUM fields, in the order of the words in directives.def. */
enum { CONF_SANDBOX_AUTO, CONF_SANDBOX_REQUIRE, CONF_SANDBOX_OFF };
enum { CONF_TLS_CERT_OFF, CONF_TLS_CERT_REQUEST, CONF_TLS_CERT_REQUIRE };
enum { CONF_TLS_1_2, CONF_TLS_1_3 };
enum { CONF_LOG_ACCESS_ALL, CONF_LOG_ACCESS_NOTCLEAN, CONF_LOG_ACCESS_OFF };
enum { CONF_LOG_URL_FULL, CONF_LOG_URL_NOQUERY, CONF_LOG_URL_HOST };
enum { CONF_SCAN_PREVIEW_ON, CONF_SCAN_PREVIEW_AUTO, CONF_SCAN_PREVIEW_OFF };
enum { CONF_BYTECODE_SECURITY_SIGNED, CONF_BYTECODE_SECURITY_PARANOID };
enum { CONF_RELOAD_LOW_MEMORY_KEEP, CONF_RELOAD_LOW_MEMORY_STOP_FIRST };
enum { CONF_METHODS_BOTH, CONF_METHODS_REQMOD, CONF_METHODS_RESPMOD };

/* A directive in a <Service> block that the table does not have: a module's. */
struct conf_extra {
	char *name;
	char *value; /* the words as written, unquoted, joined by ' ' */
	const char *file;
	unsigned int line;
};

struct conf_service {
	char *name;
	unsigned int index; /* in struct conf, and in struct metrics */
	const char *file;   /* where its block begins */
	unsigned int line;
	struct conf_extra *extra;
	size_t nextra;
#define GLOBAL(type, dir, field, def, min, max, class, verdict, text)
#define BOTH(type, dir, field, def, min, max, class, verdict, text) \
	CONF_CTYPE_##type field;
#define SERVICE BOTH
#include "conf/directives.def"
	/* derived */
	uint64_t stall_poke_ms; /* UINT64_MAX = off */
	/* by outcome, from the On* directives; CLEAN passes */
	enum action actions[NOUTCOMES];
};

struct conf {
	unsigned int refs;
	uint32_t generation; /* counts the snapshots of one parent */
	struct arena *mem;   /* of everything below */
	struct conf_service *services;
	size_t nservices;
#define GLOBAL(type, dir, field, def, min, max, class, verdict, text) \
	CONF_CTYPE_##type field;
#define BOTH GLOBAL
#define SERVICE(type, dir, field, def, min, max, class, verdict, text)
#include "conf/directives.def"
};

struct conf_directive {
	const char *name;
	enum conf_scope scope;
	enum conf_type type;
	enum conf_class class;
	bool verdict;
	size_t global_offset, service_offset; /* SIZE_MAX where it has none */
	const char *def, *min, *max;
	const char *text;
};
extern const struct conf_directive conf_directives[];
extern const size_t conf_ndirectives;

/* Several errors may be found in one load; each is a line "FILE:LINE: ...". */
struct conf_errors {
	struct buf text;
	unsigned int count;
};
void conf_errors_init(struct conf_errors *e);
void conf_errors_free(struct conf_errors *e);
/* Adds a line; file may be NULL (then the message stands alone). */
void conf_errors_add(struct conf_errors *e, const char *file, unsigned int line,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/*
 * Reads the file (NULL: none, all defaults), then applies overrides[] (each
 * 'Directive value' as in the file, from -o: any directive, which replaces
 * what the file says; LIST directives are replaced as a whole by the first -o
 * of that name). An override of a BOTH or SERVICE directive is the default of
 * every service and leaves alone a service that sets the directive itself.
 * Without any <Service>, the service avscan with the usual
 * aliases and the service echo are made. Everything but modules' own
 * directives is checked: names, values, ranges, duplicates, limits against
 * each other. NULL with at least one error.
 */
struct conf *conf_load(const char *file, const char *const overrides[],
    size_t noverrides, struct conf_errors *err);
/*
 * The snapshot as text that conf_parse_dump() reads back to an equal one: how
 * it reaches the other processes. 0 or -1 (does not fit).
 */
int conf_dump(const struct conf *c, struct buf *out);
struct conf *conf_parse_dump(struct slice text, struct conf_errors *err);
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf **c);
/* Warnings for the operator: one limit makes another unreachable, and such. */
void conf_warnings(const struct conf *c, struct conf_errors *warn);
/*
 * Whether a directive of the class differs; says which in out ("Name old ->
 * new, ...", may be NULL). Services and modules' directives that came, went or
 * changed count as LIVE.
 */
bool conf_changed(const struct conf *a, const struct conf *b,
    enum conf_class class, struct buf *out);
/*
 * Canonical digest (SHA-256) of the settings of the service that can change a
 * verdict: values only, in the order of the table. Without those of class LOAD,
 * which count from the load on, and without directives of a module.
 */
int conf_verdict_digest(const struct conf *c, const struct conf_service *s,
    unsigned char out[32]) MUST_CHECK;
/* By name or alias: exact first, then in any case; "" is the default. NULL. */
const struct conf_service *conf_service_find(
    const struct conf *c, struct slice name);
/* Workers and spool memory after "0 = choose" is resolved on this machine. */
unsigned int conf_worker_count(const struct conf *c);
unsigned int conf_worker_max(const struct conf *c);
uint64_t conf_spool_memory(const struct conf *c);
/* False when Listen is "none". */
bool conf_listens_plain(const struct conf *c);
/* ListenMode as a number. */
unsigned int conf_listen_mode(const struct conf *c);
/* ScanTimeout + 1 s per 4 MiB, bounded by ScanTimeoutMax. */
uint64_t conf_scan_budget_us(const struct conf_service *s, uint64_t size);

/* One value of a type, for modules' tables too. 0, or -1 with the reason. */
int conf_value_bool(const char *value, bool *out);
/* words: "one|two|three", in any case. */
int conf_value_enum(const char *words, const char *value, unsigned int *out);
int conf_value_number(enum conf_type type, const char *value, const char *min,
    const char *max, uint64_t *out, char *err, size_t errlen);
#endif
