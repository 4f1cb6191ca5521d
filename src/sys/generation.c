/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Signature generations: a loader loads and tests itself; only then its
 * workers take over and the old loader ends. One that fails leaves the old one
 * serving and says so.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/backoff.h"
#include "sys/dbwatch.h"
#include "sys/notify.h"
#include "sys/feed.h"
#include "sys/parent.h"
#include "sys/proc.h"

#define NEVER UINT64_MAX
#define RETIRED_MARGIN_MS 30000

static void
loader_free(struct loader *l)
{
	struct parent *p = l->parent;

	TAILQ_REMOVE(&p->loaders, l, link);
	if (p->current == l)
		p->current = NULL;
	if (p->loading == l)
		p->loading = NULL;
	chan_free(&l->chan);
	if (l->timer != NULL)
		event_free(l->timer);
	free(l);
}

/* The old generation, if any, goes on. */
static void
load_failed(struct parent *p, const char *why)
{
	struct msg_text t;

	memset(&t, 0, sizeof(t));
	(void)str_copy_clean(t.text, sizeof(t.text), slice_of(why), "");
	log_error("load-failed", "serving=%u why=%s", p->loaded.generation,
	    LOG_Q(slice_of(why)));
	METRIC_INC(reload_failures_total);
	METRIC_SET(signatures_load_failed, 1);
	METRIC_SET(signatures_loading, 0);
	memcpy(p->last_reload_error, t.text, sizeof(p->last_reload_error));
	p->last_reload_wall_us = clock_wall_us();
	generation_plan_retry(p);
	if (p->loaded.generation == 0)
		children_send(p, ROLE_NET | ROLE_CTL, MSG_NO_GENERATION, &t);
	generation_ended_load(p, false, t.text);
}

/* The longest that its workers may still be at. */
static uint64_t
longest_scan_ms(const struct conf *c)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < c->nservices; i++)
		if (c->services[i].scan_timeout_max > ms)
			ms = c->services[i].scan_timeout_max;
	return ms;
}

static void
retire(struct loader *l)
{
	struct msg_number drain = { 0 };
	uint64_t ms;
	struct timeval tv;

	if (l == NULL || l->retired)
		return;
	l->retired = true;
	if (l->chan != NULL)
		(void)chan_queue(l->chan, MSG_DRAIN, &drain, -1);
	if (l->standby_follows)
		return; /* nets that drain may keep it for long */
	ms = longest_scan_ms(l->parent->conf) + RETIRED_MARGIN_MS;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = 0;
	(void)event_add(l->timer, &tv);
}

static void
say_loaded(const struct loader *l, const struct msg_loaded *m)
{
	char status[160];

	log_notice("loaded",
	    "generation=%u signatures=%u load_ms=%u memory=%llu "
	    "engine=\"%.32s\" database=\"%.96s\"%s",
	    l->generation, m->signatures, m->load_ms,
	    (unsigned long long)m->memory, m->engine, m->database,
	    m->embedded ? " (the embedded set: only for trying out; install "
			  "clamav-freshclam for the real one)"
			: "");
	(void)snprintf(status, sizeof(status),
	    "STATUS=generation %u, %u signatures, %.96s", l->generation,
	    m->signatures, m->database);
	notify(status);
}

static void
remember(struct parent *p, struct loader *l)
{
	uint64_t memory;

	l->info.generation = l->generation;
	/* a process of another account may be hidden from us: it said it */
	if ((memory = memroom_of_process(p->memory, l->pid)) > l->info.memory)
		l->info.memory = memory;
	p->loaded = l->info;
	confined_set(p, MSG_CONFINED_SCAN, l->info.have_loader);
	confined_set(p, MSG_CONFINED_WORKER, l->info.have_worker);
	p->loaded_fingerprint = l->fingerprint;
	p->load_fails = 0;
	p->retry_at_us = NEVER;
	p->last_reload_error[0] = '\0';
	p->last_reload_wall_us = clock_wall_us();
	METRIC_INC(reloads_total);
	METRIC_SET(signatures_load_failed, 0);
	METRIC_SET(signatures_loading, 0);
	METRIC_SET(signatures_memory_bytes, l->info.memory);
	METRIC_SET(signatures_built_timestamp_seconds,
	    l->info.built_wall_us / 1000000);
	METRIC_SET(signatures_load_milliseconds, l->info.load_ms);
}

/* Its workers are there: from now on they scan, and the old ones end. */
static void
take_over(struct loader *l)
{
	struct parent *p = l->parent;
	struct loader *old = p->current;

	l->serving = true;
	l->since_us = clock_mono_us();
	(void)event_del(l->timer);
	p->loading = NULL;
	p->current = l;
	remember(p, l);
	say_loaded(l, &p->loaded);
	if (l->standby) {
		l->standby = false;
		if (old != NULL)
			old->standby_follows = true;
		children_hand_over(p);
	}
	children_send(p, ROLE_NET | ROLE_CTL, MSG_GENERATION, &p->loaded);
	retire(old);
	generation_ended_load(p, true, "loaded");
}

/* It has the signatures and proved them; it may have workers. */
static void
got_loaded(struct loader *l, const struct msg_loaded *m)
{
	struct msg_none none = { 0 };

	l->loaded = true;
	l->info = *m;
	priority_of_loader(l, false); /* its workers inherit it */
	(void)chan_queue(l->chan, MSG_SERVE, &none, -1);
}

static void
loader_message(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct loader *l = ctx;
	const struct msg_text *t = m->payload;

	(void)c;
	if (m->type == MSG_LOADED && !l->loaded)
		got_loaded(l, m->payload);
	else if (m->type == MSG_SERVING && l->loaded && !l->serving)
		take_over(l);
	else if (m->type == MSG_PRIORITY)
		priority_of_worker(l, m->payload);
	else if (m->type == MSG_REFUSED)
		(void)str_copy(l->why, sizeof(l->why),
		    (struct slice){
			t->text, strnlen(t->text, sizeof(t->text)) });
}

static void
loader_channel_ended(
    void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct loader *l = ctx;

	(void)c;
	if (how != CHAN_EOF) {
		log_error("violation", "role=scan pid=%d why=\"%s\"",
		    (int)l->pid, why);
		METRIC_INC(ipc_violations_total);
		(void)kill(l->pid, SIGKILL);
	}
	chan_free(&l->chan); /* its exit says the rest */
}

static const struct chan_ops loader_ops = {
	.message = loader_message,
	.ended = loader_channel_ended,
};

static void
load_timeout(evutil_socket_t fd, short what, void *ctx)
{
	struct loader *l = ctx;

	(void)fd;
	(void)what;
	(void)str_copy(l->why, sizeof(l->why),
	    l->retired  ? SLICE_LIT("it did not end in time")
	    : l->loaded ? SLICE_LIT("it had no workers within LoadTimeout")
			: SLICE_LIT("loading took longer than LoadTimeout"));
	(void)kill(l->pid, SIGKILL);
}

/* ---- starting one ---- */

static int
join(struct loader *l, struct child *net)
{
	struct msg_number to_loader = { net->instance };
	struct msg_number to_net = { l->generation };
	int fds[2], rc;

	if (chan_pair(fds) == -1)
		return -1;
	rc = chan_queue(l->chan, MSG_NET_CHANNEL, &to_loader, fds[0]) ==
			 CHAN_SENT &&
		     chan_queue(net->chan, MSG_SCAN_CHANNEL, &to_net, fds[1]) ==
			 CHAN_SENT
		 ? 0
		 : -1;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return rc;
}

static int
feed_slots(struct loader *l)
{
	struct parent *p = l->parent;
	struct msg_slot_dir m;

	jail_dirs_renew(&p->jails, l->set);
	for (unsigned int i = 0; i < p->workers_max; i++) {
		memset(&m, 0, sizeof(m));
		m.slot = i;
		m.spare = i >= p->workers;
		m.jail = p->jails.mounted ? MSG_JAIL_TMPFS : MSG_JAIL_DIR;
		m.size = p->jails.size_each;
		jail_dirs_path(&p->jails, l->set, i, m.path, sizeof(m.path));
		if (chan_queue(l->chan, MSG_SLOT, &m, -1) != CHAN_SENT)
			return -1;
	}
	return 0;
}

static int
feed_loader(struct loader *l)
{
	struct parent *p = l->parent;
	struct msg_none none = { 0 };
	struct feed f = { l->chan, ROLE_SCAN, l->generation };
	struct child *net;

	if (feed_start(p, &f) == -1 || feed_conf(p, &f, p->conf) == -1 ||
	    feed_logs(p, &f) == -1 || feed_slots(l) == -1)
		return -1;
	for (unsigned int i = 0; i < p->first->net_processes; i++)
		if ((net = child_net(p, i, l->standby)) != NULL &&
		    join(l, net) == -1)
			return -1;
	return chan_queue(l->chan, MSG_GO, &none, -1) == CHAN_SENT ? 0 : -1;
}

static int
loader_begin(struct loader *l)
{
	struct parent *p = l->parent;
	struct timeval tv = { (time_t)(p->conf->load_timeout / 1000),
		(suseconds_t)(p->conf->load_timeout % 1000 * 1000) };
	int fds[2];

	l->timer = event_new(p->base, -1, 0, load_timeout, l);
	if (l->timer == NULL || chan_pair(fds) == -1)
		return -1;
	l->pid = proc_spawn("tolsey-scan", NULL, fds[1]);
	(void)close(fds[1]);
	l->chan =
	    chan_new(p->base, fds[0], ROLE_PARENT, ROLE_SCAN, &loader_ops, l);
	if (l->pid == -1 || l->chan == NULL || event_add(l->timer, &tv) == -1)
		return -1;
	priority_of_loader(l, true);
	return feed_loader(l);
}

/* A set of jail folders that no loader uses, the one unused for longest. */
static int
free_set(const struct parent *p)
{
	const struct loader *l;
	int best = -1;

	for (unsigned int i = 0; i < JAIL_SETS; i++) {
		TAILQ_FOREACH (l, &p->loaders, link)
			if (l->set == i)
				break;
		if (l == NULL &&
		    (best == -1 || p->set_used[i] < p->set_used[best]))
			best = (int)i;
	}
	return best;
}

/* It may have begun before what is asked for was there: once more then. */
static bool
must_wait(struct parent *p, const char *why)
{
	bool room =
	    free_set(p) != -1 && (!p->stop_first || TAILQ_EMPTY(&p->loaders));

	if (p->loading == NULL && room)
		return false;
	if (p->loading == NULL && !p->load_again)
		log_notice(
		    "load-waits", "for=\"older workers\" why=\"%s\"", why);
	p->load_again = true;
	return true;
}

/*
 * ReloadLowMemory stop-first: the present generation goes before the next one
 * is loaded. Scans under way end; new ones wait.
 */
static void
give_up_present(struct parent *p)
{
	struct msg_none none = { 0 };
	struct loader *old = p->current;

	children_send(p, ROLE_NET | ROLE_CTL, MSG_UNLOAD, &none);
	memset(&p->loaded, 0, sizeof(p->loaded));
	METRIC_SET(signatures_memory_bytes, 0);
	p->current = NULL;
	p->stop_first = true;
	retire(old);
}

/* Whether the load may begin now; otherwise all has been said and done. */
static bool
has_room(struct parent *p, const char *why)
{
	char text[MSG_TEXT_MAX];

	/* without a loader nothing replaces a worker: it must be tried */
	if (p->current == NULL || generation_fits(p, text, sizeof(text)))
		return true;
	METRIC_INC(reload_low_memory_total);
	if (p->conf->reload_low_memory == CONF_RELOAD_LOW_MEMORY_KEEP) {
		load_failed(p, text);
		return false;
	}
	log_warn("low-memory", "do=stop-first why=%s", LOG_Q(slice_of(text)));
	give_up_present(p);
	return !must_wait(p, why);
}

static struct loader *
loader_new(struct parent *p)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->parent = p;
	l->generation = ++p->last_generation;
	l->set = (unsigned int)free_set(p);
	l->standby = children_standing_by(p);
	l->since_us = clock_mono_us();
	l->since_wall_us = clock_wall_us();
	l->fingerprint = p->last_fingerprint;
	p->set_used[l->set] = l->generation;
	TAILQ_INSERT_TAIL(&p->loaders, l, link);
	return l;
}

void
generation_begin(struct parent *p, const char *why)
{
	struct loader *l;

	if (p->stopping || must_wait(p, why))
		return;
	p->load_again = false;
	p->stable_looks = 0;
	p->retry_at_us = NEVER;
	p->last_fingerprint = dbwatch_fingerprint(p->conf->database_directory);
	if (!has_room(p, why))
		return;
	p->stop_first = false;
	if ((l = loader_new(p)) == NULL) {
		load_failed(p, "out of memory");
		return;
	}
	p->loading = l;
	METRIC_SET(signatures_loading, 1);
	log_info("loading", "generation=%u why=\"%s\"", l->generation, why);
	if (loader_begin(l) == 0)
		return;
	if (l->pid > 0)
		(void)kill(l->pid, SIGKILL);
	loader_free(l);
	load_failed(p, "tolsey-scan cannot be started");
}

/* Its workers go on; a new one is needed for new workers. */
static void
serving_loader_died(struct loader *l, const char *why)
{
	struct parent *p = l->parent;
	uint64_t lived = clock_mono_us() - l->since_us;

	log_error("loader-died", "generation=%u why=%s", l->generation,
	    LOG_Q(slice_of(why)));
	METRIC_INC(child_restarts_total);
	loader_free(l);
	p->retry_at_us = clock_mono_us() + backoff_us(&p->loader_deaths, lived);
	generation_watch(p);
}

static void
describe_end(const struct loader *l, int status, char *out, size_t len)
{
	if (l->why[0] != '\0')
		(void)str_copy(out, len, slice_of(l->why));
	else if (WIFSIGNALED(status))
		(void)snprintf(
		    out, len, "the loader died of signal %d", WTERMSIG(status));
	else
		(void)snprintf(out, len, "the loader ended with status %d",
		    WEXITSTATUS(status));
}

bool
generation_exited(struct parent *p, pid_t pid, int status)
{
	struct loader *l;
	char why[MSG_TEXT_MAX];

	TAILQ_FOREACH (l, &p->loaders, link)
		if (l->pid == pid)
			break;
	if (l == NULL)
		return false;
	if (l->chan != NULL)
		chan_poll(l->chan); /* its last words */
	describe_end(l, status, why, sizeof(why));
	if (l == p->current && !p->stopping) {
		serving_loader_died(l, why);
	} else if (l == p->loading && !p->stopping) {
		loader_free(l);
		load_failed(p, why);
	} else {
		loader_free(l);
		/* its folders are free for who waits for them */
		if (p->load_again && p->loading == NULL)
			generation_begin(p, "asked for before");
	}
	return true;
}

void
generation_join_net(struct parent *p, struct child *net)
{
	struct msg_text t;
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		if (!l->retired && l->chan != NULL &&
		    l->standby == net->standby && join(l, net) == -1)
			log_error("cannot-join", "net=%u generation=%u",
			    net->instance, l->generation);
	if (net->standby)
		return;
	if (p->loaded.generation != 0) {
		(void)chan_queue(net->chan, MSG_GENERATION, &p->loaded, -1);
	} else if (p->loading == NULL && !p->stop_first) {
		memset(&t, 0, sizeof(t));
		(void)chan_queue(net->chan, MSG_NO_GENERATION, &t, -1);
	}
}

void
generation_stuck(struct parent *p, const struct msg_worker *w)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		if (l->generation == w->generation) {
			log_error(
			    "loader-stuck", "generation=%u", l->generation);
			(void)kill(l->pid, SIGKILL);
			return;
		}
}

void
generation_send_logs(struct parent *p)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link) {
		struct feed f = { l->chan, ROLE_SCAN, l->generation };

		if (l->chan != NULL && feed_logs(p, &f) == -1)
			log_error("logs-not-sent", "role=scan");
	}
}

void
generation_kill(struct parent *p, int sig)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		if (l->pid > 0)
			(void)kill(l->pid, sig);
}

void
generation_hang_up(struct parent *p)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		chan_free(&l->chan);
}

void
generation_free(struct parent *p)
{
	while (!TAILQ_EMPTY(&p->loaders))
		loader_free(TAILQ_FIRST(&p->loaders));
}
