/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* HEADS, WAIT, DISCARD: which service, may it, and what it says at once. */
#include "net/tx_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void
fill_request(struct tx *tx)
{
	const struct icap_rx *rx = tx->rx;
	int rc;

	if (tx->host->trusted) /* XH-03 */
		identity_read(&tx->who, &rx->icap);
	if (rx->req.raw.p != NULL)
		(void)http_head_url(&tx->url, &rx->req);
	tx->rq.method =
	    rx->icap.method == ICAP_REQMOD ? SVC_REQMOD : SVC_RESPMOD;
	tx->rq.head_request = slice_eq(rx->req.method, SLICE_LIT("HEAD"));
	tx->rq.has_body = rx->icap.encap.body != ENCAP_NULL_BODY;
	tx->rq.req = &rx->req;
	tx->rq.resp = &rx->res;
	tx->rq.query = rx->icap.query;
	tx->rq.client_ip = buf_slice(&tx->who.client);
	tx->rq.user = buf_slice(&tx->who.user);
	tx->rq.groups = buf_slice(&tx->who.groups);
	rc = http_head_content_length(
	    tx->rq.method == SVC_REQMOD ? &rx->req : &rx->res,
	    &tx->declared_len);
	tx->has_declared_len =
	    rc == 1 && !tx->rq.head_request &&
	    http_head_get(tx->rq.method == SVC_REQMOD ? &rx->req : &rx->res,
		"Transfer-Encoding")
		    .p == NULL;
	if (tx->has_declared_len)
		spool_expect(tx->body, tx->declared_len);
}

static bool
method_offered(const struct tx *tx)
{
	switch (tx->svc->conf->methods) {
	case CONF_METHODS_REQMOD:
		return tx->rx->icap.method == ICAP_REQMOD;
	case CONF_METHODS_RESPMOD:
		return tx->rx->icap.method == ICAP_RESPMOD;
	default:
		return true;
	}
}

void
tx_inspect(struct tx *tx, enum svc_stage stage)
{
	memset(&tx->decision, 0, sizeof(tx->decision));
	tx->svc->module->inspect(
	    tx->svc->instance, stage, &tx->rq, &tx->decision);
	if (tx->host->holds && tx->decision.action == SVC_STREAM)
		tx->decision.action = SVC_SCAN;
}

bool
tx_edits(const struct tx *tx)
{
	return tx->decision.ndrop > 0 || tx->decision.add_fields.len > 0;
}

static bool
begin_service(struct tx *tx)
{
	size_t size = tx->svc->module->state_size;

	tx->svc_state = calloc(1, size > 0 ? size : 1);
	tx->rq.state = tx->svc_state;
	return tx->svc_state != NULL;
}

/* What was said at the heads; the body, if any, has not begun. */
enum tx_step
tx_accept(struct tx *tx)
{
	bool wait = tx->rq.has_body && tx->rx->icap.has_preview;

	if (tx->rx->icap.method == ICAP_OPTIONS)
		return tx_reply_options(tx);
	if (tx->decision.action == SVC_FAIL)
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "service cannot decide", NULL);
	if (!tx->rq.has_body && tx->decision.action != SVC_BLOCK)
		return tx_reply_outcome(tx, OUTCOME_EXEMPT, "no body", NULL);
	if (tx->decision.action == SVC_STREAM && tx->rq.method == SVC_RESPMOD)
		return tx_stream_begin(tx, false);
	if (tx->decision.action == SVC_BLOCK && !wait)
		return tx_reply_outcome(tx,
		    tx->decision.outcome != OUTCOME_NONE ? tx->decision.outcome
							 : OUTCOME_POLICY,
		    tx->decision.reason, tx->decision.threat);
	tx_goto(tx, wait ? TX_PREVIEW : TX_BODY);
	return TX_AGAIN;
}

/* Signatures are needed and not there. */
static enum tx_step
not_ready(struct tx *tx, const char *why)
{
	if (tx->rx->icap.method == ICAP_OPTIONS)
		return tx_reply_error(tx, PROTO_ERR_NOT_READY);
	return tx_reply_outcome(tx, OUTCOME_NOT_READY, why, NULL);
}

static bool
needs_signatures(const struct tx *tx)
{
	if (!tx->svc->module->scans || tx->core->loaded.generation != 0)
		return false;
	if (tx->rx->icap.method == ICAP_OPTIONS)
		return true;
	return tx->rq.has_body && tx->decision.action != SVC_PASS &&
	       tx->decision.action != SVC_BLOCK;
}

static enum tx_step
heads_checked(struct tx *tx)
{
	if (!needs_signatures(tx))
		return tx_accept(tx);
	if (!tx->core->loading)
		return not_ready(tx, "no signatures are loaded");
	tx_goto(tx, TX_WAIT);
	return TX_WAIT_EVENT;
}

enum tx_step
tx_run_HEADS(struct tx *tx, enum tx_event ev)
{
	const struct icap_head *h = &tx->rx->icap;

	(void)ev;
	tx->close = tx->close || h->close;
	tx->svc = service_set_find(tx->set, h->service);
	if (tx->svc == NULL)
		return tx_reply_error(tx, PROTO_ERR_UNKNOWN_SERVICE);
	if (h->method == ICAP_OPTIONS) {
		if (tx->core->draining)
			return tx_reply_error(tx, PROTO_ERR_NOT_READY);
		if (h->has_encap && h->encap.body != ENCAP_NULL_BODY) {
			tx_goto(tx, TX_DISCARD);
			return TX_WAIT_EVENT;
		}
		return heads_checked(tx);
	}
	if (!method_offered(tx))
		return tx_reply_error(tx, PROTO_ERR_WRONG_METHOD);
	fill_request(tx);
	if (!begin_service(tx))
		return tx_reply_error(tx, PROTO_ERR_INTERNAL);
	tx_inspect(tx, SVC_AT_HEADS);
	return heads_checked(tx);
}

enum tx_step
tx_run_WAIT(struct tx *tx, enum tx_event ev)
{
	if (ev == TX_EV_TIMEOUT)
		return not_ready(tx, "signatures are still loading");
	if (ev != TX_EV_READY)
		return TX_WAIT_EVENT;
	if (tx->core->loaded.generation == 0)
		return not_ready(tx, "no signatures are loaded");
	return tx_accept(tx);
}

enum tx_step
tx_run_DISCARD(struct tx *tx, enum tx_event ev)
{
	if (ev == TX_EV_TIMEOUT)
		return tx_reply_error(tx, PROTO_ERR_TIMED_OUT);
	if (ev == TX_EV_BODY) {
		tx_touch_deadline(tx);
		if (tx->drained > tx->set->conf->drain_size)
			return tx_reply_error(tx, PROTO_ERR_SECTION_TOO_LARGE);
		return TX_WAIT_EVENT;
	}
	if (ev != TX_EV_BODY_END && ev != TX_EV_PREVIEW_END)
		return TX_WAIT_EVENT;
	if (needs_signatures(tx))
		return tx_reply_error(tx, PROTO_ERR_NOT_READY);
	return tx_reply_options(tx);
}
