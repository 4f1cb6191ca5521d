/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client/bench_int.h"

static void
poll_for(struct bench *b, struct bench_conn *c, bool out)
{
	struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0U),
		.data.ptr = c };

	if (c->polled_out == out)
		return;
	c->polled_out = out;
	CHECK(epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &ev) == 0);
}

int
bench_conn_open(struct bench *b, struct bench_conn *c)
{
	const struct sockaddr *sa = (const void *)&b->p->address;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	int on = 1;

	b->r->connects++;
	c->fd = socket(
	    sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return -1;
	if (sa->sa_family != AF_UNIX)
		(void)setsockopt(
		    c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->connected = false;
	c->polled_out = true;
	if ((connect(c->fd, sa, b->p->address_len) != 0 &&
		errno != EINPROGRESS) ||
	    epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
		(void)close(c->fd);
		c->fd = -1;
		return -1;
	}
	return 0;
}

void
bench_conn_close(struct bench *b, struct bench_conn *c)
{
	(void)b;
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
}

void
bench_conn_fail(struct bench *b, struct bench_conn *c, enum bench_fault f)
{
	b->r->faults[f]++;
	bench_conn_close(b, c);
	if (f == BENCH_FAULT_CONNECT)
		bench_conn_paused(b, c);
	else
		bench_conn_freed(b, c);
}

void
bench_conn_begin(struct bench *b, struct bench_conn *c, uint64_t due_us)
{
	const struct bench_params *p = b->p;
	bool has_body = p->method != ICAP_OPTIONS && !c->idle;
	struct buf *head = c->idle ? &b->options : &b->heads[b->turn];

	c->state = BENCH_ACTIVE;
	c->due_us = due_us;
	c->begun_us = b->now_us;
	c->last_us = c->sent = 0;
	c->saw_body = c->throttled = false;
	bench_reply_reset(&c->reply);
	if (has_body) {
		bench_body_set(&c->body, &p->objects.all[b->turn],
		    p->repeat ? p->first_number : b->number++);
		b->turn = (b->turn + 1) % p->objects.count;
	}
	bench_feed_begin(&c->feed, buf_slice(head), has_body ? &c->body : NULL,
	    p->preview == UINT64_MAX ? SIZE_MAX : (size_t)p->preview,
	    (size_t)p->chunk);
	if (!c->idle)
		b->r->requests++;
	if (c->fd == -1 && bench_conn_open(b, c) != 0)
		bench_conn_fail(b, c, BENCH_FAULT_CONNECT);
	else if (c->connected)
		bench_conn_send(b, c);
}

/* Cuts what is to be sent to what upload_rate permits by now: the number of
 * pieces; 0 when nothing may be sent yet. */
static size_t
throttle(struct bench *b, struct bench_conn *c, struct iovec *iov, size_t n)
{
	uint64_t may;

	if (b->p->upload_rate == 0)
		return n;
	may = (b->now_us - c->begun_us) * b->p->upload_rate / 1000000;
	may = may > c->sent ? may - c->sent : 0;
	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_len >= may) {
			iov[i].iov_len = (size_t)may;
			return may > 0 ? i + 1 : i;
		}
		may -= iov[i].iov_len;
	}
	return n;
}

void
bench_conn_send(struct bench *b, struct bench_conn *c)
{
	struct iovec *next, iov[BENCH_IOV + 4];
	size_t n;
	ssize_t sent;

	c->throttled = false;
	while ((n = bench_feed_next(&c->feed, &next)) > 0) {
		for (size_t i = 0; i < n; i++)
			iov[i] = next[i];
		if ((n = throttle(b, c, iov, n)) == 0) {
			c->throttled = true;
			break;
		}
		sent = writev(c->fd, iov, (int)n);
		if (sent < 0 && errno == EAGAIN) {
			poll_for(b, c, true);
			return;
		}
		/* the answer may be there: reading finds the end */
		if (sent < 0)
			break;
		b->r->sent_bytes += (uint64_t)sent;
		c->sent += (uint64_t)sent;
		bench_feed_sent(&c->feed, (size_t)sent);
	}
	poll_for(b, c, false);
}

/* An answer that is no answer of the load. */
static void
finish_idle(struct bench *b, struct bench_conn *c)
{
	if (bench_reply_judge(&c->reply, NULL, false) == BENCH_FINE)
		b->r->idle_answered++;
	if (c->reply.close)
		bench_conn_close(b, c);
	bench_conn_freed(b, c);
}

static void
finish(struct bench *b, struct bench_conn *c)
{
	const struct bench_params *p = b->p;
	const struct bench_body *sent = c->feed.body;
	struct bench_result *r = b->r;
	/* to a preview it always may be (RFC 3507 4.6) */
	bool allow = p->allow_204 || c->feed.in_preview;
	enum bench_fault f = bench_reply_judge(&c->reply, sent, allow);

	if (c->idle) {
		finish_idle(b, c);
		return;
	}
	r->answers++;
	r->faults[f] += f != BENCH_FINE;
	r->n_204 += c->reply.status == 204;
	r->n_200 += c->reply.status == 200;
	bench_hist_add(&r->latency, b->now_us - c->due_us);
	if (b->now_us - b->last_answer_us > r->longest_silence_us)
		r->longest_silence_us = b->now_us - b->last_answer_us;
	b->last_answer_us = b->now_us;
	if (sent != NULL) {
		r->object_bytes += sent->object->len;
		r->unsent_bytes += sent->object->len - c->feed.at;
	}
	if (p->new_connection || c->reply.close ||
	    !(bench_feed_done(&c->feed) || bench_feed_waits(&c->feed)))
		bench_conn_close(b, c);
	bench_conn_freed(b, c);
}

/* Bytes of the answer came, as far as it was read. */
static void
note_progress(struct bench *b, struct bench_conn *c)
{
	struct bench_result *r = b->r;

	if (c->idle || !bench_reply_begun(&c->reply))
		return;
	if (c->last_us == 0)
		bench_hist_add(&r->first_byte, b->now_us - c->due_us);
	else if (b->now_us - c->last_us > r->longest_gap_us)
		r->longest_gap_us = b->now_us - c->last_us;
	c->last_us = b->now_us;
	if (!c->saw_body && c->reply.body_len > 0) {
		c->saw_body = true;
		bench_hist_add(&r->first_body, b->now_us - c->due_us);
	}
}

/* False when the connection is no longer reading this answer. */
static bool
take(struct bench *b, struct bench_conn *c, struct slice in)
{
	for (;;) {
		enum bench_reply_event e =
		    bench_reply_feed(&c->reply, &in, c->feed.body);

		note_progress(b, c);
		switch (e) {
		case BENCH_REPLY_MORE:
			return true;
		case BENCH_REPLY_CONTINUE:
			if (!bench_feed_continue(&c->feed)) {
				bench_conn_fail(b, c, BENCH_FAULT_PROTOCOL);
				return false;
			}
			b->r->n_100++;
			bench_conn_send(b, c);
			break;
		case BENCH_REPLY_END:
			if (in.len > 0)
				bench_conn_fail(b, c, BENCH_FAULT_PROTOCOL);
			else
				finish(b, c);
			return false;
		case BENCH_REPLY_BAD:
			bench_conn_fail(b, c, BENCH_FAULT_PROTOCOL);
			return false;
		}
	}
}

static void
on_readable(struct bench *b, struct bench_conn *c)
{
	ssize_t n;

	do {
		n = read(c->fd, b->input, BENCH_READ);
		if (n < 0 && errno == EAGAIN)
			return;
		if (c->state != BENCH_ACTIVE) {
			/* it may end a connection between two requests */
			bench_conn_close(b, c);
			return;
		}
		if (n <= 0) {
			bench_conn_fail(b, c, BENCH_FAULT_CLOSED);
			return;
		}
		b->r->received_bytes += (uint64_t)n;
		if (!take(b, c, (struct slice){ b->input, (size_t)n }))
			return;
	} while ((size_t)n == BENCH_READ);
}

/* The socket has connected, or not. */
static void
on_connected(struct bench *b, struct bench_conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0) {
		bench_conn_fail(b, c, BENCH_FAULT_CONNECT);
		return;
	}
	c->connected = true;
	if (c->state == BENCH_ACTIVE) {
		bench_conn_send(b, c);
		return;
	}
	poll_for(b, c, false);
	bench_conn_freed(b, c);
}

void
bench_conn_event(struct bench *b, struct bench_conn *c, uint32_t events)
{
	if (c->fd == -1)
		return;
	if (!c->connected) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			on_connected(b, c);
		return;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		on_readable(b, c);
	else if (events & EPOLLOUT && c->state == BENCH_ACTIVE)
		bench_conn_send(b, c);
}
