/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What the parent opens once, with the rights it was started with. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/listen.h"
#include "sys/parent.h"
#include "sys/temproom.h"

/* Somewhat more than net counts on. */
#define FILES_PER_CONNECTION 5
#define FILES_OF_PROCESS 512
#define FILES_MOST 1048576

/* Nobody can shrink it under the others; ctl gets a descriptor to read only. */
static int
open_metrics(struct parent *p, char *err, size_t errlen)
{
	size_t len = PARENT_BLOCKS * sizeof(struct metrics);
	char path[32];

	p->metrics_fd =
	    memfd_create("metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->metrics_fd);
	if (p->metrics_fd != -1 && ftruncate(p->metrics_fd, (off_t)len) == 0 &&
	    fcntl(p->metrics_fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		p->metrics_read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->metrics_read_fd != -1) {
		p->metrics = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		    p->metrics_fd, 0);
		if (p->metrics != MAP_FAILED) {
			metrics_use(&p->metrics[0]);
			return 0;
		}
		p->metrics = NULL;
	}
	(void)snprintf(err, errlen, "metrics: %s", strerror(errno));
	return -1;
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

/*
 * As many as we may, at once: a running net that MaxConnections of HUP asks
 * for more can often not be given more. What is missing net says.
 */
void
parent_raise_files(const struct conf *c)
{
	rlim_t wanted = (rlim_t)c->max_connections * FILES_PER_CONNECTION +
			FILES_OF_PROCESS;
	struct rlimit l, more;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1)
		return;
	more.rlim_cur = more.rlim_max = wanted;
	if (l.rlim_max < wanted && setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	l.rlim_cur = l.rlim_max < FILES_MOST ? l.rlim_max : FILES_MOST;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int
parent_listen(struct parent *p, const struct conf *c, char *err, size_t errlen)
{
	const struct conf_list *lists[] = { &c->listen, &c->listen_tls };

	for (size_t l = 0; l < COUNTOF(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++)
			if (strncmp(lists[l]->v[i], "unix:", 5) == 0)
				make_socket_folder(p, lists[l]->v[i] + 5);
	return listeners_open(
	    &p->listeners, c, &p->passed, p->gid, err, errlen);
}

/* Without it tolseyctl is missed, but scanning is not. */
static void
open_control(struct parent *p)
{
	const char *path = p->conf->control_socket;
	char why[256] = "";

	if (path[0] == '\0')
		return;
	make_socket_folder(p, path);
	p->control_fd = listen_unix(path, 0660, p->gid, why, sizeof(why));
	if (p->control_fd == -1)
		log_warn("no-control-socket", "why=%s", LOG_Q(slice_of(why)));
}

static int
open_one_clamd(struct parent *p, const char *where, char *err, size_t errlen)
{
	if (where[0] != '/')
		return listen_tcp(where, err, errlen);
	make_socket_folder(p, where);
	/* freshclam has an account of its own; ctl says what it may do */
	return listen_unix(where, 0666, UINT32_MAX, err, errlen);
}

/* Without it freshclam cannot say that something changed: SelfCheck sees it. */
static void
open_clamd(struct parent *p)
{
	const struct conf_list *l = &p->conf->clamd_socket;
	char why[256] = "";

	for (size_t i = 0; i < l->n && i < PARENT_MAX_CLAMD; i++) {
		if (strcmp(l->v[i], "none") == 0)
			continue;
		p->clamd_fds[i] = open_one_clamd(p, l->v[i], why, sizeof(why));
		if (p->clamd_fds[i] == -1)
			log_warn(
			    "no-clamd-socket", "why=%s", LOG_Q(slice_of(why)));
	}
}

/* Without it c-icap's module is missed: it says so, and blocks. */
static void
open_scan(struct parent *p)
{
	const struct conf *c = p->conf;
	const struct group *g = NULL;
	char why[256] = "";

	if (strcmp(c->scan_socket, "off") == 0)
		return;
	if (c->scan_socket_group[0] != '\0')
		g = getgrnam(c->scan_socket_group);
	p->scan_socket_gid = g != NULL ? g->gr_gid : p->gid;
	if (g == NULL && p->uid != UINT32_MAX)
		log_info("scan-socket",
		    "missing=group name=%s remedy=\"groupadd --system %s\"",
		    c->scan_socket_group, c->scan_socket_group);
	/* only root may give a socket to any group */
	if (p->uid == UINT32_MAX)
		p->scan_socket_gid = UINT32_MAX;
	make_socket_folder(p, c->scan_socket);
	p->scan_fd = listen_unix_seqpacket(
	    c->scan_socket, 0660, p->scan_socket_gid, why, sizeof(why));
	if (p->scan_fd == -1)
		log_warn("no-scan-socket", "why=%s", LOG_Q(slice_of(why)));
	else
		log_notice("listening", "scan=unix:%s", c->scan_socket);
}

static int
open_metrics_listener(struct parent *p, char *err, size_t errlen)
{
	const char *address = p->conf->metrics_listen;
	char name[96];

	if (address[0] == '\0')
		return 0;
	p->metrics_listener_fd = listen_tcp(address, err, errlen);
	if (p->metrics_listener_fd == -1)
		return -1;
	listen_name(p->metrics_listener_fd, name, sizeof(name));
	log_notice("listening", "metrics=http://%s/metrics", name);
	return 0;
}

static int
write_pid_file(struct parent *p, char *err, size_t errlen)
{
	const char *path = p->conf->pid_file;
	char text[24];
	int fd, n;

	if (path[0] == '\0')
		return 0;
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	p->pid_file_written = fd != -1;
	if (fd != -1 && write(fd, text, (size_t)n) == n)
		return close(fd);
	(void)snprintf(err, errlen, "PidFile %s: %s", path, strerror(errno));
	if (fd != -1)
		(void)close(fd);
	return -1;
}

static int
make_jails(struct parent *p, char *err, size_t errlen)
{
	const struct conf *c = p->conf;
	char why[512];
	uint64_t each = temproom_each(p->memory, c, why, sizeof(why));

	if (why[0] != '\0')
		log_warn("temporary-space", "why=%s", LOG_Q(slice_of(why)));
	log_info("temporary-space", "workers=%u bytes_each=%ju", p->workers_max,
	    (uintmax_t)each);
	if (jail_dirs_make(&p->jails, p->workers_max, each,
		c->temporary_directory, p->scan_uid, p->scan_gid, err,
		errlen) == -1)
		return -1;
	if (p->uid == UINT32_MAX)
		log_warn("sandbox",
		    "of=all missing=\"own-account\" why=\"not started as "
		    "root\"");
	if (!p->jails.mounted)
		log_info("temporary-space", "in=%s why=\"%s\"",
		    LOG_Q(slice_of(p->jails.base)), p->jails.missing);
	return 0;
}

int
parent_open(struct parent *p, char *err, size_t errlen)
{
	p->workers = conf_worker_count(p->conf);
	p->workers_max = conf_worker_max(p->conf);
	parent_raise_files(p->conf);
	if (confined_demand(p, p->conf, err, errlen) == -1 ||
	    open_metrics(p, err, errlen) == -1 ||
	    parent_listen(p, p->conf, err, errlen) == -1 ||
	    open_metrics_listener(p, err, errlen) == -1 ||
	    write_pid_file(p, err, errlen) == -1 ||
	    make_jails(p, err, errlen) == -1)
		return -1;
	open_control(p);
	open_clamd(p);
	open_scan(p);
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static void
close_clamd(struct parent *p)
{
	for (size_t i = 0; i < PARENT_MAX_CLAMD; i++) {
		const char *where =
		    p->clamd_fds[i] != -1 ? p->first->clamd_socket.v[i] : "";

		if (where[0] == '/')
			(void)unlink(where);
		close_fd(&p->clamd_fds[i]);
	}
}

void
parent_close(struct parent *p)
{
	listeners_close(&p->listeners);
	if (p->control_fd != -1)
		(void)unlink(p->first->control_socket);
	close_fd(&p->control_fd);
	close_clamd(p);
	if (p->scan_fd != -1)
		(void)unlink(p->first->scan_socket);
	close_fd(&p->scan_fd);
	close_fd(&p->metrics_listener_fd);
	close_fd(&p->metrics_fd);
	close_fd(&p->metrics_read_fd);
	if (p->pid_file_written)
		(void)unlink(p->first->pid_file);
	jail_dirs_remove(&p->jails);
}
