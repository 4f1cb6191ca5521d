/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* REPLY and DRAIN: from a verdict to bytes. */
#include "net/tx_int.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "service/blockpage.h"

#define ECHO_CHUNK ((uint64_t)65536) /* CH-11 */

/* PV-12: answering the preview before any 100, or Allow has 204. */
bool
tx_may_204(const struct tx *tx)
{
	if (tx->head_sent || tx_edits(tx))
		return false;
	return tx->rx->icap.allow_204 ||
	       (tx->rx->icap.has_preview && !tx->sent_100);
}

/*
 * PC-01, PC-03: only where the client still holds all that it sent, which is
 * where a 204 would be permitted but for the edits of the head.
 */
bool
tx_may_206(const struct tx *tx)
{
	const struct icap_head *h = &tx->rx->icap;

	return tx->svc->conf->allow_206 && h->allow_206 && !tx->head_sent &&
	       tx->rq.has_body && tx_edits(tx) &&
	       (h->allow_204 || (h->has_preview && !tx->sent_100));
}

/* The tag is of what scanned it, if that was an older generation (IS-03). */
static struct icap_out_common
common(struct tx *tx)
{
	struct icap_out_common c = { .wall_us = clock_wall_us(),
		.close = tx->close || tx->core->draining,
		.server = tx->core->server };
	const struct service *svc = tx->svc;

	if (svc == NULL && tx->set->conf->nservices > 0)
		svc = &tx->set->services[0];
	if (svc != NULL) {
		net_core_tag(tx->core, tx->set, svc, tx->generation, tx->istag);
		c.istag = slice_of(tx->istag);
	}
	return c;
}

static void
count_status(int status)
{
	if (status == 200)
		METRIC_INC(icap_200_total);
	else if (status == 204)
		METRIC_INC(icap_204_total);
	else if (status == 206)
		METRIC_INC(icap_206_total);
	else if (status >= 400 && status < 500)
		METRIC_INC(icap_4xx_total);
	else if (status >= 500)
		METRIC_INC(icap_5xx_total);
}

/* The last step of every way to an answer. */
static enum tx_step
enter_reply(struct tx *tx, int status, int rc)
{
	if (tx->icap_status == 0) {
		tx->icap_status = status;
		count_status(status);
	}
	if (rc == -1) {
		tx_cut(tx, "answer does not fit");
		return TX_WAIT_EVENT;
	}
	tx_cancel_job(tx);
	timer_disarm(tx->core->tq, &tx->silence);
	tx->trickled = tx->passthrough ? 0 : tx->released;
	tx->t.verdict_us = tx->last_out_us = clock_mono_us();
	tx_goto(tx, TX_REPLY);
	return TX_AGAIN;
}

enum tx_step
tx_reply_error(struct tx *tx, enum proto_err e)
{
	struct icap_out_common c;
	int status = proto_err_info(e)->status;

	tx->close = true;
	if (tx->head_sent || tx->state == TX_DRAIN || status == 0) {
		tx_cut(tx, proto_err_info(e)->text);
		return TX_WAIT_EVENT;
	}
	METRIC_INC(protocol_errors_total);
	log_info("request-refused", "id=%s status=%d why=\"%s\"", tx->name,
	    status, proto_err_info(e)->text);
	c = common(tx);
	return enter_reply(tx, status, icap_out_error(&tx->out->bytes, &c, e));
}

void
tx_protocol_error(struct tx *tx, enum proto_err e)
{
	if (tx->state == TX_REPLY || tx->state == TX_DONE)
		return;
	if (tx->state == TX_DRAIN) {
		tx->close = true;
		tx_goto(tx, TX_DONE);
		return;
	}
	if (tx_reply_error(tx, e) == TX_AGAIN)
		tx_event(tx, TX_EV_ENTER);
}

enum tx_step
tx_reply_options(struct tx *tx)
{
	const struct conf_service *s = tx->svc->conf;
	struct icap_out_common c = common(tx);
	struct icap_out_options o = {
		.service = "tolsey antivirus",
		.service_id = s->name,
		.reqmod = s->methods != CONF_METHODS_RESPMOD,
		.respmod = s->methods != CONF_METHODS_REQMOD,
		.max_connections = tx->core->max_connections > 0
				       ? tx->core->max_connections
				       : tx->set->conf->max_connections,
		.ttl_s = s->options_ttl / 1000,
		.preview = s->preview,
		.preview_size = s->preview_size,
		/* OP-09: to who asked for it */
		.offer_206 = s->allow_206 && tx->rx->icap.allow_206,
	};

	METRIC_INC(options_total);
	return enter_reply(tx, 200, icap_out_options(&tx->out->bytes, &c, &o));
}

static struct slice
threat_name(const struct tx *tx)
{
	if (tx->verdict.nnames > 0)
		return slice_of(tx->verdict.names[0]);
	return slice_of(outcome_info(tx->verdict.outcome)->word);
}

static void
fill_page(const struct tx *tx, struct blockpage *p)
{
	memset(p, 0, sizeof(*p));
	p->outcome = tx->verdict.outcome;
	if (tx->verdict.nnames > 0)
		p->threat = slice_of(tx->verdict.names[0]);
	p->url = (struct slice){ tx->url.p, tx->url.len };
	p->part = slice_of(tx->verdict.part);
	p->filename = http_head_filename(&tx->rx->req, &tx->rx->res);
	p->user = tx->rq.user;
	p->groups = tx->rq.groups;
	p->client = tx->rq.client_ip;
	p->service = tx->svc->conf->name;
	p->contact = tx->svc->conf->contact;
	p->id = tx->name;
	p->wall_us = clock_wall_us();
	p->head_only = tx->rq.head_request;
}

/* A page as one chunk and the end of the body. */
static int
append_page(struct buf *out, const struct buf *page)
{
	char head[ICAP_OUT_CHUNK_HEAD_MAX + 1];
	size_t n = icap_out_chunk_head(head, page->len);

	if (buf_append(out, head, n) == -1 ||
	    buf_append(out, page->p, page->len) == -1 ||
	    buf_append_str(out, "\r\n") == -1)
		return -1;
	return icap_out_last_chunk(out, SLICE_NONE);
}

static enum tx_step
reply_block(struct tx *tx)
{
	struct buf head, page;
	struct blockpage p;
	struct icap_out_common c = common(tx);
	struct icap_out_threat t = {
		.type = policy_threat_type(tx->verdict.outcome),
		.resolution = 2,
		.name = threat_name(tx),
	};
	struct icap_out_200 a = { .threat = &t,
		.no_store = tx->rq.method == SVC_REQMOD };
	int rc;

	buf_init(&head, BLOCKPAGE_MAX);
	buf_init(&page, BLOCKPAGE_MAX);
	fill_page(tx, &p);
	rc = blockpage_make(&head, &page, &p,
	    (struct slice){ tx->set->template, tx->set->template_len });
	a.res_hdr = buf_slice(&head);
	a.body = page.len > 0 ? ENCAP_RES_BODY : ENCAP_NULL_BODY;
	if (rc == 0)
		rc = icap_out_200(&tx->out->bytes, &c, &a);
	if (rc == 0 && page.len > 0)
		rc = append_page(&tx->out->bytes, &page);
	tx->last_chunk_sent = true;
	buf_free(&head);
	buf_free(&page);
	return enter_reply(tx, 200, rc);
}

/* RM-07: a length that is not true is not sent on. */
static bool
length_is_wrong(const struct tx *tx, const struct http_head *h)
{
	uint64_t len;
	int rc = http_head_content_length(h, &len);

	if (!tx->rq.has_body || !tx->body_end || tx->passthrough ||
	    tx->state == TX_STREAM)
		return false;
	return rc == -1 || (rc == 1 && len != spool_size(tx->body));
}

static int
make_head(struct tx *tx, const struct http_head *h)
{
	static const char *const length[] = { "Content-Length" };
	const char *drop[16];
	size_t n = 0;

	if (tx->rq.method == SVC_REQMOD)
		for (; n < tx->decision.ndrop && n < COUNTOF(drop) - 1; n++)
			drop[n] = tx->decision.drop_fields[n];
	if (length_is_wrong(tx, h))
		drop[n++] = length[0];
	return http_head_edit(&tx->head, h, drop, n,
	    tx->rq.method == SVC_REQMOD ? tx->decision.add_fields : SLICE_NONE);
}

static int
send_head(struct tx *tx, bool partial)
{
	bool req = tx->rq.method == SVC_REQMOD;
	const struct http_head *h = req ? &tx->rx->req : &tx->rx->res;
	struct icap_out_common c = common(tx);
	struct icap_out_200 a = { .no_store = req, .partial = partial };

	if (h->raw.p != NULL && make_head(tx, h) == -1)
		return -1;
	if (req)
		a.req_hdr = buf_slice(&tx->head);
	else
		a.res_hdr = buf_slice(&tx->head);
	a.body = tx->rx->icap.encap.body;
	if (icap_out_200(&tx->out->bytes, &c, &a) == -1)
		return -1;
	tx->head_sent = true;
	tx->icap_status = partial ? 206 : 200;
	count_status(tx->icap_status);
	return 0;
}

int
tx_send_head(struct tx *tx)
{
	return tx->head_sent ? 0 : send_head(tx, false);
}

/* The edited head, and the client's own copy of the body (PC-02, PC-04). */
static int
send_206(struct tx *tx)
{
	if (send_head(tx, true) == -1)
		return -1;
	tx->last_chunk_sent = true;
	tx->bytes_out = spool_size(tx->body);
	return icap_out_original_body(&tx->out->bytes);
}

int
tx_release(struct tx *tx, uint64_t to)
{
	char head[ICAP_OUT_CHUNK_HEAD_MAX + 1];
	uint64_t len = to - tx->released;
	size_t n;

	if (len == 0)
		return 0;
	n = icap_out_chunk_head(head, len);
	if (buf_append(&tx->out->bytes, head, n) == -1 ||
	    outq_add_range(tx->out, tx->body, tx->released, len) == -1 ||
	    buf_append_str(&tx->out->bytes, "\r\n") == -1)
		return -1;
	tx->released = to;
	tx->bytes_out += len;
	tx->last_out_us = clock_mono_us();
	return 0;
}

static enum tx_step
reply_pass(struct tx *tx)
{
	struct icap_out_common c = common(tx);

	if (!tx->head_sent && tx_may_204(tx)) {
		tx->last_chunk_sent = true;
		tx->bytes_out = spool_size(tx->body);
		return enter_reply(tx, 204, icap_out_204(&tx->out->bytes, &c));
	}
	if (tx_may_206(tx))
		return enter_reply(tx, 206, send_206(tx));
	if (tx->rq.has_body)
		tx->echo = true;
	else
		tx->last_chunk_sent = true;
	return enter_reply(tx, 200, tx_send_head(tx));
}

bool
tx_request_is_over(const struct tx *tx)
{
	return tx->body_end || !tx->rq.has_body ||
	       (tx->preview_ended && !tx->sent_100);
}

enum tx_step
tx_reply_verdict(struct tx *tx)
{
	const struct verdict *v = &tx->verdict;

	if (v->action == ACTION_PASS) {
		return reply_pass(tx);
	}
	if (tx->head_sent) {
		tx_cut(tx, "verdict came after the release began");
		return TX_WAIT_EVENT;
	}
	if (v->action == ACTION_ERROR) {
		struct icap_out_common c;

		tx->close = true;
		c = common(tx);
		return enter_reply(tx, 500,
		    icap_out_error(&tx->out->bytes, &c, PROTO_ERR_INTERNAL));
	}
	return reply_block(tx);
}

enum tx_step
tx_reply_outcome(
    struct tx *tx, enum outcome o, const char *reason, const char *threat)
{
	policy_verdict(&tx->verdict, tx->svc->conf, o, reason, threat);
	tx->has_verdict = true;
	/* it passes, but is not whole here: what comes goes out as it comes */
	if (tx->verdict.action == ACTION_PASS && !tx_request_is_over(tx))
		return tx_stream_begin(tx, true);
	return tx_reply_verdict(tx);
}

bool
tx_pump(struct tx *tx)
{
	uint64_t size = spool_size(tx->body), to;

	while (tx->released < size) {
		if (!outq_has_room(tx->out))
			return false;
		to = tx->released + ECHO_CHUNK;
		if (tx_release(tx, to < size ? to : size) == -1) {
			tx_cut(tx, "out of memory");
			return false;
		}
	}
	return true;
}

static bool
answer_complete(struct tx *tx)
{
	if (tx->last_chunk_sent)
		return true;
	if (tx->echo && !tx_pump(tx))
		return false;
	if (tx->echo && tx_stream_flush(tx, tx->window.len) == -1) {
		tx_cut(tx, "out of memory");
		return false;
	}
	if (tx->echo || tx->head_sent) {
		if (icap_out_last_chunk(
			&tx->out->bytes, icap_rx_trailer(tx->rx)) == -1) {
			tx_cut(tx, "out of memory");
			return false;
		}
	}
	tx->last_chunk_sent = true;
	return true;
}

/* What the spool had no space for is not needed any more. */
static void
forget_held(struct tx *tx)
{
	tx->drained += tx->held.len;
	buf_free(&tx->held);
	tx->body_end = tx->body_end || tx->held_end;
}

enum tx_step
tx_run_REPLY(struct tx *tx, enum tx_event ev)
{
	(void)ev;
	if (!answer_complete(tx) || outq_pending(tx->out) > 0)
		return TX_WAIT_EVENT;
	tx->t.end_us = clock_mono_us();
	forget_held(tx);
	if (tx->svc == NULL || tx->rx->icap.method == ICAP_OPTIONS ||
	    tx_request_is_over(tx) || tx->icap_status >= 400) {
		tx_goto(tx, TX_DONE);
		return TX_AGAIN;
	}
	tx_goto(tx, TX_DRAIN);
	return TX_WAIT_EVENT;
}

enum tx_step
tx_run_DRAIN(struct tx *tx, enum tx_event ev)
{
	if (ev == TX_EV_TIMEOUT || tx->drained > tx->set->conf->drain_size)
		tx->close = true;
	else if (ev != TX_EV_BODY_END && ev != TX_EV_PREVIEW_END)
		return TX_WAIT_EVENT;
	tx_goto(tx, TX_DONE);
	return TX_AGAIN;
}
