/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/harmless.h"
#include "tests/unit/tx_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/idgen.h"
#include "base/log.h"

#define SENT_MAX ((size_t)64 << 20)

static void update(struct world *w);

/* ---- a module that scans, and streams event streams ---- */

static int instance;

static void *
configure(
    const struct svc_setting *settings, size_t n, char *err, size_t errlen)
{
	(void)settings;
	(void)n;
	(void)err;
	(void)errlen;
	return &instance;
}

static void
unconfigure(void *i)
{
	(void)i;
}

static void
inspect(void *i, enum svc_stage stage, const struct svc_request *rq,
    struct svc_decision *d)
{
	struct slice type = rq->resp->raw.p != NULL
				? http_head_get(rq->resp, "Content-Type")
				: SLICE_NONE;
	struct slice policy = rq->req->raw.p != NULL
				  ? http_head_get(rq->req, "X-Test")
				  : SLICE_NONE;

	(void)i;
	d->action = stage == SVC_AT_HEADS ? SVC_MORE : SVC_SCAN;
	if (slice_eq(policy, SLICE_LIT("pass")))
		d->action = SVC_PASS;
	else if (slice_eq(policy, SLICE_LIT("block")))
		d->action = SVC_BLOCK;
	else if (slice_eq(policy, SLICE_LIT("edit"))) {
		static const char *const drop[] = { "Accept-Encoding" };

		d->drop_fields = drop;
		d->ndrop = 1;
		d->add_fields = SLICE_LIT("Accept-Encoding: gzip\r\n");
	}
	if (slice_case_has_prefix(type, SLICE_LIT("text/event-stream")))
		d->action = SVC_STREAM;
}

/* Hits called Ignored are ignored; the scan is not made complete by it. */
static void
verdict(void *i, const struct svc_request *rq, struct scan_answer *a)
{
	(void)i;
	(void)rq;
	for (uint32_t k = 0; k < a->nfindings; k++)
		if (strcmp(a->findings[k].name, "Ignored") == 0)
			a->findings[k].outcome = OUTCOME_NONE;
	a->complete = 1;
}

static void
release(void *i, const struct svc_request *rq)
{
	(void)i;
	(void)rq;
}

static const struct service_module test_module = {
	.name = "clamav_scan",
	.abi = SERVICE_ABI,
	.scans = true,
	.configure = configure,
	.unconfigure = unconfigure,
	.inspect = inspect,
	.verdict = verdict,
	.release = release,
};
static const struct service_module echo_module = {
	.name = "echo",
	.abi = SERVICE_ABI,
	.configure = configure,
	.unconfigure = unconfigure,
	.inspect = inspect,
	.release = release,
};

/* ---- the worker ---- */

static bool
port_send(void *ctx, const struct msg_scan_request *rq, struct slice body,
    int fd, bool *dead)
{
	struct world *w = ctx;

	*dead = false;
	if (w->deaf || w->pending != 0)
		return false;
	w->rq = *rq;
	w->scans++;
	w->pending = rq->scan_id;
	memset(w->body, 0, sizeof(w->body));
	if (fd != -1)
		assert_true(pread(fd, w->body, sizeof(w->body) - 1, 0) > 0);
	else
		(void)str_copy(w->body, sizeof(w->body), body);
	return true;
}

static void
port_close(void *ctx)
{
	(void)ctx;
}

static void
on_overdue(void *ctx, const struct msg_worker *id)
{
	struct world *w = ctx;

	(void)id;
	w->overdue++;
}

static void
on_retire(void *ctx, const struct msg_worker *id)
{
	(void)ctx;
	(void)id;
}

static bool
on_want(void *ctx, uint32_t generation, unsigned int workers)
{
	(void)ctx;
	(void)generation;
	(void)workers;
	return false;
}

static bool
on_has_loader(void *ctx, uint32_t generation)
{
	(void)ctx;
	(void)generation;
	return true;
}

static void
on_yield(void *ctx, const struct msg_worker *id, bool on)
{
	(void)ctx;
	(void)id;
	(void)on;
}

static void
on_distrust(void *ctx, const struct msg_worker *id)
{
	struct world *w = ctx;

	net_core_distrust(&w->core, id);
}

static void
on_done(void *ctx, uint64_t job, uint64_t owner, const struct sched_done *d)
{
	struct world *w = ctx;

	net_core_scan_done(&w->core, job, owner, d);
}

void
world_add_worker(struct world *w)
{
	struct sched_port port = {
		.send = port_send, .close = port_close, .ctx = w
	};
	struct msg_worker id = { .generation = 1,
		.incarnation = ++w->incarnation };

	w->pending = 0;
	assert_int_equal(sched_worker_add(w->sched, &id, &port), 0);
}

static void
started(struct world *w)
{
	assert_true(w->pending != 0);
	sched_started(w->sched, w->incarnation, w->pending);
}

static void
finish_answer(struct world *w, const struct scan_answer *a)
{
	uint64_t id = w->pending;

	started(w);
	w->pending = 0;
	sched_result(w->sched, w->incarnation, id, a);
	if (sched_workers(w->sched) == 0)
		world_add_worker(w); /* it was recycled */
	update(w);
}

void
world_answer(struct world *w, const char *name, bool final)
{
	struct scan_answer a;

	memset(&a, 0, sizeof(a));
	a.complete = 1;
	a.final = final;
	if (name != NULL) {
		a.nfindings = 1;
		a.findings[0].outcome = OUTCOME_INFECTED;
		(void)str_copy(a.findings[0].name, sizeof(a.findings[0].name),
		    slice_of(name));
	}
	finish_answer(w, &a);
}

void
world_answer_incomplete(struct world *w, enum outcome reason)
{
	struct scan_answer a;

	memset(&a, 0, sizeof(a));
	a.reason = reason;
	finish_answer(w, &a);
}

void
world_worker_dies(struct world *w, int signal)
{
	struct msg_lost l = { .signal = signal };

	started(w);
	l.worker.incarnation = w->incarnation;
	sched_worker_lost(w->sched, &l);
	sched_worker_eof(w->sched, w->incarnation);
	world_add_worker(w);
	update(w);
}

/* ---- the connection ---- */

static void
kick(void *ctx)
{
	(void)ctx; /* every call of the world ends with update() */
}

static void
take_output(struct world *w)
{
	struct iovec iov[8];
	struct outq_file file;
	char piece[65536];
	ssize_t n;
	int niov;

	while (outq_pending(&w->out) > 0) {
		niov = outq_next(&w->out, iov, 8, &file);
		if (niov == 0) {
			n = pread(file.fd, piece,
			    file.len < sizeof(piece) ? file.len : sizeof(piece),
			    (off_t)file.off);
			assert_true(n > 0);
			assert_int_equal(
			    buf_append(&w->sent, piece, (size_t)n), 0);
			outq_sent(&w->out, (uint64_t)n);
			continue;
		}
		n = 0;
		for (int i = 0; i < niov; i++) {
			assert_int_equal(buf_append(&w->sent, iov[i].iov_base,
					     iov[i].iov_len),
			    0);
			n += (ssize_t)iov[i].iov_len;
		}
		outq_sent(&w->out, (uint64_t)n);
	}
}

static void
handle(struct world *w, enum icap_rx_event ev, struct slice body)
{
	switch (ev) {
	case ICAP_RX_HEAD:
		w->tx = tx_new(&w->core, &w->host, &w->rx, &w->out);
		assert_non_null(w->tx);
		tx_start(w->tx);
		break;
	case ICAP_RX_BODY:
		tx_body(w->tx, body);
		break;
	case ICAP_RX_PREVIEW_END:
		tx_preview_end(w->tx);
		break;
	case ICAP_RX_BODY_END:
		tx_body_end(w->tx);
		break;
	case ICAP_RX_ERROR:
		if (w->tx != NULL)
			tx_protocol_error(w->tx, w->rx.err);
		else
			w->closed = true;
		break;
	case ICAP_RX_MORE:
		break;
	}
}

static bool
feed_input(struct world *w)
{
	struct slice in = buf_slice(&w->in), body = SLICE_NONE;
	size_t had = in.len;
	enum icap_rx_event ev = ICAP_RX_MORE;

	while (
	    !w->closed && !w->cut && (w->tx == NULL || tx_wants_input(w->tx))) {
		ev = icap_rx_feed(&w->rx, &in, &body);
		if (ev == ICAP_RX_MORE)
			break;
		handle(w, ev, body);
	}
	buf_consume(&w->in, had - in.len);
	return had != in.len || ev != ICAP_RX_MORE;
}

static void
end_transaction(struct world *w)
{
	w->cut = w->tx->cut;
	w->closed = w->tx->close || w->cut;
	tx_free(&w->tx);
	icap_rx_finish(&w->rx);
	w->rx.answered_before = true;
	w->transactions++;
	if (!w->caches)
		cache_forget(w->core.cache);
	if (!w->remembers) {
		harmless_free(&w->core.harmless);
		w->core.harmless = harmless_new();
		assert_non_null(w->core.harmless);
	}
}

static void
update(struct world *w)
{
	bool again = true;

	while (again && !w->closed) {
		again = false;
		take_output(w);
		if (w->tx != NULL && !tx_is_done(w->tx))
			tx_event(w->tx, TX_EV_OUTPUT);
		again = outq_pending(&w->out) > 0;
		if (w->tx != NULL && tx_is_done(w->tx) && !again) {
			end_transaction(w);
			again = true;
		}
		if (!w->closed && feed_input(w))
			again = true;
	}
}

void
world_feed(struct world *w, const char *bytes, size_t len, size_t step)
{
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = step > 0 && step < len - at ? step : len - at;
		assert_int_equal(buf_append(&w->in, bytes + at, n), 0);
		update(w);
	}
}

void
world_say(struct world *w, const char *text)
{
	world_feed(w, text, strlen(text), 0);
}

void
world_wait(struct world *w, uint64_t us)
{
	uint64_t until = w->now_us + us, next;

	while ((next = timerq_next_us(w->tq)) <= until) {
		if (next > w->now_us)
			w->now_us = next;
		(void)timerq_run(w->tq, w->now_us);
		update(w);
	}
	w->now_us = until;
	update(w);
}

const char *
world_sent(struct world *w)
{
	static struct buf last;
	static bool ready;

	if (!ready)
		buf_init(&last, SENT_MAX);
	ready = true;
	buf_reset(&last);
	assert_int_equal(buf_append_slice(&last, buf_slice(&w->sent)), 0);
	buf_reset(&w->sent);
	return buf_cstr(&last);
}

void
world_hang_up(struct world *w)
{
	outq_free(&w->out);
	tx_free(&w->tx);
	icap_rx_finish(&w->rx);
	buf_reset(&w->in);
}

void
world_ready(struct world *w)
{
	struct msg_loaded loaded = { .generation = 1, .signatures = 1 };

	sched_generation(w->sched, 1);
	assert_int_equal(net_core_generation(&w->core, &loaded), 0);
	update(w);
}

void
world_init(struct world *w, const char *const overrides[], bool ready)
{
	static const uint64_t wall = UINT64_C(1763460000000000);
	struct icap_rx_limits limits = { .max_icap_head = 32768,
		.max_http_head = 131072 };
	struct sched_ops ops = { .overdue = on_overdue,
		.retire = on_retire,
		.stuck = on_retire,
		.want = on_want,
		.has_loader = on_has_loader,
		.yield = on_yield,
		.distrust = on_distrust,
		.done = on_done,
		.ctx = w };
	struct conf_errors err;
	struct service_set *set;
	size_t n = 0;

	memset(w, 0, sizeof(*w));
	w->now_us = 1000000;
	clock_set_fake(&w->now_us, &wall);
	log_init("test", LOG_ERROR);
	log_set_fd(LOG_ACCESS, open("/dev/null", O_WRONLY | O_CLOEXEC));
	idgen_init(0);
	while (overrides != NULL && overrides[n] != NULL)
		n++;
	conf_errors_init(&err);
	w->conf = conf_load(NULL, overrides, n, &err);
	if (w->conf == NULL)
		fail_msg("%s", buf_cstr(&err.text));
	w->modules = registry_new();
	assert_int_equal(registry_add(w->modules, &test_module), 0);
	assert_int_equal(registry_add(w->modules, &echo_module), 0);
	set = service_set_new(w->modules, w->conf, &err);
	assert_non_null(set);
	conf_errors_free(&err);
	w->tq = timerq_new();
	w->sched = sched_new(w->tq, &ops);
	w->spool = spool_pool_new(open("/tmp", O_RDONLY | O_DIRECTORY),
	    conf_spool_memory(w->conf), w->conf->spool_size);
	assert_int_equal(
	    net_core_init(&w->core, w->tq, w->sched, w->spool, set), 0);
	service_set_unref(&set);
	icap_rx_init(&w->rx, &limits);
	outq_init(&w->out);
	buf_init(&w->in, SENT_MAX);
	buf_init(&w->sent, SENT_MAX);
	w->host = (struct tx_host){ .kick = kick, .ctx = w, .trusted = true };
	if (ready) {
		world_ready(w);
		world_add_worker(w);
	}
}

void
world_free(struct world *w)
{
	world_hang_up(w);
	assert_int_equal(sched_queued(w->sched), 0);
	net_core_free(&w->core);
	sched_free(&w->sched);
	assert_int_equal(spool_pool_memory(w->spool), 0);
	assert_int_equal(spool_pool_disk(w->spool), 0);
	spool_pool_free(&w->spool);
	timerq_free(&w->tq);
	conf_unref(&w->conf);
	registry_free(&w->modules);
	icap_rx_free(&w->rx);
	outq_free(&w->out);
	buf_free(&w->in);
	buf_free(&w->sent);
	clock_set_fake(NULL, NULL);
}
