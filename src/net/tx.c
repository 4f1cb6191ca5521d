/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The transaction: making, ending, and the one door between its states. */
#include "net/tx_int.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define TX_MAX_STEPS 64 /* more in one event is a loop between states */
/* A peer with the object at hand waits for its own client, and says so itself
 */
#define HOLDER_MS ((uint64_t)86400000)
/* The worker's own deadline comes first, and its loss is told. */
#define PATIENT_MORE_MS ((uint64_t)5000)
#define TX_URL_MAX 8192
#define TX_IDENTITY_MAX 512
#define TX_HEAD_MAX ((size_t)8 << 20)
#define TX_WINDOW_MAX ((size_t)1 << 20)

enum deadline {
	DEADLINE_NONE,
	DEADLINE_START_WAIT,
	DEADLINE_BODY,
	DEADLINE_PREVIEW_SCAN,
	DEADLINE_STREAM,
	DEADLINE_DRAIN
};

#define TO(s) (1u << TX_##s)
const struct tx_state_info tx_states[TX_NSTATES] = {
#define STATE(id, deadline, input, next) \
	[TX_##id] = { #id, input, (next) | TO(DONE) },
#include "net/tx_states.def"
};
static const enum deadline tx_deadlines[TX_NSTATES] = {
#define STATE(id, deadline, input, next) [TX_##id] = DEADLINE_##deadline,
#include "net/tx_states.def"
};
static enum tx_step (*const tx_run[TX_NSTATES])(struct tx *, enum tx_event) = {
#define STATE(id, deadline, input, next) [TX_##id] = tx_run_##id,
#include "net/tx_states.def"
};

static void
deadline_fired(struct timer *t)
{
	struct tx *tx = CONTAINER_OF(t, struct tx, deadline);

	tx_event(tx, TX_EV_TIMEOUT);
	tx->host->kick(tx->host->ctx);
}

static void
silence_fired(struct timer *t)
{
	struct tx *tx = CONTAINER_OF(t, struct tx, silence);

	tx_silence_fired(tx);
	tx->host->kick(tx->host->ctx);
}

/* Of a patient client's preview; sched has its own, before it. */
static uint64_t
patient_ms(const struct tx *tx)
{
	return tx->set->conf->queue_timeout + PATIENT_MORE_MS +
	       conf_scan_budget_us(tx->svc->conf, spool_size(tx->body)) / 1000;
}

static uint64_t
deadline_ms(const struct tx *tx)
{
	const struct conf *c = tx->set->conf;

	switch (tx_deadlines[tx->state]) {
	case DEADLINE_START_WAIT:
		return c->start_wait;
	case DEADLINE_BODY:
		return tx->host->holds ? HOLDER_MS : c->body_timeout;
	case DEADLINE_PREVIEW_SCAN:
		return tx->host->patient ? patient_ms(tx)
					 : tx->svc->conf->preview_scan_timeout;
	case DEADLINE_STREAM:
		return tx->passthrough ? c->body_timeout : c->stream_timeout;
	case DEADLINE_DRAIN:
		return c->drain_timeout;
	case DEADLINE_NONE:
		break;
	}
	return 0;
}

void
tx_touch_deadline(struct tx *tx)
{
	uint64_t ms = deadline_ms(tx);

	if (tx_deadlines[tx->state] == DEADLINE_NONE) {
		timer_disarm(tx->core->tq, &tx->deadline);
		return;
	}
	if (timer_arm(
		tx->core->tq, &tx->deadline, clock_mono_us() + ms * 1000) == -1)
		tx_cut(tx, "out of memory");
}

void
tx_goto(struct tx *tx, enum tx_state to)
{
	CHECK(to < TX_NSTATES);
	CHECK((tx_states[tx->state].next & (1u << to)) != 0);
	log_debug("tx-state", "id=%s from=%s to=%s", tx->name,
	    tx_states[tx->state].name, tx_states[to].name);
	if (tx->state == TX_WAIT)
		TAILQ_REMOVE(&tx->core->waiting, tx, wait_link);
	tx->state = to;
	if (to == TX_WAIT)
		TAILQ_INSERT_TAIL(&tx->core->waiting, tx, wait_link);
	tx_touch_deadline(tx);
}

void
tx_event(struct tx *tx, enum tx_event ev)
{
	if (tx->cut)
		return;
	tx->steps = 0;
	while (tx_run[tx->state](tx, ev) == TX_AGAIN) {
		ev = TX_EV_ENTER;
		if (++tx->steps > TX_MAX_STEPS) {
			log_error("tx-loop", "id=%s state=%s", tx->name,
			    tx_states[tx->state].name);
			tx_cut(tx, "loop between states");
			return;
		}
	}
}

enum tx_step
tx_run_DONE(struct tx *tx, enum tx_event ev)
{
	(void)ev;
	timer_disarm(tx->core->tq, &tx->silence);
	return TX_WAIT_EVENT;
}

static void
spool_wake(void *ctx)
{
	struct tx *tx = ctx;

	tx_event(tx, TX_EV_SPACE);
	tx->host->kick(tx->host->ctx);
}

struct tx *
tx_new(struct net_core *core, const struct tx_host *host, struct icap_rx *rx,
    struct outq *out)
{
	struct tx *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return NULL;
	tx->core = core;
	tx->host = host;
	tx->rx = rx;
	tx->out = out;
	tx->id = idgen_u64();
	tx->state = TX_HEADS;
	tx->set = service_set_ref(core->set);
	idgen_next(tx->name);
	timer_init(&tx->deadline, deadline_fired);
	timer_init(&tx->silence, silence_fired);
	buf_init(&tx->url, TX_URL_MAX);
	identity_init(&tx->who, TX_IDENTITY_MAX);
	buf_init(&tx->head, TX_HEAD_MAX);
	buf_init(&tx->held, (size_t)1 << 20);
	buf_init(&tx->window, TX_WINDOW_MAX);
	buf_init(&tx->lent, MSG_INLINE_BODY_MAX);
	tx->lent_fd = -1;
	tx->t.begin_us = tx->last_out_us = tx->last_in_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&core->all, tx, link);
	TAILQ_INSERT_HEAD(&core->by_id[tx->id % NET_CORE_BUCKETS], tx, id_link);
	tx->body = spool_new(core->spool, spool_wake, tx);
	if (tx->body == NULL)
		tx_free(&tx);
	return tx;
}

void
tx_start(struct tx *tx)
{
	tx_event(tx, TX_EV_ENTER);
}

static void
release_service(struct tx *tx)
{
	if (tx->svc_state == NULL)
		return;
	if (tx->svc->module->release != NULL)
		tx->svc->module->release(tx->svc->instance, &tx->rq);
	free(tx->svc_state);
	tx->svc_state = NULL;
}

void
tx_free(struct tx **txp)
{
	struct tx *tx = *txp;

	if (tx == NULL)
		return;
	*txp = NULL;
	if (tx->state != TX_DONE) {
		if (!tx->superseded)
			METRIC_INC(client_gone_total);
		tx_goto(tx, TX_DONE);
	}
	if (!tx->superseded)
		tx_log_access(tx);
	tx_cancel_job(tx);
	timer_disarm(tx->core->tq, &tx->deadline);
	timer_disarm(tx->core->tq, &tx->silence);
	release_service(tx);
	spool_free(&tx->body);
	hash_free(&tx->hash);
	buf_free(&tx->url);
	identity_free(&tx->who);
	buf_free(&tx->head);
	buf_free(&tx->held);
	buf_free(&tx->window);
	TAILQ_REMOVE(&tx->core->all, tx, link);
	TAILQ_REMOVE(&tx->core->by_id[tx->id % NET_CORE_BUCKETS], tx, id_link);
	service_set_unref(&tx->set);
	free(tx);
}

bool
tx_wants_input(const struct tx *tx)
{
	if (!tx_states[tx->state].input || tx->held.len > 0 || tx->cut)
		return false;
	return tx->state != TX_STREAM || tx_stream_has_room(tx);
}

bool
tx_is_receiving(const struct tx *tx)
{
	return tx_deadlines[tx->state] == DEADLINE_BODY && tx->held.len == 0;
}

bool
tx_is_done(const struct tx *tx)
{
	return tx->state == TX_DONE || tx->cut;
}

void
tx_body(struct tx *tx, struct slice bytes)
{
	tx->received += bytes.len;
	if (tx->state == TX_DRAIN || tx->state == TX_DISCARD)
		tx->drained += bytes.len;
	else if (tx->state == TX_STREAM ? !tx_stream_store(tx, bytes)
					: !tx_store(tx, bytes))
		return;
	tx_event(tx, TX_EV_BODY);
}

void
tx_preview_end(struct tx *tx)
{
	tx->preview_ended = true;
	tx_event(tx, TX_EV_PREVIEW_END);
}

void
tx_body_end(struct tx *tx)
{
	tx->t.received_us = clock_mono_us();
	if (tx->held.len > 0) {
		tx->held_end = true;
		return;
	}
	tx->body_end = true;
	if (!tx->preview_ended && tx->rx->icap.has_preview)
		tx->preview_is_whole = true;
	tx_event(tx, TX_EV_BODY_END);
}

void
tx_body_lost(struct tx *tx)
{
	tx->extra |= OUTCOME_BIT(OUTCOME_FAILED);
	tx_event(tx, TX_EV_BODY);
	if (!tx_is_done(tx) && tx_states[tx->state].input)
		tx_body_end(tx); /* it passes all the same */
}

void
tx_ready(struct tx *tx)
{
	tx_event(tx, TX_EV_READY);
	tx->host->kick(tx->host->ctx);
}

void
tx_cut(struct tx *tx, const char *why)
{
	if (tx->cut)
		return;
	log_info("tx-cut", "id=%s why=\"%s\"", tx->name, why);
	METRIC_INC(cuts_total);
	tx->cut = true;
}

void
tx_write_dot(FILE *f)
{
	fprintf(f, "digraph tx {\n");
	for (int a = 0; a < TX_NSTATES; a++)
		for (int b = 0; b < TX_NSTATES; b++)
			if (tx_states[a].next & (1u << b))
				fprintf(f, "\t%s -> %s;\n", tx_states[a].name,
				    tx_states[b].name);
	fprintf(f, "}\n");
}
