/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCHED_H
#define NET_SCHED_H
/*
 * Gives scans to this net's workers: small before bulk with ageing, clients in
 * turn inside a lane, one running and at most one queued per worker, some
 * workers kept for small objects, more workers when none becomes free. It
 * knows neither libevent nor sockets: workers are ports that a test may fake,
 * time comes from clock and timerq. src/README.md tells the rules.
 *
 * A job that had not begun when its worker was lost is sent to another one;
 * only the one that had is blamed (failed, or timeout when it was overdue).
 * Whether it has is looked up (sched_port.begun) when something depends on it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/scan.h"
#include "base/timerq.h"
#include "ipc/msg.h"

struct sched;
struct sched_done;

#define SCHED_CLIENT_MAX 48 /* bytes of a client's name that count */

/* How to reach one worker. */
struct sched_port {
	/* false: it does not take it now (sched_writable() follows) */
	bool (*send)(void *ctx, const struct msg_scan_request *rq,
	    struct slice body, int fd, bool *dead);
	void (*close)(void *ctx); /* sched is done with the port: free it */
	/*
	 * The scan that it began last (0: none), and when, by its own word.
	 * NULL: it is to say so: sched_started().
	 */
	uint64_t (*begun)(void *ctx, uint64_t *at_us);
	void *ctx;
};
/* What sched asks of the loader and tells the world. */
struct sched_ops {
	void (*overdue)(void *ctx, const struct msg_worker *w);
	void (*retire)(void *ctx, const struct msg_worker *w);
	/* a loader did not report a loss within 2 s of OVERDUE */
	void (*stuck)(void *ctx, const struct msg_worker *w);
	/* how many workers it is to keep from now on; false: there is none */
	bool (*want)(void *ctx, uint32_t generation, unsigned int workers);
	/* whether there is one that replaces workers */
	bool (*has_loader)(void *ctx, uint32_t generation);
	/* a long scan is to give way to short ones, or no longer */
	void (*yield)(void *ctx, const struct msg_worker *w, bool on);
	/* it ended as no worker should: what it said before may be wrong */
	void (*distrust)(void *ctx, const struct msg_worker *w);
	/* the answer to job; answer is NULL unless how is SCHED_ANSWER */
	void (*done)(void *ctx, uint64_t job, uint64_t owner,
	    const struct sched_done *d);
	void *ctx;
};
enum sched_how {
	SCHED_ANSWER,   /* the worker answered */
	SCHED_LOST,     /* the worker ended during this scan */
	SCHED_OVERDUE,  /* the deadline passed */
	SCHED_QUEUED,   /* not started within its queue time */
	SCHED_VIOLATION /* the worker broke the rules */
};
struct sched_done {
	enum sched_how how;
	const struct scan_answer *answer;
	uint64_t queue_us, scan_us; /* waiting, from start to answer */
	uint32_t generation;        /* of the signatures */
	uint64_t incarnation;       /* of the worker, ANSWER */
	int32_t signal;             /* LOST */
};
struct sched_job {
	uint64_t owner; /* the transaction's id, given back in done() */
	struct msg_scan_request rq; /* scan_id is filled in by sched */
	struct slice body;          /* inline; must live until done or cancel */
	int fd;                     /* or -1; likewise */
	uint64_t queue_deadline_us; /* absolute: give up if not started */
	bool prefix;                /* never delays a whole scan; small lane */
	bool fresh;          /* for a worker that has scanned nothing yet */
	struct slice client; /* for whom: it shares the workers with others */
};
struct sched_limits {
	uint64_t worker_max_scans;
	unsigned int workers;     /* of this net, as a rule */
	unsigned int workers_max; /* when none becomes free; 0: the same */
};

struct sched *sched_new(struct timerq *tq, const struct sched_ops *ops);
void sched_free(struct sched **s); /* jobs end without done() */
void sched_limits(struct sched *s, const struct sched_limits *l);
/* Returns the job's id, 0 when out of memory. done() never runs inside. */
uint64_t sched_submit(struct sched *s, const struct sched_job *job);
/*
 * Forgets the job: no done(). A running scan goes on until its worker is
 * needed.
 */
void sched_cancel(struct sched *s, uint64_t job);
/*
 * Perhaps nobody waits for the job any more (its client sends nothing more):
 * it goes behind all others, and gives its worker up once if that is needed.
 */
void sched_doubt(struct sched *s, uint64_t job);
/*
 * Another client waits for the job, too: it is not doubtful any more, and waits
 * in the turn of who has less of the two.
 */
void sched_join(struct sched *s, uint64_t job, struct slice client);
/* Who waits for a job instead of its owner, with a body of the same bytes. */
struct sched_heir {
	uint64_t owner;
	struct slice body;
	int fd;
	uint64_t queue_deadline_us;
};
void sched_hand_over(
    struct sched *s, uint64_t job, const struct sched_heir *heir);
/* Workers come and go. */
int sched_worker_add(struct sched *s, const struct msg_worker *w,
    const struct sched_port *port) MUST_CHECK;
void sched_worker_lost(struct sched *s, const struct msg_lost *l);
/* The port is at its end (EOF); the loader's word on why may follow. */
void sched_worker_eof(struct sched *s, uint64_t incarnation);
void sched_worker_writable(struct sched *s, uint64_t incarnation);
/* What a worker says. A violation ends that worker (overdue() and close). */
void sched_started(struct sched *s, uint64_t incarnation, uint64_t scan_id);
void sched_result(struct sched *s, uint64_t incarnation, uint64_t scan_id,
    const struct scan_answer *answer);
void sched_violation(struct sched *s, uint64_t incarnation, const char *why);
/* Workers of an older generation get no new jobs, and are retired when idle. */
void sched_generation(struct sched *s, uint32_t generation);
/* All workers are retired when idle; jobs wait for those of the next one. */
void sched_unload(struct sched *s);
/* Workers of a generation that has not begun to serve, and never will, end. */
void sched_loader_gone(struct sched *s, uint32_t generation);
unsigned int sched_workers(
    const struct sched *s); /* of the present generation */
unsigned int sched_wanted(const struct sched *s); /* what the loader keeps */
unsigned int sched_queued(const struct sched *s);
unsigned int sched_running(const struct sched *s);
/* Whether a job for which any worker will do begins at once. */
bool sched_has_idle(const struct sched *s);
#endif
