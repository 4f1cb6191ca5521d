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
#include "sys/parent.h"
#include "sys/proc.h"

#define STABLE_LOOKS 2 /* looks, 1 s apart, at an unchanged folder */

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

/* Everybody who asked hears how it ended. */
static void
answer_waiters(struct parent *p, bool ok, const char *text)
{
	struct msg_reload_result r;

	memset(&r, 0, sizeof(r));
	r.ok = ok;
	r.generation = p->loaded.generation;
	(void)str_copy(r.text, sizeof(r.text), slice_of(text));
	for (unsigned int i = 0; i < p->nreload_waiters; i++) {
		r.number = p->reload_waiters[i];
		children_send(p, ROLE_CTL, MSG_RELOAD_RESULT, &r);
	}
	p->nreload_waiters = 0;
}

/* Who asked while it loaded waits for one that began after the question. */
static void
load_again_or_answer(struct parent *p, bool ok, const char *text)
{
	if (!p->load_again) {
		answer_waiters(p, ok, text);
		return;
	}
	p->load_again = false;
	(void)event_add(p->again_timer, &(struct timeval){ 0, 0 });
}

/* The old generation, if any, goes on; at start it is tried again. */
static void
load_failed(struct parent *p, const char *why)
{
	struct msg_text t;

	memset(&t, 0, sizeof(t));
	(void)str_copy(t.text, sizeof(t.text), slice_of(why));
	log_error("load-failed", "serving=%u why=%s", p->loaded.generation,
	    LOG_Q(slice_of(why)));
	METRIC_INC(reload_failures_total);
	(void)str_copy_clean(p->last_reload_error, sizeof(p->last_reload_error),
	    slice_of(why), "");
	p->retry_at_us = clock_mono_us() + backoff_us(&p->load_fails, 0);
	if (p->loaded.generation == 0)
		children_send(p, ROLE_NET | ROLE_CTL, MSG_NO_GENERATION, &t);
	load_again_or_answer(p, false, why);
}

static void
retire(struct loader *l)
{
	struct msg_number drain = { 0 };

	if (l == NULL || l->retired)
		return;
	l->retired = true;
	if (l->chan != NULL)
		(void)chan_queue(l->chan, MSG_DRAIN, &drain, -1);
}

static void
take_over(struct loader *l, const struct msg_loaded *m)
{
	struct parent *p = l->parent;
	struct msg_none none = { 0 };
	struct loader *old = p->current;

	l->loaded = true;
	if (l->timer != NULL)
		(void)event_del(l->timer);
	p->loading = NULL;
	p->current = l;
	p->loaded = *m;
	p->loaded.generation = l->generation;
	p->load_fails = 0;
	p->last_reload_error[0] = '\0';
	p->last_fingerprint = l->fingerprint;
	METRIC_INC(reloads_total);
	log_notice("loaded",
	    "generation=%u signatures=%u load_ms=%u engine=\"%.32s\" "
	    "database=\"%.96s\"%s",
	    l->generation, m->signatures, m->load_ms, m->engine, m->database,
	    m->embedded ? " (the embedded set: only for trying out; install "
			  "clamav-freshclam for the real one)"
			: "");
	(void)chan_queue(l->chan, MSG_SERVE, &none, -1);
	children_send(p, ROLE_NET | ROLE_CTL, MSG_GENERATION, &p->loaded);
	retire(old);
	load_again_or_answer(p, true, "loaded");
}

static void
loader_message(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct loader *l = ctx;
	const struct msg_text *t = m->payload;

	(void)c;
	if (m->type == MSG_LOADED && !l->loaded)
		take_over(l, m->payload);
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
	    SLICE_LIT("loading took longer than LoadTimeout"));
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

	for (unsigned int i = 0; i < p->workers; i++) {
		memset(&m, 0, sizeof(m));
		m.slot = i;
		m.jail = p->jails.mounted ? MSG_JAIL_TMPFS : MSG_JAIL_DIR;
		jail_dirs_path(
		    &p->jails, l->generation, i, m.path, sizeof(m.path));
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
	for (unsigned int i = 0; i < p->conf->net_processes; i++)
		if ((net = child_net(p, i)) != NULL && join(l, net) == -1)
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

	if (chan_pair(fds) == -1)
		return -1;
	l->pid = proc_spawn("tolsey-scan", NULL, fds[1]);
	(void)close(fds[1]);
	l->chan =
	    chan_new(p->base, fds[0], ROLE_PARENT, ROLE_SCAN, &loader_ops, l);
	if (l->pid == -1 || l->chan == NULL)
		return -1;
	l->timer = event_new(p->base, -1, 0, load_timeout, l);
	if (l->timer == NULL || event_add(l->timer, &tv) == -1)
		return -1;
	return feed_loader(l);
}

void
generation_begin(struct parent *p, const char *why)
{
	struct loader *l;

	if (p->stopping)
		return;
	if (p->loading != NULL) {
		/* it may have begun before what is asked for was there */
		p->load_again = true;
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		load_failed(p, "out of memory");
		return;
	}
	l->parent = p;
	l->generation = ++p->last_generation;
	l->fingerprint = dbwatch_fingerprint(p->conf->database_directory);
	TAILQ_INSERT_TAIL(&p->loaders, l, link);
	p->loading = l;
	log_info("loading", "generation=%u why=\"%s\"", l->generation, why);
	if (loader_begin(l) == 0)
		return;
	if (l->pid > 0)
		(void)kill(l->pid, SIGKILL);
	load_failed(p, "tolsey-scan cannot be started");
	loader_free(l);
}

bool
generation_exited(struct parent *p, pid_t pid, int status)
{
	struct loader *l;
	char why[MSG_TEXT_MAX + 64];

	TAILQ_FOREACH (l, &p->loaders, link)
		if (l->pid == pid)
			break;
	if (l == NULL)
		return false;
	/* its last words may still be in the channel */
	if (l->chan != NULL)
		(void)event_base_loop(p->base, EVLOOP_NONBLOCK);
	if (WIFSIGNALED(status) && l->why[0] == '\0')
		(void)snprintf(why, sizeof(why), "the loader died of signal %d",
		    WTERMSIG(status));
	else
		(void)snprintf(why, sizeof(why), "%s",
		    l->why[0] != '\0' ? l->why : "the loader ended");
	if (l == p->loading && !p->stopping) {
		loader_free(l);
		load_failed(p, why);
		return true;
	}
	if (l == p->current && !p->stopping) {
		/* its workers go on; a new one is needed for new workers */
		log_error("loader-died", "generation=%u why=%s", l->generation,
		    LOG_Q(slice_of(why)));
		METRIC_INC(child_restarts_total);
		loader_free(l);
		generation_begin(p, "the loader died");
		return true;
	}
	loader_free(l);
	return true;
}

void
generation_join_net(struct parent *p, struct child *net)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		if (!l->retired && l->chan != NULL && join(l, net) == -1)
			log_error("cannot-join", "net=%u generation=%u",
			    net->instance, l->generation);
	if (p->loaded.generation != 0)
		(void)chan_queue(net->chan, MSG_GENERATION, &p->loaded, -1);
	else if (p->loading == NULL) {
		struct msg_text t;

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

/* Each second: SelfCheck, and another try while there is no generation. */
void
generation_watch(struct parent *p)
{
	uint64_t now = clock_mono_us(), seen;
	bool none = p->loaded.generation == 0;

	if (p->loading != NULL || p->stopping || p->conf->self_check == 0)
		return;
	if (!none && p->stable_looks == 0 && now < p->next_look_us)
		return;
	seen = dbwatch_fingerprint(p->conf->database_directory);
	p->stable_looks = seen == p->seen_fingerprint ? p->stable_looks + 1 : 1;
	p->seen_fingerprint = seen;
	if (none ? now >= p->retry_at_us
		 : seen != p->last_fingerprint &&
		       p->stable_looks > STABLE_LOOKS) {
		generation_begin(p, none ? "another try" : "files changed");
		p->last_fingerprint = seen;
		p->stable_looks = 0;
	} else if (seen == p->last_fingerprint) {
		p->stable_looks = 0;
		p->next_look_us = now + p->conf->self_check * 1000;
	}
}

void
generation_end_all(struct parent *p, int sig)
{
	struct loader *l;

	TAILQ_FOREACH (l, &p->loaders, link)
		if (l->pid > 0)
			(void)kill(l->pid, sig);
}
