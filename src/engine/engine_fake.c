/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * An engine for tests: the object itself says what happens to it.
 *   "virus NAME"     infected, NAME up to the next blank
 *   "first NAME"     the same, but only where the object begins with it
 *   "sleep"          never comes back
 *   "crash"          the process gets SIGSEGV
 *   "fail"           the scan is not complete
 * Anywhere in the object; else it is clean.
 */
#include "engine/engine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct engine {
	struct engine_info info;
	struct engine_temp temp;
};

int
engine_check_files(const char *database, char *err, size_t errlen)
{
	(void)database, (void)err, (void)errlen;
	return 0;
}

int
engine_prepare(char *err, size_t errlen)
{
	(void)err, (void)errlen;
	return 0;
}

struct engine *
engine_open(const struct engine_load *load, char *err, size_t errlen)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (strcmp(load->database, "broken") == 0) {
		(void)str_copy(err, errlen, SLICE_LIT("broken"));
		free(e);
		return NULL;
	}
	CHECK(e != NULL);
	e->info.signatures = 1;
	(void)str_copy(
	    e->info.engine, sizeof(e->info.engine), SLICE_LIT("fake 1"));
	return e;
}

void
engine_close(struct engine **e)
{
	free(*e);
	*e = NULL;
}

const struct engine_info *
engine_info(const struct engine *e)
{
	return &e->info;
}

int
engine_self_test(struct engine *e, char *err, size_t errlen)
{
	(void)e, (void)err, (void)errlen;
	return 0;
}

int
engine_enter_worker(struct engine *e, const char *dir, uint64_t temp_max)
{
	(void)str_copy(e->temp.dir, sizeof(e->temp.dir), slice_of(dir));
	e->temp.max = temp_max;
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
}

static bool
says(const struct engine_job *job, const char *word)
{
	return job->len > 0 &&
	       memmem(job->data, job->len, word, strlen(word)) != NULL;
}

void
engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	const char *at;
	struct slice rest, name;

	(void)e;
	if (says(job, "crash")) {
		CHECK(raise(SIGSEGV) == 0);
		_exit(1);
	}
	while (says(job, "sleep"))
		(void)pause();
	if (says(job, "fail"))
		scan_answer_incomplete(answer, OUTCOME_FAILED, "as asked");
	if (job->len > 6 && memcmp(job->data, "first ", 6) == 0)
		at = job->data;
	else if (says(job, "virus "))
		at = memmem(job->data, job->len, "virus ", 6);
	else
		return;
	rest = (struct slice){ at + 6,
		job->len - (size_t)(at + 6 - (const char *)job->data) };
	if (slice_next(&rest, ' ', &name))
		scan_answer_add(
		    answer, OUTCOME_INFECTED, name, slice_of(job->part));
	answer->final = job->kind == SCAN_PREFIX;
}

const char *
engine_version_built(void)
{
	return "fake";
}

const char *
engine_version_running(void)
{
	return "fake";
}
