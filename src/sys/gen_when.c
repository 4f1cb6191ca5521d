/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * When signatures are loaded: asked for, because files changed, after a
 * failure; and whether there is memory for them.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/backoff.h"
#include "sys/dbwatch.h"
#include "sys/parent.h"

#define STABLE_LOOKS 2 /* looks, 1 s apart, at an unchanged folder */
#define NEVER UINT64_MAX
#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

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
void
generation_ended_load(struct parent *p, bool ok, const char *text)
{
	if (!p->load_again) {
		answer_waiters(p, ok, text);
		return;
	}
	p->load_again = false;
	(void)event_add(p->again_timer, &(struct timeval){ 0, 0 });
}

/*
 * When to try again without anything having changed: soon while no loader
 * serves, else with the next look at the files.
 */
void
generation_plan_retry(struct parent *p)
{
	uint64_t now = clock_mono_us();

	if (p->load_fails == 0)
		p->load_fails = 1; /* the same files at once: the same end */
	if (p->current == NULL)
		p->retry_at_us = now + backoff_us(&p->load_fails, 0);
	else if (p->conf->self_check > 0)
		p->retry_at_us = now + p->conf->self_check * 1000;
	else
		p->retry_at_us = NEVER;
}

bool
generation_fits(struct parent *p, char *why, size_t len)
{
	struct memroom room;
	uint64_t size = memroom_of_process(p->memory, p->current->pid), need;

	if (size < p->loaded.memory)
		size = p->loaded.memory;
	need = memroom_need(size);
	memroom_now(p->memory, &room);
	if (size == 0 || room.bytes == UINT64_MAX || room.bytes >= need)
		return true;
	(void)snprintf(why, len,
	    "too little memory for a second signature set: %llu MiB are "
	    "needed beside the present one, %.160s leaves %llu MiB "
	    "(ReloadLowMemory)",
	    MIB(need), room.what, MIB(room.bytes));
	return false;
}

void
generation_ask(struct parent *p, uint64_t number, const char *why)
{
	if (number != 0)
		p->reload_waiters[p->nreload_waiters++] = number;
	generation_begin(p, why);
}

void
generation_notified(struct parent *p)
{
	uint64_t seen = dbwatch_fingerprint(p->conf->database_directory);

	if (p->current != NULL && p->loading == NULL &&
	    seen == p->loaded_fingerprint) {
		log_info("notified", "files=unchanged");
		return;
	}
	if (p->loading != NULL && seen == p->loading->fingerprint) {
		log_info("notified", "files=loading");
		return;
	}
	generation_begin(p, "notified");
}

/* The files are not as they were when last loaded, but are still by now. */
static bool
files_changed(struct parent *p, uint64_t now)
{
	uint64_t seen;

	if (p->current != NULL && p->stable_looks == 0 &&
	    (p->conf->self_check == 0 || now < p->next_look_us))
		return false;
	seen = dbwatch_fingerprint(p->conf->database_directory);
	if (seen == p->last_fingerprint) {
		p->stable_looks = 0;
		p->next_look_us = now + p->conf->self_check * 1000;
		return false;
	}
	p->stable_looks = seen == p->seen_fingerprint ? p->stable_looks + 1 : 1;
	p->seen_fingerprint = seen;
	return p->stable_looks > STABLE_LOOKS;
}

/* SelfCheck, and another try after a failure. */
void
generation_watch(struct parent *p)
{
	uint64_t now = clock_mono_us();

	if (p->loading != NULL || p->stopping)
		return;
	if (p->load_again) {
		/* what it waits for may have ended without our notice */
		if (p->stop_first && TAILQ_EMPTY(&p->loaders))
			generation_begin(p, "asked for before");
		return;
	}
	if (now >= p->retry_at_us)
		generation_begin(p, "another try");
	else if (files_changed(p, now))
		generation_begin(p, "files changed");
}
