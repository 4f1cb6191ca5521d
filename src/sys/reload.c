/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A configuration, the first or a new one: its modules are checked by a child
 * without rights before anything changes; a wrong one changes nothing.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "sys/feed.h"
#include "sys/notify.h"
#include "sys/parent.h"

static void
start_serving(struct parent *p)
{
	char err[512] = "";

	p->conf = p->next_conf;
	p->next_conf = NULL;
	p->first = conf_ref(p->conf);
	feed_own_log(p);
	if (parent_open(p, err, sizeof(err)) == -1) {
		parent_say(p, "%s", err);
		log_error("cannot-start", "why=%s", LOG_Q(slice_of(err)));
		parent_finish(p, EX_UNAVAILABLE);
		return;
	}
	p->serving = true;
	priority_say();
	tickets_watch(p);
	if (children_start(p) == -1) {
		parent_say(p, "tolsey-net or tolsey-ctl was not found beside "
			      "tolseyd or in " PKGLIBEXECDIR);
		parent_finish(p, EX_OSERR);
		return;
	}
	generation_begin(p, "start");
}

/* What HUP cannot change is said, so that nobody waits for it. */
static void
say_needs_restart(const struct parent *p)
{
	struct buf what;

	buf_init(&what, 8192);
	if (conf_changed(p->first, p->conf, CONF_START, &what))
		log_warn(
		    "needs-restart", "directives=%s", LOG_Q(buf_slice(&what)));
	buf_free(&what);
}

static bool
needs_new_nets(const struct conf *a, const struct conf *b)
{
	/* a net can be given a page, but none cannot be given */
	return conf_changed(a, b, CONF_RESTART, NULL) ||
	       (a->template_directory[0] != '\0' &&
		   b->template_directory[0] == '\0');
}

static void
apply(struct parent *p)
{
	struct conf *old = p->conf;

	p->conf = p->next_conf;
	p->next_conf = NULL;
	feed_logs_anew(p);
	parent_raise_files(p->conf);
	children_raise_files(p);
	log_notice("reconfigured", "generation=%u", p->conf->generation);
	say_needs_restart(p);
	if (needs_new_nets(old, p->conf))
		children_stand_by(p);
	children_send_conf(p);
	conf_unref(&old);
}

/* HUP has been dealt with, whatever came of it. */
static void
reloaded(struct parent *p)
{
	notify("READY=1");
	if (p->hup_again) {
		p->hup_again = false;
		reload_configuration(p);
	} else {
		/* also with the old configuration */
		generation_begin(p, "HUP");
	}
}

static void
refused(struct parent *p, const char *why)
{
	struct slice rest = slice_of(why), line;

	conf_unref(&p->next_conf);
	if (!p->serving) {
		parent_say(p, "%s", why);
		parent_finish(p, EX_CONFIG);
		return;
	}
	feed_logs_anew(p);
	while (slice_next(&rest, '\n', &line))
		if (line.len > 0)
			log_error(
			    "configuration-refused", "why=%s", LOG_Q(line));
	log_notice("configuration-kept", "generation=%u", p->conf->generation);
	reloaded(p);
}

/* --check-config, the last step. */
static void
check_sandbox(struct parent *p)
{
	char err[512] = "";

	if (confined_demand(p, p->next_conf, err, sizeof(err)) == 0) {
		parent_finish(p, EX_OK);
		return;
	}
	parent_say(p, "%s", err);
	parent_finish(p, EX_UNAVAILABLE);
}

void
reload_checked(struct parent *p, bool ok, const char *why)
{
	char err[512] = "";

	if (p->next_conf == NULL || p->stopping)
		return;
	if (!ok) {
		refused(p, why);
	} else if (listeners_check(p->next_conf, err, sizeof(err)) == -1) {
		refused(p, err);
	} else if (p->check_only) {
		check_sandbox(p);
	} else if (!p->serving) {
		start_serving(p);
	} else if (parent_listen(p, p->next_conf, err, sizeof(err)) == -1) {
		refused(p, err);
	} else {
		apply(p);
		reloaded(p);
	}
}

void
reload_configuration(struct parent *p)
{
	struct conf_errors err;

	if (!p->serving || p->stopping)
		return;
	if (p->next_conf != NULL) {
		p->hup_again = true;
		return;
	}
	notify("RELOADING=1");
	conf_errors_init(&err);
	p->next_conf =
	    conf_load(p->conf_file, p->overrides, p->noverrides, &err);
	if (p->next_conf == NULL) {
		refused(p, buf_cstr(&err.text));
	} else {
		p->next_conf->generation = ++p->conf_generation;
		if (children_check(p) == -1)
			refused(p, "the check cannot be started");
	}
	conf_errors_free(&err);
}
