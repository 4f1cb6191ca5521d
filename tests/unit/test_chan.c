/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Channels, with raw sockets as hostile peers. Every descriptor is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "ipc/chan.h"

/* What a channel under test has seen. */
struct seen {
	struct chan *chan;
	unsigned int messages, ends, writables;
	uint16_t type;
	uint64_t number;
	size_t tail_len;
	char tail_first;
	bool free_in_message, free_in_end, in_order, cloexec;
	enum chan_end how;
};
static struct {
	struct event_base *base;
	int fds_before;
} g;

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
on_message(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct seen *s = ctx;
	uint64_t number = 0;

	assert_ptr_equal(c, s->chan);
	s->type = m->type;
	if (msg_payload_size(m->type) == sizeof(struct msg_number))
		memcpy(&number, m->payload, sizeof(number));
	s->in_order = s->messages == 0 || number == s->number + 1;
	s->number = number;
	s->messages++;
	s->tail_len = m->tail.len;
	s->tail_first = m->tail.len > 0 ? m->tail.p[0] : '\0';
	if (m->fd != -1) {
		s->cloexec = (fcntl(m->fd, F_GETFD) & FD_CLOEXEC) != 0;
		assert_int_equal(close(m->fd), 0);
	}
	if (s->free_in_message)
		chan_free(&s->chan);
}

static void
on_end(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	struct seen *s = ctx;

	assert_ptr_equal(c, s->chan);
	assert_non_null(why);
	s->ends++;
	s->how = how;
	if (s->free_in_end)
		chan_free(&s->chan);
}

static const struct chan_ops ops = { on_message, on_end };

static void
turn(void)
{
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(
		    event_base_loop(g.base, EVLOOP_NONBLOCK), -1);
}

/* A channel of `self` whose peer is the raw socket that is returned. */
static int
open_raw(struct seen *s, enum role self, enum role peer)
{
	int fds[2];

	memset(s, 0, sizeof(*s));
	assert_int_equal(chan_pair(fds), 0);
	s->chan = chan_new(g.base, fds[0], self, peer, &ops, s);
	assert_non_null(s->chan);
	assert_int_equal(chan_fd(s->chan), fds[0]);
	return fds[1];
}

static void
close_both(struct seen *s, int raw)
{
	chan_free(&s->chan);
	chan_free(&s->chan); /* twice does no harm */
	assert_null(s->chan);
	assert_int_equal(close(raw), 0);
	assert_int_equal(count_fds(), g.fds_before);
}

static void
send_raw(int fd, const void *p, size_t len, size_t nfds)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };
	char space[CMSG_SPACE(sizeof(int) * 32)];
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int pass[32];

	memset(space, 0, sizeof(space));
	if (nfds > 0) {
		mh.msg_control = space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		for (size_t i = 0; i < nfds; i++)
			pass[i] = fd;
		memcpy(CMSG_DATA(c), pass, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), (ssize_t)len);
}

/* Sends one forged datagram and demands that it ends the channel. */
static void
expect_violation(
    enum role self, enum role peer, const void *p, size_t len, size_t nfds)
{
	struct seen s;
	int raw = open_raw(&s, self, peer);

	send_raw(raw, p, len, nfds);
	turn();
	assert_int_equal(s.messages, 0);
	assert_int_equal(s.ends, 1);
	assert_int_equal(s.how, CHAN_VIOLATION);
	/* nothing goes out any more, and nothing comes in */
	send_raw(raw, p, len, 0);
	turn();
	assert_int_equal(s.ends, 1);
	close_both(&s, raw);
}

/* ---- what is allowed ---- */

static void
messages_arrive_with_descriptor(void **state)
{
	struct seen a, b;
	struct msg_number n = { 42 };
	int fds[2];

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(chan_pair(fds), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	a.chan = chan_new(g.base, fds[0], ROLE_PARENT, ROLE_SCAN, &ops, &a);
	b.chan = chan_new(g.base, fds[1], ROLE_SCAN, ROLE_PARENT, &ops, &b);
	assert_int_equal(
	    chan_send(a.chan, MSG_NET_CHANNEL, &n, STDERR_FILENO), CHAN_SENT);
	turn();
	assert_int_equal(b.messages, 1);
	assert_int_equal(b.type, MSG_NET_CHANNEL);
	assert_int_equal(b.number, 42);
	assert_true(b.cloexec);
	chan_free(&a.chan);
	turn();
	assert_int_equal(b.ends, 1);
	assert_int_equal(b.how, CHAN_EOF);
	assert_int_equal(
	    chan_send(b.chan, MSG_REFUSED, &(struct msg_text){ "" }, -1),
	    CHAN_DEAD);
	chan_free(&b.chan);
	assert_int_equal(count_fds(), g.fds_before);
}

static void
largest_body_travels_inside(void **state)
{
	struct seen a, b;
	struct msg_scan_request rq;
	char *body = malloc(65536);
	int fds[2];

	(void)state;
	assert_non_null(body);
	memset(body, 'x', 65536);
	memset(&rq, 0, sizeof(rq));
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(chan_pair(fds), 0);
	a.chan = chan_new(g.base, fds[0], ROLE_NET, ROLE_WORKER, &ops, &a);
	b.chan = chan_new(g.base, fds[1], ROLE_WORKER, ROLE_NET, &ops, &b);
	/* at least four of them fit into what the kernel holds */
	for (int i = 0; i < 4; i++)
		assert_int_equal(chan_send_tail(a.chan, MSG_SCAN_REQUEST, &rq,
				     (struct slice){ body, 65536 }, -1),
		    CHAN_SENT);
	turn();
	assert_int_equal(b.messages, 4);
	assert_int_equal(b.tail_len, 65536);
	assert_int_equal(b.tail_first, 'x');
	chan_free(&a.chan);
	chan_free(&b.chan);
	free(body);
}

static void
on_room(void *ctx, struct chan *c)
{
	struct seen *s = ctx;

	(void)c;
	s->writables++;
}

static void
full_peer_means_again(void **state)
{
	struct seen a, b;
	struct msg_number n = { 0 };
	unsigned int sent = 0;
	int fds[2];

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(chan_pair(fds), 0);
	a.chan = chan_new(g.base, fds[0], ROLE_PARENT, ROLE_NET, &ops, &a);
	chan_on_writable(a.chan, on_room);
	while (chan_send(a.chan, MSG_DRAIN, &n, -1) == CHAN_SENT) {
		n.number++;
		assert_true(++sent < 1000000);
	}
	assert_int_equal(chan_send(a.chan, MSG_DRAIN, &n, -1), CHAN_AGAIN);
	turn();
	assert_int_equal(a.writables, 0);
	b.chan = chan_new(g.base, fds[1], ROLE_NET, ROLE_PARENT, &ops, &b);
	while (b.messages < sent) {
		turn();
		assert_true(b.in_order);
	}
	turn();
	assert_int_equal(b.messages, sent);
	assert_true(a.writables > 0);
	chan_free(&a.chan);
	chan_free(&b.chan);
}

static void
queue_keeps_order_and_descriptors(void **state)
{
	struct seen a, b;
	struct msg_number n = { 0 };
	unsigned int kept = 0;
	int fds[2];

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(chan_pair(fds), 0);
	a.chan = chan_new(g.base, fds[0], ROLE_PARENT, ROLE_SCAN, &ops, &a);
	/* nobody reads: the socket fills, then our own queue does */
	while (chan_queue(a.chan, MSG_NET_CHANNEL, &n, STDERR_FILENO) ==
	       CHAN_SENT) {
		n.number++;
		assert_true(++kept < 100000);
	}
	assert_true(kept >= 1024);
	b.chan = chan_new(g.base, fds[1], ROLE_SCAN, ROLE_PARENT, &ops, &b);
	while (b.messages < kept) {
		turn();
		assert_true(b.in_order);
	}
	turn();
	assert_int_equal(b.messages, kept);
	chan_free(&a.chan);
	chan_free(&b.chan);
	assert_int_equal(count_fds(), g.fds_before);
}

/* A channel may go while messages still wait in it. */
static void
queued_descriptors_are_closed(void **state)
{
	struct seen s;
	struct msg_number n = { 0 };
	int raw = open_raw(&s, ROLE_PARENT, ROLE_SCAN);

	(void)state;
	while (
	    chan_queue(s.chan, MSG_NET_CHANNEL, &n, STDERR_FILENO) == CHAN_SENT)
		;
	assert_true(count_fds() > g.fds_before + 2);
	close_both(&s, raw);
}

static void
one_at_a_time_loses_none(void **state)
{
	struct seen s;
	struct {
		struct msg_hdr h;
		struct msg_number n;
	} m = { { MSG_CONF_DONE, 0, sizeof(m.n) }, { 0 } };
	int raw = open_raw(&s, ROLE_PARENT, ROLE_NET);

	(void)state;
	chan_one_at_a_time(s.chan);
	for (m.n.number = 1; m.n.number <= 3; m.n.number++)
		send_raw(raw, &m, sizeof(m), 0);
	assert_int_not_equal(
	    event_base_loop(g.base, EVLOOP_ONCE | EVLOOP_NONBLOCK), -1);
	assert_int_equal(s.messages, 1);
	turn();
	assert_int_equal(s.messages, 3);
	assert_true(s.in_order);
	close_both(&s, raw);
}

/* ---- safe to free anywhere ---- */

static void
freed_in_its_own_message(void **state)
{
	struct seen s;
	struct msg_number n = { 1 };
	struct {
		struct msg_hdr h;
		struct msg_number n;
	} m = { { MSG_CONF_DONE, 0, sizeof(n) }, n };
	int raw = open_raw(&s, ROLE_PARENT, ROLE_NET);

	(void)state;
	s.free_in_message = true;
	for (int i = 0; i < 5; i++)
		send_raw(raw, &m, sizeof(m), 0);
	turn();
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.ends, 0);
	close_both(&s, raw);
}

static void
freed_in_its_end(void **state)
{
	struct seen s;
	int raw = open_raw(&s, ROLE_PARENT, ROLE_NET);

	(void)state;
	s.free_in_end = true;
	assert_int_equal(shutdown(raw, SHUT_WR), 0);
	turn();
	assert_int_equal(s.ends, 1);
	assert_int_equal(s.how, CHAN_EOF);
	close_both(&s, raw);
}

/* ---- what is not allowed ---- */

static void
forged_datagrams_end_the_channel(void **state)
{
	struct {
		struct msg_hdr h;
		struct msg_number n;
		char more[8];
	} m = { { MSG_CONF_DONE, 0, sizeof(struct msg_number) }, { 1 }, "" };
	size_t right = sizeof(m.h) + sizeof(m.n);

	(void)state;
	for (size_t len = 1; len < right; len++)
		expect_violation(ROLE_PARENT, ROLE_NET, &m, len, 0);
	expect_violation(ROLE_PARENT, ROLE_NET, &m, right + 1, 0);
	/* of the wrong one, to the wrong one */
	expect_violation(ROLE_PARENT, ROLE_SCAN, &m, right, 0);
	expect_violation(ROLE_NET, ROLE_PARENT, &m, right, 0);
	m.h.type = 9999;
	expect_violation(ROLE_PARENT, ROLE_NET, &m, right, 0);
}

static void
empty_datagram_is_not_the_end(void **state)
{
	(void)state;
	expect_violation(ROLE_PARENT, ROLE_NET, "", 0, 0);
}

static void
surplus_descriptors_are_closed(void **state)
{
	static const size_t counts[] = { 1, 2, 7, 8, 9, 32 };
	struct {
		struct msg_hdr h;
		struct msg_number n;
	} m = { { MSG_CONF_DONE, 0, sizeof(struct msg_number) }, { 1 } };

	(void)state;
	for (size_t i = 0; i < COUNTOF(counts); i++) {
		m.h.nfds = 0;
		expect_violation(
		    ROLE_PARENT, ROLE_NET, &m, sizeof(m), counts[i]);
		m.h.nfds = (uint16_t)counts[i];
		expect_violation(
		    ROLE_PARENT, ROLE_NET, &m, sizeof(m), counts[i]);
	}
	/* one is right, but not two */
	m.h.type = MSG_NET_CHANNEL;
	m.h.nfds = 2;
	expect_violation(ROLE_SCAN, ROLE_PARENT, &m, sizeof(m), 2);
	m.h.nfds = 1;
	expect_violation(ROLE_SCAN, ROLE_PARENT, &m, sizeof(m), 0);
}

static void
longer_than_any_message(void **state)
{
	size_t len = MSG_MAX_LEN + 1;
	char *p = calloc(1, len);
	struct msg_hdr h = { MSG_SCAN_RESULT, 0, 0 };

	(void)state;
	assert_non_null(p);
	h.len = (uint32_t)(len - sizeof(h));
	memcpy(p, &h, sizeof(h));
	expect_violation(ROLE_NET, ROLE_WORKER, p, len, 0);
	free(p);
}

/* ---- blocking ---- */

static void
blocking_use(void **state)
{
	struct chan_block a, b;
	struct chan_msg m;
	struct msg_scan_id id = { 5 };
	int fds[2];

	(void)state;
	assert_int_equal(chan_pair(fds), 0);
	assert_int_equal(chan_block_init(&a, fds[0], ROLE_WORKER, ROLE_NET), 0);
	assert_int_equal(chan_block_init(&b, fds[1], ROLE_NET, ROLE_WORKER), 0);
	assert_int_equal(
	    chan_block_send(&a, MSG_SCAN_STARTED, &id, SLICE_NONE, -1), 0);
	assert_int_equal(chan_block_recv(&b, &m), 1);
	assert_int_equal(m.type, MSG_SCAN_STARTED);
	assert_int_equal(m.fd, -1);
	assert_memory_equal(m.payload, &id, sizeof(id));
	/* net may not say that */
	send_raw(b.fd, "0123456789", 10, 1);
	assert_int_equal(chan_block_recv(&a, &m), -1);
	chan_block_free(&b);
	assert_int_equal(chan_block_recv(&a, &m), 0);
	assert_int_equal(
	    chan_block_send(&a, MSG_SCAN_STARTED, &id, SLICE_NONE, -1), -1);
	chan_block_free(&a);
	assert_int_equal(count_fds(), g.fds_before);
}

static int
setup(void **state)
{
	(void)state;
	g.base = event_base_new();
	g.fds_before = count_fds();
	return g.base != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	int after = count_fds();

	(void)state;
	event_base_free(g.base);
	return after == g.fds_before ? 0 : -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(messages_arrive_with_descriptor),
		T(largest_body_travels_inside),
		T(full_peer_means_again),
		T(queue_keeps_order_and_descriptors),
		T(queued_descriptors_are_closed),
		T(one_at_a_time_loses_none),
		T(freed_in_its_own_message),
		T(freed_in_its_end),
		T(forged_datagrams_end_the_channel),
		T(empty_datagram_is_not_the_end),
		T(surplus_descriptors_are_closed),
		T(longer_than_any_message),
		T(blocking_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
