/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/tx.h"

#define CONN_IOV 64
#define CONN_IN_MAX ((size_t)1 << 20)
#define CONN_SEND_FILE ((uint64_t)1 << 20)
#define CONN_READS_PER_TURN 4

enum conn_phase {
	CONN_OPEN,
	CONN_LINGER, /* shutdown(WR) was done: read until the peer's end */
	CONN_CLOSED
};
struct conn {
	TAILQ_ENTRY(conn) link, kick_link;
	struct conn_pool *pool;
	struct transport transport;
	struct event *ev_read, *ev_write;
	char peer[INET6_ADDRSTRLEN]; /* the client's address */
	struct timer timer; /* idle, head, write, linger: one at a time */
	enum conn_phase phase;
	struct icap_rx rx;
	struct outq out;
	struct buf in; /* received, but the transaction takes none now */
	struct tx *tx;
	struct tx_host host;
	uint64_t requests;
	uint64_t head_since_us;
	bool kicked, reading, writing, peer_ended, answered, read_blocked;
	uint64_t write_since_us;
};

static void conn_update(struct conn *c);

static const struct conf *
conf_of(const struct conn *c)
{
	return c->pool->core->set->conf;
}

static void
conn_kick(void *ctx)
{
	struct conn *c = ctx;

	if (c->kicked || c->phase == CONN_CLOSED)
		return;
	c->kicked = true;
	TAILQ_INSERT_TAIL(&c->pool->kicked, c, kick_link);
	event_active(c->pool->kick, EV_TIMEOUT, 0);
}

static void
conn_free(struct conn *c)
{
	c->phase = CONN_CLOSED;
	if (c->kicked)
		TAILQ_REMOVE(&c->pool->kicked, c, kick_link);
	outq_free(&c->out);
	tx_free(&c->tx);
	timer_disarm(c->pool->core->tq, &c->timer);
	if (c->ev_read != NULL)
		event_free(c->ev_read);
	if (c->ev_write != NULL)
		event_free(c->ev_write);
	icap_rx_free(&c->rx);
	buf_free(&c->in);
	TAILQ_REMOVE(&c->pool->conns, c, link);
	c->pool->count--;
	METRIC_SET(connections, c->pool->count);
	free(c);
}

static void
conn_close(struct conn *c, bool cut)
{
	c->transport.ops->close(&c->transport, cut);
	conn_free(c);
}

static void
arm(struct conn *c, uint64_t at_us)
{
	if (timer_arm(c->pool->core->tq, &c->timer, at_us) == -1)
		log_warn("no-memory", "for=timer");
}

static void
set_reading(struct conn *c, bool on)
{
	if (c->reading == on)
		return;
	c->reading = on;
	if ((on ? event_add(c->ev_read, NULL) : event_del(c->ev_read)) == -1)
		log_warn("event-failed", "what=read");
}

static void
set_writing(struct conn *c, bool on)
{
	if (c->writing == on)
		return;
	c->writing = on;
	if ((on ? event_add(c->ev_write, NULL) : event_del(c->ev_write)) == -1)
		log_warn("event-failed", "what=write");
}

/* CN-09: say that nothing more comes, then read until the peer is done. */
static void
begin_linger(struct conn *c)
{
	c->phase = CONN_LINGER;
	tx_free(&c->tx);
	if (c->peer_ended ||
	    c->transport.ops->shutdown_write(&c->transport) == -1) {
		conn_close(c, false);
		return;
	}
	set_writing(c, false);
	set_reading(c, true);
	arm(c, clock_mono_us() + conf_of(c)->linger_timeout * 1000);
}

/* One answer straight from the connection, without a transaction. */
static void
refuse(struct conn *c, enum proto_err e)
{
	struct net_core *core = c->pool->core;
	struct icap_out_common com = { .wall_us = clock_wall_us(),
		.close = true,
		.server = core->server };

	METRIC_INC(protocol_errors_total);
	log_info("request-refused", "status=%d why=\"%s\"",
	    proto_err_info(e)->status, proto_err_info(e)->text);
	if (proto_err_info(e)->status == 0) {
		begin_linger(c); /* an answer before it must not be lost */
		return;
	}
	if (core->set->conf->nservices > 0)
		com.istag = slice_of(core->set->services[0].istag);
	if (proto_err_info(e)->status >= 500)
		METRIC_INC(icap_5xx_total);
	else
		METRIC_INC(icap_4xx_total);
	if (icap_out_error(&c->out.bytes, &com, e) == 0) {
		struct iovec iov = { c->out.bytes.p, c->out.bytes.len };

		(void)c->transport.ops->writev(&c->transport, &iov, 1);
	}
	begin_linger(c);
}

/* ---- output ---- */

/* 1: all was sent, 0: the socket takes no more now, -1: it is broken. */
static int
flush(struct conn *c)
{
	struct iovec iov[CONN_IOV];
	struct outq_file file;
	ssize_t n;
	int niov;

	while (outq_pending(&c->out) > 0) {
		niov = outq_next(&c->out, iov, CONN_IOV, &file);
		if (niov > 0)
			n = c->transport.ops->writev(&c->transport, iov, niov);
		else
			n = c->transport.ops->send_file(&c->transport, file.fd,
			    file.off,
			    file.len < CONN_SEND_FILE ? file.len
						      : CONN_SEND_FILE);
		if (n == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		if (n == 0)
			return -1;
		outq_sent(&c->out, (uint64_t)n);
		METRIC_ADD(bytes_out_total, n);
		c->write_since_us = 0;
	}
	return 1;
}

/* ---- input ---- */

static bool
begin_transaction(struct conn *c)
{
	uint64_t max = conf_of(c)->max_keep_alive_requests;

	c->head_since_us = 0;
	c->requests++;
	c->tx = tx_new(c->pool->core, &c->host, &c->rx, &c->out);
	if (c->tx == NULL) {
		refuse(c, PROTO_ERR_INTERNAL);
		return false;
	}
	/* CN-02; TR-04: what follows a trailer nobody allowed is not read */
	c->tx->close =
	    (max > 0 && c->requests >= max) ||
	    (c->rx.icap.trailer.len > 0 && !c->rx.icap.allow_trailers);
	tx_start(c->tx);
	return true;
}

/* False: the connection is gone or closing. */
static bool
handle_event(struct conn *c, enum icap_rx_event ev, struct slice body)
{
	switch (ev) {
	case ICAP_RX_HEAD:
		return begin_transaction(c);
	case ICAP_RX_BODY:
		tx_body(c->tx, body);
		break;
	case ICAP_RX_PREVIEW_END:
		tx_preview_end(c->tx);
		break;
	case ICAP_RX_BODY_END:
		tx_body_end(c->tx);
		break;
	case ICAP_RX_ERROR:
		if (c->tx == NULL) {
			refuse(c, c->rx.err);
			return false;
		}
		tx_protocol_error(c->tx, c->rx.err);
		break;
	case ICAP_RX_MORE:
		break;
	}
	return true;
}

/* Whether the present transaction, or a next one, takes bytes now. */
static bool
takes_input(const struct conn *c)
{
	if (c->phase != CONN_OPEN)
		return false;
	return c->tx == NULL || tx_wants_input(c->tx);
}

/*
 * While an answer is made the socket is read as well, up to a buffer's worth
 * of next requests: a client that resets the connection is seen at once, and
 * its scan is given up.
 */
static bool
reads_ahead(const struct conn *c)
{
	return c->phase == CONN_OPEN && c->tx != NULL &&
	       tx_request_is_over(c->tx) && c->in.len < CONN_READ_SIZE;
}

/* Feeds *in as far as it is taken. False: the connection is gone. */
static bool
feed(struct conn *c, struct slice *in)
{
	struct slice body;
	enum icap_rx_event ev;

	while (takes_input(c)) {
		ev = icap_rx_feed(&c->rx, in, &body);
		if (ev == ICAP_RX_MORE)
			break;
		if (!handle_event(c, ev, body))
			return false;
	}
	if (c->tx == NULL && icap_rx_in_head(&c->rx)) {
		if (c->head_since_us == 0)
			c->head_since_us = clock_mono_us();
	}
	return true;
}

/* A transaction has ended: the next request may begin. */
static bool
end_transaction(struct conn *c)
{
	bool close = c->tx->close || c->pool->core->draining;

	if (c->tx->cut) {
		conn_close(c, true);
		return false;
	}
	tx_free(&c->tx);
	icap_rx_finish(&c->rx);
	c->rx.answered_before = true;
	if (close) {
		begin_linger(c);
		return false;
	}
	return true;
}

/* Bytes that waited are fed before new ones are read. */
static bool
feed_waiting(struct conn *c)
{
	struct slice in = buf_slice(&c->in);
	size_t had = in.len;

	if (had == 0)
		return true;
	if (!feed(c, &in))
		return false;
	buf_consume(&c->in, had - in.len);
	return true;
}

static void
arm_timer(struct conn *c)
{
	const struct conf *conf = conf_of(c);
	uint64_t now = clock_mono_us();

	if (outq_pending(&c->out) > 0) {
		if (c->write_since_us == 0)
			c->write_since_us = now;
		arm(c, c->write_since_us + conf->write_timeout * 1000);
	} else if (c->tx != NULL) {
		timer_disarm(c->pool->core->tq, &c->timer);
	} else if (c->head_since_us != 0) {
		arm(c, c->head_since_us + conf->head_timeout * 1000);
	} else {
		arm(c, now + conf->keep_alive_timeout * 1000);
	}
}

/*
 * After anything has happened: send, tell the transaction of room, begin the
 * next request, and set the events. The only place that frees a connection in
 * phase OPEN.
 */
static void
conn_update(struct conn *c)
{
	int rc;

	for (;;) {
		if (c->tx != NULL && c->tx->cut) {
			conn_close(c, true);
			return;
		}
		rc = flush(c);
		if (rc == -1) {
			conn_close(c, false);
			return;
		}
		if (c->tx != NULL && !tx_is_done(c->tx) &&
		    outq_has_room(&c->out)) {
			uint64_t before = outq_pending(&c->out);

			tx_event(c->tx, TX_EV_OUTPUT);
			if (outq_pending(&c->out) != before && rc == 1)
				continue;
		}
		if (c->tx != NULL && c->tx->cut)
			continue;
		if (c->tx != NULL && tx_is_done(c->tx) &&
		    outq_pending(&c->out) == 0 && !end_transaction(c))
			return;
		if (takes_input(c) && c->in.len > 0) {
			size_t had = c->in.len;

			if (!feed_waiting(c))
				return;
			if (c->in.len != had)
				continue;
		}
		break;
	}
	/* what is still missing cannot come any more */
	if (c->peer_ended && c->in.len == 0 && outq_pending(&c->out) == 0 &&
	    (c->tx == NULL || !tx_request_is_over(c->tx))) {
		conn_close(c, false);
		return;
	}
	set_writing(c, outq_pending(&c->out) > 0);
	set_reading(c, !c->peer_ended && (takes_input(c) || reads_ahead(c)));
	arm_timer(c);
}

/* The peer's end of stream: answered if the request is complete (CN-06). */
static void
peer_ended(struct conn *c)
{
	c->peer_ended = true;
	if (c->phase == CONN_LINGER || c->tx == NULL ||
	    !tx_request_is_over(c->tx)) {
		conn_close(c, false);
		return;
	}
	tx_doubt(c->tx); /* it may have left, or wait for its answer */
	conn_update(c);
}

static void
read_linger(struct conn *c)
{
	ssize_t n;

	for (int i = 0; i < CONN_READS_PER_TURN; i++) {
		n = c->transport.ops->read(
		    &c->transport, c->pool->read_buf, CONN_READ_SIZE);
		if (n > 0)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		conn_close(c, false);
		return;
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	struct slice in;
	ssize_t n;

	(void)fd;
	(void)what;
	if (c->phase == CONN_LINGER) {
		read_linger(c);
		return;
	}
	n = c->transport.ops->read(
	    &c->transport, c->pool->read_buf, CONN_READ_SIZE);
	if (n == -1) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			conn_close(c, false);
		return;
	}
	if (n == 0) {
		peer_ended(c);
		return;
	}
	METRIC_ADD(bytes_in_total, n);
	in = (struct slice){ c->pool->read_buf, (size_t)n };
	if (!feed(c, &in))
		return;
	if (in.len > 0 && buf_append_slice(&c->in, in) == -1) {
		log_warn("input-overflow", "bytes=%zu", in.len);
		conn_close(c, true);
		return;
	}
	conn_update(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	conn_update(ctx);
}

static void
on_timer(struct timer *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, timer);

	if (c->phase == CONN_LINGER) {
		conn_close(c, false);
	} else if (outq_pending(&c->out) > 0) {
		log_info("write-timeout", "pending=%llu",
		    (unsigned long long)outq_pending(&c->out));
		conn_close(c, true);
	} else if (c->tx == NULL && c->head_since_us != 0) {
		refuse(c, PROTO_ERR_TIMED_OUT);
	} else if (c->tx == NULL) {
		begin_linger(c); /* idle: silent (CN-12) */
	}
}

static void
on_kick(evutil_socket_t fd, short what, void *ctx)
{
	struct conn_pool *p = ctx;
	struct conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&p->kicked)) != NULL) {
		TAILQ_REMOVE(&p->kicked, c, kick_link);
		c->kicked = false;
		if (c->phase == CONN_OPEN)
			conn_update(c);
	}
}

/* ---- life ---- */

static void
name_peer(struct conn *c, int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getpeername(fd, (struct sockaddr *)&a, &len) == -1)
		return;
	if (a.ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr,
		    c->peer, sizeof(c->peer));
	else if (a.ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6,
		    &((struct sockaddr_in6 *)&a)->sin6_addr, c->peer,
		    sizeof(c->peer));
}

static struct conn *
conn_new(struct conn_pool *p, int fd)
{
	const struct conf *conf = p->core->set->conf;
	struct icap_rx_limits limits = { .max_icap_head = conf->max_icap_head,
		.max_http_head = conf->max_http_head,
		.lenient_lf = conf->lenient_line_ends };
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->pool = p;
	c->transport.ops = &transport_plain;
	c->transport.fd = fd;
	c->host.kick = conn_kick;
	c->host.ctx = c;
	c->host.peer = c->peer;
	name_peer(c, fd);
	icap_rx_init(&c->rx, &limits);
	outq_init(&c->out);
	buf_init(&c->in, CONN_IN_MAX);
	timer_init(&c->timer, on_timer);
	TAILQ_INSERT_TAIL(&p->conns, c, link);
	p->count++;
	c->ev_read =
	    event_new(p->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->ev_write =
	    event_new(p->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (c->ev_read == NULL || c->ev_write == NULL) {
		conn_free(c);
		return NULL;
	}
	return c;
}

void
conn_accept(struct conn_pool *p, int fd)
{
	struct conn *c = conn_new(p, fd);
	int on = 1;

	if (c == NULL) {
		log_error("no-memory", "for=connection");
		(void)close(fd);
		return;
	}
	/* fails on a unix socket, where it is not needed */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	METRIC_INC(connections_total);
	METRIC_SET(connections, p->count);
	if (p->count > p->core->set->conf->max_connections) {
		METRIC_INC(connections_refused_total);
		refuse(c, PROTO_ERR_OVERLOADED);
		return;
	}
	conn_update(c);
}

int
conn_pool_init(
    struct conn_pool *p, struct event_base *base, struct net_core *core)
{
	memset(p, 0, sizeof(*p));
	p->base = base;
	p->core = core;
	TAILQ_INIT(&p->conns);
	TAILQ_INIT(&p->kicked);
	p->read_buf = malloc(CONN_READ_SIZE);
	p->kick = event_new(base, -1, EV_PERSIST, on_kick, p);
	return p->read_buf != NULL && p->kick != NULL ? 0 : -1;
}

void
conn_pool_free(struct conn_pool *p)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&p->conns)) != NULL)
		conn_close(c, true);
	if (p->kick != NULL)
		event_free(p->kick);
	free(p->read_buf);
}

void
conn_pool_drain(struct conn_pool *p)
{
	struct conn *c, *next;

	TAILQ_FOREACH_SAFE(c, &p->conns, link, next)
	if (c->phase == CONN_OPEN && c->tx == NULL &&
	    !icap_rx_in_request(&c->rx))
		begin_linger(c);
}
