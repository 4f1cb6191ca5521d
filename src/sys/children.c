/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* net, ctl and check: starting, restarting with back-off, replacing. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/backoff.h"
#include "sys/parent.h"
#include "sys/proc.h"

#define CHECK_SECONDS 60 /* a module that thinks longer hangs */

static const char *
program_of(enum role role)
{
	return role == ROLE_CTL ? "tolsey-ctl" : "tolsey-net";
}

static void
child_free(struct child *c)
{
	TAILQ_REMOVE(&c->parent->children, c, link);
	chan_free(&c->chan);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c);
}

/* ---- starting ---- */

static int
child_spawn(struct child *c)
{
	int fds[2];

	if (chan_pair(fds) == -1)
		return -1;
	c->pid = proc_spawn(program_of(c->role),
	    c->role == ROLE_CHECK ? "--check" : NULL, fds[1]);
	(void)close(fds[1]);
	c->chan = chan_new(
	    c->parent->base, fds[0], ROLE_PARENT, c->role, &child_ops, c);
	if (c->pid != -1 && c->chan != NULL)
		return 0;
	log_error("cannot-start", "program=%s error=\"%s\"",
	    program_of(c->role), strerror(errno));
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL);
	chan_free(&c->chan);
	c->pid = 0;
	return -1;
}

static int
child_begin(struct child *c)
{
	struct timeval patience = { CHECK_SECONDS, 0 };

	if (child_spawn(c) == -1)
		return -1;
	c->state = CHILD_STARTING;
	c->why[0] = '\0';
	c->since_us = clock_mono_us();
	c->since_wall_us = clock_wall_us();
	if (c->role == ROLE_CHECK && event_add(c->timer, &patience) == -1)
		return -1;
	if (child_feed(c, c->why, sizeof(c->why)) == 0) {
		c->why[0] = '\0';
		return 0;
	}
	log_error("cannot-start", "role=%s why=%s", role_name(c->role),
	    LOG_Q(slice_of(c->why)));
	(void)kill(c->pid, SIGKILL); /* its exit says the rest */
	return 0;
}

static void
start_again(struct child *c)
{
	uint64_t lived = clock_mono_us() - c->since_us;
	uint64_t wait = backoff_us(&c->fails, lived);
	struct timeval tv = { (time_t)(wait / 1000000),
		(suseconds_t)(wait % 1000000) };

	c->pid = 0;
	c->state = CHILD_NONE;
	if (event_add(c->timer, &tv) == -1)
		parent_finish(c->parent, EX_OSERR);
}

/*
 * The child's timer: to start it again; for one that lives, that it has been
 * given enough time to end or to check.
 */
static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct child *c = ctx;

	(void)fd;
	(void)what;
	if (c->pid > 0) {
		log_error("child-hangs", "role=%s pid=%d", role_name(c->role),
		    (int)c->pid);
		(void)kill(c->pid, SIGKILL);
		return;
	}
	if (c->parent->stopping)
		return;
	c->restarts++;
	METRIC_INC(child_restarts_total);
	if (child_begin(c) == -1) {
		c->since_us = clock_mono_us();
		start_again(c);
	}
}

/* A block of metrics that no living net writes. */
static unsigned int
free_block(const struct parent *p)
{
	const struct child *c;
	unsigned int i;

	for (i = 1; i < PARENT_BLOCKS - 1; i++) {
		TAILQ_FOREACH (c, &p->children, link)
			if (c->block == i)
				break;
		if (c == NULL)
			break;
	}
	return i; /* the last one may have several writers */
}

static struct child *
child_add(struct parent *p, enum role role, unsigned int instance, bool standby)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->parent = p;
	c->role = role;
	c->instance = instance;
	c->standby = standby;
	c->block = role == ROLE_NET ? free_block(p) : 0;
	TAILQ_INSERT_TAIL(&p->children, c, link);
	c->timer = event_new(p->base, -1, 0, on_timer, c);
	if (c->timer == NULL || child_begin(c) == -1) {
		child_free(c);
		return NULL;
	}
	return c;
}

int
children_start(struct parent *p)
{
	if (child_add(p, ROLE_CTL, 0, false) == NULL)
		return -1;
	for (unsigned int i = 0; i < p->first->net_processes; i++)
		if (child_add(p, ROLE_NET, i, false) == NULL)
			return -1;
	return 0;
}

int
children_check(struct parent *p)
{
	return child_add(p, ROLE_CHECK, 0, false) != NULL ? 0 : -1;
}

/* ---- ending ---- */

static void
describe_end(const struct child *c, int status, char *out, size_t len)
{
	if (c->why[0] != '\0')
		(void)str_copy(out, len, slice_of(c->why));
	else if (WIFSIGNALED(status))
		(void)snprintf(out, len, "%s died of signal %d",
		    program_of(c->role), WTERMSIG(status));
	else
		(void)snprintf(out, len, "%s ended with status %d%s",
		    program_of(c->role), WEXITSTATUS(status),
		    WEXITSTATUS(status) == PROC_NO_EXEC
			? " (it cannot be executed)"
			: "");
}

/* One that we still need is gone. */
static void
child_died(struct child *c, const char *why)
{
	struct parent *p = c->parent;

	log_error("child-ended", "role=%s instance=%u pid=%d why=%s",
	    role_name(c->role), c->instance, (int)c->pid, LOG_Q(slice_of(why)));
	if (c->role == ROLE_CTL)
		p->nreload_waiters = 0; /* they are gone with it */
	if (!p->announced && c->role == ROLE_NET) {
		parent_say(p, "%s", why);
		parent_finish(p, c->why[0] != '\0' ? EX_CONFIG : EX_OSERR);
	}
	start_again(c);
}

void
children_exited(struct parent *p, pid_t pid, int status)
{
	char why[MSG_TEXT_MAX];
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->pid == pid)
			break;
	if (c == NULL)
		return; /* a worker that outlived its loader */
	if (c->chan != NULL)
		chan_poll(c->chan); /* its last words */
	chan_free(&c->chan);
	(void)event_del(c->timer);
	if (c->block != 0 && c->block < PARENT_BLOCKS - 1)
		metrics_clear_gauges(&p->metrics[c->block]);
	describe_end(c, status, why, sizeof(why));
	if (!p->stopping && !c->replaced && c->role != ROLE_CHECK) {
		child_died(c, why);
		return;
	}
	if (WIFSIGNALED(status))
		log_error("child-died", "role=%s instance=%u signal=%d",
		    role_name(c->role), c->instance, WTERMSIG(status));
	if (c->role == ROLE_CHECK && !c->replaced)
		reload_checked(p, false, why);
	child_free(c);
}

/* ---- all of them ---- */

struct child *
child_net(struct parent *p, unsigned int instance, bool standby)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->role == ROLE_NET && c->instance == instance &&
		    c->standby == standby && !c->replaced &&
		    c->state == CHILD_UP && c->chan != NULL)
			return c;
	return NULL;
}

bool
children_standing_by(const struct parent *p)
{
	const struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->standby && !c->replaced)
			return true;
	return false;
}

/* Lets go of a net: it ends when its transactions have. */
static void
child_replace(struct child *c)
{
	struct msg_number drain = { MSG_DRAIN_REPLACED };

	c->replaced = true;
	if (c->pid == 0)
		child_free(c); /* it waited to be started again */
	else if (c->chan != NULL)
		(void)chan_queue(c->chan, MSG_DRAIN, &drain, -1);
}

void
children_stand_by(struct parent *p)
{
	struct child *c, *next;

	/* those of a configuration that never came to serve */
	TAILQ_FOREACH_SAFE(c, &p->children, link, next)
	{
		if (!c->standby || c->replaced)
			continue;
		c->replaced = true;
		if (c->pid > 0)
			(void)kill(c->pid, SIGKILL);
		else
			child_free(c);
	}
	for (unsigned int i = 0; i < p->first->net_processes; i++)
		if (child_add(p, ROLE_NET, i, true) == NULL)
			log_error("cannot-replace", "net=%u", i);
}

void
children_hand_over(struct parent *p)
{
	struct child *c, *next;

	if (!children_standing_by(p))
		return;
	TAILQ_FOREACH_SAFE(c, &p->children, link, next)
	{
		if (c->role != ROLE_NET || c->replaced)
			continue;
		if (!c->standby) {
			child_replace(c);
			continue;
		}
		c->standby = false;
		if (c->state == CHILD_UP)
			child_listen(c);
	}
}

void
children_kill(struct parent *p, int sig)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->pid > 0)
			(void)kill(c->pid, sig);
}

void
children_hang_up(struct parent *p)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		chan_free(&c->chan);
}

void
children_free(struct parent *p)
{
	while (!TAILQ_EMPTY(&p->children))
		child_free(TAILQ_FIRST(&p->children));
}

unsigned int
children_count(const struct parent *p)
{
	const struct child *c;
	unsigned int n = 0;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->pid > 0 && c->role == ROLE_NET)
			n++;
	return n;
}
