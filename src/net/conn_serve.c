/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* An open connection: requests in, answers out, and who is too slow. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/conn_int.h"

#define CONN_IOV 64
#define CONN_SEND_FILE ((uint64_t)1 << 20)
/* Read while the transaction takes nothing, so that an abort is seen. */
#define CONN_AHEAD ((size_t)16384)
/* A head may grow so far when memory is short. */
#define CONN_SMALL_HEAD ((size_t)4096)
#define CONN_BULK ((uint64_t)262144) /* a larger body is no hurry */
/*
 * An idle connection ends so soon when we drain: not at once, since a request
 * may be in the socket already.
 */
#define CONN_DRAIN_IDLE_US 100000
#define CONN_DRAIN_FRESH_US 500000 /* no request came yet */

/* One answer straight from the connection, without a transaction. */
static void
refuse(struct conn *c, enum proto_err e)
{
	struct net_core *core = c->pool->core;
	struct icap_out_common com = { .wall_us = clock_wall_us(),
		.close = true,
		.server = core->server };
	int status = proto_err_info(e)->status;

	METRIC_INC(protocol_errors_total);
	log_info("request-refused", "status=%d why=\"%s\"", status,
	    proto_err_info(e)->text);
	c->ending = true;
	if (status == 0) /* an answer before it must not be lost */
		return;
	if (core->set->conf->nservices > 0)
		com.istag = slice_of(core->set->services[0].istag);
	if (status >= 500)
		METRIC_INC(icap_5xx_total);
	else
		METRIC_INC(icap_4xx_total);
	if (icap_out_error(&c->work->out.bytes, &com, e) == -1)
		log_warn("no-memory", "for=answer");
}

/* ---- output ---- */

/* What is sent now are its last bytes: the end goes in the same packet. */
static bool
ends_next(const struct conn *c)
{
	return c->tx != NULL ? tx_is_done(c->tx) &&
				   (c->tx->close || c->pool->core->draining)
			     : c->ending;
}

/* 1: all was sent, 0: the socket takes no more now, -1: it is broken. */
static int
flush(struct conn *c)
{
	struct outq *out = &c->work->out;
	struct iovec iov[CONN_IOV];
	struct outq_file file;
	ssize_t n;
	int niov;

	while (outq_pending(out) > 0) {
		niov = outq_next(out, iov, CONN_IOV, &file);
		if (niov > 0)
			n = c->transport.ops->writev(&c->transport, iov, niov,
			    file.fd != -1 || ends_next(c));
		else
			n = c->transport.ops->send_file(&c->transport, file.fd,
			    file.off,
			    file.len < CONN_SEND_FILE ? file.len
						      : CONN_SEND_FILE);
		if (n == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		if (n == 0)
			return -1;
		outq_sent(out, (uint64_t)n);
		METRIC_ADD(bytes_out_total, n);
		c->write_since_us = 0;
	}
	return 1;
}

/* ---- input ---- */

/* The lists may have changed since the connection came. */
static bool
still_allowed(struct conn *c)
{
	struct conn_pool *p = c->pool;

	if (c->access_version == p->access_version)
		return true;
	if (!access_allows(p->access, &c->peer)) {
		METRIC_INC(connections_denied_total);
		return false;
	}
	c->access_version = p->access_version;
	c->host.trusted = access_trusts(p->access, &c->peer);
	return true;
}

/* False: the connection is ending. */
static bool
begin_transaction(struct conn *c)
{
	uint64_t max = conn_conf(c)->max_keep_alive_requests;
	struct conn_work *w = c->work;

	c->head_since_us = 0;
	c->requests++;
	if (!still_allowed(c)) {
		refuse(c, PROTO_ERR_FORBIDDEN);
		return false;
	}
	c->tx = tx_new(c->pool->core, &c->host, &w->rx, &w->out);
	if (c->tx == NULL) {
		refuse(c, PROTO_ERR_INTERNAL);
		return false;
	}
	/* CN-02; TR-04: what follows a trailer nobody allowed is not read */
	c->tx->close =
	    (max > 0 && c->requests >= max) ||
	    (w->rx.icap.trailer.len > 0 && !w->rx.icap.allow_trailers);
	tx_start(c->tx);
	return true;
}

/* False: the connection is ending. */
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
			refuse(c, c->work->rx.err);
			return false;
		}
		tx_protocol_error(c->tx, c->work->rx.err);
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
	if (c->phase != CONN_OPEN || c->ending || c->starved)
		return false;
	return c->tx == NULL || tx_wants_input(c->tx);
}

/* Heads are no bodies, but their memory is shared with them. */
static void
starve(struct conn *c)
{
	struct conn_pool *p = c->pool;

	if (c->starved || c->work->rx.head.len <= CONN_SMALL_HEAD ||
	    spool_pool_has_memory(p->core->spool))
		return;
	METRIC_INC(spool_waits_total);
	c->starved = true;
	TAILQ_INSERT_TAIL(&p->starved, c, starved_link);
}

void
conn_feed_starved(struct conn_pool *p)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&p->starved)) != NULL &&
	       spool_pool_has_memory(p->core->spool)) {
		TAILQ_REMOVE(&p->starved, c, starved_link);
		c->starved = false;
		conn_kick(c);
	}
}

/* Feeds *in as far as it is taken. */
static void
feed(struct conn *c, struct slice *in)
{
	struct slice body;
	enum icap_rx_event ev;

	while (takes_input(c)) {
		ev = icap_rx_feed(&c->work->rx, in, &body);
		if (ev == ICAP_RX_MORE)
			break;
		if (!handle_event(c, ev, body))
			return;
	}
	if (c->tx == NULL && icap_rx_in_head(&c->work->rx)) {
		conn_work_charge(c);
		if (c->head_since_us == 0)
			c->head_since_us = clock_mono_us();
		starve(c);
	}
}

/* A transaction has ended: the next request may begin. */
static void
end_transaction(struct conn *c)
{
	c->ending = c->tx->close || c->pool->core->draining;
	tx_free(&c->tx);
	icap_rx_finish(&c->work->rx);
	c->answered = c->work->rx.answered_before = true;
}

/* Bytes that waited are fed before new ones are read. True: some were. */
static bool
feed_waiting(struct conn *c)
{
	struct buf *waiting = &c->work->in;
	struct slice in = buf_slice(waiting);
	size_t had = in.len;

	if (had == 0 || !takes_input(c))
		return false;
	feed(c, &in);
	buf_consume(waiting, had - in.len);
	return waiting->len != had;
}

/* ---- what happens next ---- */

static bool
has_output(const struct conn *c)
{
	return c->work != NULL && outq_pending(&c->work->out) > 0;
}

/* MinBodyRate is looked at each BodyTimeout while a body is awaited. */
static bool
arm_rate(struct conn *c, uint64_t now)
{
	const struct conf *conf = conn_conf(c);

	if (conf->min_body_rate == 0 || !tx_is_receiving(c->tx)) {
		c->rate_until_us = 0;
		return false;
	}
	if (c->rate_until_us == 0) {
		c->rate_until_us = now + conf->body_timeout * 1000;
		c->rate_bytes = 0;
	}
	conn_arm(c, c->rate_until_us);
	return true;
}

static void
arm_timer(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t now = clock_mono_us();

	if (has_output(c)) {
		if (c->write_since_us == 0)
			c->write_since_us = now;
		conn_arm(c, c->write_since_us + conf->write_timeout * 1000);
	} else if (c->tx != NULL) {
		if (!arm_rate(c, now))
			conn_disarm(c);
	} else if (c->head_since_us != 0) {
		conn_arm(c, c->head_since_us + conf->head_timeout * 1000);
	} else if (c->pool->core->draining) {
		conn_arm(c, now + (c->requests > 0 ? CONN_DRAIN_IDLE_US
						   : CONN_DRAIN_FRESH_US));
	} else {
		conn_arm(c, now + conf->keep_alive_timeout * 1000);
	}
}

/* While it carries a large body; an active event is changed next time. */
static void
set_priority(struct conn *c)
{
	bool bulk = c->tx != NULL && c->tx->received > CONN_BULK;
	int priority = bulk ? CONN_PRIORITY_BULK : CONN_PRIORITY;

	if (bulk != c->bulk && event_priority_set(&c->ev_read, priority) == 0 &&
	    event_priority_set(&c->ev_write, priority) == 0)
		c->bulk = bulk;
}

static void
set_events(struct conn *c)
{
	bool read, write = has_output(c);

	set_priority(c);
	read = !c->peer_ended && !c->ending && !c->starved &&
	       (takes_input(c) || c->work->in.len < CONN_AHEAD);
	conn_set_reading(c, (read && !c->transport.read_wants_write) ||
				(write && c->transport.write_wants_read));
	conn_set_writing(c, (write && !c->transport.write_wants_read) ||
				(read && c->transport.read_wants_write));
	if (read && c->transport.ops->pending(&c->transport)) {
		c->read_more = true;
		conn_kick(c);
	}
}

/* The client will send no more, and that decides: the connection has ended. */
static bool
left_by_peer(const struct conn *c)
{
	if (!c->peer_ended || has_output(c))
		return false;
	if (c->tx == NULL)
		return c->work == NULL || c->work->in.len == 0 || c->ending;
	return c->work->in.len == 0 && !tx_is_done(c->tx) &&
	       !tx_request_is_over(c->tx);
}

/* One step of the transaction. True: look again. */
static bool
step(struct conn *c, int flushed)
{
	struct outq *out = &c->work->out;
	uint64_t before = outq_pending(out);

	if (c->tx != NULL && !tx_is_done(c->tx) && outq_has_room(out)) {
		tx_event(c->tx, TX_EV_OUTPUT);
		if (outq_pending(out) != before && flushed == 1)
			return true;
	}
	if (c->tx != NULL && c->tx->cut)
		return true;
	if (c->tx != NULL && tx_is_done(c->tx) && outq_pending(out) == 0)
		end_transaction(c);
	if (feed_waiting(c))
		return true;
	return c->ending && outq_pending(out) > 0 && flushed == 1;
}

/*
 * After anything has happened: send, tell the transaction of room, begin the
 * next request, and set the events.
 */
void
conn_update(struct conn *c)
{
	int flushed;

	do {
		if (c->tx != NULL && c->tx->cut) {
			conn_close(c, true);
			return;
		}
		flushed = c->work != NULL ? flush(c) : 1;
		if (flushed == -1) {
			conn_close(c, false);
			return;
		}
		if (c->ending && c->tx == NULL && flushed == 1) {
			conn_linger(c);
			return;
		}
	} while (c->work != NULL && step(c, flushed));
	if (c->ending && c->tx == NULL && !has_output(c)) {
		conn_linger(c);
		return;
	}
	if (left_by_peer(c)) {
		conn_close(c, false);
		return;
	}
	if (c->work != NULL)
		conn_work_charge(c);
	if (c->work != NULL && c->tx == NULL && c->work->in.len == 0 &&
	    !has_output(c) && icap_rx_is_idle(&c->work->rx))
		conn_work_put(c);
	set_events(c);
	arm_timer(c);
	conn_feed_starved(c->pool);
}

/* Keeps what cannot be taken now. False when there is no memory for it. */
static bool
keep(struct conn *c, struct slice in)
{
	if (in.len == 0 || c->ending || buf_append_slice(&c->work->in, in) == 0)
		return true;
	log_warn("input-overflow", "bytes=%zu", in.len);
	return false;
}

/* What the transaction takes, or a little ahead. As read(2). */
static ssize_t
read_some(struct conn *c)
{
	size_t max = CONN_READ_SIZE, have = c->work->in.len;

	if (!takes_input(c))
		max = have < CONN_AHEAD ? CONN_AHEAD - have : 0;
	else if (c->tx == NULL && c->work->rx.head.len <= CONN_SMALL_HEAD &&
		 !spool_pool_has_memory(c->pool->core->spool))
		max = CONN_SMALL_HEAD + 1 - c->work->rx.head.len;
	if (max > 0 && !c->peer_ended)
		return c->transport.ops->read(
		    &c->transport, c->pool->read_buf, max);
	errno = EAGAIN;
	return -1;
}

void
conn_receive(struct conn *c)
{
	struct slice in;
	ssize_t n;

	c->read_more = false;
	if (c->work == NULL && !conn_work_get(c)) {
		log_error("no-memory", "for=request");
		conn_close(c, false);
		return;
	}
	n = read_some(c);
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
		conn_close(c, false);
		return;
	}
	if (n == 0) {
		c->peer_ended = true;
		if (c->tx != NULL && tx_request_is_over(c->tx))
			tx_doubt(c->tx); /* it may have left, or wait */
	}
	if (n > 0) {
		METRIC_ADD(bytes_in_total, n);
		c->rate_bytes += (uint64_t)n;
		in = (struct slice){ c->pool->read_buf, (size_t)n };
		if (c->work->in.len == 0)
			feed(c, &in);
		if (!keep(c, in)) {
			conn_close(c, true);
			return;
		}
	}
	conn_update(c);
}

void
conn_open(struct conn *c)
{
	c->phase = CONN_OPEN;
	if (c->refusal != PROTO_OK) {
		if (c->work == NULL && !conn_work_get(c)) {
			conn_close(c, false);
			return;
		}
		refuse(c, c->refusal);
	}
	conn_update(c);
}

/* ---- who is too slow ---- */

static void
write_late(struct conn *c)
{
	METRIC_INC(client_timeouts_total);
	log_info("write-timeout", "pending=%llu",
	    (unsigned long long)outq_pending(&c->work->out));
	conn_close(c, true);
}

static void
rate_late(struct conn *c)
{
	const struct conf *conf = conn_conf(c);
	uint64_t need = conf->min_body_rate * conf->body_timeout / 1000;

	c->rate_until_us = 0;
	if (c->rate_bytes < need && tx_is_receiving(c->tx)) {
		METRIC_INC(client_timeouts_total);
		log_info("body-too-slow", "id=%s bytes=%llu wanted=%llu",
		    c->tx->name, (unsigned long long)c->rate_bytes,
		    (unsigned long long)need);
		tx_protocol_error(c->tx, PROTO_ERR_TIMED_OUT);
	}
	conn_update(c);
}

void
conn_late(struct conn *c)
{
	/* an answer may have begun since the timer was armed for something
	 * else */
	if (has_output(c) && c->write_since_us == 0) {
		conn_update(c);
	} else if (has_output(c)) {
		write_late(c);
	} else if (c->tx != NULL) {
		rate_late(c);
	} else if (c->head_since_us != 0) {
		METRIC_INC(client_timeouts_total);
		refuse(c, PROTO_ERR_TIMED_OUT);
		conn_update(c);
	} else {
		conn_linger(c); /* idle: silent (CN-12) */
	}
}
