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
#include "sys/listen.h"
#include "sys/notify.h"

void
parent_finish(struct parent *p, int status)
{
	p->status = status;
	p->stopping = true;
	(void)event_base_loopbreak(p->base);
}

/* ---- what is opened once ---- */

static int
open_metrics(struct parent *p)
{
	size_t len;

	p->nblocks = PARENT_MAX_NETS + 1; /* our own first */
	len = p->nblocks * sizeof(struct metrics);
	p->metrics_fd = memfd_create("metrics", MFD_CLOEXEC);
	if (p->metrics_fd == -1 || ftruncate(p->metrics_fd, (off_t)len) == -1)
		return -1;
	p->metrics = mmap(
	    NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, p->metrics_fd, 0);
	if (p->metrics == MAP_FAILED)
		return -1;
	metrics_use(&p->metrics[0]);
	return 0;
}

static int
open_icap_listeners(struct parent *p, char *err, size_t errlen)
{
	const struct conf_list *l = &p->conf->listen;
	unsigned int n = 0;

	for (; n < l->n && n < PARENT_MAX_LISTENERS; n++) {
		p->listeners[n] = listen_tcp(l->v[n], err, errlen);
		if (p->listeners[n] == -1)
			return -1;
		p->nlisteners = n + 1;
		listen_name(p->listeners[n], p->listener_names[n],
		    sizeof(p->listener_names[n]));
		log_notice("listening", "icap=%s", p->listener_names[n]);
	}
	return 0;
}

/* The folder of a socket under /run does not outlive a restart. */
static void
make_socket_folder(const struct parent *p, const char *path)
{
	char folder[256];
	char *slash;

	if (str_copy(folder, sizeof(folder), slice_of(path)) >=
	    sizeof(folder) - 1)
		return;
	if ((slash = strrchr(folder, '/')) == NULL || slash == folder)
		return;
	*slash = '\0';
	if (mkdir(folder, 0755) == 0 && p->uid != UINT32_MAX &&
	    chown(folder, p->uid, p->gid) == -1)
		log_warn("socket-folder", "path=%s", LOG_Q(slice_of(folder)));
}

static int
open_ctl_listeners(struct parent *p, char *err, size_t errlen)
{
	const char *path = p->conf->control_socket;
	char name[96];

	p->control_fd = p->metrics_listener_fd = -1;
	if (path[0] != '\0') {
		make_socket_folder(p, path);
		p->control_fd = listen_unix(path, 0660, p->gid, err, errlen);
		if (p->control_fd == -1) {
			/* tolseyctl is missed, scanning is not */
			log_warn("no-control-socket", "why=%s",
			    LOG_Q(slice_of(err)));
			err[0] = '\0';
		}
	}
	if (p->conf->metrics_listen[0] == '\0')
		return 0;
	p->metrics_listener_fd =
	    listen_tcp(p->conf->metrics_listen, err, errlen);
	if (p->metrics_listener_fd == -1)
		return -1;
	listen_name(p->metrics_listener_fd, name, sizeof(name));
	log_notice("listening", "metrics=http://%s/metrics", name);
	return 0;
}

static int
write_pid_file(const struct parent *p, char *err, size_t errlen)
{
	const char *path = p->conf->pid_file;
	char text[24];
	int fd, n;

	if (path[0] == '\0')
		return 0;
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1 || write(fd, text, (size_t)n) != n) {
		(void)snprintf(
		    err, errlen, "PidFile %s: %s", path, strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	return close(fd);
}

static int
open_all(struct parent *p, char *err, size_t errlen)
{
	p->workers = conf_worker_count(p->conf);
	if (open_metrics(p) == -1) {
		(void)snprintf(err, errlen, "metrics: %s", strerror(errno));
		return -1;
	}
	if (open_icap_listeners(p, err, errlen) == -1 ||
	    open_ctl_listeners(p, err, errlen) == -1 ||
	    write_pid_file(p, err, errlen) == -1)
		return -1;
	if (jail_dirs_make(&p->jails, p->workers, p->conf->worker_temp_size,
		p->conf->temporary_directory, p->scan_uid, p->scan_gid, err,
		errlen) == -1)
		return -1;
	if (p->jails.mounted)
		return 0;
	if (p->conf->sandbox == CONF_SANDBOX_REQUIRE) {
		(void)snprintf(err, errlen,
		    "Sandbox require: workers cannot have a tmpfs of their "
		    "own (%s)",
		    p->jails.missing);
		return -1;
	}
	log_warn("sandbox", "missing=\"tmpfs per worker\" why=\"%s\"",
	    p->jails.missing);
	if (p->uid == UINT32_MAX)
		log_warn("sandbox",
		    "missing=\"separate users\" why=\"not started as root\"");
	return 0;
}

/* ---- configuration ---- */

static void
tell_caller(struct parent *p)
{
	if (p->ready_pipe == -1)
		return;
	if (write(p->ready_pipe, "+", 1) != 1)
		log_warn("caller-gone", "why=\"%s\"", strerror(errno));
	(void)close(p->ready_pipe);
	p->ready_pipe = -1;
}

static void
start_serving(struct parent *p)
{
	char err[512] = "";

	p->conf = p->next_conf;
	p->next_conf = NULL;
	log_set_level((enum log_level)p->conf->log_level);
	if (open_all(p, err, sizeof(err)) == -1) {
		fprintf(stderr, "tolseyd: %s\n", err);
		parent_finish(p, EX_UNAVAILABLE);
		return;
	}
	if (children_start(p) == -1) {
		fprintf(stderr, "tolseyd: cannot start its processes\n");
		parent_finish(p, EX_OSERR);
		return;
	}
	p->serving = true;
	generation_begin(p, "start");
	notify("READY=1\nSTATUS=serving ICAP");
	tell_caller(p);
}

/* What HUP cannot change is said, so that nobody waits for it. */
static void
say_needs_restart(const struct conf *a, const struct conf *b)
{
	struct buf what;

	buf_init(&what, 8192);
	if (conf_changed(a, b, CONF_START, &what))
		log_warn(
		    "needs-restart", "directives=%s", LOG_Q(buf_slice(&what)));
	buf_free(&what);
}

static void
apply(struct parent *p)
{
	struct conf *old = p->conf;
	bool restart;

	p->conf = p->next_conf;
	p->next_conf = NULL;
	restart = conf_changed(old, p->conf, CONF_RESTART, NULL);
	say_needs_restart(old, p->conf);
	log_set_level((enum log_level)p->conf->log_level);
	log_notice("reconfigured", "generation=%u", p->conf->generation);
	children_send_logs(p);
	children_send_conf(p);
	if (restart)
		children_replace_nets(p);
	generation_begin(p, "HUP");
	conf_unref(&old);
	notify("READY=1");
}

void
parent_checked(struct parent *p, bool ok, const char *why)
{
	if (!ok) {
		if (p->serving)
			log_error("configuration-refused", "why=%s",
			    LOG_Q(slice_of(why)));
		else
			fprintf(stderr, "tolseyd: %s\n", why);
		conf_unref(&p->next_conf);
		if (!p->serving) {
			parent_finish(p, EX_CONFIG);
			return;
		}
		notify("READY=1");
		generation_begin(p, "HUP");
		return;
	}
	if (p->next_conf == NULL)
		return;
	if (p->check_only)
		parent_finish(p, EX_OK);
	else if (p->serving)
		apply(p);
	else
		start_serving(p);
}

/* HUP: the new one is checked by a child first; a wrong one changes nothing. */
static void
reconfigure(struct parent *p)
{
	struct conf_errors err;

	if (p->next_conf != NULL || !p->serving || p->stopping)
		return;
	notify("RELOADING=1");
	conf_errors_init(&err);
	p->next_conf =
	    conf_load(p->conf_file, p->overrides, p->noverrides, &err);
	if (p->next_conf == NULL) {
		log_error("configuration-refused", "why=%s",
		    LOG_Q(buf_slice(&err.text)));
		notify("READY=1");
	} else {
		p->next_conf->generation = ++p->conf_generation;
		if (children_check(p) == -1)
			parent_checked(p, false, "cannot start the check");
	}
	conf_errors_free(&err);
	/* with the old configuration HUP still looks at the signatures */
	if (p->next_conf == NULL)
		generation_begin(p, "HUP");
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
	struct msg_number drain = { 0 };
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
	for (unsigned int i = 0; i < p->nlisteners; i++) {
		(void)close(p->listeners[i]);
		p->listeners[i] = -1;
	}
	p->nlisteners = 0;
	children_send(p, ROLE_NET | ROLE_CTL, MSG_DRAIN, &drain);
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
	reconfigure(ctx);
}

static void
on_usr1(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig;
	(void)what;
	children_send_logs(ctx);
	log_notice("logs-reopened", "by=USR1");
}

static void
on_usr2(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig;
	(void)what;
	generation_begin(ctx, "USR2");
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
	if (p->serving)
		generation_watch(p);
}

static void
load_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	generation_begin(ctx, "asked for while loading");
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
 * No process of ours stays: they are killed by pid, and waited for. Workers
 * end by themselves when their channels close, but for one that hangs.
 */
static void
reap_all(struct parent *p)
{
	children_kill(p, SIGKILL);
	generation_end_all(p, SIGKILL);
	if (reap_for(1000000))
		return;
	kill_orphans();
	(void)reap_for(1000000);
}

static void
close_all(struct parent *p)
{
	for (unsigned int i = 0; i < p->nlisteners; i++)
		if (p->listeners[i] != -1)
			(void)close(p->listeners[i]);
	if (p->control_fd > 0) {
		(void)unlink(p->conf->control_socket);
		(void)close(p->control_fd);
	}
	if (p->conf != NULL && p->conf->pid_file[0] != '\0' && p->serving)
		(void)unlink(p->conf->pid_file);
	jail_dirs_remove(&p->jails);
	conf_unref(&p->conf);
	conf_unref(&p->next_conf);
}

int
parent_run(struct parent *p)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	TAILQ_INIT(&p->children);
	TAILQ_INIT(&p->loaders);
	p->started_wall_us = clock_wall_us();
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (init_events(p) == -1) {
		fprintf(stderr, "tolseyd: out of memory\n");
		return EX_OSERR;
	}
	p->next_conf->generation = ++p->conf_generation;
	if (children_check(p) == -1) {
		fprintf(stderr,
		    "tolseyd: tolsey-net was not found or cannot start\n");
		return EX_OSERR;
	}
	while (!event_base_got_break(p->base))
		if (event_base_loop(p->base, EVLOOP_ONCE) == -1)
			break;
	reap_all(p);
	close_all(p);
	if (p->serving)
		log_notice("ended", "status=%d", p->status);
	return p->status;
}
