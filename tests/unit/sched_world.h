/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_SCHED_WORLD_H
#define TESTS_SCHED_WORLD_H
/* A sched with fake workers and a fake clock. */
#include <stdbool.h>
#include <stdint.h>

#include "net/sched.h"

#define MS ((uint64_t)1000)
#define SEC ((uint64_t)1000000)
#define BULK ((uint64_t)2 << 20)
#define MAX_JOBS 12000
#define MAX_WORKERS 4000

/* A worker as sched sees it: it keeps what it is given, in order. */
struct fake {
	uint64_t given[64];         /* owners, all that it ever got */
	uint64_t ids[64];           /* their scan ids */
	unsigned int ngiven, first; /* the first not yet answered */
	unsigned int nstarted;
	uint64_t begun, begun_us; /* what its page says */
	bool full, dead, closed, told, retired, stuck, yields, distrusted;
	uint32_t generation;
};
struct outcome_of {
	uint64_t job;
	unsigned int done;
	bool cancelled, prefix;
	struct sched_done last;
	bool had_answer;
};
struct world {
	struct timerq *tq;
	struct sched *s;
	struct fake w[MAX_WORKERS];    /* by incarnation */
	struct outcome_of j[MAX_JOBS]; /* by owner */
	unsigned int nw, nj;
	uint64_t order[MAX_JOBS]; /* owners, as they were done */
	unsigned int ndone;
	bool resubmit; /* done() submits another one */
	bool fresh, no_loader;
	uint64_t budget_us; /* of what is submitted */
	unsigned int wanted;
	uint32_t generation;
};
extern struct world *wd;
extern uint64_t now;
/* Workers do not say that they begin: it is looked up. */
extern bool by_pages;

/* Generation 1, no worker, a clock that stands. */
int setup(void **state);
int teardown(void **state);
void limits(uint64_t scans, unsigned int workers, unsigned int most);
/* The present generation from now on. */
void generation(uint32_t n);
/* Time passes, timer by timer. */
void pass(uint64_t us);
struct fake *worker_of(uint32_t generation);
struct fake *worker(void);
/* The owner of a new job. */
uint64_t submit(uint64_t size, bool prefix, int fd);
uint64_t submit_for(const char *client, uint64_t size, bool prefix, int fd);
uint64_t small_for(const char *client);
uint64_t bulk_for(const char *client);
uint64_t small(void);
uint64_t bulk(void);
uint64_t prefix(void);
uint64_t incarnation(const struct fake *f);
/* What a worker says of the first scan that it has. */
void start(struct fake *f);
void answer_with(struct fake *f, const struct scan_answer *a);
void answer(struct fake *f);
void finish(struct fake *f);
/* It ended: its channel, then the word of its loader. */
void end_by(struct fake *f, int signal);
void eof(struct fake *f);
void cancel(uint64_t owner);
/* The n-th that the worker was given, 0 if it was not given so many. */
uint64_t nth(const struct fake *f, unsigned int n);
void expect_done(uint64_t owner, enum sched_how how);
#endif
