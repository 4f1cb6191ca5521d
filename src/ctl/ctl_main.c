/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "sandbox/privdrop.h"
#include "sandbox/sandbox.h"

#define CHANNEL_FD 3
#define CTL_DESCRIPTORS 256

void
ctl_sum(const struct ctl *c, struct metrics *sum)
{
	const struct metrics *blocks[CTL_BLOCKS_MAX];

	for (unsigned int i = 0; i < c->nblocks; i++)
		blocks[i] = &c->blocks[i];
	metrics_sum(sum, blocks, c->nblocks);
}

const char *
ctl_not_ready(struct ctl *c)
{
	const struct msg_text *t = &c->not_loaded;
	size_t len = strnlen(t->text, sizeof(t->text));

	if (c->draining)
		return "shutting down\n";
	if (c->loaded.generation != 0)
		return "";
	(void)snprintf(c->not_ready, sizeof(c->not_ready),
	    "no signatures are loaded%s%.*s\n", len > 0 ? ": " : "", (int)len,
	    t->text);
	return c->not_ready;
}

static void
got_start(struct ctl *c, const struct msg_start *m)
{
	log_init("ctl", LOG_INFO);
	c->sandbox = m->sandbox;
	if (privdrop(m->uid, m->gid, 0) == 0)
		return;
	chan_refuse(c->parent, "cannot drop privileges");
	(void)event_base_loopbreak(c->base);
}

/* It needs no file any more, and no socket but those it has. */
static void
confine(struct ctl *c)
{
	struct sandbox box = { .role = ROLE_CTL,
		.off = c->sandbox == MSG_SANDBOX_OFF };
	struct sandbox_report r = { 0 };
	struct msg_ready ready = { 0 };
	char why[MSG_TEXT_MAX] = "";

	if (sandbox_enter(&box, &r, why, sizeof(why)) != 0 ||
	    (c->sandbox == MSG_SANDBOX_REQUIRE &&
		sandbox_demand(ROLE_CTL, &r, why, sizeof(why)) != 0)) {
		chan_refuse(c->parent, why);
		(void)event_base_loopbreak(c->base);
		return;
	}
	sandbox_log(ROLE_CTL, &r);
	ready.have = r.have;
	(void)chan_queue(c->parent, MSG_READY, &ready, -1);
}

static void
got_log(const struct msg_log *m, int fd)
{
	log_set_level((enum log_level)m->level);
	if (m->syslog)
		log_set_syslog(LOG_EVENTS, "tolsey", fd);
	else if (fd != -1)
		log_set_fd(LOG_EVENTS, fd);
}

static void
got_metrics(struct ctl *c, const struct msg_metrics *m, int fd)
{
	size_t len = (size_t)m->nblocks * sizeof(struct metrics);
	void *all;

	if (m->nblocks > CTL_BLOCKS_MAX)
		return;
	all = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED) {
		log_warn("no-metrics", "error=\"%s\"", strerror(errno));
		return;
	}
	c->blocks = all;
	c->nblocks = m->nblocks;
}

static void
got_listener(struct ctl *c, const struct msg_listener *m, int fd)
{
	int rc = -1;

	if (m->kind == LISTENER_CONTROL)
		rc = control_listen(c, fd);
	else if (m->kind == LISTENER_METRICS)
		rc = metrics_http_listen(c, fd);
	else if (m->kind == LISTENER_CLAMD)
		rc = clamd_listen(c, fd);
	else
		(void)close(fd);
	if (rc == -1)
		log_error("cannot-listen", "kind=%u", m->kind);
}

static void
from_parent(void *ctx, struct chan *chan, struct chan_msg *m)
{
	struct ctl *c = ctx;
	bool keep_fd = false;

	(void)chan;
	switch (m->type) {
	case MSG_START:
		got_start(c, m->payload);
		break;
	case MSG_LOG:
		got_log(m->payload, m->fd);
		keep_fd = true;
		break;
	case MSG_METRICS:
		got_metrics(c, m->payload, m->fd);
		break;
	case MSG_LISTENER:
		got_listener(c, m->payload, m->fd);
		keep_fd = true;
		break;
	case MSG_GO:
		confine(c);
		break;
	case MSG_GENERATION:
		memcpy(&c->loaded, m->payload, sizeof(c->loaded));
		c->not_loaded.text[0] = '\0';
		break;
	case MSG_NO_GENERATION:
		memcpy(&c->not_loaded, m->payload, sizeof(c->not_loaded));
		break;
	case MSG_UNLOAD:
		c->loaded.generation = 0;
		break;
	case MSG_DRAIN:
		c->draining = true;
		break;
	case MSG_STATUS:
		control_status(c, m->payload);
		break;
	case MSG_RELOAD_RESULT:
		control_reload_result(c, m->payload);
		break;
	default:
		break; /* CONF: nothing to do here */
	}
	if (!keep_fd && m->fd != -1)
		(void)close(m->fd);
}

static void
parent_ended(void *ctx, struct chan *chan, enum chan_end how, const char *why)
{
	struct ctl *c = ctx;

	(void)chan;
	if (how != CHAN_EOF)
		log_error("parent-channel", "why=\"%s\"", why);
	(void)event_base_loopbreak(c->base);
}

static const struct chan_ops parent_ops = {
	.message = from_parent,
	.ended = parent_ended,
};

static void
each_second(evutil_socket_t fd, short what, void *ctx)
{
	struct ctl *c = ctx;

	(void)fd;
	(void)what;
	log_flush();
	control_resume(c);
	metrics_http_resume(c);
	clamd_resume(c);
}

static int
init(struct ctl *c, struct event **tick)
{
	struct timeval second = { 1, 0 };

	TAILQ_INIT(&c->clients);
	TAILQ_INIT(&c->clamd_clients);
	c->control_fd = -1;
	c->blocks = metrics;
	c->nblocks = 1;
	if ((c->base = event_base_new()) == NULL)
		return -1;
	*tick = event_new(c->base, -1, EV_PERSIST, each_second, c);
	c->parent = chan_new(
	    c->base, CHANNEL_FD, ROLE_CTL, ROLE_PARENT, &parent_ops, c);
	return *tick != NULL && c->parent != NULL ? event_add(*tick, &second)
						  : -1;
}

int
main(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct event *tick = NULL;
	struct rlimit fds = { CTL_DESCRIPTORS, CTL_DESCRIPTORS };
	struct ctl c;
	int rc = EXIT_FAILURE;

	memset(&c, 0, sizeof(c));
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	(void)setrlimit(RLIMIT_NOFILE, &fds); /* bounds the connections */
	if (init(&c, &tick) == 0)
		rc = event_base_dispatch(c.base) == -1 ? EXIT_FAILURE
						       : EXIT_SUCCESS;
	else
		fprintf(
		    stderr, "tolsey-ctl is started by tolseyd, not by hand\n");
	control_free(&c);
	clamd_free(&c);
	metrics_http_free(&c);
	chan_free(&c.parent);
	if (tick != NULL)
		event_free(tick);
	if (c.base != NULL)
		event_base_free(c.base);
	return rc;
}
