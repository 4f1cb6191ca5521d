/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* net, ctl and check: starting, feeding, restarting with back-off. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/backoff.h"
#include "sys/parent.h"
#include "sys/proc.h"

static int child_begin(struct child *c);

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

static struct feed
feed_of(const struct child *c)
{
	return (struct feed){ c->chan, c->role, c->instance };
}

/* ---- what they say ---- */

static void
send_status(struct child *c, uint64_t number)
{
	struct parent *p = c->parent;
	struct msg_status s;
	struct child *o;
	size_t n = 0;

	memset(&s, 0, sizeof(s));
	s.number = number;
	s.started_wall_us = p->started_wall_us;
	s.loaded = p->loaded;
	s.loading = p->loading != NULL;
	s.workers = p->workers;
	memcpy(s.last_reload_error, p->last_reload_error,
	    sizeof(s.last_reload_error));
	(void)snprintf(s.sandbox, sizeof(s.sandbox), "%s%.60s",
	    p->jails.mounted ? "own tmpfs per worker" : "folder per worker; ",
	    p->jails.missing);
	TAILQ_FOREACH (o, &p->children, link) {
		if (n == COUNTOF(s.children))
			break;
		s.children[n++] = (struct msg_status_child){ .role = o->role,
			.instance = o->instance,
			.pid = o->pid,
			.restarts = o->restarts,
			.since_wall_us = o->since_wall_us };
	}
	(void)chan_queue(c->chan, MSG_STATUS, &s, -1);
}

static void
ask_reload(struct child *c, uint64_t number)
{
	struct parent *p = c->parent;

	if (p->nreload_waiters < PARENT_MAX_WAITERS)
		p->reload_waiters[p->nreload_waiters++] = number;
	generation_begin(p, "asked by tolseyctl");
}

static void
send_listeners(struct child *c)
{
	struct parent *p = c->parent;
	struct msg_listener m;

	for (unsigned int i = 0; i < p->nlisteners; i++) {
		memset(&m, 0, sizeof(m));
		m.kind = LISTENER_ICAP;
		memcpy(m.name, p->listener_names[i], sizeof(m.name));
		(void)chan_queue(c->chan, MSG_LISTENER, &m, p->listeners[i]);
	}
}

/* A child is ready: a net may listen now, the first one ends the start. */
static void
child_ready(struct child *c)
{
	c->state = CHILD_UP;
	log_info("ready", "role=%s instance=%u pid=%d", role_name(c->role),
	    c->instance, (int)c->pid);
	if (c->role == ROLE_CHECK) {
		c->replaced = true;
		parent_checked(c->parent, true, "");
		return;
	}
	if (c->role == ROLE_NET) {
		generation_join_net(c->parent, c);
		send_listeners(c);
	} else if (c->parent->loaded.generation != 0) {
		(void)chan_queue(
		    c->chan, MSG_GENERATION, &c->parent->loaded, -1);
	}
}

static void
child_refused(struct child *c, const struct msg_text *t)
{
	char why[MSG_TEXT_MAX];

	(void)str_copy(why, sizeof(why),
	    (struct slice){ t->text, strnlen(t->text, sizeof(t->text)) });
	if (c->role == ROLE_CHECK) {
		c->replaced = true;
		parent_checked(c->parent, false, why);
		return;
	}
	log_error("child-refused", "role=%s why=%s", role_name(c->role),
	    LOG_Q(slice_of(why)));
}

static void
child_message(void *ctx, struct chan *chan, struct chan_msg *m)
{
	struct child *c = ctx;
	const struct msg_number *number = m->payload;

	(void)chan;
	switch (m->type) {
	case MSG_READY:
		child_ready(c);
		break;
	case MSG_REFUSED:
		child_refused(c, m->payload);
		break;
	case MSG_STUCK:
		generation_stuck(c->parent, m->payload);
		break;
	case MSG_STATUS_ASK:
		send_status(c, number->number);
		break;
	case MSG_RELOAD_DB:
		ask_reload(c, number->number);
		break;
	default:
		break; /* CONF_DONE, DRAINED: its exit says the rest */
	}
}

static void
child_channel_ended(
    void *ctx, struct chan *chan, enum chan_end how, const char *why)
{
	struct child *c = ctx;

	(void)chan;
	if (how != CHAN_EOF) {
		log_error("violation", "role=%s pid=%d why=\"%s\"",
		    role_name(c->role), (int)c->pid, why);
		METRIC_INC(ipc_violations_total);
		if (c->pid > 0)
			(void)kill(c->pid, SIGKILL);
	}
	chan_free(&c->chan);
}

static const struct chan_ops child_ops = {
	.message = child_message,
	.ended = child_channel_ended,
};

/* ---- starting ---- */

static int
feed_spool_dir(struct child *c)
{
	struct msg_none none = { 0 };
	const char *path = c->parent->conf->spool_directory;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1) {
		log_error("spool-directory", "path=%s error=\"%s\"",
		    LOG_Q(slice_of(path)), strerror(errno));
		return -1;
	}
	rc =
	    chan_queue(c->chan, MSG_SPOOL_DIR, &none, fd) == CHAN_SENT ? 0 : -1;
	(void)close(fd);
	return rc;
}

static int
feed_ctl_listeners(struct child *c)
{
	struct parent *p = c->parent;
	struct msg_listener m;
	int rc = 0;

	memset(&m, 0, sizeof(m));
	m.kind = LISTENER_CONTROL;
	(void)str_copy(
	    m.name, sizeof(m.name), slice_of(p->conf->control_socket));
	if (p->control_fd != -1 &&
	    chan_queue(c->chan, MSG_LISTENER, &m, p->control_fd) != CHAN_SENT)
		rc = -1;
	m.kind = LISTENER_METRICS;
	(void)str_copy(
	    m.name, sizeof(m.name), slice_of(p->conf->metrics_listen));
	if (p->metrics_listener_fd != -1 &&
	    chan_queue(c->chan, MSG_LISTENER, &m, p->metrics_listener_fd) !=
		CHAN_SENT)
		rc = -1;
	return rc;
}

/* In the order of msg.def, GO last. */
static int
feed_child(struct child *c, char *why, size_t len)
{
	struct parent *p = c->parent;
	struct msg_none none = { 0 };
	struct feed f = feed_of(c);
	const struct conf *conf =
	    c->role == ROLE_CHECK ? p->next_conf : p->conf;

	(void)str_copy(why, len, SLICE_LIT("cannot reach the process"));
	if (feed_start(p, &f) == -1 || feed_conf(p, &f, conf) == -1)
		return -1;
	if (c->role != ROLE_CHECK &&
	    (feed_logs(p, &f) == -1 ||
		feed_metrics(p, &f,
		    c->role == ROLE_NET ? c->instance + 1 : UINT32_MAX) == -1))
		return -1;
	if (c->role == ROLE_CHECK && feed_modules(p, &f, conf, why, len) == -1)
		return -1;
	if (c->role == ROLE_NET && (feed_modules(p, &f, conf, why, len) == -1 ||
				       feed_spool_dir(c) == -1))
		return -1;
	if (c->role == ROLE_CTL && feed_ctl_listeners(c) == -1)
		return -1;
	return chan_queue(c->chan, MSG_GO, &none, -1) == CHAN_SENT ? 0 : -1;
}

static int
child_begin(struct child *c)
{
	char why[MSG_TEXT_MAX];
	int fds[2];

	if (chan_pair(fds) == -1)
		return -1;
	c->pid = proc_spawn(program_of(c->role),
	    c->role == ROLE_CHECK ? "--check" : NULL, fds[1]);
	(void)close(fds[1]);
	c->chan = chan_new(
	    c->parent->base, fds[0], ROLE_PARENT, c->role, &child_ops, c);
	if (c->pid == -1 || c->chan == NULL) {
		log_error("cannot-start", "program=%s error=\"%s\"",
		    program_of(c->role), strerror(errno));
		c->pid = 0;
		return -1;
	}
	c->state = CHILD_STARTING;
	c->since_us = clock_mono_us();
	c->since_wall_us = clock_wall_us();
	if (feed_child(c, why, sizeof(why)) == 0)
		return 0;
	log_error("cannot-start", "role=%s why=%s", role_name(c->role),
	    LOG_Q(slice_of(why)));
	if (c->role == ROLE_CHECK) {
		c->replaced = true;
		parent_checked(c->parent, false, why);
	}
	(void)kill(c->pid, SIGKILL);
	return 0;
}

static void
backoff_over(evutil_socket_t fd, short what, void *ctx)
{
	struct child *c = ctx;

	(void)fd;
	(void)what;
	if (c->parent->stopping)
		return;
	c->restarts++;
	METRIC_INC(child_restarts_total);
	if (child_begin(c) == -1)
		parent_finish(c->parent, EXIT_FAILURE);
}

static struct child *
child_add(struct parent *p, enum role role, unsigned int instance)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->parent = p;
	c->role = role;
	c->instance = instance;
	TAILQ_INSERT_TAIL(&p->children, c, link);
	c->timer = event_new(p->base, -1, 0, backoff_over, c);
	if (c->timer == NULL || child_begin(c) == -1) {
		child_free(c);
		return NULL;
	}
	return c;
}

int
children_start(struct parent *p)
{
	if (child_add(p, ROLE_CTL, 0) == NULL)
		return -1;
	for (unsigned int i = 0; i < p->conf->net_processes; i++)
		if (child_add(p, ROLE_NET, i) == NULL)
			return -1;
	return 0;
}

int
children_check(struct parent *p)
{
	return child_add(p, ROLE_CHECK, 0) != NULL ? 0 : -1;
}

/* ---- ending ---- */

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
		parent_finish(c->parent, EXIT_FAILURE);
}

void
children_exited(struct parent *p, pid_t pid, int status)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->pid == pid)
			break;
	if (c == NULL)
		return; /* a worker that outlived its loader */
	if (c->role == ROLE_CHECK && !c->replaced) {
		c->replaced = true;
		parent_checked(p, false, "the check of the modules crashed");
	}
	if (WIFSIGNALED(status))
		log_error("child-died", "role=%s instance=%u signal=%d",
		    role_name(c->role), c->instance, WTERMSIG(status));
	else if (!p->stopping && !c->replaced)
		log_error("child-ended", "role=%s instance=%u status=%d",
		    role_name(c->role), c->instance, WEXITSTATUS(status));
	chan_free(&c->chan);
	if (p->stopping || c->replaced)
		child_free(c);
	else
		start_again(c);
}

struct child *
child_net(struct parent *p, unsigned int instance)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->role == ROLE_NET && c->instance == instance &&
		    !c->replaced && c->state == CHILD_UP)
			return c;
	return NULL;
}

void
children_send(
    struct parent *p, unsigned int roles, uint16_t type, const void *payload)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if ((c->role & roles) != 0 && c->chan != NULL &&
		    c->state == CHILD_UP)
			(void)chan_queue(c->chan, type, payload, -1);
}

void
children_send_conf(struct parent *p)
{
	struct child *c;
	struct feed f;

	TAILQ_FOREACH (c, &p->children, link) {
		f = feed_of(c);
		if (c->chan != NULL && c->role != ROLE_CHECK &&
		    c->state != CHILD_NONE && feed_conf(p, &f, p->conf) == -1)
			log_error(
			    "conf-not-sent", "role=%s", role_name(c->role));
	}
}

void
children_send_logs(struct parent *p)
{
	struct child *c;
	struct feed f;

	TAILQ_FOREACH (c, &p->children, link) {
		f = feed_of(c);
		if (c->chan != NULL && c->role != ROLE_CHECK &&
		    c->state != CHILD_NONE && feed_logs(p, &f) == -1)
			log_error(
			    "logs-not-sent", "role=%s", role_name(c->role));
	}
}

void
children_replace_nets(struct parent *p)
{
	struct msg_number drain = { 0 };
	struct child *c, *next;

	TAILQ_FOREACH_SAFE(c, &p->children, link, next)
	{
		if (c->role != ROLE_NET || c->replaced)
			continue;
		c->replaced = true;
		if (child_add(p, ROLE_NET, c->instance) == NULL)
			log_error("cannot-replace", "net=%u", c->instance);
		if (c->chan != NULL)
			(void)chan_queue(c->chan, MSG_DRAIN, &drain, -1);
		else
			child_free(c);
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
