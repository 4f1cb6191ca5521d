/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/scan_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/unpack/mime.h"
#include "scan/jail.h"
#include "scan/views.h"

#define TEMP_MAX ((uint64_t)2 << 30)
#define BUDGET_US ((uint64_t)300 * 1000000)

struct tool {
	struct engine *engine;
	const char *database;
	uint64_t prefix;            /* 0: whole files */
	const char *codings, *type; /* as in the fields of a head */
	uint32_t forms;
	bool not_clean, version;
	char dir[256];
};

static void
usage(FILE *to)
{
	fprintf(to,
	    "usage: tolsey-scan --scan [--database DIR|embedded] "
	    "[--prefix BYTES]\n"
	    "           [--coding LIST] [--type TYPE] [--chunked] [--upload] "
	    "FILE...\n"
	    "Scans files as a worker would and prints the answers. With\n"
	    "--prefix only so many bytes, as of a preview. The others say of\n"
	    "the files what a head says of its body: Content-Encoding,\n"
	    "Content-Type, Transfer-Encoding, and that it is a request.\n"
	    "With --version only the version of libclamav.\n"
	    "Without --scan it is started by tolseyd.\n");
}

static void
print_answer(struct tool *t, const char *name, const struct scan_answer *a)
{
	const char *word = a->complete == 1
			       ? "clean"
			       : outcome_info((enum outcome)a->reason)->word;

	if (a->nfindings == 0 || a->complete == 0)
		printf(
		    "%s: %s%s%s", name, word, a->text[0] ? " " : "", a->text);
	for (uint32_t i = 0; i < a->nfindings; i++)
		printf("%s%s: %s %s%s%s", i > 0 || a->complete == 0 ? "\n" : "",
		    name,
		    outcome_info((enum outcome)a->findings[i].outcome)->word,
		    a->findings[i].name,
		    a->findings[i].part[0] != '\0' ? " in " : "",
		    a->findings[i].part);
	printf(
	    "%s [%s] %u us\n", a->final ? " final" : "", a->type, a->wall_us);
	if (a->complete == 0 || a->nfindings > 0)
		t->not_clean = true;
}

static void
say_of_body(const struct tool *t, struct msg_scan_request *rq)
{
	mime_add_codings(slice_of(t->codings), rq->codings, &rq->ncodings);
	(void)str_copy(rq->declared, sizeof(rq->declared), slice_of(t->type));
	rq->forms = t->forms;
}

static void
scan_bytes(struct tool *t, const char *name, const void *p, size_t len)
{
	struct msg_scan_request rq = {
		.kind = SCAN_WHOLE, .budget_us = BUDGET_US, .size = len
	};
	struct slice body = { p, len };
	struct scan_answer a;
	uint64_t began_us;

	if (t->prefix > 0 && t->prefix < len)
		body.len = (size_t)t->prefix;
	if (t->prefix > 0)
		rq.kind = SCAN_PREFIX;
	engine_plain_opts(&rq.opts, (uint64_t)2000 << 20);
	say_of_body(t, &rq);
	began_us = clock_mono_us();
	views_scan(t->engine, &rq, body, &a);
	a.wall_us = (uint32_t)(clock_mono_us() - began_us);
	print_answer(t, name, &a);
}

static int
scan_file(struct tool *t, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (st.st_size == 0)
			scan_bytes(t, name, NULL, 0);
		else
			p = mmap(NULL, (size_t)st.st_size, PROT_READ,
			    MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			scan_bytes(t, name, p, (size_t)st.st_size);
			(void)munmap(p, (size_t)st.st_size);
		}
		(void)close(fd);
		return st.st_size == 0 || p != MAP_FAILED ? 0 : -1;
	}
	fprintf(stderr, "%s: %s\n", name,
	    fd >= 0 ? "not a regular file" : strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int
open_engine(struct tool *t)
{
	char err[512] = "";
	struct engine_load load = {
		.database = t->database, .temp_dir = t->dir, .min_signatures = 1
	};

	t->engine = engine_open(&load, err, sizeof(err));
	if (t->engine == NULL ||
	    engine_self_test(t->engine, err, sizeof(err)) != 0) {
		fprintf(stderr, "tolsey-scan: %s\n", err);
		return -1;
	}
	return engine_enter_worker(t->engine, t->dir, TEMP_MAX);
}

static int
run(struct tool *t, char *files[], int n)
{
	const struct engine_info *i;
	int rc = 0;

	if (open_engine(t) != 0)
		return 2;
	i = engine_info(t->engine);
	printf(
	    "%s, %u signatures, %s\n", i->engine, i->signatures, i->database);
	for (int f = 0; f < n; f++)
		if (scan_file(t, files[f]) != 0)
			rc = 2;
	return rc != 0 ? rc : t->not_clean;
}

static int
read_options(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "scan", no_argument, NULL, 's' },
		{ "database", required_argument, NULL, 'd' },
		{ "prefix", required_argument, NULL, 'p' },
		{ "coding", required_argument, NULL, 'c' },
		{ "type", required_argument, NULL, 't' },
		{ "chunked", no_argument, NULL, 'k' },
		{ "upload", no_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			t->database = optarg;
		else if (c == 'p' && str_to_u64(slice_of(optarg), UINT32_MAX,
					 &t->prefix) != 0)
			return -1;
		else if (c == 'c')
			t->codings = optarg;
		else if (c == 't')
			t->type = optarg;
		else if (c == 'k')
			t->forms |= SCAN_FORM_CHUNKED;
		else if (c == 'u')
			t->forms |= SCAN_FORM_KEPT;
		else if (c == 'v')
			t->version = true;
		else if (c == 'h' || c == '?')
			return -1;
	}
	if (t->version)
		return 0;
	return optind < argc ? 0 : -1;
}

int
scan_tool(int argc, char *argv[])
{
	struct tool t = { .database = "/var/lib/clamav" };
	const char *tmp = getenv("TMPDIR");
	int rc;

	if (read_options(&t, argc, argv) != 0) {
		usage(stderr);
		return 2;
	}
	if (t.version) {
		printf("  libclamav          built %s, running %s\n",
		    engine_version_built(), engine_version_running());
		return 0;
	}
	(void)snprintf(t.dir, sizeof(t.dir), "%s/tolsey-scan.XXXXXX",
	    tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
	if (mkdtemp(t.dir) == NULL) {
		fprintf(
		    stderr, "tolsey-scan: %s: %s\n", t.dir, strerror(errno));
		return 2;
	}
	rc = run(&t, argv + optind, argc - optind);
	engine_close(&t.engine);
	jail_remove_tree(t.dir);
	return rc;
}
