/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-net: serves ICAP. Everything it needs comes from the parent, as
 * messages on descriptor 3 in the order of ipc/msg.def; it drops its rights
 * with the first of them. With --check it only says whether a configuration
 * and its modules go together.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/idgen.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ipc/chan.h"
#include "net/net_int.h"
#include "net/tls_ctx.h"
#include "net/workers.h"
#include "sandbox/privdrop.h"
#include "sandbox/sandbox.h"

#define CHANNEL_FD 3
#define LOG_FLUSH_US 1000000

static void
finish(struct net *n, int status)
{
	n->finished = true;
	n->status = status;
	(void)event_base_loopbreak(n->base);
}

/* ---- what belongs to the process ---- */

static void
got_start(struct net *n, const struct msg_start *m)
{
	char name[16];

	n->instance = m->instance;
	n->sandbox = m->sandbox;
	n->nets = m->nets > 0 ? m->nets : 1;
	idgen_init(m->instance);
	(void)snprintf(name, sizeof(name), "net%u", m->instance);
	log_init(n->role == ROLE_CHECK ? "check" : name, LOG_INFO);
	if (privdrop(m->uid, m->gid, 0) == -1) {
		chan_refuse(n->parent, "cannot drop privileges");
		finish(n, EXIT_FAILURE);
	}
}

static void
got_log(const struct msg_log *m, int fd)
{
	log_set_level((enum log_level)m->level);
	if (m->stream >= LOG_NSTREAMS) {
		if (fd != -1)
			(void)close(fd);
	} else if (m->syslog) {
		log_set_syslog((enum log_stream)m->stream, "tolsey", fd);
	} else if (fd != -1) {
		log_set_fd((enum log_stream)m->stream, fd);
	}
}

static void
got_metrics(const struct msg_metrics *m, int fd)
{
	size_t len = (size_t)m->nblocks * sizeof(struct metrics);
	struct metrics *all;

	if (m->block >= m->nblocks)
		return;
	all = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED) {
		log_warn("no-metrics", "error=\"%s\"", strerror(errno));
		return;
	}
	metrics_use(&all[m->block]);
}

static void
got_listener(struct net *n, const struct msg_listener *m, int fd)
{
	char name[sizeof(m->name)];

	(void)str_copy(name, sizeof(name),
	    (struct slice){ m->name, strnlen(m->name, sizeof(m->name)) });
	if (m->kind == LISTENER_SCAN) {
		if (scanport_listen(n->scanport, fd, m->gid, name) == -1)
			log_error("no-memory", "for=scan-socket");
		return;
	}
	if (m->kind != LISTENER_ICAP && m->kind != LISTENER_ICAPS) {
		(void)close(fd);
		return;
	}
	if (listener_add(&n->listeners, &n->conns, fd,
		m->kind == LISTENER_ICAPS, name) == -1)
		chan_refuse(n->parent, "cannot listen");
}

static void
scan_done(void *ctx, uint64_t job, uint64_t owner, const struct sched_done *d)
{
	struct net *n = ctx;

	net_core_scan_done(&n->core, job, owner, d);
}

static void
distrust(void *ctx, const struct msg_worker *w)
{
	struct net *n = ctx;

	net_core_distrust(&n->core, w);
}

/* Modules are loaded and everything else is passed by descriptor. */
static int
confine(struct net *n, struct msg_ready *ready)
{
	struct sandbox_path spool = { .fd = n->spool_fd, .write = true };
	struct sandbox box = { .role = ROLE_NET,
		.off = n->sandbox == MSG_SANDBOX_OFF,
		.paths = &spool,
		.npaths = n->spool_fd != -1 ? 1 : 0 };
	struct sandbox_report r = { 0 };
	char why[MSG_TEXT_MAX];

	if (sandbox_enter(&box, &r, why, sizeof(why)) != 0 ||
	    (n->sandbox == MSG_SANDBOX_REQUIRE &&
		sandbox_demand(ROLE_NET, &r, why, sizeof(why)) != 0)) {
		chan_refuse(n->parent, why);
		return -1;
	}
	sandbox_log(ROLE_NET, &r);
	ready->have = r.have;
	return 0;
}

static void
begin_serving(struct net *n)
{
	struct service_set *set = net_make_set(n);
	struct msg_ready ready = { 0 };
	struct tls_ctx *tls = NULL;
	const struct workers_ops ops = { distrust, scan_done, n };

	if (set == NULL || net_make_tls(n, &tls) == -1 ||
	    confine(n, &ready) != 0) {
		tls_ctx_free(&tls);
		service_set_unref(&set);
		finish(n, EXIT_FAILURE);
		return;
	}
	n->spool = spool_pool_new(n->spool_fd,
	    net_share(n, conf_spool_memory(n->conf)),
	    net_share(n, n->conf->spool_size));
	n->spool_fd = -1;
	n->workers = workers_new(n->base, n->tq, n->parent, &ops);
	if (n->spool == NULL || n->workers == NULL ||
	    net_core_init(&n->core, n->tq, workers_sched(n->workers), n->spool,
		set) == -1 ||
	    conn_pool_init(&n->conns, n->base, &n->core) == -1 ||
	    (n->scanport = scanport_new(n->base, &n->core)) == NULL ||
	    net_configure_connections(n, tls) == -1) {
		chan_refuse(n->parent, "out of memory");
		finish(n, EXIT_FAILURE);
		return;
	}
	service_set_unref(&set);
	n->core.server = SLICE_LIT("tolsey/" PACKAGE_VERSION);
	net_set_limits(n);
	net_name_services(n->conf);
	n->serving = true;
	(void)chan_queue(n->parent, MSG_READY, &ready, -1);
}

static void
check_only(struct net *n)
{
	struct service_set *set = net_make_set(n);
	struct msg_ready ready = { 0 };
	struct tls_ctx *tls = NULL;
	bool ok = set != NULL && net_make_tls(n, &tls) == 0;

	if (ok)
		(void)chan_queue(n->parent, MSG_READY, &ready, -1);
	tls_ctx_free(&tls);
	service_set_unref(&set);
	finish(n, ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void
begin_drain(struct net *n, bool for_good)
{
	if (n->serving && for_good)
		conn_pool_end(&n->conns);
	if (n->draining || !n->serving)
		return;
	log_notice("draining", "connections=%u", n->conns.count);
	n->draining = n->core.draining = true;
	listener_free_all(&n->listeners);
	conn_pool_drain(&n->conns);
	scanport_drain(n->scanport);
}

static void
got_generation(struct net *n, const struct msg_loaded *m)
{
	if (!n->serving)
		return;
	log_notice("generation", "number=%u signatures=%u engine=\"%s\"",
	    m->generation, m->signatures, m->engine);
	sched_generation(n->core.sched, m->generation);
	if (net_core_generation(&n->core, m) == -1)
		log_error("no-istag", "generation=%u", m->generation);
}

/* The memory of the signatures is needed for the next ones. */
static void
unload(struct net *n)
{
	log_notice("unloading", "connections=%u", n->conns.count);
	sched_unload(n->core.sched);
	if (net_core_unload(&n->core) == -1)
		log_error("no-istag", "generation=0");
}

static void
from_parent(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct net *n = ctx;
	const struct msg_number *number = m->payload;
	bool keep_fd = false;

	(void)c;
	switch (m->type) {
	case MSG_START:
		got_start(n, m->payload);
		break;
	case MSG_CONF:
		net_got_conf(n, m->payload, m->fd);
		break;
	case MSG_LOG:
		got_log(m->payload, m->fd);
		keep_fd = true;
		break;
	case MSG_METRICS:
		got_metrics(m->payload, m->fd);
		break;
	case MSG_MODULE:
		net_got_module(n, m->payload, m->fd);
		break;
	case MSG_TEMPLATE:
		net_got_template(n, m->fd);
		break;
	case MSG_TLS_FILE:
		net_got_tls_file(n, m->payload, m->fd);
		break;
	case MSG_TLS_TICKETS:
		tls_tickets_set(n->tickets, m->payload);
		break;
	case MSG_SPOOL_DIR:
		n->spool_fd = m->fd;
		keep_fd = true;
		break;
	case MSG_GO:
		if (n->role == ROLE_CHECK)
			check_only(n);
		else
			begin_serving(n);
		break;
	case MSG_LISTENER:
		if (n->serving)
			got_listener(n, m->payload, m->fd);
		keep_fd = n->serving;
		break;
	case MSG_SCAN_CHANNEL:
		keep_fd = n->serving;
		if (n->serving && workers_add_loader(n->workers,
				      (uint32_t)number->number, m->fd) == -1)
			log_error("no-memory", "for=loader");
		break;
	case MSG_GENERATION:
		got_generation(n, m->payload);
		break;
	case MSG_UNLOAD:
		if (n->serving)
			unload(n);
		break;
	case MSG_NO_GENERATION:
		if (n->serving && net_core_generation(&n->core, NULL) == -1)
			log_error("no-istag", "generation=0");
		break;
	case MSG_FLUSH_CACHE:
		if (n->serving)
			cache_forget(n->core.cache);
		break;
	case MSG_DRAIN:
		begin_drain(n, number->number == MSG_DRAIN_END);
		break;
	default:
		break;
	}
	if (!keep_fd && m->fd != -1)
		(void)close(m->fd);
}

static void
parent_ended(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct net *n = ctx;

	(void)c;
	if (how != CHAN_EOF)
		log_error("parent-channel", "why=\"%s\"", why);
	finish(n, how == CHAN_EOF ? EXIT_SUCCESS : EXIT_FAILURE);
}

static const struct chan_ops parent_ops = {
	.message = from_parent,
	.ended = parent_ended,
};

/* ---- loop ---- */

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx; /* it only ends event_base_loop() in time */
}

static void
on_log_timer(struct timer *t)
{
	struct net *n = CONTAINER_OF(t, struct net, log_timer);

	log_flush();
	if (timer_arm(n->tq, t, clock_mono_us() + LOG_FLUSH_US) == -1)
		log_warn("no-memory", "for=timer");
}

/* Sleeps until the first deadline at the latest. */
static void
arm_tick(struct net *n)
{
	uint64_t now = clock_mono_us(), next = timerq_next_us(n->tq);
	uint64_t us = next > now ? next - now : 0;
	struct timeval tv = { (time_t)(us / 1000000),
		(suseconds_t)(us % 1000000) };

	if (next != UINT64_MAX && event_add(n->tick, &tv) == -1)
		log_warn("event-failed", "what=tick");
}

static void
run(struct net *n)
{
	struct msg_none none = { 0 };

	while (!n->finished) {
		arm_tick(n);
		if (event_base_loop(n->base, EVLOOP_ONCE) == -1) {
			finish(n, EXIT_FAILURE);
			return;
		}
		(void)timerq_run(n->tq, clock_mono_us());
		if (n->draining && n->conns.count == 0 &&
		    scanport_count(n->scanport) == 0) {
			(void)chan_queue(n->parent, MSG_DRAINED, &none, -1);
			finish(n, EXIT_SUCCESS);
		}
	}
}

static int
init(struct net *n)
{
	const struct timeval most = { .tv_usec = CONN_DISPATCH_US };
	struct event_config *cfg = event_config_new();

	n->spool_fd = -1;
	TAILQ_INIT(&n->listeners);
	if (cfg == NULL)
		return -1;
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	(void)event_config_set_max_dispatch_interval(
	    cfg, &most, CONN_DISPATCH_MAX, CONN_PRIORITY);
	n->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	n->tq = timerq_new();
	n->modules = registry_new();
	n->tickets = tls_tickets_new();
	if (n->base == NULL || n->tq == NULL || n->modules == NULL ||
	    n->tickets == NULL ||
	    event_base_priority_init(n->base, CONN_NPRIORITIES) == -1)
		return -1;
	n->tick = event_new(n->base, -1, 0, on_tick, NULL);
	n->parent =
	    chan_new(n->base, CHANNEL_FD, n->role, ROLE_PARENT, &parent_ops, n);
	if (n->tick == NULL || n->parent == NULL)
		return -1;
	timer_init(&n->log_timer, on_log_timer);
	return timer_arm(n->tq, &n->log_timer, clock_mono_us() + LOG_FLUSH_US);
}

/* Everything is given back, so that leaks show. */
static void
deinit(struct net *n)
{
	listener_free_all(&n->listeners);
	scanport_free(&n->scanport);
	if (n->serving) {
		conn_pool_free(&n->conns);
		net_core_free(&n->core);
	}
	workers_free(&n->workers);
	spool_pool_free(&n->spool);
	conf_unref(&n->conf);
	registry_free(&n->modules);
	free(n->template);
	net_forget_tls_files(n);
	tls_tickets_free(&n->tickets);
	chan_free(&n->parent);
	if (n->tick != NULL)
		event_free(n->tick);
	timerq_free(&n->tq);
	if (n->base != NULL)
		event_base_free(n->base);
	if (n->spool_fd != -1)
		(void)close(n->spool_fd);
}

int
main(int argc, char *argv[])
{
	struct net n;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	memset(&n, 0, sizeof(n));
	n.role = argc == 2 && strcmp(argv[1], "--check") == 0 ? ROLE_CHECK
							      : ROLE_NET;
	log_init("net", LOG_INFO);
	/* the terminal's signals are the parent's business */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	if (init(&n) == -1) {
		fprintf(
		    stderr, "tolsey-net is started by tolseyd, not by hand\n");
		deinit(&n);
		return EXIT_FAILURE;
	}
	run(&n);
	deinit(&n);
	return n.status;
}
