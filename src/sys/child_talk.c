/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What is said between the parent and net, ctl and check. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/feed.h"
#include "sys/parent.h"

#define END_SECONDS 5 /* a child that has hung up has so long to exit */

static struct feed
feed_of(const struct child *c)
{
	return (struct feed){ c->chan, c->role, c->instance };
}

/* ---- what they get first ---- */

static int
feed_spool_dir(struct child *c, char *why, size_t len)
{
	struct msg_none none = { 0 };
	const char *path = c->parent->first->spool_directory;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1) {
		(void)snprintf(
		    why, len, "SpoolDirectory %s: %s", path, strerror(errno));
		return -1;
	}
	rc =
	    chan_queue(c->chan, MSG_SPOOL_DIR, &none, fd) == CHAN_SENT ? 0 : -1;
	(void)close(fd);
	return rc;
}

static int
feed_listener(
    struct child *c, enum listener_kind kind, const char *name, int fd)
{
	struct msg_listener m;

	if (fd == -1)
		return 0;
	memset(&m, 0, sizeof(m));
	m.kind = kind;
	m.gid = kind == LISTENER_SCAN ? c->parent->scan_socket_gid : UINT32_MAX;
	(void)str_copy(m.name, sizeof(m.name), slice_of(name));
	return chan_queue(c->chan, MSG_LISTENER, &m, fd) == CHAN_SENT ? 0 : -1;
}

static int
feed_ctl(struct child *c)
{
	struct parent *p = c->parent;

	if (feed_listener(c, LISTENER_CONTROL, p->first->control_socket,
		p->control_fd) == -1)
		return -1;
	for (size_t i = 0; i < PARENT_MAX_CLAMD; i++)
		if (feed_listener(
			c, LISTENER_CLAMD, "clamd", p->clamd_fds[i]) == -1)
			return -1;
	return feed_listener(c, LISTENER_METRICS, p->first->metrics_listen,
	    p->metrics_listener_fd);
}

/* In the order of msg.def, GO last. */
int
child_feed(struct child *c, char *why, size_t len)
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
	    (feed_logs(p, &f) == -1 || feed_metrics(p, &f, c->block) == -1))
		return -1;
	if (c->role == ROLE_CTL && feed_ctl(c) == -1)
		return -1;
	if (c->role != ROLE_CTL &&
	    (feed_modules(&f, conf, why, len) == -1 ||
		feed_template(&f, conf, why, len) == -1 ||
		feed_tls(&f, conf, why, len) == -1))
		return -1;
	if (c->role == ROLE_NET &&
	    chan_queue(c->chan, MSG_TLS_TICKETS, &p->tickets, -1) != CHAN_SENT)
		return -1;
	if (c->role == ROLE_NET && feed_spool_dir(c, why, len) == -1)
		return -1;
	return chan_queue(c->chan, MSG_GO, &none, -1) == CHAN_SENT ? 0 : -1;
}

void
child_listen(struct child *c)
{
	struct parent *p = c->parent;

	const struct listener_socket *s;

	for (size_t i = 0; i < p->listeners.n && c->chan != NULL; i++) {
		s = &p->listeners.socket[i];
		if (feed_listener(c, s->tls ? LISTENER_ICAPS : LISTENER_ICAP,
			s->name, s->fd) == -1)
			log_error("cannot-pass", "listener=%s", s->name);
	}
	if (c->chan != NULL && feed_listener(c, LISTENER_SCAN,
				   p->first->scan_socket, p->scan_fd) == -1)
		log_error("cannot-pass", "listener=%s", p->first->scan_socket);
}

/* ---- what they say ---- */

static void
add_row(struct msg_status *s, struct msg_status_child row)
{
	for (size_t i = 0; i < COUNTOF(s->children); i++)
		if (s->children[i].role == 0) {
			s->children[i] = row;
			return;
		}
}

static void
add_processes(const struct parent *p, struct msg_status *s)
{
	const struct child *c;
	const struct loader *l;

	TAILQ_FOREACH (c, &p->children, link)
		add_row(s, (struct msg_status_child){ .role = c->role,
			       .instance = c->instance,
			       .pid = c->pid,
			       .restarts = c->restarts,
			       .since_wall_us = c->since_wall_us });
	TAILQ_FOREACH (l, &p->loaders, link)
		add_row(s, (struct msg_status_child){ .role = ROLE_SCAN,
			       .instance = l->generation,
			       .pid = l->pid,
			       .since_wall_us = l->since_wall_us });
}

static void
send_status(struct child *c, uint64_t number)
{
	struct parent *p = c->parent;
	struct msg_status s;

	memset(&s, 0, sizeof(s));
	s.number = number;
	s.started_wall_us = p->started_wall_us;
	s.loaded = p->loaded;
	s.loading = p->loading != NULL;
	s.workers = p->workers;
	s.workers_max = p->workers_max;
	s.loader_lost = p->current == NULL && p->loaded.generation != 0;
	s.last_reload_wall_us = p->last_reload_wall_us;
	memcpy(s.last_reload_error, p->last_reload_error,
	    sizeof(s.last_reload_error));
	s.sandbox = (uint32_t)p->first->sandbox;
	s.fixed_priority = !priority_can_change();
	memcpy(s.confined, p->confined, sizeof(s.confined));
	add_processes(p, &s);
	(void)chan_queue(c->chan, MSG_STATUS, &s, -1);
}

static void
ask_reload(struct child *c, uint64_t number)
{
	struct parent *p = c->parent;
	struct msg_reload_result no = { .number = number,
		.generation = p->loaded.generation,
		.text = "too many are waiting for a reload" };

	if (number != 0 &&
	    (p->stopping || p->nreload_waiters == PARENT_MAX_WAITERS)) {
		if (p->stopping)
			(void)str_copy(no.text, sizeof(no.text),
			    SLICE_LIT("shutting down"));
		(void)chan_queue(c->chan, MSG_RELOAD_RESULT, &no, -1);
		return;
	}
	generation_ask(p, number, "asked");
}

static void
net_ready(struct child *c)
{
	struct parent *p = c->parent;

	generation_join_net(p, c);
	if (!c->standby)
		child_listen(c);
	for (unsigned int i = 0; i < p->first->net_processes; i++)
		if (child_net(p, i, false) == NULL)
			return;
	parent_announce(p);
}

static void
child_ready(struct child *c, const struct msg_ready *m)
{
	struct parent *p = c->parent;

	c->state = CHILD_UP;
	log_info("ready", "role=%s instance=%u pid=%d", role_name(c->role),
	    c->instance, (int)c->pid);
	if (c->role == ROLE_CHECK) {
		c->replaced = true;
		reload_checked(p, true, "");
		return;
	}
	confined_set(p,
	    c->role == ROLE_NET ? MSG_CONFINED_NET : MSG_CONFINED_CTL, m->have);
	if (c->role == ROLE_NET)
		net_ready(c);
	else if (p->loaded.generation != 0)
		(void)chan_queue(c->chan, MSG_GENERATION, &p->loaded, -1);
}

static void
child_refused(struct child *c, const struct msg_text *t)
{
	(void)str_copy(c->why, sizeof(c->why),
	    (struct slice){ t->text, strnlen(t->text, sizeof(t->text)) });
	if (c->role == ROLE_CHECK) {
		if (!c->replaced)
			reload_checked(c->parent, false, c->why);
		c->replaced = true;
		return;
	}
	log_error("child-refused", "role=%s why=%s", role_name(c->role),
	    LOG_Q(slice_of(c->why)));
}

static void
child_message(void *ctx, struct chan *chan, struct chan_msg *m)
{
	struct child *c = ctx;
	const struct msg_number *number = m->payload;

	(void)chan;
	switch (m->type) {
	case MSG_READY:
		if (c->state == CHILD_STARTING)
			child_ready(c, m->payload);
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
	case MSG_DB_CHANGED:
		generation_notified(c->parent);
		break;
	case MSG_FLUSH_CACHE:
		children_send(c->parent, ROLE_NET, MSG_FLUSH_CACHE, number);
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
	struct timeval patience = { END_SECONDS, 0 };

	(void)chan;
	chan_free(&c->chan);
	if (c->pid <= 0)
		return;
	if (how == CHAN_EOF) {
		(void)event_add(c->timer, &patience);
		return;
	}
	log_error("violation", "role=%s pid=%d why=\"%s\"", role_name(c->role),
	    (int)c->pid, why);
	METRIC_INC(ipc_violations_total);
	(void)kill(c->pid, SIGKILL);
}

const struct chan_ops child_ops = {
	.message = child_message,
	.ended = child_channel_ended,
};

/* ---- what is told to all ---- */

void
children_send(
    struct parent *p, unsigned int roles, uint16_t type, const void *payload)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if ((c->role & roles) != 0 && c->chan != NULL &&
		    c->state == CHILD_UP && !c->standby && !c->replaced)
			(void)chan_queue(c->chan, type, payload, -1);
}

void
children_send_drain(struct parent *p)
{
	struct msg_number drain = { MSG_DRAIN_END };
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->chan != NULL && c->role != ROLE_CHECK)
			(void)chan_queue(c->chan, MSG_DRAIN, &drain, -1);
}

static void
send_conf(struct child *c)
{
	struct parent *p = c->parent;
	struct feed f = feed_of(c);
	char why[MSG_TEXT_MAX] = "";

	/* the page first: it is taken over with the configuration */
	if (c->role == ROLE_NET &&
	    feed_template(&f, p->conf, why, sizeof(why)) == -1)
		log_error("template", "why=%s", LOG_Q(slice_of(why)));
	if (c->role == ROLE_NET &&
	    feed_tls(&f, p->conf, why, sizeof(why)) == -1)
		log_error("tls-files", "why=%s", LOG_Q(slice_of(why)));
	if (feed_conf(p, &f, p->conf) == -1)
		log_error("conf-not-sent", "role=%s", role_name(c->role));
}

/* Nets that drain, or will as soon as others take over, keep the old one. */
void
children_send_conf(struct parent *p)
{
	bool standby = children_standing_by(p);
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->chan != NULL && c->role != ROLE_CHECK && !c->replaced &&
		    (c->role != ROLE_NET || c->standby == standby))
			send_conf(c);
}

void
children_send_tickets(struct parent *p)
{
	struct child *c;

	TAILQ_FOREACH (c, &p->children, link)
		if (c->role == ROLE_NET && c->chan != NULL)
			(void)chan_queue(
			    c->chan, MSG_TLS_TICKETS, &p->tickets, -1);
}

void
children_raise_files(struct parent *p)
{
	struct rlimit l;
	struct child *c;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1)
		return;
	TAILQ_FOREACH (c, &p->children, link)
		if (c->role == ROLE_NET && c->pid > 0)
			(void)prlimit(c->pid, RLIMIT_NOFILE, &l, NULL);
}

void
children_send_logs(struct parent *p)
{
	struct child *c;
	struct feed f;

	TAILQ_FOREACH (c, &p->children, link) {
		f = feed_of(c);
		if (c->chan != NULL && c->role != ROLE_CHECK &&
		    feed_logs(p, &f) == -1)
			log_error(
			    "logs-not-sent", "role=%s", role_name(c->role));
	}
}
