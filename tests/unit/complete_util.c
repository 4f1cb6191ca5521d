/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/complete_util.h"

#define FOLDER "/usr/share/clamav-testfiles"
#define MAX_FILES 64

static struct testfile files[MAX_FILES];
static size_t nfiles;

static bool
slurp(const char *name, struct slice *out)
{
	char path[512], *p;
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	assert_int_equal(fstat(fd, &st), 0);
	p = malloc((size_t)st.st_size + 1);
	assert_non_null(p);
	assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
	assert_int_equal(close(fd), 0);
	*out = (struct slice){ p, (size_t)st.st_size };
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct testfile *x = a, *y = b;

	return strcmp(x->name, y->name);
}

const struct testfile *
testfiles(size_t *n)
{
	DIR *d = nfiles == 0 ? opendir(FOLDER) : NULL;
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct testfile *f = &files[nfiles];

		if (entry->d_name[0] == '.')
			continue;
		assert_true(nfiles < MAX_FILES);
		(void)snprintf(
		    f->name, sizeof(f->name), "%.60s", entry->d_name);
		assert_true(slurp(entry->d_name, &f->data));
		nfiles++;
	}
	if (d != NULL)
		(void)closedir(d);
	if (nfiles > 1)
		qsort(files, nfiles, sizeof(*files), by_name);
	*n = nfiles;
	return files;
}

void
testfiles_free(void)
{
	while (nfiles > 0)
		free((void *)(uintptr_t)files[--nfiles].data.p);
}

struct engine *
open_complete_db(void)
{
	char err[512] = "", row[512], temp[128], db[128];
	struct engine_load load = { .database = db,
		.temp_dir = temp,
		.min_signatures = 1,
		.pua = true };
	struct engine *e;

	(void)marker_db("complete", "*");
	put(folder("complete"), "clam.hdb",
	    "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n");
	(void)snprintf(row, sizeof(row), "PUA.Unit.Unwanted:0:*:%s\n",
	    hex_of(PUA_MARKER, strlen(PUA_MARKER)));
	put(folder("complete"), "unit.ndu", row);
	(void)snprintf(row, sizeof(row), "Heuristics.Unit.Odd:0:*:%s\n",
	    hex_of(ODD_MARKER, strlen(ODD_MARKER)));
	put(folder("complete"), "odd.ndb", row);
	(void)snprintf(temp, sizeof(temp), "%s", folder("load"));
	(void)snprintf(db, sizeof(db), "%s", folder("complete"));
	e = engine_open(&load, err, sizeof(err));
	if (e == NULL)
		fail_msg("%s", err);
	assert_int_equal(engine_enter_worker(e, folder("work"), TEMP_MAX), 0);
	return e;
}

struct scan_answer
view_for(struct engine *e, struct slice data, const struct scan_opts *opts,
    uint64_t budget_us)
{
	struct scan_opts o = default_opts();
	struct msg_scan_request rq = { .kind = SCAN_WHOLE,
		.budget_us = budget_us,
		.size = data.len,
		.opts = opts != NULL ? *opts : o };
	struct scan_answer a;

	views_scan(e, &rq, data, &a);
	return a;
}

struct scan_answer
view(struct engine *e, struct slice data, const struct scan_opts *opts)
{
	return view_for(e, data, opts, 60 * 1000000);
}

bool
is_infected(const struct scan_answer *a)
{
	return has(a, OUTCOME_INFECTED, "");
}

const char *
describe(const struct scan_answer *a)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < a->nfindings && n < sizeof(text); i++) {
		const struct scan_finding *f = &a->findings[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s %s in '%s', ",
		    outcome_info((enum outcome)f->outcome)->word, f->name,
		    f->part);
	}
	if (a->complete == 0 && n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - n, "%s: %s",
		    outcome_info((enum outcome)a->reason)->word, a->text);
	return text;
}
