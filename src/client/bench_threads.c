/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* One load by several threads, none of which knows of another. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench.h"

#define ERR_MAX 512
/* Numbers that one thread may stamp before those of the next begin. */
#define NUMBERS_EACH ((uint64_t)1 << 40)

/* Before and after the script, at "ready" and "done". */
#define WAITS 4

struct team {
	const struct bench_params *all;
	pthread_mutex_t start;
	bool cancelled;
	pthread_barrier_t barrier;
};
struct member {
	struct team *team;
	pthread_t thread;
	size_t index;
	unsigned int waits; /* at the barrier, so far */
	struct bench_params params;
	struct bench_result *result;
	struct buf err;
	int rc;
};

/* All wait for each other, the first one for the script. */
static void
team_gate(void *ctx, const char *what)
{
	struct member *m = ctx;
	const struct bench_params *all = m->team->all;

	m->waits += 2;
	(void)pthread_barrier_wait(&m->team->barrier);
	if (m->index == 0 && all->gate != NULL)
		all->gate(all->gate_ctx, what);
	(void)pthread_barrier_wait(&m->team->barrier);
}

/* The i-th part of n things that are shared by `parts`. */
static uint64_t
part_of(uint64_t n, size_t i, size_t parts)
{
	return n / parts + (i < n % parts ? 1 : 0);
}

static int
prepare(struct member *m, struct team *team, size_t i, size_t n)
{
	const struct bench_params *all = team->all;

	m->team = team;
	m->index = i;
	m->params = *all;
	m->params.connections = part_of(all->connections, i, n);
	m->params.idle = part_of(all->idle, i, n);
	m->params.count = part_of(all->count, i, n);
	m->params.rate = part_of(all->rate, i, n);
	m->params.first_number =
	    all->first_number + (all->repeat ? 0 : i * NUMBERS_EACH);
	m->params.gate = team_gate;
	m->params.gate_ctx = m;
	buf_init(&m->err, ERR_MAX);
	m->result = malloc(sizeof(*m->result));
	return m->result != NULL ? 0 : -1;
}

static void *
work(void *ctx)
{
	struct member *m = ctx;

	(void)pthread_mutex_lock(&m->team->start);
	(void)pthread_mutex_unlock(&m->team->start);
	if (m->team->cancelled)
		return NULL;
	m->rc = bench_run(&m->params, m->result, &m->err);
	/* one that failed does not keep the others waiting */
	for (; m->waits < WAITS; m->waits++)
		(void)pthread_barrier_wait(&m->team->barrier);
	return NULL;
}

static void
merge(struct bench_result *r, const struct bench_result *more)
{
#define SUM(name) r->name += more->name;
#define MOST(name) \
	if (more->name > r->name) \
		r->name = more->name;
#define COUNTER(how, name, text) how(name)
#include "client/bench_counters.def"
	for (size_t i = 0; i < NBENCH_FAULTS; i++)
		r->faults[i] += more->faults[i];
	bench_hist_merge(&r->latency, &more->latency);
	bench_hist_merge(&r->first_byte, &more->first_byte);
	bench_hist_merge(&r->first_body, &more->first_body);
}

/* Runs them all and waits for all. */
static int
run(struct team *team, struct member *members, size_t n, struct bench_result *r,
    struct buf *err)
{
	size_t started = 0;
	int rc = 0;

	/* none begins before all are there */
	(void)pthread_mutex_lock(&team->start);
	while (started < n && pthread_create(&members[started].thread, NULL,
				  work, &members[started]) == 0)
		started++;
	team->cancelled = started < n;
	(void)pthread_mutex_unlock(&team->start);
	if (team->cancelled) {
		(void)buf_append_str(err, "cannot start so many threads");
		rc = -1;
	}
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < started; i++) {
		(void)pthread_join(members[i].thread, NULL);
		if (members[i].rc != 0 && rc == 0) {
			(void)buf_append_slice(err, buf_slice(&members[i].err));
			rc = -1;
		}
		if (members[i].rc == 0)
			merge(r, members[i].result);
	}
	return rc;
}

int
bench_run_threads(const struct bench_params *p, size_t threads,
    struct bench_result *r, struct buf *err)
{
	struct team team = { .all = p, .start = PTHREAD_MUTEX_INITIALIZER };
	struct member *members;
	int rc = -1;

	if (threads > p->connections)
		threads = (size_t)p->connections;
	if (p->rate > 0 && threads > p->rate)
		threads = (size_t)p->rate;
	if (p->count > 0 && threads > p->count)
		threads = (size_t)p->count;
	if (threads <= 1)
		return bench_run(p, r, err);
	members = calloc(threads, sizeof(*members));
	if (members == NULL ||
	    pthread_barrier_init(&team.barrier, NULL, (unsigned)threads) != 0) {
		(void)buf_append_str(err, "out of memory");
		free(members);
		return -1;
	}
	rc = 0;
	for (size_t i = 0; i < threads && rc == 0; i++)
		rc = prepare(&members[i], &team, i, threads);
	if (rc == 0)
		rc = run(&team, members, threads, r, err);
	else
		(void)buf_append_str(err, "out of memory");
	for (size_t i = 0; i < threads; i++) {
		free(members[i].result);
		buf_free(&members[i].err);
	}
	(void)pthread_barrier_destroy(&team.barrier);
	free(members);
	return rc;
}
