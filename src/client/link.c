/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "client/link_int.h"

struct link_peer {
	struct addrinfo *addrs; /* NULL: unix */
	struct sockaddr_un sun;
	char shown[320]; /* HOST:PORT or the path, for messages */
	SSL_CTX *ctx;
	const struct target *target;
};

/* ---- the peer ---- */

static int
resolve(struct link_peer *p, const struct target *t, struct buf *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG };
	char port[8], host[256];
	int rc;

	(void)str_copy(host, sizeof(host), buf_slice(&t->host));
	(void)snprintf(port, sizeof(port), "%u", t->port);
	rc = getaddrinfo(host, port, &hints, &p->addrs);
	if (rc == EAI_ADDRFAMILY || rc == EAI_NODATA || rc == EAI_NONAME) {
		/* loopback addresses do not count for AI_ADDRCONFIG */
		hints.ai_flags = 0;
		rc = getaddrinfo(host, port, &hints, &p->addrs);
	}
	if (rc == 0)
		return 0;
	(void)buf_printf(err, "%s: %s; is the name of the server right?", host,
	    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return -1;
}

struct link_peer *
link_peer_new(
    const struct target *t, const struct client_options *o, struct buf *err)
{
	struct link_peer *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		(void)buf_append_str(err, "out of memory");
		return NULL;
	}
	p->target = t;
	if (t->path.len > 0) {
		p->sun.sun_family = AF_UNIX;
		memcpy(p->sun.sun_path, t->path.p, t->path.len);
		(void)str_copy(p->shown, sizeof(p->shown), buf_slice(&t->path));
	} else {
		(void)str_copy(
		    p->shown, sizeof(p->shown), buf_slice(&t->authority));
		if (resolve(p, t, err) == -1)
			link_peer_free(&p);
	}
	if (p != NULL && t->tls && (p->ctx = link_tls_ctx(o, err)) == NULL)
		link_peer_free(&p);
	return p;
}

void
link_peer_free(struct link_peer **p)
{
	if (*p == NULL)
		return;
	if ((*p)->addrs != NULL)
		freeaddrinfo((*p)->addrs);
	SSL_CTX_free((*p)->ctx);
	free(*p);
	*p = NULL;
}

const struct sockaddr *
link_peer_addr(const struct link_peer *p, socklen_t *len)
{
	if (p->addrs == NULL) {
		*len = sizeof(p->sun);
		return (const struct sockaddr *)&p->sun;
	}
	*len = p->addrs->ai_addrlen;
	return p->addrs->ai_addr;
}

/* ---- connecting ---- */

void
link_init(struct link *l)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
}

bool
link_is_open(const struct link *l)
{
	return l->fd != -1;
}

/* 1, 0 late, -1 with errno. */
static int
wait_for(int fd, short events, int other_fd, uint64_t deadline_us)
{
	/* poll() skips descriptors below 0 */
	struct pollfd pfds[2] = { { .fd = fd, .events = events },
		{ .fd = other_fd, .events = POLLIN } };
	uint64_t now = clock_mono_us();
	int ms, rc;

	if (now >= deadline_us)
		return 0;
	ms = deadline_us - now > 3600000000
		 ? 3600000
		 : (int)((deadline_us - now + 999) / 1000);
	rc = poll(pfds, 2, ms);
	if (rc == -1)
		return errno == EINTR ? 1 : -1;
	return rc > 0 || clock_mono_us() < deadline_us;
}

/* 0, or an errno. */
static int
connect_one(struct link *l, const struct sockaddr *sa, socklen_t len,
    uint64_t deadline_us)
{
	int error = 0, one = 1, rc;
	socklen_t n = sizeof(error);

	l->fd = socket(
	    sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1)
		return errno;
	if (sa->sa_family != AF_UNIX)
		(void)setsockopt(
		    l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(l->fd, sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	do {
		struct pollfd pfd = { .fd = l->fd, .events = POLLOUT };

		if ((rc = wait_for(l->fd, POLLOUT, -1, deadline_us)) < 1)
			return rc == 0 ? ETIMEDOUT : errno;
		rc = poll(&pfd, 1, 0);
	} while (rc == 0 || (rc == -1 && errno == EINTR));
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) == -1)
		return errno;
	return error;
}

static void
explain(struct buf *err, const struct link_peer *p, int error)
{
	const char *advice = "";

	switch (error) {
	case ECONNREFUSED:
	case ENOENT:
		advice = " (is the server running, and is this its address?)";
		break;
	case EACCES:
	case EPERM:
		advice = " (may this account use the socket?)";
		break;
	case ETIMEDOUT:
		advice = " (is there a firewall? --connect-timeout)";
		break;
	case EAGAIN:
		advice = " (the server does not accept connections)";
		break;
	}
	(void)buf_printf(err, "cannot connect to %s: %s%s", p->shown,
	    error == ETIMEDOUT ? "no answer in time" : strerror(error), advice);
}

static int
connect_any(struct link *l, const struct link_peer *p, uint64_t deadline_us)
{
	const struct addrinfo *ai;
	int error = EADDRNOTAVAIL;

	if (p->addrs == NULL)
		return connect_one(l, (const struct sockaddr *)&p->sun,
		    sizeof(p->sun), deadline_us);
	for (ai = p->addrs; ai != NULL; ai = ai->ai_next) {
		link_close(l);
		error =
		    connect_one(l, ai->ai_addr, ai->ai_addrlen, deadline_us);
		if (error == 0 || error == ETIMEDOUT)
			break;
	}
	return error;
}

int
link_open(struct link *l, const struct link_peer *p,
    const struct client_options *o, struct buf *err)
{
	uint64_t start = clock_mono_us(), connected;
	uint64_t deadline = start + o->connect_timeout * 1000;
	int error;

	CHECK(l->fd == -1);
	error = connect_any(l, p, deadline);
	connected = clock_mono_us();
	l->connect_us = connected - start;
	l->tls_us = 0;
	if (error != 0) {
		explain(err, p, error);
		link_close(l);
		return -1;
	}
	if (p->ctx == NULL)
		return 0;
	if (link_tls_start(l, p->ctx, p->target, o, deadline, err) == -1) {
		link_close(l);
		return -1;
	}
	l->tls_us = clock_mono_us() - connected;
	return 0;
}

void
link_close(struct link *l)
{
	if (l->fd == -1)
		return;
	if (l->ssl != NULL)
		link_tls_end(l);
	(void)close(l->fd);
	l->fd = -1;
	l->ssl = NULL;
	l->read_wants_write = l->write_wants_read = false;
}

/* ---- bytes ---- */

ssize_t
link_read(struct link *l, void *p, size_t len)
{
	ssize_t n;

	if (l->ssl != NULL)
		return link_tls_read(l, p, len);
	do
		n = recv(l->fd, p, len, 0);
	while (n == -1 && errno == EINTR);
	return n;
}

ssize_t
link_write(struct link *l, const void *p, size_t len)
{
	ssize_t n;

	if (l->ssl != NULL)
		return link_tls_write(l, p, len);
	do
		n = send(l->fd, p, len, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n;
}

int
link_wait(struct link *l, bool to_write, int other_fd, uint64_t deadline_us)
{
	short events = POLLIN;

	if (l->ssl != NULL && link_tls_pending(l))
		return 1;
	if ((to_write && !l->write_wants_read) || l->read_wants_write)
		events |= POLLOUT;
	return wait_for(l->fd, events, other_fd, deadline_us);
}

bool
link_is_stale(struct link *l)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	char byte;
	ssize_t n;

	if (l->ssl == NULL)
		return poll(&pfd, 1, 0) != 0;
	/* session tickets may wait there: these are read and mean nothing */
	n = link_read(l, &byte, 1);
	return n != -1 || errno != EAGAIN;
}
