/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/feed.h"
#include "sys/notify.h"

void
parent_finish(struct parent *p, int status)
{
	/* what went wrong first is what is told */
	if (p->status == EXIT_SUCCESS)
		p->status = status;
	p->stopping = true;
	(void)event_base_loopbreak(p->base);
}

void
parent_say(const struct parent *p, const char *fmt, ...)
{
	char line[1024];
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	len = strlen(line);
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	if (p->say_fd != -1)
		(void)dprintf(p->say_fd, "tolseyd: %s\n", line);
}

/* The caller of a daemon learns how the start went, and goes on. */
static void
tell_caller(struct parent *p, int status)
{
	unsigned char byte = (unsigned char)status;

	if (p->ready_pipe == -1)
		return;
	if (write(p->ready_pipe, &byte, 1) != 1)
		log_warn("caller-gone", "why=\"%s\"", strerror(errno));
	(void)close(p->ready_pipe);
	p->ready_pipe = -1;
	(void)close(p->say_fd);
	p->say_fd = -1;
}

void
parent_announce(struct parent *p)
{
	if (p->announced)
		return;
	p->announced = true;
	log_notice("serving", "pid=%d nets=%u workers=%u", (int)getpid(),
	    children_count(p), p->workers);
	notify("READY=1");
	tell_caller(p, EXIT_SUCCESS);
}

/* ---- signals ---- */

static void
stop_now(struct parent *p)
{
	log_notice("stopping", "how=now");
	parent_finish(p, EXIT_SUCCESS);
}

static void
shutdown_over(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	log_warn("stopping", "how=\"ShutdownTimeout is over\"");
	stop_now(ctx);
}

static void
on_stop(evutil_socket_t sig, short what, void *ctx)
{
	struct parent *p = ctx;
	struct timeval tv;

	(void)sig;
	(void)what;
	if (p->stopping || !p->serving || p->conf->shutdown_timeout == 0) {
		stop_now(p);
		return;
	}
	p->stopping = true;
	log_notice("stopping", "how=drain");
	notify("STOPPING=1");
	listeners_close(&p->listeners);
	children_send_drain(p);
	tv.tv_sec = (time_t)(p->conf->shutdown_timeout / 1000);
	tv.tv_usec = (suseconds_t)(p->conf->shutdown_timeout % 1000 * 1000);
	(void)event_add(p->shutdown_timer, &tv);
	if (children_count(p) == 0)
		stop_now(p);
}

static void
on_hup(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig;
	(void)what;
	reload_configuration(ctx);
}

static void
on_usr1(evutil_socket_t sig, short what, void *ctx)
{
	struct parent *p = ctx;

	(void)sig;
	(void)what;
	if (!p->serving)
		return;
	feed_logs_anew(p);
	log_notice("logs-reopened", "by=USR1");
}

static void
on_usr2(evutil_socket_t sig, short what, void *ctx)
{
	struct parent *p = ctx;

	(void)sig;
	(void)what;
	if (p->serving)
		generation_begin(p, "USR2");
}

static void
on_child(evutil_socket_t sig, short what, void *ctx)
{
	struct parent *p = ctx;
	int status;
	pid_t pid;

	(void)sig;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!generation_exited(p, pid, status))
			children_exited(p, pid, status);
	if (p->stopping && p->serving && children_count(p) == 0)
		stop_now(p);
}

static void
each_second(evutil_socket_t fd, short what, void *ctx)
{
	struct parent *p = ctx;

	(void)fd;
	(void)what;
	log_flush();
	if (!p->serving)
		return;
	if (feed_syslog_changed(p)) {
		feed_logs_anew(p);
		log_notice("logs-reopened", "by=\"a new syslog\"");
	}
	generation_watch(p);
	tickets_watch(p);
}

static void
load_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	generation_begin(ctx, "asked for meanwhile");
}

static const struct {
	int signal;
	void (*fn)(evutil_socket_t, short, void *);
} handlers[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hup },
	{ SIGUSR1, on_usr1 }, { SIGUSR2, on_usr2 }, { SIGCHLD, on_child } };

static int
init_events(struct parent *p)
{
	struct timeval second = { 1, 0 };

	p->base = event_base_new();
	if (p->base == NULL)
		return -1;
	for (size_t i = 0; i < COUNTOF(handlers); i++) {
		p->signals[i] = evsignal_new(
		    p->base, handlers[i].signal, handlers[i].fn, p);
		if (p->signals[i] == NULL ||
		    event_add(p->signals[i], NULL) == -1)
			return -1;
	}
	p->check_timer = event_new(p->base, -1, EV_PERSIST, each_second, p);
	p->shutdown_timer = event_new(p->base, -1, 0, shutdown_over, p);
	p->again_timer = event_new(p->base, -1, 0, load_again, p);
	if (p->check_timer == NULL || p->shutdown_timer == NULL ||
	    p->again_timer == NULL)
		return -1;
	return event_add(p->check_timer, &second);
}

/* ---- end ---- */

/* Workers whose loader is gone are our children now, without being known. */
static void
kill_orphans(void)
{
	char path[64];
	FILE *f;
	int pid;

	(void)snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fscanf(f, "%d", &pid) == 1)
		(void)kill(pid, SIGKILL);
	(void)fclose(f);
}

/* Waits until no child is left; false when there still is one at the end. */
static bool
reap_for(uint64_t us)
{
	uint64_t until = clock_mono_us() + us;
	struct timespec pause = { 0, 5000000 };
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) != -1 &&
	       clock_mono_us() < until)
		if (pid == 0)
			(void)nanosleep(&pause, NULL);
	return pid == -1;
}

/*
 * No process of ours stays. When their channels close they end, a loader with
 * its workers; who does not is killed by pid, and waited for.
 */
static void
reap_all(struct parent *p)
{
	children_hang_up(p);
	generation_hang_up(p);
	if (reap_for(1000000))
		return;
	children_kill(p, SIGKILL);
	generation_kill(p, SIGKILL);
	if (reap_for(1000000))
		return;
	kill_orphans();
	(void)reap_for(1000000);
}

static void
free_events(struct parent *p)
{
	struct event *events[] = { p->check_timer, p->shutdown_timer,
		p->again_timer };

	for (size_t i = 0; i < COUNTOF(p->signals); i++)
		if (p->signals[i] != NULL)
			event_free(p->signals[i]);
	for (size_t i = 0; i < COUNTOF(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	if (p->base != NULL)
		event_base_free(p->base);
}

static void
loop(struct parent *p)
{
	p->next_conf->generation = ++p->conf_generation;
	if (children_check(p) == -1) {
		parent_say(p,
		    "tolsey-net was not found beside tolseyd or in " PKGLIBEXECDIR);
		p->status = EX_OSERR;
		return;
	}
	while (!event_base_got_break(p->base))
		if (event_base_loop(p->base, EVLOOP_ONCE) == -1) {
			p->status = EX_OSERR;
			break;
		}
}

int
parent_run(struct parent *p)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	TAILQ_INIT(&p->children);
	TAILQ_INIT(&p->loaders);
	p->started_wall_us = clock_wall_us();
	p->retry_at_us = UINT64_MAX;
	p->memory = &memroom_system;
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (confined_parent() == -1) {
		parent_say(p, "rights cannot be given up");
		p->status = EX_OSERR;
	} else if (init_events(p) == 0) {
		loop(p);
	} else {
		parent_say(p, "out of memory");
		p->status = EX_OSERR;
	}
	reap_all(p);
	parent_close(p);
	if (p->serving)
		log_notice("ended", "status=%d", p->status);
	log_flush();
	children_free(p);
	generation_free(p);
	conf_unref(&p->first);
	conf_unref(&p->conf);
	conf_unref(&p->next_conf);
	free_events(p);
	tell_caller(p, p->status);
	return p->status;
}
