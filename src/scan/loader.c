/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/loader.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/prio.h"
#include "ipc/chan.h"
#include "scan/jail.h"
#include "scan/worker.h"

#define MAX_SLOTS 1024
#define MAX_NETS 64
#define RETRY_US 1000000  /* a worker could not even start */
#define RETIRE_US 1000000 /* a worker has so long to see its channel closed */
#define FORK_PAUSE_US ((uint64_t)5000) /* at least, between the first forks */
#define FORK_PAUSE_MAX_US ((uint64_t)200000)

struct slot {
	struct loader *l;
	struct msg_slot_dir dir;
	pid_t pid; /* 0: no worker */
	uint64_t incarnation;
	bool known;          /* its net has been told of it */
	bool overdue;        /* killed because net said so */
	bool leaving;        /* it ends, another one may come at once */
	struct event *timer; /* to kill it, or to fork the next */
};
struct net {
	struct loader *l;
	uint32_t number;
	struct chan *chan;   /* NULL: that net is not there */
	unsigned int wanted; /* workers; 0: it did not say yet */
};
struct loader {
	struct event_base *base;
	struct loader_conf conf;
	struct slot *slots[MAX_SLOTS];
	size_t nslots;
	struct net nets[MAX_NETS];
	struct event *reaper;
	uint32_t count; /* workers forked */
	bool serving, draining;
	bool served; /* the first workers are there: others come at once */
	struct event *fork_timer; /* for the first ones */
	struct loader_ops ops;
};

static struct jail
jail_of(const struct slot *s)
{
	const struct loader_conf *c = &s->l->conf;

	return (struct jail){ .path = s->dir.path,
		.incarnation = s->incarnation,
		.temp_max = s->dir.size,
		.memory_max = c->memory_max,
		.mapped = jail_host_mapped(&c->host),
		.off = c->sandbox_off };
}

static struct net *
net_of(struct slot *s)
{
	uint32_t nets = s->l->conf.nets;

	return &s->l->nets[s->dir.slot % (nets > 0 ? nets : 1)];
}

static struct msg_worker
name_worker(const struct slot *s)
{
	return (struct msg_worker){ .slot = s->dir.slot,
		.generation = s->l->conf.generation,
		.incarnation = s->incarnation };
}

static void
in_a_while(struct slot *s, long us)
{
	struct timeval tv = { us / 1000000, us % 1000000 };

	if (event_add(s->timer, &tv) != 0)
		log_error("event-failed", "what=slot slot=%u", s->dir.slot);
}

/* The child's copy of our signals must not act before it has reset them. */
static pid_t
fork_blocked(void)
{
	sigset_t all, old;
	pid_t pid;

	if (sigfillset(&all) != 0 || sigprocmask(SIG_SETMASK, &all, &old) != 0)
		return -1;
	pid = fork();
	if (pid != 0)
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static void
introduce(struct slot *s, int fd)
{
	struct msg_worker w = name_worker(s);
	struct net *n = net_of(s);

	s->known = chan_queue(n->chan, MSG_WORKER, &w, fd) == CHAN_SENT;
	if (!s->known)
		log_warn("net-deaf", "net=%u slot=%u", n->number, s->dir.slot);
}

/* A worker in this slot, which has none. */
static void
spawn(struct slot *s)
{
	struct loader *l = s->l;
	struct jail j;
	int fds[2];
	pid_t pid;

	if (chan_pair(fds) != 0) {
		log_error("worker-fork", "slot=%u why=%s", s->dir.slot,
		    LOG_Q(slice_of(strerror(errno))));
		in_a_while(s, RETRY_US);
		return;
	}
	s->incarnation = (uint64_t)l->conf.generation << 32 | ++l->count;
	s->known = s->overdue = s->leaving = false;
	j = jail_of(s);
	jail_host_fork(&l->conf.host, true);
	pid = fork_blocked();
	if (pid == 0)
		worker_run(l->conf.engine, &j, fds[1]);
	jail_host_fork(&l->conf.host, false);
	if (pid > 0) {
		s->pid = pid;
		introduce(s, fds[0]);
	} else {
		log_error("worker-fork", "slot=%u why=%s", s->dir.slot,
		    LOG_Q(slice_of(strerror(errno))));
		in_a_while(s, RETRY_US);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Workers that a net has and keeps; one that waits to be forked counts. */
static unsigned int
count_of(const struct net *n)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n->l->nslots; i++) {
		struct slot *s = n->l->slots[i];

		if (net_of(s) == n &&
		    (s->pid != 0 ? !s->leaving
				 : event_pending(s->timer, EV_TIMEOUT, NULL)))
			count++;
	}
	return count;
}

/* Until the net says otherwise: those slots that are not spare. */
static unsigned int
wanted_by(const struct net *n)
{
	unsigned int count = 0;

	if (n->wanted > 0)
		return n->wanted;
	for (size_t i = 0; i < n->l->nslots; i++)
		if (net_of(n->l->slots[i]) == n && !n->l->slots[i]->dir.spare)
			count++;
	return count > 0 ? count : 1;
}

/* One more, if its net wants more and a slot is free. */
static bool
fill_one(struct net *n)
{
	struct loader *l = n->l;

	if (!l->serving || l->draining || n->chan == NULL ||
	    count_of(n) >= wanted_by(n))
		return false;
	for (size_t i = 0; i < l->nslots; i++) {
		struct slot *s = l->slots[i];

		if (net_of(s) != n || s->pid != 0 ||
		    event_pending(s->timer, EV_TIMEOUT, NULL))
			continue;
		spawn(s);
		return true;
	}
	return false;
}

/* As many as its net wants; the first ones come by and by. */
static void
fill(struct net *n)
{
	while (n->l->served && fill_one(n))
		;
}

static void
fill_all(struct loader *l)
{
	for (uint32_t i = 0; i < l->conf.nets && i < MAX_NETS; i++)
		fill(&l->nets[i]);
}

static bool
any_alive(const struct loader *l)
{
	for (size_t i = 0; i < l->nslots; i++)
		if (l->slots[i]->pid != 0)
			return true;
	return false;
}

static void
report_loss(struct slot *s, int status)
{
	struct msg_lost lost = { .worker = name_worker(s),
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		.overdue = s->overdue };

	if (lost.signal != 0 || lost.status != 0)
		log_warn("worker-ended",
		    "slot=%u pid=%d signal=%d status=%d overdue=%u",
		    s->dir.slot, (int)s->pid, lost.signal, lost.status,
		    lost.overdue);
	if (s->known && net_of(s)->chan != NULL)
		(void)chan_queue(net_of(s)->chan, MSG_WORKER_LOST, &lost, -1);
}

static void
ended(struct slot *s, int status)
{
	struct jail j = jail_of(s);

	(void)event_del(s->timer);
	report_loss(s, status);
	s->pid = 0;
	jail_clean(&j);
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_SETUP)
		in_a_while(s, RETRY_US);
	else
		fill(net_of(s));
}

static void
on_child(evutil_socket_t sig, short what, void *ctx)
{
	struct loader *l = ctx;
	int status;

	(void)sig;
	(void)what;
	for (size_t i = 0; i < l->nslots; i++) {
		struct slot *s = l->slots[i];

		if (s->pid != 0 && waitpid(s->pid, &status, WNOHANG) == s->pid)
			ended(s, status);
	}
	if (l->draining && !any_alive(l))
		l->ops.idle(l->ops.ctx);
}

static void
on_slot_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct slot *s = ctx;

	(void)fd;
	(void)what;
	if (s->pid != 0)
		(void)kill(s->pid, SIGKILL);
	else
		fill(net_of(s));
}

/* Only the incarnation that is meant: a message may be older than it. */
static struct slot *
find(struct loader *l, const struct msg_worker *w)
{
	for (size_t i = 0; i < l->nslots; i++) {
		struct slot *s = l->slots[i];

		if (s->dir.slot == w->slot && s->pid != 0 &&
		    s->incarnation == w->incarnation)
			return s;
	}
	return NULL;
}

/* Ended from now on: another one may take its place beside it. */
static void
leave(struct slot *s, bool at_once)
{
	s->leaving = true;
	if (at_once) {
		s->overdue = true;
		(void)kill(s->pid, SIGKILL);
	} else {
		in_a_while(s, RETIRE_US);
	}
	fill(net_of(s));
}

/*
 * The nice value is the parent's business: what was lowered can be raised
 * again only with a right that is not for this process. In this order, since
 * the one must not undo the other (prio.h).
 */
static void
yield(struct slot *s, bool on)
{
	struct loader *l = s->l;

	if (prio_long_slices(s->pid, on) != 0)
		log_debug("yield", "slot=%u why=%s", s->dir.slot,
		    LOG_Q(slice_of(strerror(errno))));
	l->ops.priority(l->ops.ctx, s->pid, on);
}

static void
want(struct net *n, uint64_t workers)
{
	n->wanted = workers < 1           ? 1
		    : workers > MAX_SLOTS ? MAX_SLOTS
					  : (unsigned int)workers;
	fill(n);
}

static void
about_worker(struct net *n, const struct chan_msg *m)
{
	struct msg_yield y = { .on = 0 };
	struct slot *s;

	memcpy(&y, m->payload,
	    m->type == MSG_YIELD ? sizeof(y) : sizeof(y.worker));
	s = find(n->l, &y.worker);
	if (s == NULL || net_of(s) != n)
		return;
	if (m->type == MSG_YIELD)
		yield(s, y.on != 0);
	else
		leave(s, m->type == MSG_OVERDUE);
}

static void
from_net(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct net *n = ctx;

	(void)c;
	if (m->fd != -1)
		(void)close(m->fd);
	if (m->type == MSG_WANTED)
		want(n, ((const struct msg_number *)m->payload)->number);
	else if (m->type == MSG_OVERDUE || m->type == MSG_RETIRE ||
		 m->type == MSG_YIELD)
		about_worker(n, m);
}

/* Its workers see the same and end; the parent will send the next one's. */
static void
net_ended(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct net *n = ctx;

	(void)c;
	if (how != CHAN_EOF)
		log_error("net-channel", "net=%u why=%s", n->number,
		    LOG_Q(slice_of(why)));
	chan_free(&n->chan);
}

static const struct chan_ops net_ops = { .message = from_net,
	.ended = net_ended };

static void
fork_again_in(struct loader *l, uint64_t us)
{
	struct timeval tv = { (time_t)(us / 1000000),
		(suseconds_t)(us % 1000000) };

	if (event_add(l->fork_timer, &tv) != 0)
		log_error("event-failed", "what=forks");
}

static bool
fill_some(struct loader *l)
{
	for (uint32_t i = 0; i < l->conf.nets && i < MAX_NETS; i++)
		if (fill_one(&l->nets[i]))
			return true;
	return false;
}

/*
 * One worker at a time, with pauses of twice what a fork takes: to copy the
 * page tables of a large engine needs tens of milliseconds of a core that the
 * scans of the former generation need as well.
 */
static void
on_fork_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct loader *l = ctx;
	uint64_t began = clock_mono_us(), pause;

	(void)fd;
	(void)what;
	if (fill_some(l)) {
		pause = (clock_mono_us() - began) * 2;
		if (pause < FORK_PAUSE_US)
			pause = FORK_PAUSE_US;
		fork_again_in(
		    l, pause < FORK_PAUSE_MAX_US ? pause : FORK_PAUSE_MAX_US);
	} else if (!l->draining && !any_alive(l)) {
		fork_again_in(l, FORK_PAUSE_MAX_US);
	} else if (!l->draining) {
		l->served = true;
		l->ops.served(l->ops.ctx);
	}
}

struct loader *
loader_new(struct event_base *base, const struct loader_ops *ops)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->base = base;
	l->ops = *ops;
	l->conf.nets = 1;
	for (uint32_t i = 0; i < MAX_NETS; i++) {
		l->nets[i].l = l;
		l->nets[i].number = i;
	}
	l->reaper = evsignal_new(base, SIGCHLD, on_child, l);
	l->fork_timer = event_new(base, -1, 0, on_fork_timer, l);
	if (l->reaper == NULL || l->fork_timer == NULL ||
	    event_add(l->reaper, NULL) != 0)
		loader_free(&l);
	return l;
}

static void
slot_free(struct slot *s)
{
	struct jail j = jail_of(s);
	int status;

	if (s->pid != 0) {
		(void)kill(s->pid, SIGKILL);
		while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
			;
		jail_clean(&j);
	}
	if (s->timer != NULL)
		event_free(s->timer);
	free(s);
}

void
loader_free(struct loader **lp)
{
	struct loader *l = *lp;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->nslots; i++)
		slot_free(l->slots[i]);
	for (size_t i = 0; i < MAX_NETS; i++)
		chan_free(&l->nets[i].chan);
	if (l->reaper != NULL)
		event_free(l->reaper);
	if (l->fork_timer != NULL)
		event_free(l->fork_timer);
	free(l);
	*lp = NULL;
}

int
loader_add_slot(struct loader *l, const struct msg_slot_dir *d)
{
	struct slot *s;

	if (l->nslots >= MAX_SLOTS || (s = calloc(1, sizeof(*s))) == NULL)
		return -1;
	s->l = l;
	s->dir = *d;
	s->dir.path[sizeof(s->dir.path) - 1] = '\0';
	s->timer = event_new(l->base, -1, 0, on_slot_timer, s);
	if (s->timer == NULL) {
		free(s);
		return -1;
	}
	l->slots[l->nslots++] = s;
	return 0;
}

const char *
loader_folder(const struct loader *l, size_t i)
{
	return i < l->nslots ? l->slots[i]->dir.path : NULL;
}

bool
loader_folder_is_tmpfs(const struct loader *l)
{
	return l->nslots > 0 && l->slots[0]->dir.jail == MSG_JAIL_TMPFS;
}

uint64_t
loader_folder_size(const struct loader *l)
{
	return l->nslots > 0 ? l->slots[0]->dir.size : 0;
}

int
loader_probe(struct loader *l, const struct loader_conf *c,
    struct sandbox_report *r, char *err, size_t errlen)
{
	struct jail j;

	(void)str_copy(err, errlen, SLICE_LIT("no worker slots were given"));
	if (l->nslots == 0)
		return -1;
	l->conf = *c;
	l->slots[0]->incarnation = (uint64_t)c->generation << 32;
	j = jail_of(l->slots[0]);
	return jail_probe(&j, r, err, errlen);
}

int
loader_add_net(struct loader *l, uint64_t number, int fd)
{
	struct net *n;

	if (number >= MAX_NETS) {
		(void)close(fd);
		return -1;
	}
	n = &l->nets[number];
	chan_free(&n->chan);
	n->chan = chan_new(l->base, fd, ROLE_SCAN, ROLE_NET, &net_ops, n);
	if (n->chan == NULL)
		return -1;
	/* a restarted net knows nothing of the workers of the former one */
	for (size_t i = 0; i < l->nslots; i++)
		if (net_of(l->slots[i]) == n)
			l->slots[i]->known = false;
	fill_all(l);
	return 0;
}

void
loader_serve(struct loader *l, const struct loader_conf *c)
{
	l->conf = *c;
	l->serving = true;
	fork_again_in(l, 0);
}

void
loader_drain(struct loader *l)
{
	l->draining = true;
	if (!any_alive(l))
		l->ops.idle(l->ops.ctx);
}
