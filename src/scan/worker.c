/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Whatever goes wrong in here costs one verdict: a crash, a deadline (SIGALRM,
 * default action) or a limit ends the process, and the loader forks the next.
 */
#include "scan/worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "ipc/progress.h"
#include "scan/views.h"

#define END_NICE 19 /* as permitted in syscalls.def */

#define CPU_MARGIN 10 /* seconds */

struct body {
	struct slice data;
	size_t mapped;
};

struct worker {
	struct engine *engine;
	struct chan_block c;
	struct progress *progress; /* NULL: SCAN_STARTED is sent */
	uint64_t cpu_us;           /* at the end of the last scan */
	uint64_t cpu_limit_s;      /* that was set, 0: not yet */
};

static uint64_t
cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * CPU time as a backstop behind the timer. It counts over all scans, so that
 * it is moved on, by enough for many small ones.
 */
static int
limit_cpu(struct worker *w, uint64_t budget_us)
{
	struct rlimit r = { 0, 0 };
	uint64_t need = (w->cpu_us + budget_us) / 1000000 + CPU_MARGIN;

	if (w->cpu_limit_s >= need)
		return 0;
	if (getrlimit(RLIMIT_CPU, &r) != 0)
		return -1;
	r.rlim_cur = need + budget_us / 1000000 + CPU_MARGIN;
	if (r.rlim_max != RLIM_INFINITY && r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	w->cpu_limit_s = r.rlim_cur;
	return setrlimit(RLIMIT_CPU, &r);
}

/* The kernel ends the process when the budget is used up. */
static int
arm(uint64_t us)
{
	struct itimerval t = { .it_value = { (time_t)(us / 1000000),
				   (suseconds_t)(us % 1000000) } };

	return setitimer(ITIMER_REAL, &t, NULL);
}

/* NULL, or why the body is not what the request says. */
static const char *
map_descriptor(int fd, uint64_t size, struct body *b)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "the body is no file";
	/* a memfd is as long as it may become: only less is wrong */
	if (st.st_size < 0 || (uint64_t)st.st_size < size)
		return "the body is shorter than announced";
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return "the body cannot be mapped";
	b->data = (struct slice){ p, (size_t)size };
	b->mapped = (size_t)size;
	return NULL;
}

static const char *
take_body(const struct chan_msg *m, uint64_t size, struct body *b)
{
	*b = (struct body){ .data = SLICE_NONE };
	if (size > SIZE_MAX)
		return "larger than this process can address";
	if (m->fd == -1) {
		if (m->tail.len != size)
			return "the body is not of the announced size";
		b->data = m->tail;
		return NULL;
	}
	if (m->tail.len != 0)
		return "a body both inline and as a descriptor";
	return size == 0 ? NULL : map_descriptor(m->fd, size, b);
}

static void
release_body(struct body *b)
{
	if (b->mapped > 0)
		(void)munmap((void *)(uintptr_t)b->data.p, b->mapped);
}

static bool
request_is_valid(const struct msg_scan_request *rq)
{
	return (rq->kind == SCAN_WHOLE || rq->kind == SCAN_PREFIX) &&
	       rq->ncodings <= SCAN_MAX_CODINGS && rq->budget_us > 0;
}

/* Its CPU time is counted from the end of the last one: the hand-over too. */
static void
scan(struct worker *w, const struct msg_scan_request *rq,
    const struct chan_msg *m, struct scan_answer *a)
{
	uint64_t wall = clock_mono_us(), cpu = w->cpu_us;
	struct body b;
	const char *why = take_body(m, rq->size, &b);

	if (why == NULL) {
		views_scan(w->engine, rq, b.data, a);
	} else {
		*a = (struct scan_answer){ .complete = 1 };
		scan_answer_incomplete(a, OUTCOME_FAILED, why);
	}
	release_body(&b);
	a->wall_us = (uint32_t)(clock_mono_us() - wall);
	w->cpu_us = cpu_us();
	a->cpu_us = (uint32_t)(w->cpu_us - cpu);
}

static int
send_result(struct chan_block *c, uint64_t scan_id, const struct scan_answer *a)
{
	struct msg_scan_result r = { .scan_id = scan_id,
		.complete = a->complete,
		.reason = a->reason,
		.nfindings = a->nfindings,
		.dropped = a->dropped,
		.final = a->final,
		.wall_us = a->wall_us,
		.cpu_us = a->cpu_us };
	struct slice tail = { (const char *)a->findings,
		a->nfindings * sizeof(a->findings[0]) };

	memcpy(r.text, a->text, sizeof(r.text));
	memcpy(r.type, a->type, sizeof(r.type));
	return chan_block_send(c, MSG_SCAN_RESULT, &r, tail, -1);
}

/* The deadline runs: from now on this scan is to blame. */
static int
begin(struct worker *w, uint64_t scan_id)
{
	const struct msg_scan_id id = { scan_id };

	if (w->progress == NULL)
		return chan_block_send(
		    &w->c, MSG_SCAN_STARTED, &id, SLICE_NONE, -1);
	progress_begin(w->progress, scan_id, clock_mono_us());
	return 0;
}

/* 0, or the status to exit with. */
static int
serve_one(struct worker *w, const struct chan_msg *m)
{
	struct msg_scan_request rq;
	struct scan_answer a;

	memcpy(&rq, m->payload, sizeof(rq));
	if (!request_is_valid(&rq) || limit_cpu(w, rq.budget_us) != 0 ||
	    arm(rq.budget_us) != 0 || begin(w, rq.scan_id) != 0)
		return WORKER_EXIT_VIOLATION;
	scan(w, &rq, m, &a);
	if (send_result(&w->c, rq.scan_id, &a) != 0)
		return WORKER_EXIT_VIOLATION;
	(void)arm(0);
	return 0;
}

/* Once, before the first scan. */
static bool
take_progress(struct worker *w, const struct chan_msg *m)
{
	if (m->type != MSG_PROGRESS || w->progress != NULL)
		return false;
	w->progress = progress_open(m->fd);
	return w->progress != NULL;
}

int
worker_loop(struct engine *e, int channel)
{
	struct worker w = { .engine = e, .cpu_us = cpu_us() };
	struct chan_msg m;
	int rc, status = 0;

	if (chan_block_init(&w.c, channel, ROLE_WORKER, ROLE_NET) != 0)
		return WORKER_EXIT_SETUP;
	while (status == 0 && (rc = chan_block_recv(&w.c, &m)) != 0) {
		if (rc > 0 && m.type == MSG_SCAN_REQUEST)
			status = serve_one(&w, &m);
		else if (rc < 0 || !take_progress(&w, &m))
			status = WORKER_EXIT_VIOLATION;
		if (rc > 0 && m.fd != -1)
			(void)close(m.fd);
	}
	progress_free(&w.progress);
	chan_block_free(&w.c);
	return status;
}

/* Everything but the standard descriptors and channel; where channel is now. */
static int
close_others(int channel)
{
	/* the log writes to stderr from now on: its own is closed with the rest
	 */
	log_set_fd(LOG_EVENTS, STDERR_FILENO);
	log_set_fd(LOG_ACCESS, STDERR_FILENO);
	if (channel != 3 && dup2(channel, 3) != 3)
		return -1;
	return close_range(4, ~0u, 0) == 0 ? 3 : -1;
}

/*
 * The loader's handlers must not run here. TERM and INT go to whole process
 * groups, but a worker ends when net closes its channel.
 */
static int
reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
		SIGUSR1, SIGUSR2, SIGTTOU };
	struct sigaction deflt = { .sa_handler = SIG_DFL };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &deflt, NULL); /* KILL, STOP: refused */
	for (size_t i = 0; i < COUNTOF(ignored); i++)
		if (sigaction(ignored[i], &ignore, NULL) != 0)
			return -1;
	if (sigemptyset(&none) != 0)
		return -1;
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

void
worker_run(struct engine *e, const struct jail *j, int channel)
{
	char dir[JAIL_PATH_MAX], err[160] = "";
	struct sandbox_report r = { 0 };
	int fd, status;

	fd = close_others(channel);
	/* large buffers are kept between scans: a third of the time of small
	 * ones */
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
	if (fd < 0 || reset_signals() != 0 ||
	    jail_enter(j, dir, &r, err, sizeof(err)) != 0 ||
	    engine_enter_worker(e, dir, j->temp_max) != 0) {
		log_error("worker-setup", "slot=%s why=%s error=%s",
		    LOG_Q(slice_of(j->path)), LOG_Q(slice_of(err)),
		    LOG_Q(slice_of(strerror(errno))));
		_exit(WORKER_EXIT_SETUP);
	}
	status = worker_loop(e, fd);
	/* to give a large engine's memory back takes a while */
	(void)setpriority(PRIO_PROCESS, 0, END_NICE);
	_exit(status);
}
