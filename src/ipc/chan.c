/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "ipc/chan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/log.h"
#include "ipc/wire.h"

#define CHAN_SNDBUF (1 << 20)
#define CHAN_QUEUE_MAX 1024
#define CHAN_READS_PER_TURN 16

struct queued {
	TAILQ_ENTRY(queued) link;
	uint16_t type;
	int fd;
	char payload[];
};
TAILQ_HEAD(queued_list, queued);

struct chan {
	int fd;
	enum role self, peer;
	const struct chan_ops *ops;
	void *ctx;
	struct event *ev_read, *ev_write;
	char *buf;
	struct queued_list queue;
	unsigned int nqueued;
	void (*writable)(void *ctx, struct chan *c);
	int reads; /* in one turn of the loop */
	bool ended;
	bool *freed; /* set when the channel is freed inside a callback */
};

int
chan_pair(int fds[2])
{
	int size = CHAN_SNDBUF;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
			sizeof(size)) == -1)
			(void)setsockopt(
			    fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static void
end(struct chan *c, enum chan_end how, const char *why)
{
	if (c->ended)
		return;
	c->ended = true;
	(void)event_del(c->ev_read);
	(void)event_del(c->ev_write);
	c->ops->ended(c->ctx, c, how, why != NULL ? why : "");
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct chan *c = ctx;
	struct chan_msg m;
	const char *why;
	bool freed = false;

	(void)what;
	c->freed = &freed;
	for (int i = 0; i < c->reads; i++) {
		switch (
		    wire_recv(fd, c->buf, c->peer, c->self, &m, &why, false)) {
		case WIRE_OK:
			c->ops->message(c->ctx, c, &m);
			break;
		case WIRE_AGAIN:
			c->freed = NULL;
			return;
		case WIRE_EOF:
			end(c, CHAN_EOF, "end");
			break;
		case WIRE_VIOLATION:
			end(c, CHAN_VIOLATION, why);
			break;
		case WIRE_FAILED:
			end(c, CHAN_FAILED, why);
			break;
		}
		if (freed)
			return;
		if (c->ended)
			break;
	}
	c->freed = NULL;
}

static void
drop_queued(struct chan *c, struct queued *q)
{
	TAILQ_REMOVE(&c->queue, q, link);
	c->nqueued--;
	if (q->fd != -1)
		(void)close(q->fd);
	free(q);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct chan *c = ctx;
	struct queued *q;
	enum wire_rc rc;

	(void)what;
	while ((q = TAILQ_FIRST(&c->queue)) != NULL) {
		rc = wire_send(fd, c->self, c->peer, q->type, q->payload,
		    SLICE_NONE, q->fd, false);
		if (rc == WIRE_AGAIN) {
			(void)event_add(c->ev_write, NULL);
			return;
		}
		drop_queued(c, q);
		if (rc != WIRE_OK)
			return; /* the reading side sees the end */
	}
	if (c->writable != NULL)
		c->writable(c->ctx, c);
}

struct chan *
chan_new(struct event_base *base, int fd, enum role self, enum role peer,
    const struct chan_ops *ops, void *ctx)
{
	struct chan *c = calloc(1, sizeof(*c));

	if (c == NULL || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		free(c);
		(void)close(fd);
		return NULL;
	}
	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->ops = ops;
	c->ctx = ctx;
	c->reads = CHAN_READS_PER_TURN;
	TAILQ_INIT(&c->queue);
	c->buf = malloc(MSG_MAX_LEN);
	c->ev_read = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->ev_write = event_new(base, fd, EV_WRITE, on_writable, c);
	/* before whatever else the loop has to do */
	if (c->buf == NULL || c->ev_read == NULL || c->ev_write == NULL ||
	    event_priority_set(c->ev_read, 0) == -1 ||
	    event_priority_set(c->ev_write, 0) == -1 ||
	    event_add(c->ev_read, NULL) == -1)
		chan_free(&c);
	return c;
}

void
chan_free(struct chan **cp)
{
	struct chan *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	if (c->freed != NULL)
		*c->freed = true;
	while (!TAILQ_EMPTY(&c->queue))
		drop_queued(c, TAILQ_FIRST(&c->queue));
	if (c->ev_read != NULL)
		event_free(c->ev_read);
	if (c->ev_write != NULL)
		event_free(c->ev_write);
	free(c->buf);
	(void)close(c->fd);
	free(c);
}

void
chan_poll(struct chan *c)
{
	if (!c->ended)
		on_readable(c->fd, EV_READ, c);
}

int
chan_fd(const struct chan *c)
{
	return c->fd;
}

enum chan_sent
chan_send_tail(struct chan *c, uint16_t type, const void *payload,
    struct slice tail, int fd)
{
	if (c->ended)
		return CHAN_DEAD;
	switch (wire_send(
	    c->fd, c->self, c->peer, type, payload, tail, fd, false)) {
	case WIRE_OK:
		return CHAN_SENT;
	case WIRE_AGAIN:
		(void)event_add(c->ev_write, NULL);
		return CHAN_AGAIN;
	default:
		return CHAN_DEAD;
	}
}

enum chan_sent
chan_send(struct chan *c, uint16_t type, const void *payload, int fd)
{
	return chan_send_tail(c, type, payload, SLICE_NONE, fd);
}

static enum chan_sent
keep(struct chan *c, uint16_t type, const void *payload, int fd)
{
	size_t size = msg_payload_size(type);
	struct queued *q;

	if (c->nqueued >= CHAN_QUEUE_MAX ||
	    (q = malloc(sizeof(*q) + size)) == NULL)
		return CHAN_AGAIN;
	q->type = type;
	q->fd = -1;
	memcpy(q->payload, payload, size);
	if (fd != -1 && (q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		free(q);
		return CHAN_AGAIN;
	}
	TAILQ_INSERT_TAIL(&c->queue, q, link);
	c->nqueued++;
	(void)event_add(c->ev_write, NULL);
	return CHAN_SENT;
}

enum chan_sent
chan_queue(struct chan *c, uint16_t type, const void *payload, int fd)
{
	enum chan_sent rc;

	if (!TAILQ_EMPTY(&c->queue))
		return keep(c, type, payload, fd);
	rc = chan_send(c, type, payload, fd);
	return rc == CHAN_AGAIN ? keep(c, type, payload, fd) : rc;
}

void
chan_refuse(struct chan *parent, const char *why)
{
	struct msg_text t;

	memset(&t, 0, sizeof(t));
	(void)str_copy_clean(t.text, sizeof(t.text), slice_of(why), "");
	(void)chan_queue(parent, MSG_REFUSED, &t, -1);
	log_error("refused", "why=%s", LOG_Q(slice_of(why)));
}

void
chan_one_at_a_time(struct chan *c)
{
	c->reads = 1;
}

void
chan_on_writable(struct chan *c, void (*fn)(void *ctx, struct chan *c))
{
	c->writable = fn;
}

int
chan_block_init(struct chan_block *c, int fd, enum role self, enum role peer)
{
	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->buf = malloc(MSG_MAX_LEN);
	return c->buf != NULL ? 0 : -1;
}

void
chan_block_free(struct chan_block *c)
{
	free(c->buf);
	c->buf = NULL;
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
}

int
chan_block_recv(struct chan_block *c, struct chan_msg *m)
{
	const char *why;

	switch (wire_recv(c->fd, c->buf, c->peer, c->self, m, &why, true)) {
	case WIRE_OK:
		return 1;
	case WIRE_EOF:
		return 0;
	default:
		return -1;
	}
}

int
chan_block_send(struct chan_block *c, uint16_t type, const void *payload,
    struct slice tail, int fd)
{
	return wire_send(c->fd, c->self, c->peer, type, payload, tail, fd,
		   true) == WIRE_OK
		   ? 0
		   : -1;
}
