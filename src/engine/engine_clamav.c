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
#include <string.h>

#include "engine/engine_flags.h"
#include "engine/layers.h"
#include "engine/looks.h"
#include "engine/tripwire.h"
#include "engine/wish.h"

#define LIBRARY_MAX_LEN ((uint64_t)INT_MAX - 2)
/*
 * The library cuts members that are too long without a word, at a multiple of
 * its buffer, and so it does where all of them are too much (cab, chm). It
 * gets higher limits than ours, so that what it has cut is still too long for
 * us.
 */
#define SLACK ((uint64_t)4 << 20)
#define SCAN_TIME_MARGIN_US 2000000

/* One call of the library. */
struct run {
	const struct engine_job *job;
	struct scan_answer *answer;
	struct layers *layers;
	uint64_t max_file_size, max_scan_size;
	uint64_t scanned; /* bytes of all layers */
	struct engine_seen *seen;
	bool root_seen;
	bool encrypted_member; /* of an archive */
	uint32_t found;
};

/* Who is being served just now; NULL outside of the library. */
static struct run *current;

static void
add_name(struct run *r, const char *virname)
{
	struct slice name = slice_of(virname);
	enum outcome o = names_outcome(name);
	char part[SCAN_PART_MAX];

	layers_part(r->layers, part);
	if (o == OUTCOME_LIMIT || o == OUTCOME_TIMEOUT)
		scan_answer_incomplete(r->answer, o, virname);
	scan_answer_add(r->answer, o, name, slice_of(part));
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
	r->seen->layers++;
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

#define ALERTS(r, kind) \
	(((r)->job->opts->switches & \
	     (SCAN_BIT(alert_encrypted) | SCAN_BIT(kind))) != 0)

static void
look(struct run *r, const char *type, const char *name, struct slice data)
{
	const char *found;

	if (!ALERTS(r, alert_encrypted_doc) || data.p == NULL)
		return;
	found = looks_encrypted(slice_of(type), slice_of(name), data);
	if (found != NULL)
		add_name(r, found);
}

static cl_error_t
on_inspection(int fd, const char *type, const char **ancestors,
    size_t parent_size, const char *name, size_t size, const char *data,
    uint32_t level, uint32_t attributes, void *ctx)
{
	struct slice d = { data, size };
	struct run *r = ctx;

	(void)ancestors, (void)parent_size, (void)attributes;
	if (r == NULL)
		return CL_CLEAN;
	if (data == NULL)
		scan_answer_incomplete(
		    r->answer, OUTCOME_FAILED, "a member cannot be read");
	else
		layers_begin(r->layers, fd, type, name, d, level);
	if (type != NULL && r->job->kind != SCAN_PREFIX) {
		check_normalised(r, type, size);
		look(r, type, name, d);
	}
	if (level > 0 && size > r->max_file_size)
		scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
		    "a member is larger than MaxFileSize");
	r->scanned += size;
	if (r->scanned > r->max_scan_size)
		scan_answer_incomplete(
		    r->answer, OUTCOME_LIMIT, "more bytes than MaxScanSize");
	return CL_CLEAN;
}

static cl_error_t
on_layer_end(int fd, int result, const char *virname, void *ctx)
{
	struct run *r = ctx;

	(void)fd, (void)result, (void)virname;
	if (r != NULL)
		layers_end(r->layers);
	return CL_CLEAN;
}

/* In a zip this size stands for one that does not fit into 32 bits, or not. */
static bool
is_placeholder(const char *container, uint64_t size)
{
	return size == UINT32_MAX && container != NULL &&
	       (strcmp(container, "CL_TYPE_ZIP") == 0 ||
		   strncmp(container, "CL_TYPE_OOXML", 13) == 0);
}

static cl_error_t
on_member(const char *container, unsigned long container_size, const char *name,
    unsigned long size, int encrypted, unsigned int pos, void *ctx)
{
	struct run *r = ctx;

	(void)container_size, (void)name, (void)pos;
	/* what looks like a header in the middle of a file says nothing */
	if (r == NULL || !layers_in(r->layers, container))
		return CL_CLEAN;
	layers_member(r->layers, size, encrypted != 0);
	if (encrypted != 0)
		r->encrypted_member = true;
	if (size > r->max_file_size && !is_placeholder(container, size))
		scan_answer_incomplete(r->answer, OUTCOME_LIMIT,
		    "a member is larger than MaxFileSize");
	return CL_CLEAN;
}

static void
on_found(int fd, const char *virname, void *ctx)
{
	struct run *r = ctx;

	if (r == NULL || virname == NULL)
		return;
	/* the object itself is in memory, what was made of it in files */
	if (fd != -1)
		r->seen->in_copy = true;
	r->found++;
	add_name(r, virname);
}

void
engine_scan_callbacks(struct engine *e)
{
	cl_engine_set_clcb_pre_cache(e->cl, on_layer);
	cl_engine_set_clcb_file_inspection(e->cl, on_inspection);
	cl_engine_set_clcb_post_scan(e->cl, on_layer_end);
	cl_engine_set_clcb_meta(e->cl, on_member);
	cl_engine_set_clcb_virus_found(e->cl, on_found);
}

int
engine_enter_worker(struct engine *e, const char *dir, uint64_t temp_max)
{
	if (cl_engine_set_str(e->cl, CL_ENGINE_TMPDIR, dir) != CL_SUCCESS ||
	    strlen(dir) >= sizeof(e->temp.dir))
		return -1;
	(void)str_copy(e->temp.dir, sizeof(e->temp.dir), slice_of(dir));
	e->temp.max = temp_max;
	if (tripwire_limit(dir, temp_max) != 0)
		return -1;
	wish_below(dir);
	return 0;
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

static int
set_number(struct engine *e, enum cl_engine_field field, uint64_t v)
{
	return cl_engine_set_num(e->cl, field, (long long)v) == CL_SUCCESS ? 0
									   : -1;
}

static uint64_t
bounded(uint64_t v, uint64_t max)
{
	return v == 0 || v > max ? max : v;
}

/* How long a member may be. */
static uint64_t
member_max(const struct scan_opts *o)
{
	return bounded(o->max_file_size, LIBRARY_MAX_LEN - SLACK);
}

/* And all of them, with the object. */
static uint64_t
scan_max(const struct scan_opts *o)
{
	return bounded(o->max_scan_size, (uint64_t)1 << 40);
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
	if (set_number(e, CL_ENGINE_MAX_FILESIZE, member_max(o) + SLACK) != 0 ||
	    set_number(e, CL_ENGINE_MAX_SCANSIZE, scan_max(o) + SLACK) != 0 ||
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

static int
apply_ms(struct engine *e, uint64_t ms)
{
	if (ms == e->applied_ms)
		return 0;
	e->applied_ms = (uint32_t)ms;
	return set_number(e, CL_ENGINE_MAX_SCANTIME, ms);
}

/* The library's own limit lies below the kill, so that it can still report. */
static int
apply_time(struct engine *e, uint64_t budget_us)
{
	uint64_t margin = budget_us / 10 < SCAN_TIME_MARGIN_US
			      ? budget_us / 10
			      : SCAN_TIME_MARGIN_US;
	uint64_t ms = (budget_us - margin) / 1000;

	return apply_ms(e, ms == 0 ? 1 : bounded(ms, UINT32_MAX / 2));
}

static bool
says_encrypted(const struct scan_answer *a)
{
	for (uint32_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].outcome == OUTCOME_ENCRYPTED)
			return true;
	return false;
}

static void
judge(struct run *r, cl_error_t rc, const char *virname, const char *fault)
{
	struct scan_answer *a = r->answer;

	if (rc == CL_VIRUS && r->found == 0 && virname != NULL)
		add_name(r, virname);
	else if (rc == CL_VIRUS && r->found == 0)
		scan_answer_incomplete(
		    a, OUTCOME_FAILED, "a detection without a name");
	/* what the library skips without a word, as in arj */
	if (r->encrypted_member && !says_encrypted(a) &&
	    ALERTS(r, alert_encrypted_archive) && r->job->kind != SCAN_PREFIX)
		add_name(r, "Heuristics.Encrypted.Archive");
	if (rc == CL_ETIMEOUT)
		scan_answer_incomplete(a, OUTCOME_TIMEOUT, cl_strerror(rc));
	else if (rc != CL_CLEAN && rc != CL_VIRUS)
		scan_answer_incomplete(a, OUTCOME_FAILED, cl_strerror(rc));
	if (fault != NULL)
		scan_answer_incomplete(a, OUTCOME_FAILED, fault);
	if (!r->root_seen && r->job->len > LAYER_MIN)
		scan_answer_incomplete(
		    a, OUTCOME_FAILED, "the engine did not look at it");
}

/* The scan in whose callback another one is made. */
struct outer {
	struct run *run;
	struct scan_answer *running;
	struct scan_opts limits;
	uint32_t ms;
};

static struct outer
leave_outer(const struct engine *e)
{
	struct outer o = { current, engine_library.running, e->applied,
		e->applied_ms };
	const char *fault = o.run != NULL ? tripwire_disarm() : NULL;

	if (fault != NULL)
		scan_answer_incomplete(o.run->answer, OUTCOME_FAILED, fault);
	return o;
}

/* With everything as it was. */
static void
return_to_outer(struct engine *e, const struct outer *o)
{
	current = o->run;
	engine_library.running = o->running;
	if (o->run == NULL) {
		wish_forget();
		return;
	}
	if (apply_limits(e, &o->limits) != 0 || apply_ms(e, o->ms) != 0)
		scan_answer_incomplete(o->run->answer, OUTCOME_FAILED,
		    "the limits cannot be set again");
	tripwire_arm();
}

static void
run_library(struct engine *e, struct run *r, cl_fmap_t *map)
{
	struct cl_scan_options options;
	const char *virname = NULL, *fault;
	unsigned long scanned = 0;
	cl_error_t rc;

	engine_flags_options(r->job->opts, r->job->kind, &options);
	engine_library.error[0] = '\0';
	/* that a prefix is cut is an error to some readers (xz), not to us */
	engine_library.running = r->job->kind != SCAN_PREFIX ? r->answer : NULL;
	current = r;
	tripwire_arm();
	rc = cl_scanmap_callback(
	    map, NULL, &virname, &scanned, e->cl, &options, r);
	fault = tripwire_disarm();
	judge(r, rc, virname, fault);
}

/* Sets the limits of this scan; false when that is not possible. */
static bool
prepare(struct engine *e, struct run *r)
{
	const struct engine_job *job = r->job;

	if (job->budget_us > 0 && apply_limits(e, job->opts) == 0 &&
	    apply_time(e, job->budget_us) == 0)
		return true;
	scan_answer_incomplete(
	    r->answer, OUTCOME_FAILED, "the limits cannot be set");
	return false;
}

static void
call_library(struct engine *e, struct run *r)
{
	struct outer outer = leave_outer(e);
	cl_fmap_t *map = cl_fmap_open_memory(r->job->data, r->job->len);

	if (map == NULL)
		scan_answer_incomplete(
		    r->answer, OUTCOME_FAILED, "the object cannot be mapped");
	else if (prepare(e, r))
		run_library(e, r, map);
	if (map != NULL)
		cl_fmap_close(map);
	return_to_outer(e, &outer);
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
	r.max_file_size = member_max(job->opts);
	r.max_scan_size = scan_max(job->opts);
	r.layers = layers_new(job, answer);
	if (r.layers == NULL)
		scan_answer_incomplete(answer, OUTCOME_FAILED, "no memory");
	else
		call_library(e, &r);
	layers_free(&r.layers);
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
