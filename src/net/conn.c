/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The life of connections: accept, admission, idle memory, closing. */
#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/conn_int.h"
#include "net/transport_tls.h"
#include "proto/proxy_head.h"

#define CONN_IN_MAX ((size_t)1 << 20)
#define CONN_READS_PER_TURN 4
#define CONN_MAX_IDLE_WORKS 64
#define CONN_FREE_MEMORY ((uint64_t)8192) /* of a request, not charged */
#define CONN_KEEP ((size_t)4096) /* of a buffer, for the next request */
#define DRAIN_HANDSHAKE_US 1000000
#define LEAVERS_US 1000000

const struct conf *
conn_conf(const struct conn *c)
{
	return c->pool->core->set->conf;
}

void
conn_kick(void *ctx)
{
	struct conn *c = ctx;

	if (c->kicked || c->phase == CONN_CLOSED)
		return;
	c->kicked = true;
	TAILQ_INSERT_TAIL(&c->pool->kicked, c, kick_link);
	event_active(c->pool->kick, EV_TIMEOUT, 0);
}

void
conn_arm(struct conn *c, uint64_t at_us)
{
	if (timer_arm(c->pool->core->tq, &c->timer, at_us) == -1)
		log_warn("no-memory", "for=timer");
}

void
conn_disarm(struct conn *c)
{
	timer_disarm(c->pool->core->tq, &c->timer);
}

void
conn_set_reading(struct conn *c, bool on)
{
	if (c->reading == on)
		return;
	c->reading = on;
	if ((on ? event_add(&c->ev_read, NULL) : event_del(&c->ev_read)) == -1)
		log_warn("event-failed", "what=read");
}

void
conn_set_writing(struct conn *c, bool on)
{
	if (c->writing == on)
		return;
	c->writing = on;
	if ((on ? event_add(&c->ev_write, NULL) : event_del(&c->ev_write)) ==
	    -1)
		log_warn("event-failed", "what=write");
}

/* ---- memory ---- */

bool
conn_work_get(struct conn *c)
{
	struct conn_pool *p = c->pool;
	const struct conf *conf = conn_conf(c);
	struct icap_rx_limits limits = { .max_icap_head = conf->max_icap_head,
		.max_http_head = conf->max_http_head,
		.max_request_line = conf->max_request_line,
		.max_fields = conf->max_icap_fields,
		.max_blank_lines = conf->max_blank_lines,
		.max_chunk_line = conf->max_chunk_line,
		.max_trailer = conf->max_trailer,
		.lenient_lf = conf->lenient_line_ends };
	struct conn_work *w = TAILQ_FIRST(&p->works);

	if (w != NULL) {
		TAILQ_REMOVE(&p->works, w, link);
		p->nworks--;
	} else if ((w = malloc(sizeof(*w))) == NULL) {
		return false;
	} else {
		icap_rx_init(&w->rx, &limits);
		outq_init(&w->out);
		buf_init(&w->in, CONN_IN_MAX);
		w->charged = 0;
	}
	icap_rx_set_limits(&w->rx, &limits);
	w->rx.answered_before = c->answered;
	c->work = w;
	return true;
}

static void
work_free(struct conn_work *w)
{
	outq_free(&w->out);
	icap_rx_free(&w->rx);
	buf_free(&w->in);
	free(w);
}

/* Small requests are not worth the arithmetic. */
void
conn_work_charge(struct conn *c)
{
	struct conn_work *w = c->work;
	uint64_t now = w->rx.head.cap + w->rx.chunk.line.cap +
		       w->rx.chunk.trailer.cap + w->in.cap + w->out.bytes.cap;

	now = now > CONN_FREE_MEMORY ? now - CONN_FREE_MEMORY : 0;
	if (now > w->charged)
		spool_pool_charge(c->pool->core->spool, now - w->charged);
	else if (now < w->charged)
		spool_pool_discharge(c->pool->core->spool, w->charged - now);
	w->charged = now;
}

void
conn_work_put(struct conn *c)
{
	struct conn_pool *p = c->pool;
	struct conn_work *w = c->work;

	if (w == NULL)
		return;
	c->work = NULL;
	if (w->charged > 0)
		spool_pool_discharge(p->core->spool, w->charged);
	w->charged = 0;
	if (!icap_rx_is_idle(&w->rx))
		icap_rx_finish(&w->rx);
	if (p->nworks == CONN_MAX_IDLE_WORKS || w->rx.err != PROTO_OK) {
		work_free(w);
		return;
	}
	if (w->in.cap > CONN_KEEP)
		buf_free(&w->in);
	buf_reset(&w->in);
	if (outq_pending(&w->out) > 0 || w->out.bytes.cap > CONN_KEEP)
		outq_free(&w->out);
	TAILQ_INSERT_HEAD(&p->works, w, link);
	p->nworks++;
}

/* ---- closing ---- */

static void
conn_free(struct conn *c)
{
	struct conn_pool *p = c->pool;

	c->phase = CONN_CLOSED;
	if (c->kicked)
		TAILQ_REMOVE(&p->kicked, c, kick_link);
	if (c->starved)
		TAILQ_REMOVE(&p->starved, c, starved_link);
	if (c->work != NULL)
		outq_free(&c->work->out); /* it points into the body */
	tx_free(&c->tx);
	if (c->work != NULL && c->work->charged > 0)
		spool_pool_discharge(p->core->spool, c->work->charged);
	if (c->work != NULL)
		work_free(c->work);
	conn_disarm(c);
	conn_set_reading(c, false);
	conn_set_writing(c, false);
	TAILQ_REMOVE(&p->conns, c, link);
	peers_leave(p->peers, c->counted);
	p->served -= c->served;
	p->count--;
	METRIC_SET(connections, p->count);
	free(c);
	conn_feed_starved(p);
}

void
conn_close(struct conn *c, bool cut)
{
	conn_set_reading(c, false);
	conn_set_writing(c, false);
	c->transport.ops->close(&c->transport, cut);
	conn_free(c);
}

/* Until nothing came for LingerTimeout, but not longer than DrainTimeout. */
static void
arm_linger(struct conn *c)
{
	uint64_t at = clock_mono_us() + conn_conf(c)->linger_timeout * 1000;

	conn_arm(c, at < c->deadline_us ? at : c->deadline_us);
}

static void
say_end(struct conn *c)
{
	int rc = c->transport.ops->shutdown_write(&c->transport);

	if (rc == -1 && errno != EAGAIN) {
		conn_close(c, false);
		return;
	}
	conn_set_writing(c, rc == -1);
	conn_set_reading(c, rc == 0);
}

void
conn_linger(struct conn *c)
{
	if (c->work != NULL)
		outq_free(&c->work->out);
	tx_free(&c->tx);
	conn_work_put(c);
	c->phase = CONN_LINGER;
	if (c->peer_ended) {
		conn_close(c, false);
		return;
	}
	c->deadline_us = clock_mono_us() + conn_conf(c)->drain_timeout * 1000;
	arm_linger(c);
	say_end(c);
}

/* What the client still sends is of no interest, but it must be taken. */
static void
read_linger(struct conn *c)
{
	ssize_t n;

	for (int i = 0; i < CONN_READS_PER_TURN; i++) {
		n = transport_discard(
		    &c->transport, c->pool->read_buf, CONN_READ_SIZE);
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n > 0)
			c->lingered += (uint64_t)n;
		if (n <= 0 || c->lingered > conn_conf(c)->drain_size) {
			conn_close(c, false);
			return;
		}
		arm_linger(c);
	}
}

/* ---- admission ---- */

static void
name_peer(struct conn *c, const struct addr *peer)
{
	c->peer = *peer;
	(void)addr_text(peer, c->peer_text);
}

/* The client is known: may it come in? */
static enum proto_err
judge(struct conn *c)
{
	struct conn_pool *p = c->pool;
	uint64_t max = conn_conf(c)->max_connections_per_client;

	if (!access_allows(p->access, &c->peer)) {
		METRIC_INC(connections_denied_total);
		log_notice(
		    "client-denied", "peer=%s by=AllowClients", c->peer_text);
		return PROTO_ERR_FORBIDDEN;
	}
	if (p->served >= p->core->max_connections) {
		METRIC_INC(connections_refused_total);
		log_notice("connection-refused", "by=MaxConnections");
		return PROTO_ERR_OVERLOADED;
	}
	c->counted = peers_enter(p->peers, &c->peer);
	if (max > 0 && c->counted != NULL &&
	    peer_connections(c->counted) > max) {
		peers_leave(p->peers, c->counted);
		c->counted = NULL;
		METRIC_INC(connections_refused_total);
		log_notice("connection-refused",
		    "peer=%s by=MaxConnectionsPerClient", c->peer_text);
		return PROTO_ERR_OVERLOADED;
	}
	return PROTO_OK;
}

static void
handshake_done(struct conn *c)
{
	struct buf b;

	METRIC_INC(tls_handshakes_total);
	if (transport_tls_resumed(&c->transport))
		METRIC_INC(tls_resumptions_total);
	if (log_wants(LOG_DEBUGGING)) {
		buf_init(&b, 1024);
		transport_tls_describe(&c->transport, &b);
		log_debug("tls", "peer=%s %s", c->peer_text, buf_cstr(&b));
		buf_free(&b);
	}
	conn_open(c);
}

static void
handshake(struct conn *c)
{
	char why[160];
	bool writes;

	switch (transport_tls_handshake(&c->transport, why, sizeof(why))) {
	case 1:
		handshake_done(c);
		break;
	case 0:
		writes = c->transport.read_wants_write;
		conn_set_reading(c, !writes);
		conn_set_writing(c, writes);
		break;
	default:
		METRIC_INC(tls_failures_total);
		log_info("tls-failed", "peer=%s why=%s", c->peer_text,
		    LOG_Q(slice_of(why)));
		conn_linger(c); /* an alert must not be lost */
	}
}

/* Who is refused hears it in his own language, thus after the handshake. */
static void
admit(struct conn *c)
{
	c->refusal = judge(c);
	c->access_version = c->pool->access_version;
	c->host.trusted = access_trusts(c->pool->access, &c->peer);
	if (c->refusal == PROTO_OK) {
		c->served = true;
		c->pool->served++;
	}
	if (!c->tls) {
		conn_open(c);
		return;
	}
	c->phase = CONN_HANDSHAKE;
	if (c->pool->tls == NULL ||
	    transport_tls_begin(&c->transport, c->pool->tls) == -1) {
		log_error("tls-not-ready", "certificate=%s",
		    c->pool->tls != NULL ? "yes" : "none");
		conn_close(c, false);
		return;
	}
	handshake(c);
}

/* The header of a load balancer is there, and is taken off the socket. */
static void
proxy_done(struct conn *c, const struct proxy_head *h, size_t take)
{
	if (transport_discard(&c->transport, c->pool->read_buf, take) !=
	    (ssize_t)take) {
		conn_close(c, false);
		return;
	}
	if (h->client.family != ADDR_NONE)
		name_peer(c, &h->client);
	conn_work_put(c);
	admit(c);
}

static void
proxy_failed(struct conn *c, const char *why)
{
	METRIC_INC(proxy_header_errors_total);
	log_info("proxy-header", "peer=%s why=\"%s\"", c->peer_text, why);
	conn_linger(c);
}

/*
 * Only as much as belongs to the header is read: what follows may be a TLS
 * record, which OpenSSL reads itself.
 */
static void
read_proxy(struct conn *c)
{
	struct conn_pool *p = c->pool;
	struct proxy_head h;
	size_t had;
	ssize_t n;

	n = recv(c->transport.fd, p->read_buf, PROXY_HEAD_MAX,
	    MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (c->work == NULL && !conn_work_get(c))) {
		conn_close(c, false);
		return;
	}
	had = c->work->in.len;
	if (buf_append(&c->work->in, p->read_buf, (size_t)n) == -1) {
		conn_close(c, false);
		return;
	}
	switch (proxy_head_parse(buf_slice(&c->work->in), &h)) {
	case PROXY_DONE:
		proxy_done(c, &h, h.len - had);
		break;
	case PROXY_MORE:
		if (transport_discard(&c->transport, p->read_buf, (size_t)n) !=
		    n)
			conn_close(c, false);
		break;
	case PROXY_BAD:
		proxy_failed(c, "no PROXY header, or a wrong one");
		break;
	}
}

/* ---- events ---- */

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	switch (c->phase) {
	case CONN_PROXY:
		read_proxy(c);
		break;
	case CONN_HANDSHAKE:
		handshake(c);
		break;
	case CONN_OPEN:
		conn_receive(c);
		break;
	case CONN_LINGER:
		read_linger(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	if (c->phase == CONN_LINGER)
		say_end(c);
	else if (c->phase == CONN_HANDSHAKE)
		handshake(c);
	else if (c->phase == CONN_OPEN && c->transport.read_wants_write)
		conn_receive(c);
	else if (c->phase == CONN_OPEN)
		conn_update(c);
}

static void
on_timer(struct timer *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, timer);

	switch (c->phase) {
	case CONN_PROXY:
		METRIC_INC(client_timeouts_total);
		proxy_failed(c, "it did not come in time");
		break;
	case CONN_OPEN:
		conn_late(c);
		break;
	case CONN_HANDSHAKE:
		METRIC_INC(client_timeouts_total);
		METRIC_INC(tls_failures_total);
		log_info("tls-failed", "peer=%s why=\"TlsHandshakeTimeout\"",
		    c->peer_text);
		conn_close(c, false);
		break;
	case CONN_LINGER:
		conn_close(c, false);
		break;
	case CONN_CLOSED:
		break;
	}
}

/* Only those that are kicked now: one may kick itself for the next turn. */
static void
on_kick(evutil_socket_t fd, short what, void *ctx)
{
	struct conn_pool *p = ctx;
	struct conn *c, *last = TAILQ_LAST(&p->kicked, conn_list);
	bool more = last != NULL;

	(void)fd;
	(void)what;
	while (more && (c = TAILQ_FIRST(&p->kicked)) != NULL) {
		more = c != last;
		TAILQ_REMOVE(&p->kicked, c, kick_link);
		c->kicked = false;
		if (c->phase != CONN_OPEN)
			continue;
		if (c->read_more)
			conn_receive(c);
		else
			conn_update(c);
	}
}

/* ---- accept ---- */

static struct conn *
conn_new(struct conn_pool *p, int fd, const struct addr *peer)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->pool = p;
	c->transport.ops = &transport_plain;
	c->transport.fd = fd;
	name_peer(c, peer);
	c->host.kick = conn_kick;
	c->host.ctx = c;
	c->host.peer = c->peer_text;
	timer_init(&c->timer, on_timer);
	if (event_assign(&c->ev_read, p->base, fd, EV_READ | EV_PERSIST,
		on_readable, c) == -1 ||
	    event_assign(&c->ev_write, p->base, fd, EV_WRITE | EV_PERSIST,
		on_writable, c) == -1) {
		free(c);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&p->conns, c, link);
	p->count++;
	METRIC_INC(connections_total);
	METRIC_SET(connections, p->count);
	return c;
}

bool
conn_pool_is_full(const struct conn_pool *p)
{
	return p->count >= p->core->max_connections + p->core->max_refused;
}

void
conn_accept(struct conn_pool *p, int fd, const struct addr *peer, bool tls)
{
	struct conn *c;

	/* their answers are still going out: this one is not even heard */
	if (conn_pool_is_full(p)) {
		METRIC_INC(connections_refused_total);
		log_notice("connection-dropped", "open=%u", p->count);
		(void)close(fd);
		return;
	}
	if ((c = conn_new(p, fd, peer)) == NULL) {
		log_error("no-memory", "for=connection");
		(void)close(fd);
		return;
	}
	c->tls = tls;
	/* until it is open, from the first moment on */
	conn_arm(c, clock_mono_us() + (tls ? conn_conf(c)->tls_handshake_timeout
					   : conn_conf(c)->head_timeout) *
					  1000);
	if (!access_is_balancer(p->access, peer)) {
		admit(c);
		return;
	}
	c->phase = CONN_PROXY;
	conn_set_reading(c, true);
}

/* ---- all of them ---- */

/* Those that had ended their side at the last look already are closed. */
static void
on_leavers(struct timer *t)
{
	struct conn_pool *p = CONTAINER_OF(t, struct conn_pool, leavers);
	struct conn *c, *next;

	TAILQ_FOREACH_SAFE(c, &p->conns, link, next)
	{
		if (c->phase != CONN_OPEN || !c->peer_ended || c->tx == NULL ||
		    outq_pending(&c->work->out) > 0)
			continue;
		if (c->leaving) {
			log_info("client-has-left", "id=%s", c->tx->name);
			conn_close(c, false);
		} else {
			c->leaving = true;
		}
	}
	if (timer_arm(p->core->tq, t, clock_mono_us() + LEAVERS_US) == -1)
		log_warn("no-memory", "for=timer");
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
	TAILQ_INIT(&p->starved);
	TAILQ_INIT(&p->works);
	timer_init(&p->leavers, on_leavers);
	p->peers = peers_new();
	p->read_buf = malloc(CONN_READ_SIZE);
	p->kick = event_new(base, -1, EV_PERSIST, on_kick, p);
	return p->peers != NULL && p->read_buf != NULL && p->kick != NULL ? 0
									  : -1;
}

int
conn_pool_configure(struct conn_pool *p, struct tls_ctx *tls)
{
	struct access *a = access_new(p->core->set->conf);

	if (a == NULL) {
		tls_ctx_free(&tls);
		return -1;
	}
	tls_ctx_free(&p->tls);
	p->tls = tls;
	access_free(&p->access);
	p->access = a;
	p->access_version++;
	return 0;
}

void
conn_pool_free(struct conn_pool *p)
{
	struct conn_work *w;
	struct conn *c;

	timer_disarm(p->core->tq, &p->leavers);
	while ((c = TAILQ_FIRST(&p->conns)) != NULL)
		conn_close(c, true);
	while ((w = TAILQ_FIRST(&p->works)) != NULL) {
		TAILQ_REMOVE(&p->works, w, link);
		work_free(w);
	}
	if (p->kick != NULL)
		event_free(p->kick);
	peers_free(&p->peers);
	access_free(&p->access);
	tls_ctx_free(&p->tls);
	free(p->read_buf);
}

void
conn_pool_drain(struct conn_pool *p)
{
	uint64_t soon = clock_mono_us() + DRAIN_HANDSHAKE_US;
	struct conn *c, *next;

	TAILQ_FOREACH_SAFE(c, &p->conns, link, next)
	{
		if (c->phase == CONN_PROXY)
			conn_close(c, false);
		else if (c->phase == CONN_HANDSHAKE && c->timer.at_us > soon)
			conn_arm(c, soon);
		else if (c->phase == CONN_OPEN && c->tx == NULL)
			conn_kick(c); /* it ends soon, if nothing comes */
	}
}

void
conn_pool_end(struct conn_pool *p)
{
	if (!timer_armed(&p->leavers))
		on_leavers(&p->leavers);
}
