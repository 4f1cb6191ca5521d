/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/progress.h"
#include "client/session.h"
#include "client/walk.h"

#define LINES_MAX ((size_t)4 << 20)

struct jobs {
	const struct jobs_params *p;
	pthread_mutex_t lock; /* all below */
	struct walk walk;
	struct totals *totals;
	struct progress progress;
	FILE *out;
	bool out_failed;
	int out_fd;     /* --output; -1: none */
	bool out_part;  /* it is beside the file, until it is whole */
	bool came_back; /* there is a body to put there */
};

/* ---- what is shared ---- */

static void
say(struct jobs *j, const struct result *r)
{
	const struct client_options *o = j->p->options;
	struct buf text;
	int rc;

	(void)pthread_mutex_lock(&j->lock);
	totals_add(j->totals, r);
	if (report_wanted(r, o)) {
		buf_init(&text, LINES_MAX);
		rc = o->json ? report_json(&text, r, o)
			     : report_text(&text, r, o);
		progress_clear(&j->progress);
		if (rc == -1 || fputs(buf_cstr(&text), j->out) == EOF ||
		    fflush(j->out) == EOF)
			j->out_failed = true;
		buf_free(&text);
	}
	progress_add(&j->progress, 1, 0);
	(void)pthread_mutex_unlock(&j->lock);
}

static void
moved(void *arg, uint64_t bytes)
{
	struct jobs *j = arg;

	(void)pthread_mutex_lock(&j->lock);
	progress_add(&j->progress, 0, bytes);
	(void)pthread_mutex_unlock(&j->lock);
}

static enum walk_kind
next(struct jobs *j, char **name, const char **why)
{
	enum walk_kind kind;

	(void)pthread_mutex_lock(&j->lock);
	/* nobody reads any more: there is no use in going on */
	kind = j->out_failed ? WALK_END : walk_next(&j->walk, name);
	*why = j->walk.why;
	(void)pthread_mutex_unlock(&j->lock);
	return kind;
}

/* ---- one connection ---- */

static void
one(struct jobs *j, struct session *s, enum walk_kind kind, const char *name,
    const char *why)
{
	struct result r = { .name = name != NULL ? name : "EICAR" };
	enum offer_transfer how = OFFER_PREVIEW;
	struct source object;
	struct buf err;

	buf_init(&r.heads, LINES_MAX);
	buf_init(&err, DETAIL_LEN - 1);
	if (kind != WALK_EICAR && kind != WALK_SKIPPED && j->p->offer != NULL &&
	    name != NULL)
		how = offer_transfer_of(j->p->offer, name);
	if (how == OFFER_IGNORE && kind == WALK_FILE) {
		verdict_error(&r, "%s",
		    "the server wants none of this name (Transfer-Ignore)");
		r.verdict = VERDICT_SKIPPED;
	} else if (kind == WALK_SKIPPED || kind == WALK_ERROR) {
		verdict_error(&r, "%s", why);
		if (kind == WALK_SKIPPED)
			r.verdict = VERDICT_SKIPPED;
	} else if (kind == WALK_EICAR
		       ? source_eicar(&object) == -1
		       : source_open(&object, name, &err) == -1) {
		verdict_error(
		    &r, "%s", err.len > 0 ? buf_cstr(&err) : "out of memory");
	} else {
		session_object(s, &object,
		    how == OFFER_COMPLETE ? EXCHANGE_NO_PREVIEW : j->p->preview,
		    j->out_fd, &r);
		source_close(&object);
		/* only one object comes with --output */
		j->came_back = r.verdict != VERDICT_ERROR &&
			       r.icap_status != 0 && r.icap_status != 204;
	}
	say(j, &r);
	buf_free(&err);
	buf_free(&r.heads);
}

static void *
work(void *arg)
{
	struct jobs *j = arg;
	struct session s;
	enum walk_kind kind;
	const char *why;
	char *name;

	if (session_init(&s, j->p->options, j->p->target, j->p->peer) == -1) {
		(void)fputs("tolsey-client: out of memory\n", stderr);
		return NULL;
	}
	s.moved = moved;
	s.moved_arg = j;
	while ((kind = next(j, &name, &why)) != WALK_END) {
		one(j, &s, kind, name, why);
		free(name);
	}
	session_free(&s);
	return NULL;
}

/* ---- all ---- */

/* How much there is to do: only for the bar, as it walks all folders. */
static void
count(struct jobs *j)
{
	const struct client_options *o = j->p->options;
	bool on = isatty(STDERR_FILENO) == 1 && !o->no_progress && !o->quiet;
	uint64_t files = 0, bytes = 0;
	enum walk_kind kind;
	struct walk w;
	struct buf err;
	char *name;

	buf_init(&err, DETAIL_LEN);
	/* a list from a pipe can be read once only */
	if (on && o->files_from == NULL && walk_init(&w, o, &err) == 0) {
		while ((kind = walk_next(&w, &name)) != WALK_END) {
			files++;
			bytes += kind == WALK_FILE ? w.size : 0;
			free(name);
		}
		walk_free(&w);
	}
	buf_free(&err);
	progress_init(&j->progress, on, files, bytes);
}

static void
run_threads(struct jobs *j, size_t n)
{
	pthread_t threads[256];
	size_t started = 0;

	CHECK(n >= 1 && n <= COUNTOF(threads));
	while (started < n - 1 &&
	       pthread_create(&threads[started], NULL, work, j) == 0)
		started++;
	(void)work(j);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}

/* What is to be removed when a signal ends us. */
static char *volatile unfinished;

static void
on_end(int number)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };

	if (unfinished != NULL)
		(void)unlink(unfinished);
	(void)sigaction(number, &usual, NULL);
	(void)raise(number);
}

static void
remove_at_end(struct buf *part)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction end = { .sa_handler = on_end }, old;

	unfinished = (char *)(uintptr_t)buf_cstr(part);
	for (size_t i = 0; i < COUNTOF(ends); i++)
		if (sigaction(ends[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN) /* nohup */
			(void)sigaction(ends[i], &end, NULL);
}

/* Written beside a file, and put into its place when it is whole. */
static int
open_output(struct jobs *j, struct buf *part, struct buf *err)
{
	const char *path = j->p->options->output;
	struct stat st;

	j->out_fd = -1;
	j->out = stdout;
	if (path == NULL)
		return 0;
	if (strcmp(path, "-") == 0) {
		j->out_fd = STDOUT_FILENO;
		j->out = stderr;
		return 0;
	}
	j->out_part = stat(path, &st) == -1 || S_ISREG(st.st_mode);
	if (buf_printf(part, j->out_part ? "%s.part" : "%s", path) == 0) {
		if (j->out_part)
			remove_at_end(part);
		j->out_fd = open(buf_cstr(part),
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	}
	if (j->out_fd != -1)
		return 0;
	unfinished = NULL;
	(void)buf_printf(err, "--output %s: %s", path, strerror(errno));
	return -1;
}

static int
close_output(struct jobs *j, struct buf *part, struct buf *err)
{
	const char *path = j->p->options->output;
	int rc = 0;

	unfinished = NULL;
	if (j->out_fd == -1 || j->out_fd == STDOUT_FILENO)
		return 0;
	if (close(j->out_fd) == -1 || (j->out_part && j->came_back &&
					  rename(buf_cstr(part), path) == -1)) {
		(void)buf_printf(err, "--output %s: %s", path, strerror(errno));
		rc = -1;
	}
	if (j->out_part && (!j->came_back || rc == -1))
		(void)unlink(buf_cstr(part));
	return rc;
}

int
jobs_run(const struct jobs_params *p, struct totals *t, struct buf *err)
{
	struct jobs j = { .p = p, .totals = t };
	struct buf part;
	int rc;

	buf_init(&part, 4096);
	if (walk_init(&j.walk, p->options, err) == -1 ||
	    open_output(&j, &part, err) == -1) {
		walk_free(&j.walk);
		buf_free(&part);
		return -1;
	}
	(void)pthread_mutex_init(&j.lock, NULL);
	count(&j);
	run_threads(&j, (size_t)p->options->jobs);
	progress_clear(&j.progress);
	walk_free(&j.walk);
	rc = close_output(&j, &part, err);
	if (rc == 0 && j.out_failed) {
		(void)buf_append_str(err, "cannot write the results");
		rc = -1;
	}
	(void)pthread_mutex_destroy(&j.lock);
	buf_free(&part);
	return rc;
}
