/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/workers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ipc/progress.h"

struct loader {
	TAILQ_ENTRY(loader) link;
	struct workers *w;
	struct chan *chan;
	uint32_t generation;
};
struct port {
	TAILQ_ENTRY(port) link;
	struct workers *w;
	struct chan *chan;
	struct progress *progress; /* NULL: the worker sends SCAN_STARTED */
	struct msg_worker id;
};
TAILQ_HEAD(loader_list, loader);
TAILQ_HEAD(port_list, port);

struct workers {
	struct event_base *base;
	struct chan *parent;
	struct sched *sched;
	struct workers_ops ops;
	struct loader_list loaders;
	struct port_list ports;
};

/* ---- sched to worker ---- */

static bool
port_send(void *ctx, const struct msg_scan_request *rq, struct slice body,
    int fd, bool *dead)
{
	struct port *p = ctx;

	*dead = false;
	switch (chan_send_tail(p->chan, MSG_SCAN_REQUEST, rq, body, fd)) {
	case CHAN_SENT:
		return true;
	case CHAN_AGAIN:
		return false;
	case CHAN_DEAD:
		break;
	}
	*dead = true;
	return false;
}

static void
port_close(void *ctx)
{
	struct port *p = ctx;

	TAILQ_REMOVE(&p->w->ports, p, link);
	chan_free(&p->chan);
	progress_free(&p->progress);
	free(p);
}

static uint64_t
port_begun(void *ctx, uint64_t *at_us)
{
	const struct port *p = ctx;

	return progress_begun(p->progress, at_us);
}

/* ---- worker to sched ---- */

static void
got_result(struct port *p, const struct chan_msg *m)
{
	const struct msg_scan_result *r = m->payload;
	struct scan_answer a;

	if (msg_scan_result_check(r, m->tail, &a) == -1) {
		sched_violation(
		    p->w->sched, p->id.incarnation, "malformed result");
		return;
	}
	sched_result(p->w->sched, p->id.incarnation, r->scan_id, &a);
}

static void
port_message(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct port *p = ctx;
	const struct msg_scan_id *id = m->payload;

	(void)c;
	if (m->type == MSG_SCAN_STARTED)
		sched_started(p->w->sched, p->id.incarnation, id->scan_id);
	else if (m->type == MSG_SCAN_RESULT)
		got_result(p, m);
}

static void
port_ended(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct port *p = ctx;

	(void)c;
	if (how == CHAN_VIOLATION)
		sched_violation(p->w->sched, p->id.incarnation, why);
	else
		sched_worker_eof(p->w->sched, p->id.incarnation);
}

static void
port_writable(void *ctx, struct chan *c)
{
	struct port *p = ctx;

	(void)c;
	sched_worker_writable(p->w->sched, p->id.incarnation);
}

static const struct chan_ops port_chan_ops = {
	.message = port_message,
	.ended = port_ended,
};

/* Gives the worker its page, before anything else. */
static void
share_progress(struct port *p)
{
	const struct msg_none none = { 0 };
	int fd;

	p->progress = progress_new(&fd);
	if (p->progress == NULL)
		return;
	if (chan_send(p->chan, MSG_PROGRESS, &none, fd) != CHAN_SENT)
		progress_free(&p->progress);
	(void)close(fd);
}

static void
add_worker(struct workers *w, const struct msg_worker *id, int fd)
{
	struct sched_port port = { .send = port_send, .close = port_close };
	struct port *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		(void)close(fd);
		return;
	}
	p->w = w;
	p->id = *id;
	port.ctx = p;
	TAILQ_INSERT_TAIL(&w->ports, p, link);
	p->chan =
	    chan_new(w->base, fd, ROLE_NET, ROLE_WORKER, &port_chan_ops, p);
	if (p->chan == NULL) {
		TAILQ_REMOVE(&w->ports, p, link);
		free(p);
		return;
	}
	chan_on_writable(p->chan, port_writable);
	chan_one_at_a_time(p->chan);
	share_progress(p);
	if (p->progress != NULL)
		port.begun = port_begun;
	if (sched_worker_add(w->sched, id, &port) == -1)
		port_close(p);
}

/* ---- loader ---- */

static void
loader_message(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct loader *l = ctx;

	(void)c;
	if (m->type == MSG_WORKER)
		add_worker(l->w, m->payload, m->fd);
	else if (m->type == MSG_WORKER_LOST)
		sched_worker_lost(l->w->sched, m->payload);
}

static void
loader_free(struct loader *l)
{
	TAILQ_REMOVE(&l->w->loaders, l, link);
	chan_free(&l->chan);
	free(l);
}

static void
loader_ended(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct loader *l = ctx;

	(void)c;
	/* its workers go on: they have channels of their own */
	log_info("loader-gone", "generation=%u why=\"%s\"", l->generation,
	    how == CHAN_EOF ? "end" : why);
	sched_loader_gone(l->w->sched, l->generation);
	loader_free(l);
}

static const struct chan_ops loader_chan_ops = {
	.message = loader_message,
	.ended = loader_ended,
};

static struct loader *
loader_of(struct workers *w, uint32_t generation)
{
	struct loader *l;

	TAILQ_FOREACH (l, &w->loaders, link)
		if (l->generation == generation)
			return l;
	return NULL;
}

static bool
on_want(void *ctx, uint32_t generation, unsigned int workers)
{
	struct loader *l = loader_of(ctx, generation);
	struct msg_number n = { workers };

	return l != NULL &&
	       chan_queue(l->chan, MSG_WANTED, &n, -1) == CHAN_SENT;
}

int
workers_add_loader(struct workers *w, uint32_t generation, int fd)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return -1;
	}
	l->w = w;
	l->generation = generation;
	TAILQ_INSERT_TAIL(&w->loaders, l, link);
	l->chan =
	    chan_new(w->base, fd, ROLE_NET, ROLE_SCAN, &loader_chan_ops, l);
	if (l->chan != NULL) {
		/* as many as the former one kept */
		(void)on_want(w, generation, sched_wanted(w->sched));
		return 0;
	}
	TAILQ_REMOVE(&w->loaders, l, link);
	free(l);
	return -1;
}

static void
tell_loader(struct workers *w, uint16_t type, const struct msg_worker *id)
{
	struct loader *l = loader_of(w, id->generation);

	if (l != NULL)
		(void)chan_queue(l->chan, type, id, -1);
}

static void
on_overdue(void *ctx, const struct msg_worker *id)
{
	tell_loader(ctx, MSG_OVERDUE, id);
}

static void
on_retire(void *ctx, const struct msg_worker *id)
{
	tell_loader(ctx, MSG_RETIRE, id);
}

static void
on_stuck(void *ctx, const struct msg_worker *id)
{
	struct workers *w = ctx;

	(void)chan_queue(w->parent, MSG_STUCK, id, -1);
}

static bool
on_has_loader(void *ctx, uint32_t generation)
{
	return loader_of(ctx, generation) != NULL;
}

static void
on_yield(void *ctx, const struct msg_worker *id, bool on)
{
	struct msg_yield y = { .worker = *id, .on = on };
	struct loader *l = loader_of(ctx, id->generation);

	if (l != NULL)
		(void)chan_queue(l->chan, MSG_YIELD, &y, -1);
}

static void
on_done(void *ctx, uint64_t job, uint64_t owner, const struct sched_done *d)
{
	struct workers *w = ctx;

	w->ops.done(w->ops.ctx, job, owner, d);
}

static void
on_distrust(void *ctx, const struct msg_worker *id)
{
	struct workers *w = ctx;

	w->ops.distrust(w->ops.ctx, id);
}

struct workers *
workers_new(struct event_base *base, struct timerq *tq, struct chan *parent,
    const struct workers_ops *theirs)
{
	struct workers *w = calloc(1, sizeof(*w));
	struct sched_ops ops = { .overdue = on_overdue,
		.retire = on_retire,
		.stuck = on_stuck,
		.want = on_want,
		.has_loader = on_has_loader,
		.yield = on_yield,
		.distrust = on_distrust,
		.done = on_done,
		.ctx = w };

	if (w == NULL)
		return NULL;
	w->base = base;
	w->parent = parent;
	w->ops = *theirs;
	TAILQ_INIT(&w->loaders);
	TAILQ_INIT(&w->ports);
	if ((w->sched = sched_new(tq, &ops)) == NULL) {
		free(w);
		return NULL;
	}
	return w;
}

void
workers_free(struct workers **wp)
{
	struct workers *w = *wp;
	struct loader *l;

	if (w == NULL)
		return;
	*wp = NULL;
	sched_free(&w->sched);
	while ((l = TAILQ_FIRST(&w->loaders)) != NULL)
		loader_free(l);
	while (!TAILQ_EMPTY(&w->ports))
		port_close(TAILQ_FIRST(&w->ports));
	free(w);
}

struct sched *
workers_sched(struct workers *w)
{
	return w->sched;
}
