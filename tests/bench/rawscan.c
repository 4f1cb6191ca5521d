/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * rawscan [-t FOLDER] DATABASE: libclamav alone, as the floor of a benchmark:
 * the daemon's objects, options and limits, each object in memory, the
 * temporary folder on a tmpfs, a process for each thread of work. Says "ready"
 * when the signatures are loaded; then each line of standard input
 *
 *   SPEC CODING PREFIX PROCESSES SECONDS
 *
 * (bench_kinds.def; identity, gzip, br, zstd; bytes that are scanned, 0: all)
 * is answered with a line of JSON. Coded objects are decoded before they are
 * scanned, which is timed apart.
 */
#include <clamav.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/bench_object.h"
#include "engine/engine.h"
#include "engine/engine_flags.h"
#include "engine/unpack/decode.h"

#define MAX_OBJECT ((uint64_t)2000 << 20)
#define MAX_PROCESSES 64

struct raw {
	struct cl_engine *engine;
	struct scan_opts opts;
	struct cl_scan_options options;
	const char *temp;
};
struct order {
	char spec[256], coding[16];
	uint64_t prefix, processes;
	double seconds;
};
/* What one process did. */
struct work {
	uint64_t scans, found, bytes, decode_ns, scan_ns;
};

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int
set(struct raw *r, enum cl_engine_field field, uint64_t v)
{
	return cl_engine_set_num(r->engine, field, (long long)v) == CL_SUCCESS
		   ? 0
		   : -1;
}

/* As engine_clamav.c has it. */
static int
load(struct raw *r, const char *database)
{
	struct scan_opts have;
	unsigned int signatures = 0;

	engine_plain_opts(&r->opts, MAX_OBJECT);
	/* where the directives' defaults are not the most that is possible */
	r->opts.numbers[SCAN_NUMBER_max_zip_type_rcg] = 40 << 20;
	r->opts.numbers[SCAN_NUMBER_max_partitions] = 1024;
	r->opts.numbers[SCAN_NUMBER_max_icons_pe] = 100;
	engine_flags_options(&r->opts, SCAN_WHOLE, &r->options);
	memset(&have, 0xff, sizeof(have));
	if (cl_init(CL_INIT_DEFAULT) != CL_SUCCESS ||
	    (r->engine = cl_engine_new()) == NULL)
		return -1;
	if (set(r, CL_ENGINE_DISABLE_CACHE, 1) != 0 ||
	    set(r, CL_ENGINE_MAX_FILESIZE, r->opts.max_file_size) != 0 ||
	    set(r, CL_ENGINE_MAX_SCANSIZE, r->opts.max_scan_size) != 0 ||
	    set(r, CL_ENGINE_MAX_FILES, r->opts.max_files) != 0 ||
	    set(r, CL_ENGINE_MAX_RECURSION, r->opts.max_recursion) != 0 ||
	    set(r, CL_ENGINE_MAX_SCANTIME, 300000) != 0 ||
	    engine_flags_numbers(r->engine, &r->opts, &have) != 0)
		return -1;
	return cl_load(database, r->engine, &signatures, CL_DB_STDOPT) ==
			   CL_SUCCESS &&
		       cl_engine_compile(r->engine) == CL_SUCCESS
		   ? 0
		   : -1;
}

static enum decode_rc
keep(void *ctx, const void *p, size_t len)
{
	return buf_append(ctx, p, len) == 0 ? DECODE_OK : DECODE_SYSTEM;
}

/* out: the object as the engine gets it. 0 or -1. */
static int
decode(const struct bench_object *o, struct slice in, struct buf *out)
{
	static const struct {
		const char *name;
		uint32_t coding;
	} codings[] = { { "gzip", SCAN_CODING_GZIP }, { "br", SCAN_CODING_BR },
		{ "zstd", SCAN_CODING_ZSTD } };
	const struct decode_limits limits = { MAX_OBJECT, 1000 };
	struct decode_info info;

	for (size_t i = 0; i < COUNTOF(codings); i++) {
		const struct decode_job job = { in, &codings[i].coding, 1,
			&limits, false, keep, out };

		if (strcmp(o->coding, codings[i].name) == 0)
			return decode_run(&job, &info) == DECODE_OK ? 0 : -1;
	}
	return buf_append_slice(out, in);
}

static int
scan(struct raw *r, struct slice data, struct work *w)
{
	const char *name = NULL;
	unsigned long scanned = 0;
	cl_fmap_t *map = cl_fmap_open_memory(data.p, data.len);
	cl_error_t rc;

	if (map == NULL)
		return -1;
	rc = cl_scanmap_callback(
	    map, NULL, &name, &scanned, r->engine, &r->options, NULL);
	cl_fmap_close(map);
	w->scans++;
	w->found += rc == CL_VIRUS;
	w->bytes += data.len;
	return rc == CL_CLEAN || rc == CL_VIRUS ? 0 : -1;
}

/* Stamps, decodes and scans the next object. */
static int
one(struct raw *r, const struct order *o, const struct bench_object *object,
    uint64_t number, struct buf *sent, struct buf *plain, struct work *w)
{
	struct bench_body body;
	struct slice data;
	uint64_t begin, middle;
	int rc;

	buf_reset(sent);
	buf_reset(plain);
	bench_body_set(&body, object, number);
	if (bench_body_copy(&body, sent) != 0)
		return -1;
	begin = cpu_ns();
	data = buf_slice(sent);
	if (object->coding[0] != '\0') {
		if (decode(object, data, plain) != 0)
			return -1;
		data = buf_slice(plain);
	}
	if (o->prefix > 0 && data.len > o->prefix)
		data.len = (size_t)o->prefix;
	middle = cpu_ns();
	rc = scan(r, data, w);
	w->decode_ns += middle - begin;
	w->scan_ns += cpu_ns() - middle;
	return rc;
}

static int
work(struct raw *r, const struct order *o, const struct bench_objects *set,
    uint64_t first, struct work *w)
{
	uint64_t end = clock_mono_us() + (uint64_t)(o->seconds * 1e6);
	struct buf sent, plain;
	int rc = 0;

	buf_init(&sent, MAX_OBJECT);
	buf_init(&plain, MAX_OBJECT);
	for (uint64_t i = 0; rc == 0 && (i == 0 || clock_mono_us() < end); i++)
		rc = one(r, o, &set->all[i % set->count], first + i, &sent,
		    &plain, w);
	buf_free(&sent);
	buf_free(&plain);
	return rc;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* In a process of its own: the work goes through the pipe. */
_Noreturn static void
child(struct raw *r, const struct order *o, const struct bench_objects *set,
    uint64_t number, int out)
{
	struct work w = { 0 };
	char dir[512];
	int rc = -1;

	(void)snprintf(dir, sizeof(dir), "%s/rawscan-XXXXXX", r->temp);
	if (mkdtemp(dir) == NULL)
		_exit(1);
	if (cl_engine_set_str(r->engine, CL_ENGINE_TMPDIR, dir) == CL_SUCCESS)
		rc = work(r, o, set, number, &w);
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (rc != 0 || write(out, &w, sizeof(w)) != (ssize_t)sizeof(w))
		_exit(1);
	_exit(0);
}

static int
run(struct raw *r, const struct order *o, const struct bench_objects *set,
    struct work *sum)
{
	uint64_t number = clock_wall_us();
	pid_t pids[MAX_PROCESSES];
	size_t n = 0;
	int ends[2], status, rc = 0;
	struct work w;

	if (pipe(ends) != 0)
		return -1;
	(void)fflush(stdout);
	for (; n < o->processes; n++) {
		if ((pids[n] = fork()) == 0)
			child(r, o, set, number + (n << 40), ends[1]);
		if (pids[n] == -1)
			break;
	}
	rc = n < o->processes ? -1 : 0;
	(void)close(ends[1]);
	while (read(ends[0], &w, sizeof(w)) == (ssize_t)sizeof(w)) {
		sum->scans += w.scans;
		sum->found += w.found;
		sum->bytes += w.bytes;
		sum->decode_ns += w.decode_ns;
		sum->scan_ns += w.scan_ns;
	}
	(void)close(ends[0]);
	while (n-- > 0) {
		if (waitpid(pids[n], &status, 0) != pids[n] || status != 0)
			rc = -1;
	}
	return rc;
}

static int
obey(struct raw *r, const char *line)
{
	struct bench_objects set = { 0 };
	struct work sum = { 0 };
	struct order o;
	struct buf err;
	uint64_t begin;
	unsigned long long prefix, processes;
	char seconds[32], *end;
	int rc = -1, coding;

	if (sscanf(line, "%255s %15s %llu %llu %31s", o.spec, o.coding, &prefix,
		&processes, seconds) != 5)
		return -1;
	o.prefix = prefix;
	o.processes = processes;
	o.seconds = strtod(seconds, &end);
	coding = bench_coding_parse(o.coding);
	if (coding < 0 || o.processes < 1 || o.processes > MAX_PROCESSES)
		return -1;
	buf_init(&err, 1000);
	if (bench_objects_add(&set, o.spec, (enum bench_coding)coding, &err) !=
	    0)
		goto out;
	begin = clock_mono_us();
	if ((rc = run(r, &o, &set, &sum)) != 0)
		goto out;
	printf("{\"scans\":%llu,\"found\":%llu,\"bytes\":%llu,"
	       "\"elapsed_us\":%llu,\"scan_us\":%.3f,\"decode_us\":%.3f}\n",
	    (unsigned long long)sum.scans, (unsigned long long)sum.found,
	    (unsigned long long)sum.bytes,
	    (unsigned long long)(clock_mono_us() - begin),
	    (double)sum.scan_ns / 1e3 / (double)sum.scans,
	    (double)sum.decode_ns / 1e3 / (double)sum.scans);
	(void)fflush(stdout);
out:
	if (err.len > 0)
		fprintf(stderr, "rawscan: %s\n", buf_cstr(&err));
	buf_free(&err);
	bench_objects_free(&set);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct raw r = { .temp = "/dev/shm" };
	char line[512];

	if (argc == 4 && strcmp(argv[1], "-t") == 0) {
		r.temp = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: rawscan [-t FOLDER] DATABASE\n");
		return 64;
	}
	if (load(&r, argv[1]) != 0) {
		fprintf(
		    stderr, "rawscan: %s: signatures do not load\n", argv[1]);
		return 1;
	}
	printf("ready\n");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (obey(&r, line) != 0) {
			fprintf(stderr, "rawscan: cannot do: %s", line);
			return 1;
		}
	}
	(void)cl_engine_free(r.engine);
	return 0;
}
