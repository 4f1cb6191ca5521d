/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/metrics.h"

#define SYSLOG_DAEMON (3 << 3)
#define PIPE_ATOMIC 4096 /* what a pipe that polls writable takes at once */

void
log_sink_init(struct log_sink *s)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	buf_init(&s->pending, LOG_SINK_PENDING_MAX);
}

void
log_sink_close(struct log_sink *s)
{
	if (s->own_fd && s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	s->own_fd = false;
	s->kind = SINK_NONE;
	buf_free(&s->pending);
}

/*
 * A description of our own, so that O_NONBLOCK does not change a terminal or
 * pipe that others share. Falls back to the shared one and poll().
 */
static int
reopen_nonblocking(int fd)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void
log_sink_open(struct log_sink *s, int fd, bool keep)
{
	struct stat st;
	int own;

	log_sink_close(s);
	s->fd = fd;
	s->own_fd = !keep;
	s->kind = SINK_FILE;
	if (fstat(fd, &st) == -1 || S_ISREG(st.st_mode))
		return;
	if (S_ISSOCK(st.st_mode)) {
		s->kind = SINK_SOCKET;
		return;
	}
	s->kind = SINK_PIPE;
	/* whoever made it so meant it for us: a confined process's parent */
	if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
		return;
	if ((own = reopen_nonblocking(fd)) == -1)
		return;
	if (!keep)
		(void)close(fd);
	s->fd = own;
	s->own_fd = true;
}

void
log_sink_open_syslog(struct log_sink *s, const char *ident, int fd)
{
	log_sink_close(s);
	s->kind = SINK_SYSLOG;
	(void)str_copy(s->ident, sizeof(s->ident), slice_of(ident));
	s->fd = fd;
	s->own_fd = fd != -1;
}

static bool
writable_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* Bytes taken, 0 when it would block, -1 when it cannot be written. */
static ssize_t
put(struct log_sink *s, const char *p, size_t len)
{
	ssize_t n;

	switch (s->kind) {
	case SINK_SOCKET:
		n = send(s->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case SINK_PIPE:
		if (!writable_now(s->fd))
			return 0;
		n = write(s->fd, p, len < PIPE_ATOMIC ? len : PIPE_ATOMIC);
		break;
	case SINK_FILE:
		n = write(s->fd, p, len);
		break;
	default:
		return -1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

static void
drop(struct log_sink *s)
{
	s->dropped++;
	METRIC_INC(log_dropped_total);
}

/* Tells, once the sink takes bytes again, what is missing before them. */
static void
say_dropped(struct log_sink *s)
{
	uint64_t n = s->dropped - s->dropped_said;

	if (n == 0 || s->pending.len > 0)
		return;
	if (buf_printf(&s->pending, "log-dropped lines=%llu\n",
		(unsigned long long)n) == 0)
		s->dropped_said = s->dropped;
}

bool
log_sink_flush(struct log_sink *s)
{
	ssize_t n;

	while (s->pending.len > 0) {
		n = put(s, s->pending.p, s->pending.len);
		if (n <= 0)
			return false;
		buf_consume(&s->pending, (size_t)n);
	}
	return true;
}

static void
write_syslog(struct log_sink *s, int priority, struct slice line)
{
	char head[64];
	struct iovec iov[2];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int n = snprintf(head, sizeof(head),
	    "<%d>%s[%d]: ", SYSLOG_DAEMON | priority, s->ident, (int)getpid());

	if (n < 0 || s->fd == -1) {
		drop(s);
		return;
	}
	iov[0] = (struct iovec){ head,
		(size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1 };
	iov[1] = (struct iovec){ (char *)(uintptr_t)line.p,
		line.len > 0 ? line.len - 1 : 0 };
	if (sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		drop(s);
}

void
log_sink_write(struct log_sink *s, int priority, struct slice line)
{
	ssize_t n = 0;

	if (s->kind == SINK_SYSLOG) {
		write_syslog(s, priority, line);
		return;
	}
	if (s->kind == SINK_NONE)
		return;
	if (log_sink_flush(s)) {
		say_dropped(s);
		if (log_sink_flush(s))
			n = put(s, line.p, line.len);
	}
	if (n == -1) {
		drop(s); /* a full disk: the next line may fit again */
		return;
	}
	if ((size_t)n == line.len)
		return;
	/* the rest of a line that was begun must follow: it always fits */
	if (buf_append(&s->pending, line.p + n, line.len - (size_t)n) == -1)
		drop(s);
}
