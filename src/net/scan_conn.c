/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A connection of the scan socket: one request at a time. Its body is copied
 * in pieces into the transaction, between which others have their turn; so
 * nothing of the peer's file is ever mapped, or believed twice.
 */
#include "net/scan_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/conn.h"
#include "net/scan_source.h"
#include "net/scan_text.h"

#define BYTES_PER_TURN ((size_t)1 << 20)
#define MAX_FDS 4 /* received at all, so that too many are seen */
/* A head and a page; what of an answer is longer is an echo. */
#define ANSWER_MAX ((size_t)SCANMSG_TAIL_MAX + 16384)
#define LEFTOVERS 64
/* Whoever connects has asked before this. */
#define UNUSED_US ((uint64_t)200000)

static void update(struct scan_conn *c);

/* ---- what is said ---- */

/* False: the peer does not read, or has gone. */
static bool
say(int fd, enum scanmsg_type type, uint64_t id, const void *payload,
    const struct iovec *tail, size_t ntail)
{
	struct scanmsg_hdr h;
	struct iovec iov[5];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 + ntail };
	size_t len = 0;

	CHECK(ntail <= COUNTOF(iov) - 2);
	for (size_t i = 0; i < ntail; i++) {
		iov[2 + i] = tail[i];
		len += tail[i].iov_len;
	}
	scanmsg_header(&h, type, id, len);
	iov[0] = (struct iovec){ &h, sizeof(h) };
	/* writing does not change it */
	iov[1].iov_base = (void *)(uintptr_t)payload;
	iov[1].iov_len = scanmsg_fixed_size(type) - sizeof(h);
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != -1;
}

void
scan_conn_say_error(int fd, uint64_t id, enum scanmsg_err e, const char *text)
{
	struct scanmsg_error x;

	memset(&x, 0, sizeof(x));
	x.error = e;
	x.version = SCANMSG_VERSION;
	(void)str_copy_clean(x.text, sizeof(x.text),
	    slice_of(text[0] != '\0' ? text : scanmsg_error_text(e)), "");
	(void)say(fd, SCANMSG_ERROR, id, &x, NULL, 0);
}

/*
 * An answer is lost on its reader when the socket is closed over bytes that
 * were not read.
 */
static void
discard_input(struct scan_conn *c)
{
	for (int i = 0; i < LEFTOVERS; i++)
		if (recv(c->fd, c->port->datagram, c->port->datagram_size,
			MSG_DONTWAIT) <= 0)
			break;
}

/* The error, and the end. c is gone afterwards. */
static void
fail(struct scan_conn *c, enum scanmsg_err e, const char *text)
{
	METRIC_INC(scan_socket_errors_total);
	log_info("scan-socket-error", "peer=%s why=\"%s\"", c->peer_text,
	    scanmsg_error_text(e));
	discard_input(c);
	scan_conn_say_error(c->fd, c->id, e, text);
	scan_conn_close(c);
}

/* ---- the body ---- */

static void
body_reset(struct scan_conn *c)
{
	if (c->body.fd != -1)
		(void)close(c->body.fd);
	c->body.fd = -1;
	c->body.off = c->body.left = 0;
	c->body.ended = false;
	buf_free(&c->body.bytes);
	c->peer->bytes -= c->charged;
	c->charged = 0;
}

/*
 * Takes over what a message brings: bytes, or the descriptor (which is then
 * not the caller's any more).
 */
static enum scanmsg_err
body_take(struct scan_conn *c, uint64_t size, uint64_t off, struct slice bytes,
    int *fd)
{
	uint64_t max = c->port->core->set->conf->scan_socket_bytes;
	enum scanmsg_err e;

	body_reset(c);
	if (size > max || c->peer->bytes > max - size)
		return SCANMSG_ERR_BYTES;
	if (*fd != -1 && (e = scan_source_check(*fd, off + size)) != SCANMSG_OK)
		return e;
	if (buf_append_slice(&c->body.bytes, bytes) == -1)
		return SCANMSG_ERR_INTERNAL;
	c->charged = size;
	c->peer->bytes += size;
	c->body.fd = *fd;
	*fd = -1;
	c->body.off = off;
	c->body.left = size;
	return SCANMSG_OK;
}

/* The next piece, in memory. False: the file is shorter now, or unreadable. */
static bool
body_next(struct scan_conn *c, struct slice *out)
{
	struct scan_body *b = &c->body;
	size_t len =
	    b->left < SCAN_READ_SIZE ? (size_t)b->left : SCAN_READ_SIZE;
	ssize_t n;

	if (b->fd == -1) {
		*out = (struct slice){ b->bytes.p + b->off, len };
	} else {
		n = pread(b->fd, c->port->bytes, len, (off_t)b->off);
		if (n <= 0)
			return false;
		*out = (struct slice){ c->port->bytes, (size_t)n };
	}
	b->off += out->len;
	b->left -= out->len;
	return true;
}

/* ---- into the transaction ---- */

/* False: it is nothing that ICAP could say (c->rx.err). */
static bool
feed(struct scan_conn *c, struct slice in)
{
	struct slice body;
	enum icap_rx_event ev;

	while ((ev = icap_rx_feed(&c->rx, &in, &body)) != ICAP_RX_MORE) {
		if (ev == ICAP_RX_ERROR)
			return false;
		if (ev == ICAP_RX_HEAD) {
			c->tx =
			    tx_new(c->port->core, &c->host, &c->rx, &c->out);
			if (c->tx == NULL)
				return false;
			tx_start(c->tx);
		} else if (ev == ICAP_RX_BODY) {
			tx_body(c->tx, body);
		} else if (ev == ICAP_RX_PREVIEW_END) {
			tx_preview_end(c->tx);
			return true;
		} else {
			tx_body_end(c->tx);
			return true;
		}
	}
	return true;
}

static bool
feed_piece(struct scan_conn *c, struct slice bytes)
{
	char head[ICAP_OUT_CHUNK_HEAD_MAX + 1];
	struct slice line = { head, icap_out_chunk_head(head, bytes.len) };

	return feed(c, line) && feed(c, bytes) && feed(c, SLICE_LIT("\r\n"));
}

/* As much as is taken in one turn. False: c is gone. */
static bool
feed_body(struct scan_conn *c)
{
	struct slice bytes;
	size_t n = 0;

	while (!c->body.ended && tx_wants_input(c->tx) &&
	       c->tx->state != TX_DRAIN) {
		if (n >= BYTES_PER_TURN) {
			event_active(&c->ev_kick, EV_TIMEOUT, 0);
			return true;
		}
		if (c->body.left == 0) {
			c->body.ended = true;
			if (!feed(c, SLICE_LIT("0\r\n\r\n")))
				break;
			return true;
		}
		if (!body_next(c, &bytes)) {
			log_warn("scan-source",
			    "id=%s why=\"cut or unreadable\"", c->tx->name);
			c->body.ended = true;
			tx_body_lost(c->tx);
			return true;
		}
		n += bytes.len;
		METRIC_ADD(bytes_in_total, bytes.len);
		if (!feed_piece(c, bytes))
			break;
	}
	if (c->rx.err == PROTO_OK)
		return true;
	fail(c, SCANMSG_ERR_INTERNAL, "");
	return false;
}

/* ---- out of the transaction ---- */

/* What the transaction says is kept as far as it is no echo. */
static void
collect(struct scan_conn *c)
{
	struct iovec iov[16];
	struct outq_file file;
	int n;

	while (outq_pending(&c->out) > 0) {
		uint64_t len = 0;

		n = outq_next(&c->out, iov, COUNTOF(iov), &file);
		if (n == 0)
			len = file.len;
		for (int i = 0; i < n; i++) {
			if (c->answer.len + iov[i].iov_len <= c->answer.max)
				(void)buf_append(&c->answer, iov[i].iov_base,
				    iov[i].iov_len);
			len += iov[i].iov_len;
		}
		outq_sent(&c->out, len);
	}
}

/* It was used just now. */
static void
touch(struct scan_conn *c)
{
	c->idle_us = clock_mono_us();
	TAILQ_REMOVE(&c->port->conns, c, link);
	TAILQ_INSERT_TAIL(&c->port->conns, c, link);
}

static void
end_request(struct scan_conn *c)
{
	timer_disarm(c->port->core->tq, &c->deadline);
	body_reset(c);
	tx_free(&c->tx);
	icap_rx_finish(&c->rx);
	outq_free(&c->out);
	outq_init(&c->out);
	buf_reset(&c->answer);
	c->state = SCAN_IDLE;
	touch(c);
}

static void
say_continue(struct scan_conn *c)
{
	const struct tx *tx = c->tx;
	struct scanmsg_continue x;

	memset(&x, 0, sizeof(x));
	x.generation = tx->generation;
	x.scanned = tx->preview_clean;
	net_core_tag(c->port->core, tx->set, tx->svc, tx->generation, x.istag);
	timer_disarm(c->port->core->tq, &c->deadline);
	buf_reset(&c->answer);
	body_reset(c);
	c->prefix = false;
	c->state = SCAN_REST;
	if (!say(c->fd, SCANMSG_CONTINUE, c->id, &x, NULL, 0))
		scan_conn_close(c);
}

static uint32_t
action_of(const struct verdict *v)
{
	switch (v->action) {
	case ACTION_PASS:
		return SCANMSG_PASS;
	case ACTION_BLOCK:
		return SCANMSG_BLOCK;
	default:
		return SCANMSG_FAIL;
	}
}

static void
fill_verdict(struct scan_conn *c, struct scanmsg_verdict *x)
{
	const struct tx *tx = c->tx;
	const struct verdict *v = &tx->verdict;

	memset(x, 0, sizeof(*x));
	x->action = action_of(v);
	x->icap_status = (uint32_t)tx->icap_status;
	x->generation = tx->generation;
	x->early = tx->preview_ended && !tx->sent_100;
	x->size = spool_size(tx->body) + tx->drained;
	x->queue_us = tx->t.queue_us;
	x->scan_us = tx->t.scan_us;
	(void)str_copy_clean(x->outcome, sizeof(x->outcome),
	    slice_of(outcome_info(v->outcome)->word), "");
	(void)str_copy_clean(x->id, sizeof(x->id), slice_of(tx->name), "");
	(void)str_copy_clean(
	    x->reason, sizeof(x->reason), slice_of(v->reason), "");
	(void)str_copy_text(x->part, sizeof(x->part), slice_of(v->part));
	net_core_tag(c->port->core, tx->set, tx->svc, tx->generation, x->istag);
	x->nnames =
	    v->nnames < SCANMSG_MAX_NAMES ? v->nnames : SCANMSG_MAX_NAMES;
	for (uint32_t i = 0; i < x->nnames; i++)
		(void)str_copy_clean(x->names[i], sizeof(x->names[i]),
		    slice_of(v->names[i]), "");
}

/* What goes behind the verdict. */
static void
fill_sections(const struct scan_conn *c, const struct scan_text_answer *a,
    struct scanmsg_verdict *x, struct iovec tail[3])
{
	struct slice head = SLICE_NONE, page = SLICE_NONE;
	struct http_head h;

	if (x->action == SCANMSG_BLOCK) {
		x->head_kind = SCANMSG_HEAD_PAGE;
		head = a->head;
		page = buf_slice(&a->body);
		http_head_parse(&h, head, true);
		x->http_status = (uint32_t)h.status;
	} else if (x->action == SCANMSG_PASS && tx_edits(c->tx)) {
		x->head_kind = SCANMSG_HEAD_EDITED;
		head = a->head;
	}
	x->len_headers = (uint32_t)a->headers.len;
	x->len_head = (uint32_t)head.len;
	x->len_page = (uint32_t)page.len;
	tail[0] = (struct iovec){ a->headers.p, a->headers.len };
	tail[1].iov_base = (void *)(uintptr_t)head.p;
	tail[1].iov_len = head.len;
	tail[2].iov_base = (void *)(uintptr_t)page.p;
	tail[2].iov_len = page.len;
}

/* The answer is complete. c may be gone afterwards. */
static void
answer(struct scan_conn *c)
{
	struct scan_text_answer a;
	struct scanmsg_verdict x;
	struct iovec tail[3];
	char text[48];
	bool ok;

	scan_text_answer_init(&a);
	if (c->tx->cut || scan_text_answer_parse(&a, buf_slice(&c->answer))) {
		scan_text_answer_free(&a);
		fail(c, SCANMSG_ERR_INTERNAL, "");
		return;
	}
	if (!c->tx->has_verdict) {
		(void)snprintf(text, sizeof(text), "ICAP status %d", a.status);
		scan_text_answer_free(&a);
		fail(c, SCANMSG_ERR_REFUSED, text);
		return;
	}
	fill_verdict(c, &x);
	fill_sections(c, &a, &x, tail);
	end_request(c);
	ok = say(c->fd, SCANMSG_VERDICT, c->id, &x, tail, COUNTOF(tail));
	scan_text_answer_free(&a);
	if (!ok || c->port->draining)
		scan_conn_close(c);
}

/* After anything has happened. c may be gone afterwards. */
static void
update(struct scan_conn *c)
{
	if (c->tx == NULL || (c->state == SCAN_BUSY && !feed_body(c)))
		return;
	do {
		collect(c);
		if (!tx_is_done(c->tx))
			tx_event(c->tx, TX_EV_OUTPUT);
	} while (outq_pending(&c->out) > 0);
	/* it has its answer: the rest of the body is not needed */
	if (!tx_is_done(c->tx) && c->tx->state == TX_DRAIN)
		tx_body_end(c->tx);
	if (tx_is_done(c->tx))
		answer(c);
	else if (c->prefix && c->tx->sent_100)
		say_continue(c);
	else if (c->state == SCAN_BUSY && tx_wants_input(c->tx) &&
		 !c->body.ended)
		event_active(&c->ev_kick, EV_TIMEOUT, 0);
}

static void
on_kick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	update(ctx);
}

static void
kick(void *ctx)
{
	struct scan_conn *c = ctx;

	event_active(&c->ev_kick, EV_TIMEOUT, 0);
}

static void
deadline_fired(struct timer *t)
{
	struct scan_conn *c = CONTAINER_OF(t, struct scan_conn, deadline);

	fail(c, SCANMSG_ERR_DEADLINE, "");
}

/* ---- what is asked ---- */

static bool
arm_deadline(struct scan_conn *c, uint32_t ms)
{
	return ms == 0 || timer_arm(c->port->core->tq, &c->deadline,
			      clock_mono_us() + (uint64_t)ms * 1000) == 0;
}

static void
got_scan(struct scan_conn *c, const struct scanmsg *m, int *fd)
{
	const struct scanmsg_scan *s = &m->u.SCAN;
	struct buf text;
	enum scanmsg_err e;
	bool ok;

	e = body_take(c, s->body_size, 0, scan_text_body(m), fd);
	if (e != SCANMSG_OK || !arm_deadline(c, s->deadline_ms)) {
		fail(c, e != SCANMSG_OK ? e : SCANMSG_ERR_INTERNAL, "");
		return;
	}
	METRIC_INC(scan_socket_requests_total);
	c->body.ended = (s->flags & SCANMSG_NO_BODY) != 0;
	c->prefix = s->kind == SCANMSG_PREFIX;
	c->host.patient = (s->flags & SCANMSG_PATIENT) != 0;
	c->state = SCAN_BUSY;
	buf_init(&text, SCANMSG_TAIL_MAX + 16384);
	ok = scan_text_request(&text, m) == 0 && feed(c, buf_slice(&text));
	buf_free(&text);
	if (!ok || c->tx == NULL) {
		fail(c,
		    c->rx.err != PROTO_OK || ok ? SCANMSG_ERR_REFUSED
						: SCANMSG_ERR_INTERNAL,
		    c->rx.err != PROTO_OK ? proto_err_info(c->rx.err)->text
					  : "");
		return;
	}
	update(c);
}

static void
got_rest(struct scan_conn *c, const struct scanmsg *m, int *fd)
{
	const struct scanmsg_rest *r = &m->u.REST;
	enum scanmsg_err e = body_take(c, r->body_size, r->offset,
	    (struct slice){ m->tail, m->tail_len }, fd);

	if (e != SCANMSG_OK || !arm_deadline(c, r->deadline_ms)) {
		fail(c, e != SCANMSG_OK ? e : SCANMSG_ERR_INTERNAL, "");
		return;
	}
	c->state = SCAN_BUSY;
	update(c);
}

static uint32_t
methods_of(const struct conf_service *s)
{
	switch (s->methods) {
	case CONF_METHODS_REQMOD:
		return 1;
	case CONF_METHODS_RESPMOD:
		return 2;
	default:
		return 3;
	}
}

static void
fill_service(const struct net_core *core, const struct service *svc,
    struct scanmsg_service *x)
{
	const struct conf_service *s = svc->conf;

	x->found = 1;
	x->ready = core->loaded.generation != 0 || !svc->module->scans;
	x->methods = methods_of(s);
	x->preview = s->preview;
	x->preview_size = (uint32_t)s->preview_size;
	x->options_ttl_s = (uint32_t)(s->options_ttl / 1000);
	x->max_object_size = s->max_object_size;
	x->trickle_max = s->trickle_max;
	x->hold_back = s->hold_back;
	x->stall_poke_ms = s->stall_poke_ms < UINT32_MAX
			       ? (uint32_t)s->stall_poke_ms
			       : UINT32_MAX;
	(void)str_copy(x->service, sizeof(x->service), slice_of(s->name));
	net_core_tag(core, core->set, svc, 0, x->istag);
}

static void
got_options(struct scan_conn *c, const struct scanmsg *m)
{
	const struct net_core *core = c->port->core;
	struct service *svc =
	    service_set_find(core->set, slice_of(m->u.OPTIONS.service));
	struct scanmsg_service x;

	METRIC_INC(scan_socket_requests_total);
	memset(&x, 0, sizeof(x));
	x.generation = core->loaded.generation;
	x.draining = core->draining;
	(void)str_copy_clean(x.daemon, sizeof(x.daemon), core->server, "");
	if (svc != NULL)
		fill_service(core, svc, &x);
	touch(c);
	if (!say(c->fd, SCANMSG_SERVICE, c->id, &x, NULL, 0))
		scan_conn_close(c);
}

/* More of the object than before, and patiently. */
static void
begin_anew(struct scan_conn *c, const struct scanmsg *m, int *fd)
{
	c->tx->superseded = true;
	end_request(c);
	c->id = m->id;
	got_scan(c, m, fd);
}

static void
got_message(struct scan_conn *c, const struct scanmsg *m, int *fd)
{
	if (m->type == SCANMSG_OPTIONS && c->state == SCAN_IDLE)
		got_options(c, m);
	else if (m->type == SCANMSG_SCAN && c->state == SCAN_IDLE)
		got_scan(c, m, fd);
	else if (m->type == SCANMSG_REST && c->state == SCAN_REST &&
		 m->id == c->id)
		got_rest(c, m, fd);
	else if (m->type == SCANMSG_SCAN && c->state == SCAN_REST &&
		 (m->u.SCAN.flags & SCANMSG_PATIENT) != 0)
		begin_anew(c, m, fd);
	else
		fail(c, SCANMSG_ERR_ORDER, "");
}

/* The descriptors of a datagram; those that are too many are closed. */
static unsigned int
take_fds(struct msghdr *m, int *fd)
{
	unsigned int n = 0;
	int got;

	*fd = -1;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL;
	     h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0;
		     i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(got); i++) {
			memcpy(
			    &got, CMSG_DATA(h) + i * sizeof(got), sizeof(got));
			n++;
			if (*fd == -1)
				*fd = got;
			else
				(void)close(got);
		}
	}
	return (m->msg_flags & MSG_CTRUNC) != 0 ? MAX_FDS + 1 : n;
}

static void
on_readable(evutil_socket_t s, short what, void *ctx)
{
	struct scan_conn *c = ctx;
	struct scanport *p = c->port;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { p->datagram, p->datagram_size };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct scanmsg in;
	enum scanmsg_err e;
	unsigned int nfds;
	ssize_t n;
	int fd;

	(void)what;
	n = recvmsg(s, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		scan_conn_close(c);
		return;
	}
	nfds = take_fds(&m, &fd);
	e = scanmsg_parse(&in, p->datagram, (size_t)n, SCANMSG_CLIENT, nfds);
	if (e == SCANMSG_OK && c->state == SCAN_IDLE)
		c->id = in.id;
	if (e != SCANMSG_OK)
		fail(c, e, "");
	else
		got_message(c, &in, &fd);
	if (fd != -1)
		(void)close(fd);
}

/* ---- its life ---- */

struct scan_conn *
scan_conn_new(struct scanport *port, struct scan_peer *peer, int fd)
{
	const struct conf *conf = port->core->set->conf;
	struct scan_conn *c = calloc(1, sizeof(*c));
	struct icap_rx_limits limits = { .max_icap_head = SCANMSG_TAIL_MAX,
		.max_http_head = conf->max_http_head,
		.max_fields = conf->max_icap_fields };
	int size = SCANMSG_TAIL_MAX + 65536;

	if (c == NULL) {
		(void)close(fd);
		return NULL;
	}
	c->port = port;
	c->peer = peer;
	c->fd = fd;
	(void)snprintf(c->peer_text, sizeof(c->peer_text), "scan:%u",
	    (unsigned int)peer->uid);
	/* who may use the scan socket is believed about its users */
	c->host = (struct tx_host){ .kick = kick,
		.ctx = c,
		.peer = c->peer_text,
		.trusted = true,
		.holds = true };
	c->body.fd = -1;
	buf_init(&c->body.bytes, SCANMSG_BODY_MAX);
	buf_init(&c->answer, ANSWER_MAX);
	icap_rx_init(&c->rx, &limits);
	outq_init(&c->out);
	timer_init(&c->deadline, deadline_fired);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	TAILQ_INSERT_TAIL(&port->conns, c, link);
	c->idle_us = clock_mono_us();
	port->count++;
	METRIC_INC(scan_socket_connections_total);
	if (event_assign(&c->ev_read, port->base, fd, EV_READ | EV_PERSIST,
		on_readable, c) == -1 ||
	    event_assign(&c->ev_kick, port->base, -1, 0, on_kick, c) == -1 ||
	    event_priority_set(&c->ev_kick, CONN_PRIORITY_BULK) == -1 ||
	    event_add(&c->ev_read, NULL) == -1)
		log_error("event-failed", "what=scan-socket");
	return c;
}

bool
scan_conn_is_unused(const struct scan_conn *c)
{
	char byte;

	return c->state == SCAN_IDLE &&
	       clock_mono_us() - c->idle_us >= UNUSED_US &&
	       recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1;
}

void
scan_conn_close(struct scan_conn *c)
{
	struct scanport *p = c->port;

	(void)event_del(&c->ev_read);
	(void)event_del(&c->ev_kick);
	end_request(c);
	icap_rx_free(&c->rx);
	outq_free(&c->out);
	buf_free(&c->answer);
	(void)close(c->fd);
	TAILQ_REMOVE(&p->conns, c, link);
	p->count--;
	scan_peer_leave(p, c->peer);
	free(c);
}
