/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * libclamav as an engine. The library answers clean on most of its own
 * failures (no temporary folder, no space, a limit, an unreadable member), so
 * its return code alone means nothing here: a scan is complete only when
 * nothing below has said otherwise.
 */
#include "engine/engine_int.h"

#include <clamav.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine_db.h"
#include "engine/engine_flags.h"
#include "engine/names.h"
#include "engine/prewarm.h"
#include "engine/tripwire.h"

#define LIBRARY_MAX_LEN ((uint64_t)INT_MAX - 2)
#define MIN_OBJECT 5 /* the library looks at nothing that is not longer */
#define LOAD_TRIES 3
#define SCAN_TIME_MARGIN_US 2000000

/* One call of the library. */
struct run {
	const struct engine_job *job;
	struct scan_answer *answer;
	uint64_t max_file_size;
	struct engine_seen *seen;
	bool root_seen;
	uint32_t found;
};

/* The library reports to a plain function: who is being served just now. */
static struct {
	bool initialised;
	struct run *run;
	char error[160], warning[160];
} lib;

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
	(void)full;
	(void)ctx;
	if (severity == CL_MSG_WARN)
		keep_line(lib.warning, sizeof(lib.warning), msg);
	if (severity < CL_MSG_ERROR)
		return;
	keep_line(lib.error, sizeof(lib.error), msg);
	/* that a prefix is cut is an error to some readers (xz), not to us */
	if (lib.run != NULL && lib.run->job->kind != SCAN_PREFIX)
		scan_answer_incomplete(
		    lib.run->answer, OUTCOME_FAILED, lib.error);
}

static cl_error_t
on_layer(int fd, const char *type, void *ctx)
{
	static const char common[] = "CL_TYPE_";
	struct run *r = ctx;

	(void)fd;
	if (r == NULL)
		return CL_CLEAN;
	if (type != NULL && strcmp(type, "CL_TYPE_MSEXE") == 0)
		r->seen->pe = true;
	if (r->root_seen)
		return CL_CLEAN;
	r->root_seen = true;
	if (type != NULL && r->answer->type[0] == '\0') {
		if (strncmp(type, common, sizeof(common) - 1) == 0)
			type += sizeof(common) - 1;
		(void)str_copy_clean(r->answer->type, sizeof(r->answer->type),
		    slice_of(type), "");
	}
	return CL_CLEAN;
}

static bool
over(const struct run *r, enum scan_number n, size_t size)
{
	uint64_t max = r->job->opts->numbers[n];

	return max != 0 && size > max;
}

/* The library leaves larger ones alone without a word. */
static void
check_normalised(struct run *r, const char *type, size_t size)
{
	uint64_t parse = r->job->opts->switches;

	if (type == NULL || r->job->kind == SCAN_PREFIX)
		return;
	if ((parse & SCAN_BIT(scan_html)) != 0 &&
	    strncmp(type, "CL_TYPE_HTML", 12) == 0) {
		if (over(r, SCAN_NUMBER_max_html_normalize, size))
			scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
			    "HTML larger than MaxHTMLNormalize");
		else if (over(r, SCAN_NUMBER_max_html_notags, size))
			scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
			    "HTML larger than MaxHTMLNoTags");
	}
	if (strncmp(type, "CL_TYPE_TEXT", 12) == 0 &&
	    over(r, SCAN_NUMBER_max_script_normalize, size))
		scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
		    "a text larger than MaxScriptNormalize");
}

/* Members are cut at MaxFileSize without a word: their size gives it away. */
static cl_error_t
on_inspection(int fd, const char *type, const char **ancestors,
    size_t parent_size, const char *name, size_t size, const char *data,
    uint32_t level, uint32_t attributes, void *ctx)
{
	struct run *r = ctx;

	(void)fd, (void)ancestors, (void)parent_size, (void)name;
	(void)data, (void)attributes;
	if (r != NULL && r->job->use != NULL && level > 0) {
		r->job->use->files++;
		r->job->use->bytes += size;
	}
	if (r != NULL)
		check_normalised(r, type, size);
	if (r != NULL && level > 0 && size >= r->max_file_size)
		scan_answer_incomplete(
		    r->answer, OUTCOME_LIMIT, "a member reaches MaxFileSize");
	return CL_CLEAN;
}

static cl_error_t
on_member(const char *container, unsigned long container_size, const char *name,
    unsigned long size, int encrypted, unsigned int pos, void *ctx)
{
	struct run *r = ctx;

	(void)container, (void)container_size, (void)name, (void)encrypted;
	(void)pos;
	if (r != NULL && size > r->max_file_size)
		scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
		    "a member is larger than MaxFileSize");
	return CL_CLEAN;
}

static void
add_name(struct run *r, const char *virname)
{
	struct slice name = slice_of(virname);
	enum outcome o = names_outcome(name);

	r->found++;
	if (o == OUTCOME_LIMIT || o == OUTCOME_TIMEOUT)
		scan_answer_incomplete(r->answer, o, virname);
	scan_answer_add(r->answer, o, name, slice_of(r->job->part));
}

static void
on_found(int fd, const char *virname, void *ctx)
{
	(void)fd;
	if (ctx != NULL && virname != NULL)
		add_name(ctx, virname);
}

static int
on_signature(const char *type, const char *name, unsigned int custom, void *ctx)
{
	struct engine *e = ctx;
	bool plain = strcmp(type, "ndb") == 0 || strcmp(type, "db") == 0;

	(void)custom;
	if (strcmp(type, "fp") == 0 || strcmp(type, "sfp") == 0)
		e->has_allow_rows = true;
	/* a name that cannot be kept is just never final */
	if (names_add(e->names, slice_of(name), plain) != 0)
		keep_line(lib.warning, sizeof(lib.warning), "out of memory");
	return 0;
}

static const char *
library_reason(void)
{
	if (lib.error[0] != '\0')
		return lib.error;
	return lib.warning[0] != '\0' ? lib.warning : "no reason given";
}

static bool
library_spoke(void)
{
	return lib.error[0] != '\0' || lib.warning[0] != '\0';
}

static int
start_library(char *err, size_t errlen)
{
	int rc;

	lib.error[0] = lib.warning[0] = '\0';
	lib.run = NULL;
	if (lib.initialised)
		return 0;
	cl_set_clcb_msg(on_message);
	rc = cl_init(CL_INIT_DEFAULT);
	if (rc != CL_SUCCESS) {
		(void)snprintf(err, errlen, "libclamav does not start: %s",
		    cl_strerror((cl_error_t)rc));
		return -1;
	}
	lib.initialised = true;
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
	struct cl_engine *cl = e->cl;

	cl_engine_set_clcb_pre_cache(cl, on_layer);
	cl_engine_set_clcb_file_inspection(cl, on_inspection);
	cl_engine_set_clcb_meta(cl, on_member);
	cl_engine_set_clcb_virus_found(cl, on_found);
	cl_engine_set_clcb_sigload(cl, on_signature, e);
	/* its cache does not know under which options something was clean */
	if (set_number(e, CL_ENGINE_DISABLE_CACHE, 1) != 0 ||
	    cl_engine_set_str(cl, CL_ENGINE_TMPDIR, load->temp_dir) !=
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

/* Engine and signatures as one digest. */
static int
make_digest(struct engine *e, const unsigned char set[HASH_LEN])
{
	unsigned char own[HASH_LEN];
	char set_hex[HASH_HEX_LEN], own_hex[HASH_HEX_LEN], line[320];
	int n;

	if (db_own_digest(own) != 0)
		return -1;
	hash_hex(set, set_hex);
	hash_hex(own, own_hex);
	n = snprintf(line, sizeof(line), "engine %s %u\ncanary %s\nset %s\n",
	    cl_retver(), cl_retflevel(), own_hex, set_hex);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -1;
	return hash_once(line, (size_t)n, e->info.digest);
}

static int
describe(struct engine *e, const struct dbset *set)
{
	unsigned char digest[HASH_LEN];

	(void)snprintf(
	    e->info.engine, sizeof(e->info.engine), "ClamAV %s", cl_retver());
	if (dbset_describe(
		set, e->info.database, sizeof(e->info.database), digest) != 0)
		return -1;
	if (e->info.embedded)
		(void)str_copy(e->info.database, sizeof(e->info.database),
		    SLICE_LIT("embedded"));
	return make_digest(e, digest);
}

static struct engine *
load_once(const struct engine_load *load, const char *path,
    const struct dbset *set, char *err, size_t errlen)
{
	struct engine *e = calloc(1, sizeof(*e));
	cl_error_t rc;

	lib.error[0] = lib.warning[0] = '\0';
	if (e == NULL || (e->names = names_new()) == NULL ||
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
	rc = cl_engine_compile(e->cl);
	if (rc != CL_SUCCESS || describe(e, set) != 0) {
		(void)snprintf(err, errlen, "signatures do not compile: %s",
		    rc != CL_SUCCESS ? library_reason() : "cannot read them");
		engine_close(&e);
	}
	return e;
}

static bool
finds_eicar(struct engine *e)
{
	unsigned char eicar[DB_EICAR_LEN];
	struct scan_answer a = { .complete = 1 };
	struct scan_opts opts;
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = eicar,
		.len = sizeof(eicar),
		.opts = &opts,
		.budget_us = 60 * 1000000,
		.part = "" };

	engine_plain_opts(&opts, 1 << 20);
	db_eicar_bytes(eicar);
	engine_scan(e, &job, &a);
	return a.nfindings > 0 && a.findings[0].outcome == OUTCOME_INFECTED;
}

static struct engine *
open_path(
    const struct engine_load *load, const char *path, char *err, size_t errlen)
{
	for (unsigned int i = 0; i < LOAD_TRIES; i++) {
		struct dbset *set = dbset_open(path, err, errlen);
		struct engine *e = NULL;
		bool same;

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
	if (e != NULL)
		e->info.has_eicar = finds_eicar(e);
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

int
engine_enter_worker(struct engine *e, const char *dir, uint64_t temp_max)
{
	if (cl_engine_set_str(e->cl, CL_ENGINE_TMPDIR, dir) != CL_SUCCESS ||
	    strlen(dir) >= sizeof(e->temp.dir))
		return -1;
	(void)str_copy(e->temp.dir, sizeof(e->temp.dir), slice_of(dir));
	e->temp.max = temp_max;
	return tripwire_limit(dir, temp_max);
}

const struct engine_temp *
engine_temp(const struct engine *e)
{
	return &e->temp;
}

void
engine_temp_changed(struct engine *e)
{
	(void)e;
	tripwire_count_anew();
}

static uint64_t
bounded(uint64_t v, uint64_t max)
{
	return v == 0 || v > max ? max : v;
}

/* 0 means unlimited to the library: never let it through. */
static int
apply_limits(struct engine *e, const struct scan_opts *o)
{
	struct scan_opts *have = &e->applied;

	if (engine_flags_numbers(e->cl, o, have) != 0)
		return -1;
	if (have->max_file_size == o->max_file_size &&
	    have->max_scan_size == o->max_scan_size &&
	    have->max_files == o->max_files &&
	    have->max_recursion == o->max_recursion)
		return 0;
	if (set_number(e, CL_ENGINE_MAX_FILESIZE,
		bounded(o->max_file_size, LIBRARY_MAX_LEN)) != 0 ||
	    set_number(e, CL_ENGINE_MAX_SCANSIZE,
		bounded(o->max_scan_size, (uint64_t)1 << 40)) != 0 ||
	    set_number(
		e, CL_ENGINE_MAX_FILES, bounded(o->max_files, 1000000)) != 0 ||
	    set_number(e, CL_ENGINE_MAX_RECURSION,
		bounded(o->max_recursion, 100)) != 0)
		return -1;
	have->max_file_size = o->max_file_size;
	have->max_scan_size = o->max_scan_size;
	have->max_files = o->max_files;
	have->max_recursion = o->max_recursion;
	return 0;
}

/* The library's own limit lies below the kill, so that it can still report. */
static int
apply_time(struct engine *e, uint64_t budget_us)
{
	uint64_t margin = budget_us / 10 < SCAN_TIME_MARGIN_US
			      ? budget_us / 10
			      : SCAN_TIME_MARGIN_US;
	uint64_t ms = (budget_us - margin) / 1000;

	ms = ms == 0 ? 1 : bounded(ms, UINT32_MAX / 2);
	if (ms == e->applied_ms)
		return 0;
	e->applied_ms = (uint32_t)ms;
	return set_number(e, CL_ENGINE_MAX_SCANTIME, ms);
}

static void
judge(struct run *r, cl_error_t rc, const char *virname, const char *fault)
{
	struct scan_answer *a = r->answer;

	if (rc == CL_VIRUS && r->found == 0 && virname != NULL)
		add_name(r, virname);
	if (rc == CL_VIRUS && r->found == 0)
		scan_answer_incomplete(
		    a, OUTCOME_FAILED, "a detection without a name");
	if (rc == CL_ETIMEOUT)
		scan_answer_incomplete(a, OUTCOME_TIMEOUT, cl_strerror(rc));
	else if (rc != CL_CLEAN && rc != CL_VIRUS)
		scan_answer_incomplete(a, OUTCOME_FAILED, cl_strerror(rc));
	if (fault != NULL)
		scan_answer_incomplete(a, OUTCOME_FAILED, fault);
	if (!r->root_seen && r->job->len > MIN_OBJECT)
		scan_answer_incomplete(
		    a, OUTCOME_FAILED, "the engine did not look at it");
}

static void
call_library(struct engine *e, struct run *r)
{
	struct cl_scan_options options;
	const char *virname = NULL, *fault;
	unsigned long scanned = 0;
	cl_error_t rc;
	cl_fmap_t *map = cl_fmap_open_memory(r->job->data, r->job->len);

	if (map == NULL) {
		scan_answer_incomplete(
		    r->answer, OUTCOME_FAILED, "the object cannot be mapped");
		return;
	}
	engine_flags_options(r->job->opts, r->job->kind, &options);
	lib.error[0] = '\0';
	lib.run = r;
	tripwire_arm();
	rc = cl_scanmap_callback(
	    map, NULL, &virname, &scanned, e->cl, &options, r);
	fault = tripwire_disarm();
	lib.run = NULL;
	judge(r, rc, virname, fault);
	cl_fmap_close(map);
}

/* True when the object is of a size that may be handed over. */
static bool
size_permits(const struct engine_job *job, struct scan_answer *a)
{
	const struct scan_opts *o = job->opts;

	if (job->len > LIBRARY_MAX_LEN)
		scan_answer_incomplete(
		    a, OUTCOME_TOO_LARGE, "larger than the engine can scan");
	else if (o->max_file_size != 0 && job->len > o->max_file_size)
		scan_answer_incomplete(
		    a, OUTCOME_LIMIT, "larger than MaxFileSize");
	else if (o->max_scan_size != 0 && job->len > o->max_scan_size)
		scan_answer_incomplete(
		    a, OUTCOME_LIMIT, "larger than MaxScanSize");
	else
		return true;
	return false;
}

void
engine_scan_once(struct engine *e, const struct engine_job *job,
    struct scan_answer *answer, struct engine_seen *seen)
{
	struct run r = { .job = job, .answer = answer, .seen = seen };

	*seen = (struct engine_seen){ .pe = false };
	if (job->len == 0 || !size_permits(job, answer))
		return;
	if (job->budget_us == 0 || apply_limits(e, job->opts) != 0 ||
	    apply_time(e, job->budget_us) != 0) {
		scan_answer_incomplete(
		    answer, OUTCOME_FAILED, "the limits cannot be set");
		return;
	}
	r.max_file_size = bounded(job->opts->max_file_size, LIBRARY_MAX_LEN);
	call_library(e, &r);
}

void
engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	struct engine_seen seen;

	if (job->kind == SCAN_PREFIX)
		engine_scan_prefix(e, job, answer);
	else
		engine_scan_once(e, job, answer, &seen);
}
