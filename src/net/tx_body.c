/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* PREVIEW and BODY: receiving, and what is decided before a scan. */
#include "net/tx_int.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define MEBIBYTE ((uint64_t)1 << 20)

/* Objects that end without a scan are not kept. */
static bool
keeps_body(const struct tx *tx)
{
	return tx->decision.action != SVC_PASS || !tx_may_204(tx);
}

static void
store_failed(struct tx *tx)
{
	log_warn("spool-error", "id=%s size=%llu error=\"%s\"", tx->name,
	    (unsigned long long)spool_size(tx->body), strerror(errno));
	METRIC_INC(spool_errors_total);
	tx->extra |= OUTCOME_BIT(OUTCOME_FAILED);
}

static bool
store_now(struct tx *tx, struct slice bytes, bool *wait)
{
	*wait = false;
	switch (spool_write(tx->body, bytes.p, bytes.len)) {
	case SPOOL_OK:
		return true;
	case SPOOL_WAIT:
		*wait = true;
		return true;
	case SPOOL_ERROR:
		break;
	}
	store_failed(tx);
	return true;
}

/* Stopped for lack of space: at most QueueTimeout. */
static void
hold(struct tx *tx, struct slice bytes)
{
	METRIC_INC(spool_waits_total);
	if (buf_append_slice(&tx->held, bytes) == -1) {
		errno = ENOMEM;
		store_failed(tx);
		return;
	}
	if (timer_arm(tx->core->tq, &tx->deadline,
		clock_mono_us() + tx->set->conf->queue_timeout * 1000) == -1)
		tx_cut(tx, "out of memory");
}

/* What passes unscanned has no use for it: the hash is most of its cost. */
static bool
add_to_hash(struct tx *tx, struct slice bytes)
{
	if (tx->hash == NULL && (tx->hash = hash_new()) == NULL)
		return false;
	tx->hashed += bytes.len;
	return hash_update(tx->hash, bytes.p, bytes.len) == 0;
}

bool
tx_store(struct tx *tx, struct slice bytes)
{
	bool wait;

	tx_input_progress(tx, bytes.len);
	if (tx->decision.action != SVC_PASS && !add_to_hash(tx, bytes))
		tx->extra |= OUTCOME_BIT(OUTCOME_FAILED);
	if (!keeps_body(tx) || tx->extra != 0) {
		tx->drained += bytes.len;
		return true;
	}
	store_now(tx, bytes, &wait);
	if (wait)
		hold(tx, bytes);
	return !wait;
}

/* The spool has space again: what was held goes first. */
static bool
release_held(struct tx *tx)
{
	bool wait;

	store_now(tx, buf_slice(&tx->held), &wait);
	if (wait)
		return false;
	buf_free(&tx->held);
	tx_touch_deadline(tx);
	if (tx->held_end) {
		tx->body_end = true;
		if (!tx->preview_ended && tx->rx->icap.has_preview)
			tx->preview_is_whole = true;
	}
	return true;
}

enum tx_step
tx_continue(struct tx *tx, enum tx_state to)
{
	if (icap_out_continue(&tx->out->bytes) == -1) {
		tx_cut(tx, "out of memory");
		return TX_WAIT_EVENT;
	}
	METRIC_INC(icap_100_total);
	tx->sent_100 = true;
	icap_rx_continue(tx->rx);
	if (tx->state != to)
		tx_goto(tx, to);
	tx_silence_arm(tx);
	return TX_WAIT_EVENT;
}

/* A size that a later byte cannot take back: known to be too large. */
static bool
announced_too_large(const struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;

	return tx->has_declared_len && tx->declared_len > c->max_object_size &&
	       !c->monitor && c->actions[OUTCOME_TOO_LARGE] == ACTION_BLOCK;
}

uint64_t
tx_rest(const struct tx *tx)
{
	uint64_t have = spool_size(tx->body);

	if (!tx->has_declared_len || tx->declared_len < have)
		return TX_REST_UNKNOWN;
	return tx->declared_len - have;
}

static bool
wants_prefix_scan(const struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	uint64_t rest = tx_rest(tx);

	if (spool_size(tx->body) == 0)
		return false;
	if (tx->host->patient) /* it is the gate, see tx_trickle.c */
		return true;
	if (c->scan_preview == CONF_SCAN_PREVIEW_OFF)
		return false;
	/* it could not be refused anyway */
	if (c->monitor || c->actions[OUTCOME_INFECTED] != ACTION_BLOCK)
		return false;
	if (c->scan_preview == CONF_SCAN_PREVIEW_ON)
		return true;
	return rest == TX_REST_UNKNOWN || rest > c->preview_scan_rest;
}

static enum tx_step
reply_decision(struct tx *tx)
{
	enum outcome o = tx->decision.outcome;

	if (o == OUTCOME_NONE)
		o = tx->decision.action == SVC_BLOCK ? OUTCOME_POLICY
						     : OUTCOME_EXEMPT;
	return tx_reply_outcome(
	    tx, o, tx->decision.reason, tx->decision.threat);
}

static void
ask_at_preview(struct tx *tx)
{
	tx->preview_bytes = spool_size(tx->body);
	if (tx->decision.action != SVC_MORE)
		return;
	tx->rq.preview = (struct slice){ spool_data(tx->body),
		spool_data(tx->body) != NULL ? tx->preview_bytes : 0 };
	tx->rq.whole = tx->body_end;
	tx_inspect(tx, SVC_AT_PREVIEW);
	if (tx->decision.action == SVC_MORE)
		tx->decision.action = SVC_SCAN;
	if (tx->decision.action == SVC_FAIL)
		tx->extra |= OUTCOME_BIT(OUTCOME_FAILED);
}

/* The preview is there, more may follow. */
static enum tx_step
preview_decide(struct tx *tx)
{
	ask_at_preview(tx);
	if (tx->extra != 0)
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "could not be stored", NULL);
	switch (tx->decision.action) {
	case SVC_BLOCK:
		return reply_decision(tx);
	case SVC_PASS:
		if (tx_edits(tx) && !tx_may_206(tx))
			return tx_continue(tx, TX_BODY);
		return reply_decision(tx);
	case SVC_STREAM:
		return tx_stream_begin(tx, false);
	default:
		break;
	}
	if (announced_too_large(tx))
		return tx_reply_outcome(tx, OUTCOME_TOO_LARGE,
		    "announced size is over MaxObjectSize", NULL);
	if (!wants_prefix_scan(tx))
		return tx_continue(tx, TX_BODY);
	tx_goto(tx, TX_PSCAN);
	return TX_AGAIN;
}

/* The whole object is there. */
static enum tx_step
whole_decide(struct tx *tx)
{
	if (tx->preview_is_whole)
		ask_at_preview(tx);
	if (tx->extra & OUTCOME_BIT(OUTCOME_FAILED))
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "could not be stored", NULL);
	if (tx->decision.action == SVC_PASS || tx->decision.action == SVC_BLOCK)
		return reply_decision(tx);
	tx_goto(tx, TX_SCAN);
	return TX_AGAIN;
}

/* Over MaxObjectSize: known now, not only announced. */
static enum tx_step
too_large(struct tx *tx)
{
	if (tx->decision.action == SVC_PASS)
		return reply_decision(tx);
	return tx_reply_outcome(
	    tx, OUTCOME_TOO_LARGE, "over MaxObjectSize", NULL);
}

static enum tx_step
timed_out(struct tx *tx)
{
	if (tx->held.len > 0)
		return tx_reply_outcome(tx, OUTCOME_OVERLOAD,
		    "no space for the body within QueueTimeout", NULL);
	return tx_reply_error(tx, PROTO_ERR_TIMED_OUT);
}

static enum tx_step
received_more(struct tx *tx)
{
	tx_touch_deadline(tx);
	if (spool_size(tx->body) > tx->svc->conf->max_object_size)
		return too_large(tx);
	if (tx->extra & OUTCOME_BIT(OUTCOME_FAILED))
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "could not be stored", NULL);
	return TX_WAIT_EVENT;
}

static enum tx_step
has_space(struct tx *tx)
{
	if (tx->held.len == 0 || !release_held(tx))
		return TX_WAIT_EVENT;
	if (received_more(tx) == TX_AGAIN)
		return TX_AGAIN;
	if (tx->state != TX_PREVIEW && tx->state != TX_BODY)
		return TX_WAIT_EVENT;
	return tx->body_end ? whole_decide(tx) : TX_WAIT_EVENT;
}

enum tx_step
tx_run_PREVIEW(struct tx *tx, enum tx_event ev)
{
	switch (ev) {
	case TX_EV_TIMEOUT:
		return timed_out(tx);
	case TX_EV_SPACE:
		return has_space(tx);
	case TX_EV_BODY:
		return received_more(tx);
	case TX_EV_PREVIEW_END:
		return preview_decide(tx);
	case TX_EV_BODY_END:
		return whole_decide(tx);
	default:
		return TX_WAIT_EVENT;
	}
}

enum tx_step
tx_run_BODY(struct tx *tx, enum tx_event ev)
{
	switch (ev) {
	case TX_EV_ENTER:
		tx_silence_arm(tx);
		return TX_WAIT_EVENT;
	case TX_EV_TIMEOUT:
		return timed_out(tx);
	case TX_EV_SPACE:
		return has_space(tx);
	case TX_EV_BODY:
		return received_more(tx);
	case TX_EV_BODY_END:
		return whole_decide(tx);
	case TX_EV_SCAN:
		tx_gate_answer(tx);
		return tx->has_verdict ? tx_reply_verdict(tx) : TX_WAIT_EVENT;
	default:
		return TX_WAIT_EVENT;
	}
}
