/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H
/* Between the files that make up the engine with libclamav. */
#include "engine/allow.h"
#include "engine/engine.h"
#include "engine/names.h"

struct cl_engine;

struct engine {
	struct cl_engine *cl;
	struct engine_info info;
	struct names *names;
	/* files that are excepted by their hash: how many rows were loaded */
	size_t allow_loaded;
	struct allow *allow;
	bool own_allow_rows; /* such as the operator wrote */
	bool eicar_row;      /* by its usual name */
	struct engine_temp temp;
	struct scan_opts applied;
	uint32_t applied_ms;
};

/*
 * The library reports to a plain function, so there is one of this: its last
 * words, and the answer of the scan that is running just now (or NULL), which
 * an error makes incomplete.
 */
struct engine_library {
	bool initialised;
	struct scan_answer *running;
	char error[160], warning[160];
};
extern struct engine_library engine_library;
/* What a scan listens to; when an engine is made. */
void engine_scan_callbacks(struct engine *e);

/* What a scan came across that its answer does not tell. */
struct engine_seen {
	bool pe;             /* a Windows executable */
	unsigned int layers; /* the object, and what was found inside it */
	bool in_copy; /* something in what the library made of the object */
};
/* One call of the library; answer as of engine_scan(). */
void engine_scan_once(struct engine *e, const struct engine_job *job,
    struct scan_answer *answer, struct engine_seen *seen);
/* engine_prefix.c: a scan of the kind SCAN_PREFIX. */
void engine_scan_prefix(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer);
#endif
