/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H
/*
 * A scan engine with its signatures loaded. engine_clamav.c is the only file
 * that knows libclamav; engine_fake.c stands in for it in tests and is never
 * installed. libclamav fails open, so the rules that make a scan count as
 * complete live behind this interface.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"
#include "base/str.h"

struct engine;

/* Exit status of a worker whose temporary files outgrew their limit. */
#define ENGINE_EXIT_TEMP 71

struct engine_load {
	const char *database; /* folder or file, or "embedded" */
	const char *temp_dir; /* a private folder for the time of loading */
	uint64_t min_signatures;
	bool pua, official_only;
	bool no_phishing_signatures, no_phishing_urls;
	bool no_bytecode, bytecode_unsigned, bytecode_paranoid;
	bool no_cert_check;
	/* 0: as the library has it */
	uint64_t bytecode_timeout_ms, pcre_match_limit, pcre_recmatch_limit;
	/* with pua: ".Cat.Cat." to load only, or all but; NULL or "": all */
	const char *pua_include, *pua_exclude;
};
struct engine_info {
	uint32_t signatures;
	bool embedded;
	bool has_eicar; /* the set has an EICAR signature: it is demanded */
	uint32_t daily; /* version of daily.cvd, 0: there is none */
	uint64_t built_wall_us; /* when the signatures were made, 0: unknown */
	char engine[32];        /* "ClamAV 1.4.6" */
	char database[96];      /* "main 62, daily 27780, 3 other files" */
	/*
	 * Canonical digest of engine version, functionality level, all
	 * signature files, and the settings that they were loaded with: the
	 * same on two machines that loaded the same set.
	 */
	unsigned char digest[32];
};

/*
 * Whether the signature files can be opened, by this account; before the
 * process is confined, where all would look as if they were missing. 0, or -1
 * with the reason.
 */
int engine_check_files(
    const char *database, char *err, size_t errlen) MUST_CHECK;
/*
 * Everything that the library and the C library read of the system when they
 * first need it (character sets, time zone, libraries that are opened at run
 * time), so that engine_open() and scans do without: afterwards the process
 * may be confined. 0, or -1 with the reason.
 */
int engine_prepare(char *err, size_t errlen) MUST_CHECK;
/*
 * Loads and compiles; adds tolsey's canary signature to whatever was loaded.
 * NULL with the reason, in the words of the library, in err.
 */
struct engine *engine_open(
    const struct engine_load *load, char *err, size_t errlen);
void engine_close(struct engine **e);
const struct engine_info *engine_info(const struct engine *e);
/*
 * Finds the canary, EICAR where the set has it, and passes clean samples.
 * 0, or -1 with the reason.
 */
int engine_self_test(struct engine *e, char *err, size_t errlen) MUST_CHECK;
/*
 * In a worker, after the fork: from now on temporary files go to dir, which
 * is this process's alone, and at most temp_max bytes of them are written
 * (then the process ends itself). 0 or -1.
 */
int engine_enter_worker(
    struct engine *e, const char *dir, uint64_t temp_max) MUST_CHECK;

/* Something that the engine has looked at: the object, or what was in it. */
struct engine_layer {
	const char *type;         /* "ZIP", "IGNORED" ... */
	char part[SCAN_PART_MAX]; /* path of names from the object on */
	struct slice data;
	uint32_t level; /* 0: the object itself */
	/* at its end: */
	uint32_t kind;         /* what begins() answered */
	const uint64_t *inner; /* sizes of the layers right in it, ascending */
	size_t ninner;
	/* members that the engine spoke of: all, and of these those that it
	 * should look at, and cannot */
	uint32_t spoken, announced, encrypted;
};
/*
 * Told of every layer. Either may scan other bytes with the same engine
 * before it returns.
 */
struct engine_watch {
	/* 0: its end is of no interest. */
	uint32_t (*begins)(void *ctx, const struct engine_layer *l);
	void (*ends)(void *ctx, const struct engine_layer *l);
	void *ctx;
};
/* Where temporary files go, and how many bytes: dir "" before that call. */
struct engine_temp {
	char dir[256];
	uint64_t max;
};
const struct engine_temp *engine_temp(const struct engine *e);
/*
 * Temporary files were made or removed outside of a scan: the next one counts
 * anew how much there is.
 */
void engine_temp_changed(struct engine *e);

struct engine_job {
	enum scan_kind kind;
	const void *data;
	size_t len;
	const struct scan_opts *opts;
	uint64_t budget_us; /* the engine's own limit is set below it */
	const char *part; /* in findings, before the names of members; or "" */
	/* of a prefix: bytes of the whole object, 0 = unknown */
	uint64_t whole_len;
	const struct engine_watch *watch; /* NULL: not wanted */
};
/*
 * Scans once. Adds to *answer: findings, type, and complete = 0 with the first
 * reason when any rule of a complete scan was broken; the caller sets
 * complete = 1 before the first of the scans that make up a verdict.
 */
void engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer);
/*
 * For scans that no service asked for (self-test, by hand): everything is
 * looked into, heuristics and encryption are reported, an object of up to
 * max_object bytes is within the limits.
 */
void engine_plain_opts(struct scan_opts *opts, uint64_t max_object);
/* Version of the library as built and as running, for -V. */
const char *engine_version_built(void);
const char *engine_version_running(void);

/* Helpers of all engines: add one finding, keep within the maximum. */
void scan_answer_add(struct scan_answer *a, enum outcome o, struct slice name,
    struct slice part);
/*
 * The scan was not complete. The first reason stays; further ones become
 * findings, since another one may have the stricter action.
 */
void scan_answer_incomplete(
    struct scan_answer *a, enum outcome reason, const char *text);
#endif
