/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "ipc/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_FDS_SEEN 8 /* room to see, and close, more than is allowed */

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_SEEN)];
};

/* Collects descriptors; all are ours to close from now on. */
static size_t
take_fds(struct msghdr *mh, int fds[WIRE_FDS_SEEN])
{
	struct cmsghdr *c;
	size_t n = 0, here;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && n < WIRE_FDS_SEEN; i++)
			memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
	}
	return n;
}

static void
close_fds(const int fds[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static enum wire_rc
failed(void)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return WIRE_AGAIN;
	return errno == ECONNRESET || errno == EPIPE ? WIRE_EOF : WIRE_FAILED;
}

/* An empty datagram looks like the end; but then the peer is still there. */
static bool
peer_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) != 0;
}

enum wire_rc
wire_recv(int fd, char *buf, enum role from, enum role to, struct chan_msg *m,
    const char **why, bool wait)
{
	union control ctl;
	struct iovec iov = { buf, MSG_MAX_LEN };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl) };
	struct msg_hdr h;
	int fds[WIRE_FDS_SEEN];
	size_t nfds, size;
	ssize_t n;

	*why = NULL;
	do
		n = recvmsg(
		    fd, &mh, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		*why = strerror(errno);
		return failed();
	}
	nfds = take_fds(&mh, fds);
	if (n == 0 && nfds == 0 && peer_gone(fd))
		return WIRE_EOF;
	if ((size_t)n < sizeof(h) ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		*why = "truncated message";
	} else {
		memcpy(&h, buf, sizeof(h));
		*why = msg_violation(&h, (size_t)n - sizeof(h), nfds, from, to);
	}
	if (*why != NULL) {
		close_fds(fds, nfds);
		return WIRE_VIOLATION;
	}
	size = msg_payload_size(h.type);
	m->type = h.type;
	m->payload = buf + sizeof(h);
	m->tail = (struct slice){ buf + sizeof(h) + size, h.len - size };
	m->fd = nfds > 0 ? fds[0] : -1;
	return WIRE_OK;
}

static void
attach_fd(struct msghdr *mh, union control *ctl, int pass)
{
	struct cmsghdr *c;

	memset(ctl, 0, sizeof(*ctl));
	mh->msg_control = ctl;
	mh->msg_controllen = CMSG_SPACE(sizeof(int));
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pass, sizeof(int));
}

enum wire_rc
wire_send(int fd, enum role from, enum role to, uint16_t type,
    const void *payload, struct slice tail, int pass, bool wait)
{
	union control ctl;
	size_t size = msg_payload_size(type);
	struct msg_hdr h = { type, pass != -1, (uint32_t)(size + tail.len) };
	struct iovec iov[3] = { { &h, sizeof(h) },
		{ (void *)(uintptr_t)payload, size },
		{ (void *)(uintptr_t)tail.p, tail.len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };
	ssize_t n;

	CHECK(msg_violation(&h, h.len, h.nfds, from, to) == NULL);
	if (pass != -1)
		attach_fd(&mh, &ctl, pass);
	do
		n = sendmsg(fd, &mh, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	while (n == -1 && errno == EINTR);
	if (n != -1)
		return WIRE_OK;
	CHECK(errno != EMSGSIZE);
	/* no buffers, or too many descriptors under way: later */
	if (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
		return WIRE_AGAIN;
	return failed();
}
