/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Loading signatures with libclamav. */
#include "engine/engine_int.h"

#include <clamav.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_db.h"
#include "engine/prewarm.h"

#define LOAD_TRIES 5
#define LOAD_PAUSE_MS 1000 /* while files are replaced one after another */

struct engine_library engine_library;

static void
keep_line(char *dst, size_t dstlen, const char *text)
{
	struct slice s = slice_of(text);

	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == ' '))
		s.len--;
	(void)str_copy_clean(dst, dstlen, s, "");
}

static void
on_message(enum cl_msg severity, const char *full, const char *msg, void *ctx)
{
	struct engine_library *lib = &engine_library;

	(void)full;
	(void)ctx;
	if (severity == CL_MSG_WARN)
		keep_line(lib->warning, sizeof(lib->warning), msg);
	if (severity < CL_MSG_ERROR)
		return;
	keep_line(lib->error, sizeof(lib->error), msg);
	if (lib->running != NULL)
		scan_answer_incomplete(
		    lib->running, OUTCOME_FAILED, lib->error);
}

/* As ClamAV's own sets and ours call it. */
static bool
is_eicar_name(struct slice name)
{
	return slice_case_has_prefix(name, SLICE_LIT("Win.Test.EICAR")) ||
	       slice_case_has_prefix(name, SLICE_LIT("Eicar-Test-Signature")) ||
	       slice_case_has_prefix(name, SLICE_LIT("Eicar-Signature"));
}

static int
on_signature(const char *type, const char *name, unsigned int custom, void *ctx)
{
	struct engine *e = ctx;
	bool plain = strcmp(type, "ndb") == 0 || strcmp(type, "db") == 0;

	if (strcmp(type, "fp") == 0 || strcmp(type, "sfp") == 0) {
		e->allow_loaded++;
		e->own_allow_rows = e->own_allow_rows || custom != 0;
	} else if (is_eicar_name(slice_of(name))) {
		e->eicar_row = true;
	}
	/* a name that cannot be kept is just never final */
	if (names_add(e->names, slice_of(name), plain) != 0)
		keep_line(engine_library.warning,
		    sizeof(engine_library.warning), "out of memory");
	return 0;
}

static const char *
library_reason(void)
{
	if (engine_library.error[0] != '\0')
		return engine_library.error;
	return engine_library.warning[0] != '\0' ? engine_library.warning
						 : "no reason given";
}

static bool
library_spoke(void)
{
	return engine_library.error[0] != '\0' ||
	       engine_library.warning[0] != '\0';
}

static int
start_library(char *err, size_t errlen)
{
	int rc;

	engine_library.error[0] = engine_library.warning[0] = '\0';
	engine_library.running = NULL;
	if (engine_library.initialised)
		return 0;
	cl_set_clcb_msg(on_message);
	rc = cl_init(CL_INIT_DEFAULT);
	if (rc != CL_SUCCESS) {
		(void)snprintf(err, errlen, "libclamav does not start: %s",
		    cl_strerror((cl_error_t)rc));
		return -1;
	}
	engine_library.initialised = true;
	return 0;
}

static int
set_number(struct engine *e, enum cl_engine_field field, uint64_t v)
{
	return cl_engine_set_num(e->cl, field, (long long)v) == CL_SUCCESS ? 0
									   : -1;
}

static bool
is_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* What must be known before the first signature is loaded. */
static int
set_up_loading(struct engine *e, const struct engine_load *l)
{
	const char *categories =
	    is_given(l->pua_include) ? l->pua_include : l->pua_exclude;

	if (l->pcre_match_limit > 0 &&
	    set_number(e, CL_ENGINE_PCRE_MATCH_LIMIT, l->pcre_match_limit) != 0)
		return -1;
	if (l->pcre_recmatch_limit > 0 &&
	    set_number(
		e, CL_ENGINE_PCRE_RECMATCH_LIMIT, l->pcre_recmatch_limit) != 0)
		return -1;
	if (l->bytecode_timeout_ms > 0 &&
	    set_number(e, CL_ENGINE_BYTECODE_TIMEOUT, l->bytecode_timeout_ms) !=
		0)
		return -1;
	if (l->no_cert_check &&
	    set_number(e, CL_ENGINE_DISABLE_PE_CERTS, 1) != 0)
		return -1;
	if (l->bytecode_paranoid && set_number(e, CL_ENGINE_BYTECODE_SECURITY,
					CL_BYTECODE_TRUST_NOTHING) != 0)
		return -1;
	if (!l->pua || !is_given(categories))
		return 0;
	return cl_engine_set_str(e->cl, CL_ENGINE_PUA_CATEGORIES, categories) ==
		       CL_SUCCESS
		   ? 0
		   : -1;
}

static unsigned int
load_options(const struct engine *e, const struct engine_load *l)
{
	unsigned int o = 0;

	if (!l->no_phishing_signatures)
		o |= CL_DB_PHISHING;
	if (!l->no_phishing_urls)
		o |= CL_DB_PHISHING_URLS;
	if (!l->no_bytecode)
		o |= CL_DB_BYTECODE;
	if (!l->no_bytecode && l->bytecode_unsigned)
		o |= CL_DB_BYTECODE_UNSIGNED;
	if (l->pua)
		o |= CL_DB_PUA;
	if (l->pua && is_given(l->pua_include))
		o |= CL_DB_PUA_INCLUDE;
	else if (l->pua && is_given(l->pua_exclude))
		o |= CL_DB_PUA_EXCLUDE;
	if (l->official_only && !e->info.embedded)
		o |= CL_DB_OFFICIAL_ONLY;
	return o;
}

static int
set_up(struct engine *e, const struct engine_load *load)
{
	engine_scan_callbacks(e);
	cl_engine_set_clcb_sigload(e->cl, on_signature, e);
	/* its cache does not know under which options something was clean */
	if (set_number(e, CL_ENGINE_DISABLE_CACHE, 1) != 0 ||
	    cl_engine_set_str(e->cl, CL_ENGINE_TMPDIR, load->temp_dir) !=
		CL_SUCCESS)
		return -1;
	return set_up_loading(e, load);
}

static int
load_path(struct engine *e, const char *path, unsigned int options,
    unsigned int *signatures, char *err, size_t errlen)
{
	cl_error_t rc = cl_load(path, e->cl, signatures, options);

	if (rc == CL_SUCCESS)
		return 0;
	(void)snprintf(err, errlen, "signatures in %s do not load: %s (%s)",
	    path, library_reason(), cl_strerror(rc));
	return -1;
}

/* The canary goes first: it is no official row, and later rules would stop it.
 */
static int
load_all(struct engine *e, const struct engine_load *load, const char *path,
    char *err, size_t errlen)
{
	char canary[512];
	unsigned int own = 0, loaded = 0;

	if (db_write_canary(load->temp_dir, canary, sizeof(canary)) != 0) {
		(void)snprintf(
		    err, errlen, "%s: cannot write signatures", load->temp_dir);
		return -1;
	}
	if (load_path(e, canary, CL_DB_STDOPT, &own, err, errlen) != 0)
		return -1;
	if (load_path(e, path, load_options(e, load), &loaded, err, errlen) !=
	    0)
		return -1;
	e->info.signatures = loaded;
	if (loaded > 0 && loaded >= load->min_signatures)
		return 0;
	(void)snprintf(err, errlen,
	    "%s gave %u signatures, fewer than MinSignatures or none%s%s",
	    load->database, loaded, library_spoke() ? ": " : "",
	    library_spoke() ? library_reason() : "");
	return -1;
}

/* The settings of a load, as numbers and words. */
static int
print_settings(
    const struct engine *e, const struct engine_load *l, char *out, size_t len)
{
	const char *categories =
	    is_given(l->pua_include) ? l->pua_include : l->pua_exclude;
	int n = snprintf(out, len, "load %x %d %d %ju %ju %ju %s\n",
	    load_options(e, l), l->bytecode_paranoid, l->no_cert_check,
	    (uintmax_t)l->bytecode_timeout_ms, (uintmax_t)l->pcre_match_limit,
	    (uintmax_t)l->pcre_recmatch_limit,
	    l->pua && is_given(categories) ? categories : "");

	return n > 0 && (size_t)n < len ? n : -1;
}

/*
 * Engine, signatures, and the settings that took part in loading them: they
 * count from the load on, not from the moment they are configured.
 */
static int
make_digest(struct engine *e, const struct engine_load *load,
    const unsigned char set[HASH_LEN])
{
	unsigned char own[HASH_LEN];
	char set_hex[HASH_HEX_LEN], own_hex[HASH_HEX_LEN], line[8192];
	int n, m;

	if (db_own_digest(own) != 0)
		return -1;
	hash_hex(set, set_hex);
	hash_hex(own, own_hex);
	n = snprintf(line, sizeof(line), "engine %s %u\ncanary %s\nset %s\n",
	    cl_retver(), cl_retflevel(), own_hex, set_hex);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -1;
	m = print_settings(e, load, line + n, sizeof(line) - (size_t)n);
	if (m == -1)
		return -1;
	return hash_once(line, (size_t)(n + m), e->info.digest);
}

static int
describe(
    struct engine *e, const struct engine_load *load, const struct dbset *set)
{
	unsigned char digest[HASH_LEN];

	(void)snprintf(
	    e->info.engine, sizeof(e->info.engine), "ClamAV %s", cl_retver());
	if (dbset_describe(
		set, e->info.database, sizeof(e->info.database), digest) != 0)
		return -1;
	dbset_age(set, &e->info.built_wall_us, &e->info.daily);
	if (e->info.embedded) {
		(void)str_copy(e->info.database, sizeof(e->info.database),
		    SLICE_LIT("embedded"));
		e->info.built_wall_us = 0;
	}
	return make_digest(e, load, digest);
}

static struct engine *
load_once(const struct engine_load *load, const char *path,
    const struct dbset *set, char *err, size_t errlen)
{
	struct engine *e = calloc(1, sizeof(*e));
	cl_error_t rc;

	engine_library.error[0] = engine_library.warning[0] = '\0';
	if (e == NULL || (e->names = names_new()) == NULL ||
	    (e->allow = allow_new()) == NULL ||
	    (e->cl = cl_engine_new()) == NULL || set_up(e, load) != 0) {
		(void)snprintf(err, errlen, "out of memory");
		engine_close(&e);
		return NULL;
	}
	e->info.embedded = strcmp(load->database, "embedded") == 0;
	if (load_all(e, load, path, err, errlen) != 0) {
		engine_close(&e);
		return NULL;
	}
	names_done(e->names);
	if (e->allow_loaded > 0)
		dbset_read_allow(set, e->allow);
	allow_done(e->allow, e->allow_loaded);
	rc = cl_engine_compile(e->cl);
	if (rc != CL_SUCCESS || describe(e, load, set) != 0) {
		(void)snprintf(err, errlen, "signatures do not compile: %s",
		    rc != CL_SUCCESS ? library_reason() : "cannot read them");
		engine_close(&e);
		return NULL;
	}
	/* an operator's own exception may be for just that file */
	e->info.has_eicar = e->eicar_row && !e->own_allow_rows;
	return e;
}

static void
pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Gone just now, of a folder that is there: it was being replaced. */
static bool
is_passing(const char *path)
{
	return errno == ENOENT && access(path, F_OK) == 0;
}

static struct engine *
open_path(
    const struct engine_load *load, const char *path, char *err, size_t errlen)
{
	for (unsigned int i = 0; i < LOAD_TRIES; i++) {
		struct dbset *set;
		struct engine *e;
		bool same;

		if (i > 0)
			pause_ms(LOAD_PAUSE_MS);
		set = dbset_open(path, err, errlen);
		if (set == NULL && is_passing(path))
			continue;
		if (set == NULL)
			return NULL;
		e = load_once(load, path, set, err, errlen);
		same = dbset_same(set);
		dbset_free(&set);
		if (same)
			return e;
		engine_close(&e);
		(void)snprintf(err, errlen,
		    "%s: files change while they are loaded", path);
	}
	return NULL;
}

int
engine_check_files(const char *database, char *err, size_t errlen)
{
	struct dbset *set;
	bool passing;

	db_remember_account();
	if (strcmp(database, "embedded") == 0)
		return 0;
	set = dbset_open(database, err, errlen);
	passing = set == NULL && is_passing(database);
	if (set == NULL && !passing)
		return -1;
	dbset_free(&set);
	return 0;
}

int
engine_prepare(char *err, size_t errlen)
{
	engine_prewarm();
	return start_library(err, errlen);
}

struct engine *
engine_open(const struct engine_load *load, char *err, size_t errlen)
{
	char own[512];
	const char *path = load->database;
	struct engine *e = NULL;

	if (start_library(err, errlen) != 0)
		return NULL;
	if (strcmp(path, "embedded") == 0) {
		if (db_write_embedded(load->temp_dir, own, sizeof(own)) != 0) {
			(void)snprintf(err, errlen,
			    "%s: cannot write signatures", load->temp_dir);
			return NULL;
		}
		path = own;
	}
	e = open_path(load, path, err, errlen);
	db_remove_own(load->temp_dir);
	return e;
}

void
engine_close(struct engine **e)
{
	if (*e == NULL)
		return;
	if ((*e)->cl != NULL)
		(void)cl_engine_free((*e)->cl);
	names_free(&(*e)->names);
	allow_free(&(*e)->allow);
	free(*e);
	*e = NULL;
}

const struct engine_info *
engine_info(const struct engine *e)
{
	return &e->info;
}

const char *
engine_version_built(void)
{
	return CLAMAV_VERSION;
}

const char *
engine_version_running(void)
{
	return cl_retver();
}
