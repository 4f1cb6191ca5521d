/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What may go out before the verdict: a budget, not a channel. Only where no
 * 204 can end the transaction, in RESPMOD; and before the first byte everything
 * received so far has passed a scan (the gate).
 *
 * Two reasons: TrickleAfter, by the clock; and the stall poke for Squid 5.7 to
 * 6.13, which stops sending behind 64 KiB until an answer moves (bug 5352). A
 * stall has a shape: the client offered trailers and no 204, some 60 KiB came
 * since the last progress, then silence.
 */
#include "net/tx_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define POKE_SHAPE ((uint64_t)60 * 1024)
/* Squid stalls behind every 4 to 6 MiB of a large body: measured. */
#define POKE_MAX 32
#define POKE_PER_BYTES ((uint64_t)2 << 20)
#define POKE_WAIT_MAX_US ((uint64_t)5000000)
#define TEXT_MAX ((uint64_t)64)
#define PER_BYTES ((uint64_t)4 << 20)

static bool
eligible(const struct tx *tx)
{
	return (tx->state == TX_BODY || tx->state == TX_SCAN) &&
	       tx->rq.method == SVC_RESPMOD && tx->rx->res.raw.p != NULL &&
	       !tx_may_204(tx) && tx->gate != GATE_SHUT && !tx->cut;
}

static bool
is_text(const struct tx *tx)
{
	static const char *const types[] = { "html", "svg", "script", "css",
		"xml", "unknown" };
	struct slice t = tx_declared_type(tx);

	/* a client would sniff: none, none that is one, or "unknown" */
	if (slice_find(t, '/') < 0 || slice_eq(t, SLICE_LIT("*/*")))
		return true;
	for (size_t i = 0; i < COUNTOF(types); i++)
		for (size_t at = 0; at < t.len; at++)
			if (slice_case_has_prefix(
				(struct slice){ t.p + at, t.len - at },
				slice_of(types[i])))
				return true;
	return false;
}

/* Body bytes that may be out by now. */
static uint64_t
budget(const struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	uint64_t size = spool_size(tx->body);
	uint64_t n = c->trickle_max + size / PER_BYTES;

	if (size <= c->hold_back)
		return 0;
	if (is_text(tx) && n > TEXT_MAX)
		n = TEXT_MAX;
	return n < size - c->hold_back ? n : size - c->hold_back;
}

static bool
poke_enabled(const struct tx *tx)
{
	return tx->svc->conf->stall_poke_ms != UINT64_MAX &&
	       tx->rx->icap.allow_trailers && tx->state == TX_BODY &&
	       tx->pokes < POKE_MAX + spool_size(tx->body) / POKE_PER_BYTES;
}

/* When the next poke is due, UINT64_MAX when none is. */
static uint64_t
poke_due(const struct tx *tx)
{
	if (!poke_enabled(tx))
		return UINT64_MAX;
	if (tx->pokes == 0 && tx->in_since_progress < POKE_SHAPE)
		return UINT64_MAX;
	return tx->last_in_us + tx->poke_wait_us;
}

static uint64_t
trickle_due(const struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	uint64_t wait = tx->head_sent ? c->trickle_interval : c->trickle_after;

	if (c->trickle_after == 0)
		return UINT64_MAX;
	return tx->last_out_us + wait * 1000;
}

void
tx_silence_arm(struct tx *tx)
{
	uint64_t poke, trickle, due;

	if (tx->poke_wait_us == 0)
		tx->poke_wait_us = tx->svc->conf->stall_poke_ms * 1000;
	if (!eligible(tx)) {
		timer_disarm(tx->core->tq, &tx->silence);
		return;
	}
	poke = poke_due(tx);
	trickle = trickle_due(tx);
	due = poke < trickle ? poke : trickle;
	if (due == UINT64_MAX)
		return;
	if (timer_arm(tx->core->tq, &tx->silence, due) == -1)
		log_warn("no-memory", "id=%s for=trickle", tx->name);
}

/* One byte more, with the head before the first. */
static void
let_out(struct tx *tx, bool poke)
{
	uint64_t max = budget(tx);
	bool first = !tx->head_sent;

	if (poke)
		tx->pokes++;
	if (!first && tx->released >= max) {
		tx->last_out_us = clock_mono_us();
		return;
	}
	if (tx_send_head(tx) == -1 ||
	    (tx->released < max && tx_release(tx, tx->released + 1) == -1)) {
		tx_cut(tx, "out of memory");
		return;
	}
	tx->last_out_us = clock_mono_us();
	if (first)
		METRIC_INC(trickled_total);
	if (poke)
		METRIC_INC(stall_pokes_total);
	log_debug("trickle", "id=%s poke=%d released=%llu of=%llu", tx->name,
	    poke, (unsigned long long)tx->released,
	    (unsigned long long)spool_size(tx->body));
}

/* Everything received so far has to pass a scan first. */
static void
ask_gate(struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	struct tx_scan_what w = { .kind = SCAN_PREFIX,
		.queue_us = tx->set->conf->queue_timeout * 1000,
		.budget_us = conf_scan_budget_us(c, spool_size(tx->body)) };

	if (tx->state != TX_BODY || tx->job != 0 || !tx_submit(tx, &w))
		return;
	tx->gate = GATE_SCANNING;
}

static void
poke_or_trickle(struct tx *tx, bool poke)
{
	if (tx->gate == GATE_OPEN)
		let_out(tx, poke);
	else if (tx->gate == GATE_CLOSED && spool_size(tx->body) > 0)
		ask_gate(tx);
}

static void
next_poke_wait(struct tx *tx)
{
	uint64_t in = spool_size(tx->body);

	if (in == tx->in_at_poke)
		tx->poke_wait_us *= 2;
	else
		tx->poke_wait_us = tx->svc->conf->stall_poke_ms * 1000;
	if (tx->poke_wait_us > POKE_WAIT_MAX_US)
		tx->poke_wait_us = POKE_WAIT_MAX_US;
	tx->in_at_poke = in;
	tx->last_in_us = clock_mono_us();
}

void
tx_silence_fired(struct tx *tx)
{
	uint64_t now = clock_mono_us();

	if (!eligible(tx))
		return;
	if (poke_due(tx) <= now) {
		poke_or_trickle(tx, true);
		if (tx->gate != GATE_SCANNING)
			next_poke_wait(tx);
		else
			tx->last_in_us = now;
	} else if (trickle_due(tx) <= now) {
		poke_or_trickle(tx, false);
		tx->last_out_us = now;
	}
	tx_silence_arm(tx);
}

void
tx_gate_answer(struct tx *tx)
{
	bool poke = poke_enabled(tx) && tx->in_since_progress >= POKE_SHAPE;

	if (tx->done_how != SCHED_ANSWER) {
		tx->gate = GATE_SHUT;
		return;
	}
	if (tx->answer.complete && tx->answer.nfindings == 0) {
		tx->gate = GATE_OPEN;
		let_out(tx, poke);
		if (poke)
			next_poke_wait(tx);
		tx_silence_arm(tx);
		return;
	}
	tx->gate = GATE_SHUT;
	log_info("gate-shut", "id=%s findings=%u why=%s", tx->name,
	    tx->answer.nfindings, LOG_Q(slice_of(tx->answer.text)));
	if (tx->svc->conf->monitor ||
	    !policy_prefix_blocks(tx->svc->conf, &tx->answer))
		return;
	policy_scan_verdict(&tx->verdict, tx->svc->conf, &tx->answer, 0);
	tx->has_verdict = true;
}

void
tx_input_progress(struct tx *tx, size_t len)
{
	tx->last_in_us = clock_mono_us();
	tx->in_since_progress += len;
	if (tx->in_since_progress >= POKE_SHAPE &&
	    tx->in_since_progress - len < POKE_SHAPE && tx->svc != NULL)
		tx_silence_arm(tx);
	if (tx->in_at_poke != 0 && tx->poke_wait_us != 0 && tx->svc != NULL)
		tx->poke_wait_us = tx->svc->conf->stall_poke_ms * 1000;
}
