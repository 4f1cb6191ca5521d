/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* A plain TCP or unix stream socket. */
#include "net/transport.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t
plain_read(struct transport *t, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(t->fd, buf, len, MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n;
}

static ssize_t
plain_writev(struct transport *t, const struct iovec *iov, int n, bool more)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)n };
	ssize_t rc;

	do
		rc = sendmsg(t->fd, &m,
		    MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	while (rc == -1 && errno == EINTR);
	return rc;
}

static ssize_t
plain_send_file(struct transport *t, int fd, uint64_t off, size_t len)
{
	off_t at = (off_t)off;
	ssize_t n;

	do
		n = sendfile(t->fd, fd, &at, len);
	while (n == -1 && errno == EINTR);
	return n;
}

static int
plain_shutdown_write(struct transport *t)
{
	return shutdown(t->fd, SHUT_WR);
}

static bool
plain_pending(const struct transport *t)
{
	(void)t;
	return false;
}

void
transport_close_socket(struct transport *t, bool cut)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (t->fd == -1)
		return;
	/* RST: nobody takes what was sent so far for the whole (RM-04). */
	if (cut)
		(void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	(void)close(t->fd);
	t->fd = -1;
}

ssize_t
transport_discard(struct transport *t, void *buf, size_t len)
{
	return plain_read(t, buf, len);
}

const struct transport_ops transport_plain = {
	.read = plain_read,
	.writev = plain_writev,
	.send_file = plain_send_file,
	.shutdown_write = plain_shutdown_write,
	.pending = plain_pending,
	.close = transport_close_socket,
};
