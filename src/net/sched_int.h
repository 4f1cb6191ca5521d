/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCHED_INT_H
#define NET_SCHED_INT_H
/*
 * What the files of the scheduler share; nobody else includes it.
 *   sched.c          jobs: their life, and which goes where
 *   sched_clients.c  who asks: shares, turns, who is held back
 *   sched_workers.c  workers: their life, from the channel to the replacement
 *   sched_pool.c     how many workers there are, and which scan gives way
 */
#include "base/list.h"
#include "net/sched.h"

#define SCHED_SLOTS 2
/* A scan that runs for so long is heavy: it waits on nobody's fast path. */
#define HEAVY_US ((uint64_t)20000)

/*
 * FRESH: a retry, for a worker that scanned nothing before. LAST: perhaps
 * nobody waits for it. PREFIX: never before a whole scan.
 */
enum lane { LANE_FRESH, LANE_SMALL, LANE_BULK, LANE_LAST, LANE_PREFIX, NLANES };

struct client;

struct job {
	TAILQ_ENTRY(job) link;      /* of its client, in the lane */
	TAILQ_ENTRY(job) lane_link; /* of the lane, oldest first */
	TAILQ_ENTRY(job) id_link;
	struct sched *sched;
	struct client *client;
	struct sched_job spec;
	uint64_t id; /* the owner's handle */
	enum lane lane;
	struct timer queue_timer;
	uint64_t submitted_us, started_us;
	struct worker *worker; /* that has it, or NULL */
	bool queued;           /* in its lane's queue */
	bool preempted;        /* it gave way once, and never again */
	bool doubtful;         /* perhaps nobody waits for it */
};
TAILQ_HEAD(job_list, job);

/* A client's jobs in one lane; it has its turn in the lane's ring. */
struct turn {
	TAILQ_ENTRY(turn) ring;
	struct client *client;
	struct job_list jobs;
};
TAILQ_HEAD(turn_list, turn);

struct client {
	TAILQ_ENTRY(client) bucket, recent;
	char name[SCHED_CLIENT_MAX];
	size_t name_len;
	struct turn turns[NLANES];
	uint64_t last_us;      /* of its last submission */
	unsigned int jobs;     /* waiting, or with a worker */
	unsigned int held;     /* workers at a scan of its, wanted or not */
	unsigned int heavy;    /* those among them that are at it for long */
	unsigned int unwanted; /* those whose answer nobody may wait for */
	unsigned int replaced; /* workers being replaced because of it */
	uint64_t debt_us, debt_at_us; /* of worker time, as of when */
};
TAILQ_HEAD(client_list, client);

struct lane_queue {
	struct turn_list ring;
	struct job_list all;
	uint64_t last_sent_us; /* when a job of it was given out last */
};

/* A scan that a worker was given, in its order of work. */
struct sent {
	uint64_t scan_id;      /* 0: empty */
	struct job *job;       /* NULL: nobody waits for it any more */
	struct client *client; /* whose it is, also when nobody waits */
	bool started, prefix;
	bool quick;  /* a small whole object: another may wait behind it */
	bool stolen; /* given to another worker meanwhile: done for nothing */
	uint64_t sent_us, started_us, budget_us;
	uint64_t first_us; /* nothing is before it any more */
};
enum late { LATE_NO, LATE_TOLD, LATE_KILL, LATE_STUCK };

struct worker {
	TAILQ_ENTRY(worker) link, bucket;
	TAILQ_ENTRY(worker) idle_link; /* while in s->idle */
	TAILQ_ENTRY(worker) open_link; /* while in s->open */
	TAILQ_ENTRY(worker) long_link; /* while in s->longest */
	struct sched *sched;
	struct msg_worker id;
	struct sched_port port;
	struct sent sent[SCHED_SLOTS];
	struct timer timer; /* of the running scan, or of stealing */
	enum late late;
	uint64_t scans;
	bool retiring, deaf; /* deaf: its channel is broken, EOF follows */
	bool serving;        /* may be given jobs */
	bool is_idle, is_open;
	bool counted_bulk; /* at a scan that small ones must not wait for */
	bool heavy;        /* in s->longest: at its scan for HEAVY_US */
	bool unwanted;     /* perhaps nobody waits for its scan */
	bool yields;       /* the loader was told so */
	bool lost_known;   /* the loader has said why it ended */
	int32_t signal;    /* ... and by which signal */
	uint64_t ended_us; /* its channel is closed since then; 0: open */
};
TAILQ_HEAD(worker_list, worker);

/* A worker that ended, until another one has come in its place. */
struct replacing {
	TAILQ_ENTRY(replacing) link;
	struct client *client; /* because of whose object, or NULL */
	uint64_t since_us;
};
TAILQ_HEAD(replacing_list, replacing);

#define SCHED_BUCKETS 1024 /* a power of two */

struct sched {
	struct timerq *tq;
	struct sched_ops ops;
	struct sched_limits limits;
	struct lane_queue lanes[NLANES];
	struct job_list by_id[SCHED_BUCKETS];
	struct client_list clients[SCHED_BUCKETS];
	struct client_list recent; /* the last to submit first */
	unsigned int nclients;
	uint64_t seed; /* of the clients' table */

	struct worker_list workers, by_incarnation[SCHED_BUCKETS];
	struct worker_list idle;    /* serving and without work */
	struct worker_list open;    /* serving, a second job may follow */
	struct worker_list longest; /* heavy ones, since when they are */
	unsigned int present;       /* usable, of the present generation */
	unsigned int serving, nidle, bulk, nheavy, nunwanted;
	bool left_last; /* a job waits though a worker is idle */
	bool unloaded;  /* there are none to ask for before the next one */
	uint32_t generation;

	struct replacing_list replacing;
	unsigned int nreplacing;
	uint64_t replace_us; /* what it takes: a moving mean */
	uint64_t small_us; /* what the scan of a small object takes: another */
	unsigned int wanted;
	uint64_t grown_us;     /* when more were asked for last */
	unsigned int idle_low; /* fewest idle ones since idle_low_since_us */
	struct timer pool_timer, shrink_timer;

	uint64_t last_id, last_scan_id;
	unsigned int queued, running;
};

/* sched.c */
void sched_gauge(const struct sched *s);
void sched_dispatch(struct sched *s);
/* Into the queue of its lane: the first or the last of its client. */
void job_enqueue(struct job *j, bool front);
/* The one way to the owner; frees j. */
void job_done(struct job *j, enum sched_how how,
    const struct scan_answer *answer, const struct msg_worker *w,
    int32_t signal);
/* A scan that was begun begins again later, in another lane. */
void job_again(struct job *j, enum lane lane);
/* The next of a lane that may have a worker, by turns; NULL: none. */
struct job *lane_pick(struct sched *s, enum lane lane, bool below_half);

/* sched_clients.c */
void clients_init(struct sched *s);
/* The client of that name, made if need be; NULL: no memory. */
struct client *client_of(struct sched *s, struct slice name);
/* Which it may be: below_half: with less than half of the workers. */
bool client_may(const struct sched *s, const struct client *c, bool below_half);
/*
 * It has used much lately, and one that has not is near: it does not take the
 * last idle worker, and its scans run at a lower priority.
 */
bool client_gives_way(const struct sched *s, struct client *c);
/* It has used so much of a worker's time. */
void client_charge(struct client *c, uint64_t us);
/* It has used more than its share lately: others go first. */
bool client_in_debt(struct client *c);
void clients_free(struct sched *s);
/* Half of n workers, at least one. */
unsigned int sched_half(unsigned int n);

/* sched_workers.c */
struct worker *worker_find(struct sched *s, uint64_t incarnation);
bool worker_is_idle(const struct worker *w);
/* After any change of who serves: lists and counts anew. */
void workers_recount(struct sched *s);
/* Its first scan has begun, changed or gone: counts and lists follow. */
void worker_vacate(struct worker *w);
void worker_occupy(struct worker *w);
/* No second job for it. */
void worker_close(struct worker *w);
/* At a lower priority until its scan ends or has used half of its time. */
void worker_yield(struct worker *w);
void worker_arm(struct worker *w);
/* Whether its first scan has begun is found out, if it can be. */
void worker_look(struct worker *w);
/* Nobody, or perhaps nobody, waits for what it is at. */
void worker_unwanted(struct worker *w);
/* Somebody does, who does not give way. */
void worker_wanted(struct worker *w);
/* Its second job, if it has not begun, goes back to the queue. */
void worker_give_back(struct worker *w);
/* Ended by sched's own decision: another one will come. */
void worker_kill(struct worker *w, enum sched_how how);
void worker_remove(struct worker *w);
void worker_retire_if_idle(struct worker *w);
void workers_end(struct sched *s);

/* sched_pool.c */
void pool_init(struct sched *s);
void pool_free(struct sched *s);
/* Jobs wait that could not be given out: more workers, or one is freed. */
void pool_check(struct sched *s);
/* One worker is lost because of an object of c (NULL: of nobody's). */
void pool_replacing(struct sched *s, struct client *c);
void pool_replaced(struct sched *s);
void pool_forget_old(struct sched *s);
#endif
