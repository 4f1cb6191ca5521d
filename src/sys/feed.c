/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a child gets from the parent, which alone may open it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/feed.h"
#include "sys/parent.h"
#include "sys/proc.h"

#define CONF_TEXT_MAX ((size_t)16 << 20)
#define TLS_FILE_MAX ((off_t)4 << 20) /* net takes no more */

static int
tell(const struct feed *f, uint16_t type, const void *payload, int fd)
{
	return chan_queue(f->chan, type, payload, fd) == CHAN_SENT ? 0 : -1;
}

int
feed_start(struct parent *p, const struct feed *f)
{
	bool scan = f->role == ROLE_SCAN;
	struct msg_start m = { .instance = f->instance,
		.nets =
		    p->first != NULL ? (uint32_t)p->first->net_processes : 1,
		.uid = scan ? p->scan_uid : p->uid,
		.gid = scan ? p->scan_gid : p->gid,
		.sandbox = p->first != NULL ? p->first->sandbox : 0 };

	return tell(f, MSG_START, &m, -1);
}

/* Text in a memfd that nobody can change any more. */
static int
sealed_memfd(const struct buf *text)
{
	int fd = memfd_create("conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (write(fd, text->p, text->len) == (ssize_t)text->len &&
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

int
feed_conf(struct parent *p, const struct feed *f, const struct conf *c)
{
	struct msg_conf m = { .generation = c->generation };
	struct buf text;
	int fd = -1, rc = -1;

	(void)p;
	buf_init(&text, CONF_TEXT_MAX);
	if (conf_dump(c, &text) == 0)
		fd = sealed_memfd(&text);
	m.len = (uint32_t)text.len;
	if (fd != -1) {
		rc = tell(f, MSG_CONF, &m, fd);
		(void)close(fd);
	}
	buf_free(&text);
	return rc;
}

/* In the background there is no stderr to write to. */
static bool
wants_syslog(const struct parent *p, const char *path)
{
	return strcmp(path, "syslog") == 0 ||
	       (p->background && strcmp(path, "stderr") == 0);
}

/*
 * A description of its own, so that O_NONBLOCK does not change a terminal or
 * pipe that others share; the receiver may not be able to make one. A file
 * never blocks, and must share its offset; a socket cannot be opened so.
 */
static int
open_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && !S_ISREG(st.st_mode))
		fd = open("/proc/self/fd/2",
		    O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd != -1 ? fd : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* -1: it cannot be opened, which has been said. */
static int
open_log(const struct parent *p, const char *path)
{
	int fd;

	if (strcmp(path, "stderr") == 0)
		return open_stderr();
	fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0640);
	if (fd == -1)
		log_error("log-file", "path=%s error=\"%s\"",
		    LOG_Q(slice_of(path)), strerror(errno));
	else if (p->uid != UINT32_MAX && fchown(fd, p->uid, p->gid) == -1)
		log_warn("log-file", "path=%s error=\"%s\"",
		    LOG_Q(slice_of(path)), strerror(errno));
	return fd;
}

static int
feed_log(struct parent *p, const struct feed *f, enum log_stream stream,
    const char *path)
{
	struct msg_log m = { .stream = stream,
		.level = p->conf->log_level,
		.syslog = wants_syslog(p, path) };
	int fd = m.syslog ? log_syslog_connect() : open_log(p, path), rc;

	rc = tell(f, MSG_LOG, &m, fd);
	if (fd != -1)
		(void)close(fd);
	return rc;
}

/* Which socket it is: another one after the daemon was started again. */
static uint64_t
syslog_identity(void)
{
	struct stat st;

	if (stat(LOG_SYSLOG_SOCKET, &st) == -1)
		return 0;
	return (uint64_t)st.st_ino ^ (uint64_t)st.st_dev << 32 ^
	       (uint64_t)st.st_ctim.tv_nsec << 24 ^ (uint64_t)st.st_ctim.tv_sec;
}

bool
feed_syslog_changed(struct parent *p)
{
	uint64_t now, before = p->syslog_seen;

	if (!wants_syslog(p, p->conf->log_file) &&
	    !wants_syslog(p, p->conf->access_log_file))
		return false;
	now = syslog_identity();
	p->syslog_seen = now;
	return now != 0 && now != before;
}

void
feed_own_log(struct parent *p)
{
	const char *path = p->conf->log_file;
	int fd;

	log_set_level((enum log_level)p->conf->log_level);
	(void)feed_syslog_changed(p);
	if (wants_syslog(p, path))
		log_set_syslog(LOG_EVENTS, "tolsey", log_syslog_connect());
	else if (strcmp(path, "stderr") == 0)
		log_set_fd(LOG_EVENTS, STDERR_FILENO);
	else if ((fd = open_log(p, path)) != -1)
		log_set_fd(LOG_EVENTS, fd);
}

void
feed_logs_anew(struct parent *p)
{
	feed_own_log(p);
	children_send_logs(p);
	generation_send_logs(p);
}

int
feed_logs(struct parent *p, const struct feed *f)
{
	const char *access = p->conf->access_log_file[0] != '\0'
				 ? p->conf->access_log_file
				 : p->conf->log_file;

	if (feed_log(p, f, LOG_EVENTS, p->conf->log_file) == -1)
		return -1;
	return f->role == ROLE_NET ? feed_log(p, f, LOG_ACCESS, access) : 0;
}

/* ctl only reads. */
int
feed_metrics(struct parent *p, const struct feed *f, unsigned int block)
{
	bool reader = f->role == ROLE_CTL;
	struct msg_metrics m = { .block = reader ? UINT32_MAX : block,
		.nblocks = PARENT_BLOCKS };

	return tell(
	    f, MSG_METRICS, &m, reader ? p->metrics_read_fd : p->metrics_fd);
}

/* The folder that holds NAME.so: as configured, of the build tree, installed.
 */
static int
open_module(const struct conf *c, const char *module)
{
	char path[PATH_MAX], own[PATH_MAX];
	const char *folders[2];
	int fd, n;

	if (strchr(module, '/') != NULL)
		return open(module, O_RDONLY | O_CLOEXEC);
	proc_own_folder(own, sizeof(own));
	n = snprintf(path, sizeof(path), "%s/../modules/%s.so", own, module);
	if (c->module_directory[0] == '\0' && n > 0 &&
	    (size_t)n < sizeof(path) &&
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) != -1)
		return fd;
	folders[0] = c->module_directory;
	folders[1] = PKGLIBDIR;
	n = snprintf(path, sizeof(path), "%s/%s.so",
	    folders[c->module_directory[0] == '\0'], module);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* "/path/name.so" is the module "name". */
static void
module_name(const char *module, char *out, size_t len)
{
	const char *slash = strrchr(module, '/');
	struct slice s = slice_of(slash != NULL ? slash + 1 : module);

	if (slice_case_has_suffix(s, SLICE_LIT(".so")))
		s.len -= 3;
	(void)str_copy(out, len, s);
}

static int
feed_module(const struct feed *f, const struct conf *c, const char *module,
    char *why, size_t len)
{
	struct msg_name m;
	int fd = open_module(c, module), rc;

	if (fd == -1) {
		(void)snprintf(
		    why, len, "Module %s: %s", module, strerror(errno));
		return -1;
	}
	memset(&m, 0, sizeof(m));
	module_name(module, m.name, sizeof(m.name));
	rc = tell(f, MSG_MODULE, &m, fd);
	(void)close(fd);
	if (rc == -1)
		(void)snprintf(why, len, "cannot pass modules on");
	return rc;
}

int
feed_template(const struct feed *f, const struct conf *c, char *why, size_t len)
{
	struct msg_none none = { 0 };
	char path[PATH_MAX];
	int fd, rc, n;

	if (c->template_directory[0] == '\0')
		return 0;
	n = snprintf(
	    path, sizeof(path), "%s/block.html", c->template_directory);
	if (n < 0 || (size_t)n >= sizeof(path) ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		(void)snprintf(why, len, "TemplateDirectory: %s: %s", path,
		    strerror(errno));
		return -1;
	}
	rc = tell(f, MSG_TEMPLATE, &none, fd);
	(void)close(fd);
	return rc;
}

static int
feed_tls_file(const struct feed *f, enum msg_tls_kind kind,
    const char *directive, const char *path, char *why, size_t len)
{
	struct msg_tls_file m = { .kind = kind };
	const char *what = NULL;
	struct stat st;
	int fd, rc;

	if (path[0] == '\0')
		return 0;
	/* not to wait for a pipe */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1)
		what = strerror(errno);
	else if (!S_ISREG(st.st_mode) || st.st_size > TLS_FILE_MAX)
		what = "not a regular file of at most 4 MiB";
	if (what != NULL) {
		(void)snprintf(why, len, "%s %s: %s", directive, path, what);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	rc = tell(f, MSG_TLS_FILE, &m, fd);
	(void)close(fd);
	return rc;
}

int
feed_tls(const struct feed *f, const struct conf *c, char *why, size_t len)
{
	if (feed_tls_file(f, MSG_TLS_CERTIFICATE, "TlsCertificate",
		c->tls_certificate, why, len) == -1 ||
	    feed_tls_file(f, MSG_TLS_KEY, "TlsKey", c->tls_key, why, len) == -1)
		return -1;
	return feed_tls_file(
	    f, MSG_TLS_CLIENT_CA, "TlsClientCA", c->tls_client_ca, why, len);
}

int
feed_modules(const struct feed *f, const struct conf *c, char *why, size_t len)
{
	static const char *const usual[] = { "clamav_scan", "echo" };

	for (size_t i = 0; c->modules.n == 0 && i < COUNTOF(usual); i++)
		if (feed_module(f, c, usual[i], why, len) == -1)
			return -1;
	for (size_t i = 0; i < c->modules.n; i++)
		if (feed_module(f, c, c->modules.v[i], why, len) == -1)
			return -1;
	return 0;
}
