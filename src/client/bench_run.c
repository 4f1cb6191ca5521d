/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/bench_int.h"

#define MAX_HEAD ((size_t)16 << 10)
#define EVENTS 256
#define TICK_US 20000     /* time limits are looked at */
#define UPLOAD_US 2000    /* throttled uploads go on */
#define GREET_US 10000000 /* in which all connections have to be there */

void
bench_conn_freed(struct bench *b, struct bench_conn *c)
{
	b->busy -= c->state == BENCH_ACTIVE || c->state == BENCH_CONNECTING;
	c->state = BENCH_FREE;
	c->next = NULL;
	if (c->idle)
		return;
	if (b->free_last != NULL)
		b->free_last->next = c;
	else
		b->free_first = c;
	b->free_last = c;
}

void
bench_conn_paused(struct bench *b, struct bench_conn *c)
{
	b->busy -= c->state == BENCH_ACTIVE || c->state == BENCH_CONNECTING;
	c->state = BENCH_PAUSED;
}

static struct bench_conn *
next_free(struct bench *b)
{
	struct bench_conn *c = b->free_first;

	if (c == NULL)
		return NULL;
	b->free_first = c->next;
	if (c->next == NULL)
		b->free_last = NULL;
	return c;
}

static void
begin(struct bench *b, struct bench_conn *c, uint64_t due_us)
{
	b->busy++;
	bench_conn_begin(b, c, due_us);
}

/* ---- requests ---- */
static void
make_icap_head(struct buf *out, const struct bench_params *p,
    const char *method, size_t req_len, size_t res_len)
{
	(void)buf_printf(
	    out, "%s %s ICAP/1.0\r\nHost: %s\r\n", method, p->uri, p->host);
	if (p->new_connection)
		(void)buf_append_str(out, "Connection: close\r\n");
	if (req_len == 0) {
		(void)buf_append_str(out, "Encapsulated: null-body=0\r\n\r\n");
		return;
	}
	if (p->allow_204)
		(void)buf_append_str(out, "Allow: 204\r\n");
	if (p->preview != UINT64_MAX)
		(void)buf_printf(
		    out, "Preview: %llu\r\n", (unsigned long long)p->preview);
	if (res_len == 0)
		(void)buf_printf(out,
		    "Encapsulated: req-hdr=0, req-body=%zu\r\n\r\n", req_len);
	else
		(void)buf_printf(out,
		    "Encapsulated: req-hdr=0, res-hdr=%zu, "
		    "res-body=%zu\r\n\r\n",
		    req_len, req_len + res_len);
}

static void
make_entity_fields(struct buf *out, const struct bench_object *o)
{
	(void)buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
	    o->type, o->len);
	if (o->coding[0] != '\0')
		(void)buf_printf(out, "Content-Encoding: %s\r\n", o->coding);
	(void)buf_append_str(out, "\r\n");
}

/* All heads of the request for an object; o NULL: OPTIONS. */
static int
make_head(
    struct buf *out, const struct bench_params *p, const struct bench_object *o)
{
	struct buf req, res;

	buf_init(out, MAX_HEAD);
	buf_init(&req, MAX_HEAD);
	buf_init(&res, MAX_HEAD);
	if (o != NULL && p->method == ICAP_REQMOD) {
		(void)buf_append_str(&req,
		    "POST http://bench.test/upload HTTP/1.1\r\n"
		    "Host: bench.test\r\n");
		make_entity_fields(&req, o);
	} else if (o != NULL) {
		(void)buf_append_str(&req,
		    "GET http://bench.test/object HTTP/1.1\r\n"
		    "Host: bench.test\r\n"
		    "Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n");
		(void)buf_append_str(&res, "HTTP/1.1 200 OK\r\n");
		make_entity_fields(&res, o);
	}
	make_icap_head(out, p,
	    o == NULL                  ? "OPTIONS"
	    : p->method == ICAP_REQMOD ? "REQMOD"
				       : "RESPMOD",
	    req.len, res.len);
	(void)buf_append_slice(out, buf_slice(&req));
	(void)buf_append_slice(out, buf_slice(&res));
	if (req.failed || res.failed)
		out->failed = true;
	buf_free(&req);
	buf_free(&res);
	return out->failed ? -1 : 0;
}

static int
make_heads(struct bench *b)
{
	const struct bench_params *p = b->p;
	bool options = p->method == ICAP_OPTIONS;
	size_t n = options ? 1 : p->objects.count;

	if (make_head(&b->options, p, NULL) != 0 ||
	    (b->heads = calloc(n, sizeof(*b->heads))) == NULL)
		return -1;
	for (; b->nheads < n; b->nheads++) {
		if (make_head(&b->heads[b->nheads], p,
			options ? NULL : &p->objects.all[b->nheads]) != 0)
			return -1;
	}
	return 0;
}

/* ---- the loop ---- */
static void
tick(struct bench *b)
{
	for (size_t i = 0; i < b->nconns; i++) {
		struct bench_conn *c = &b->conns[i];

		if (c->state == BENCH_PAUSED)
			bench_conn_freed(b, c);
		else if (c->state == BENCH_ACTIVE &&
			 b->now_us - c->begun_us > b->p->timeout_us)
			bench_conn_fail(b, c, BENCH_FAULT_SILENT);
	}
}

static void
send_throttled(struct bench *b)
{
	for (size_t i = 0; i < b->nconns; i++) {
		if (b->conns[i].throttled && b->conns[i].state == BENCH_ACTIVE)
			bench_conn_send(b, &b->conns[i]);
	}
}

/* Deals with what comes until then at the latest. */
static int
wait_events(struct bench *b, uint64_t until_us)
{
	struct epoll_event ev[EVENTS];
	uint64_t us = until_us > b->now_us ? until_us - b->now_us : 0;
	struct timespec ts = { (time_t)(us / 1000000),
		(long)(us % 1000000) * 1000 };
	int n = epoll_pwait2(b->epoll, ev, EVENTS, &ts, NULL);

	b->now_us = clock_mono_us();
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		bench_conn_event(b, ev[i].data.ptr, ev[i].events);
		/* a clock for each answer, not for each round */
		b->now_us = clock_mono_us();
	}
	return 0;
}

/* When the n-th request of an open loop is due. */
static uint64_t
due(const struct bench *b, uint64_t n)
{
	return b->start_us + n * UINT64_C(1000000) / b->p->rate;
}

/* Begins what may begin now; the time of the next, or false: no more. */
static bool
begin_due(struct bench *b, uint64_t *next_us)
{
	const struct bench_params *p = b->p;
	struct bench_conn *c;

	for (;;) {
		uint64_t when =
		    p->rate > 0 ? due(b, b->r->requests) : b->now_us;

		if ((p->count > 0 && b->r->requests >= p->count) ||
		    (p->duration_us > 0 &&
			when >= b->start_us + p->duration_us))
			return false;
		*next_us = when;
		if (when > b->now_us)
			return true;
		if ((c = next_free(b)) == NULL) {
			*next_us = UINT64_MAX;
			return true;
		}
		begin(b, c, when);
	}
}

static int
load(struct bench *b)
{
	const struct bench_params *p = b->p;
	uint64_t step = p->upload_rate > 0 ? UPLOAD_US : TICK_US;
	uint64_t next_us = 0, tick_us;
	/* nothing hangs for ever: what was due by then is not answered */
	uint64_t give_up_us = p->duration_us > 0
				  ? p->duration_us + 2 * p->timeout_us
				  : UINT64_MAX;
	bool more = true;

	b->now_us = b->start_us = b->last_answer_us = clock_mono_us();
	tick_us = b->now_us + step;
	while (((more = begin_due(b, &next_us)) || b->busy > 0) &&
	       b->now_us - b->start_us < give_up_us) {
		if (!more)
			next_us = UINT64_MAX;
		if (wait_events(b, next_us < tick_us ? next_us : tick_us) != 0)
			return -1;
		if (b->now_us < tick_us)
			continue;
		tick_us = b->now_us + step;
		tick(b);
		if (p->upload_rate > 0)
			send_throttled(b);
	}
	b->r->elapsed_us = b->last_answer_us - b->start_us;
	return 0;
}

/* Waits until nothing is under way. */
static int
settle(struct bench *b, uint64_t for_us)
{
	uint64_t end = clock_mono_us() + for_us;

	b->now_us = clock_mono_us();
	while (b->busy > 0 && b->now_us < end) {
		if (wait_events(b, b->now_us + TICK_US) != 0)
			return -1;
	}
	return 0;
}

/* All connections, before the load: the idle ones ask for OPTIONS. */
static int
connect_all(struct bench *b)
{
	const struct bench_params *p = b->p;
	size_t lanes = 64; /* at once: a backlog is not what is measured */

	b->now_us = clock_mono_us();
	for (size_t i = 0; i < b->nconns; i++) {
		struct bench_conn *c = &b->conns[i];

		if (c->idle) {
			begin(b, c, b->now_us);
		} else if (p->new_connection) {
			bench_conn_freed(b, c);
		} else if (bench_conn_open(b, c) == 0) {
			c->state = BENCH_CONNECTING;
			b->busy++;
		} else {
			bench_conn_freed(b, c);
		}
		if (b->busy >= lanes && settle(b, 0) == 0 &&
		    wait_events(b, b->now_us + TICK_US) != 0)
			return -1;
	}
	if (settle(b, GREET_US) != 0)
		return -1;
	/* Those that nobody served stand there, too. */
	for (size_t i = 0; i < b->nconns; i++) {
		if (b->conns[i].state == BENCH_ACTIVE ||
		    b->conns[i].state == BENCH_CONNECTING)
			bench_conn_freed(b, &b->conns[i]);
	}
	return 0;
}

/* Whether the idle connections are still served. */
static int
ask_idle(struct bench *b)
{
	uint64_t before = b->r->idle_answered;
	int rc;

	b->r->idle_answered = 0;
	b->now_us = clock_mono_us();
	for (size_t i = 0; i < b->nconns; i++) {
		struct bench_conn *c = &b->conns[i];

		if (c->idle && c->fd != -1 && c->state == BENCH_FREE) {
			begin(b, c, b->now_us);
			(void)wait_events(b, b->now_us);
		}
	}
	rc = settle(b, GREET_US);
	b->r->idle_alive = b->r->idle_answered;
	b->r->idle_answered = before;
	return rc;
}

static void
gate(const struct bench *b, const char *what)
{
	if (b->p->gate != NULL)
		b->p->gate(b->p->gate_ctx, what);
}

static uint64_t
own_cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_THREAD, &u) != 0)
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* What the connections did to come about is not part of the result. */
static void
forget(struct bench_result *r)
{
	uint64_t idle = r->idle_answered;

	memset(r, 0, sizeof(*r));
	r->idle_answered = idle;
}

/* Requests that were begun and that nobody answered. */
static void
give_up(struct bench *b)
{
	for (size_t i = 0; i < b->p->connections; i++) {
		if (b->conns[i].state == BENCH_ACTIVE)
			bench_conn_fail(b, &b->conns[i], BENCH_FAULT_SILENT);
	}
}

static int
run_all(struct bench *b)
{
	uint64_t cpu;

	if (make_heads(b) != 0 || connect_all(b) != 0)
		return -1;
	forget(b->r);
	gate(b, "ready");
	cpu = own_cpu_us();
	if (load(b) != 0)
		return -1;
	give_up(b);
	b->r->cpu_us = own_cpu_us() - cpu;
	gate(b, "done");
	return b->p->idle > 0 ? ask_idle(b) : 0;
}

static int
setup(struct bench *b)
{
	struct rlimit lim;

	b->nconns = (size_t)(b->p->connections + b->p->idle);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	b->input = malloc(BENCH_READ);
	b->conns = calloc(b->nconns, sizeof(*b->conns));
	if (b->epoll == -1 || b->input == NULL || b->conns == NULL)
		return -1;
	for (size_t i = 0; i < b->nconns; i++) {
		b->conns[i].fd = -1;
		b->conns[i].idle = i >= b->p->connections;
		bench_reply_init(&b->conns[i].reply);
	}
	return 0;
}

static void
teardown(struct bench *b)
{
	for (size_t i = 0; b->conns != NULL && i < b->nconns; i++) {
		bench_conn_close(b, &b->conns[i]);
		bench_reply_free(&b->conns[i].reply);
	}
	for (size_t i = 0; i < b->nheads; i++)
		buf_free(&b->heads[i]);
	buf_free(&b->options);
	free(b->heads);
	free(b->conns);
	free(b->input);
	if (b->epoll != -1)
		(void)close(b->epoll);
}

int
bench_run(const struct bench_params *p, struct bench_result *r, struct buf *err)
{
	struct bench b = {
		.p = p, .r = r, .epoll = -1, .number = p->first_number
	};
	int rc = -1;

	memset(r, 0, sizeof(*r));
	if (p->connections == 0 ||
	    (p->method != ICAP_OPTIONS && p->objects.count == 0))
		(void)buf_append_str(err, "nothing to send");
	else if (setup(&b) != 0 || run_all(&b) != 0)
		(void)buf_printf(err, "%s", strerror(errno));
	else
		rc = 0;
	teardown(&b);
	return rc;
}
