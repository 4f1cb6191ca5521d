/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * STREAM: what goes out as it comes. Endless types are released in windows,
 * each scanned together with an overlap of what went before; a hit cuts. What
 * passes without a scan (too large, exempt, overload with action pass) goes
 * out the same way, without windows.
 */
#include "net/tx_int.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define STREAM_OVERLAP ((size_t)16384)
#define STREAM_WINDOW_MAX ((size_t)262144) /* then reading pauses */
#define STREAM_OUT_MAX ((uint64_t)262144)
#define STREAM_SNIFF ((size_t)5) /* "data:" */

bool
tx_stream_has_room(const struct tx *tx)
{
	return tx->window.len - tx->overlap < STREAM_WINDOW_MAX &&
	       outq_pending(tx->out) < STREAM_OUT_MAX;
}

static bool
in_preview(const struct tx *tx)
{
	return tx->rx->icap.has_preview && !tx->preview_ended;
}

/* It may still be answered 204, so nothing needs to be kept or sent. */
static bool
ends_as_204(const struct tx *tx)
{
	return tx->passthrough && tx->released == 0 && tx_may_204(tx);
}

bool
tx_stream_store(struct tx *tx, struct slice bytes)
{
	tx_input_progress(tx, bytes.len);
	/* never behind what had to go to the window for lack of space */
	if (tx->passthrough && in_preview(tx) && tx->window.len == 0)
		return tx_store(tx, bytes);
	if (ends_as_204(tx)) {
		tx->drained += bytes.len;
		return true;
	}
	if (buf_append_slice(&tx->window, bytes) == -1)
		tx_cut(tx, "stream window is full");
	return true;
}

int
tx_stream_flush(struct tx *tx, size_t upto)
{
	char head[ICAP_OUT_CHUNK_HEAD_MAX + 1];
	size_t len = upto - tx->overlap, n, drop;

	if (upto <= tx->overlap)
		return 0;
	n = icap_out_chunk_head(head, len);
	if (buf_append(&tx->out->bytes, head, n) == -1 ||
	    buf_append(&tx->out->bytes, tx->window.p + tx->overlap, len) ==
		-1 ||
	    buf_append_str(&tx->out->bytes, "\r\n") == -1)
		return -1;
	tx->bytes_out += len;
	tx->last_out_us = clock_mono_us();
	drop = tx->passthrough         ? upto
	       : upto > STREAM_OVERLAP ? upto - STREAM_OVERLAP
				       : 0;
	buf_consume(&tx->window, drop);
	tx->overlap = upto - drop;
	return 0;
}

/* Whether the first bytes are what the declared type says (SE-12). */
static bool
looks_like_its_type(const struct tx *tx)
{
	static const char *const sse[] = { "data", "event", "id", "retry", ":",
		"\n", "\r", "\xef\xbb\xbf" };
	struct slice type = tx_declared_type(tx), w = buf_slice(&tx->window);

	if (slice_case_has_prefix(type, SLICE_LIT("text/event-stream"))) {
		for (size_t i = 0; i < COUNTOF(sse); i++)
			if (slice_has_prefix(w, slice_of(sse[i])))
				return true;
		return false;
	}
	if (slice_case_has_prefix(type, SLICE_LIT("multipart/")))
		return slice_has_prefix(w, SLICE_LIT("--")) ||
		       slice_has_prefix(w, SLICE_LIT("\r\n--"));
	if (slice_case_has_prefix(type, SLICE_LIT("application/grpc")))
		return w.len > 0 && (w.p[0] == 0 || w.p[0] == 1);
	/* audio: not an archive, a document or a program */
	return !slice_has_prefix(w, SLICE_LIT("PK")) &&
	       !slice_has_prefix(w, SLICE_LIT("MZ")) &&
	       !slice_has_prefix(w, SLICE_LIT("\x7f"
					      "ELF")) &&
	       !slice_has_prefix(w, SLICE_LIT("%PDF")) &&
	       !slice_has_prefix(w, SLICE_LIT("Rar!")) &&
	       !slice_has_prefix(w, SLICE_LIT("7z")) &&
	       !slice_has_prefix(w, SLICE_LIT("\x1f\x8b")) &&
	       !slice_has_prefix(w, SLICE_LIT("<"));
}

/* Not what it claims to be: held and scanned as a whole like anything. */
static enum tx_step
fall_back(struct tx *tx)
{
	struct slice w = buf_slice(&tx->window);
	bool ended = tx->body_end;

	log_info("stream-refused", "id=%s why=\"does not look like its type\"",
	    tx->name);
	tx->decision.action = SVC_SCAN;
	tx_goto(tx, in_preview(tx) && !ended ? TX_PREVIEW : TX_BODY);
	if (!tx_store(tx, w)) {
		/* it waits for space; so does the end that came with it */
		tx->held_end = ended;
		tx->body_end = ended = false;
	}
	buf_free(&tx->window);
	tx->overlap = tx->in_scan = 0;
	if (ended)
		tx_goto(tx, TX_SCAN);
	return TX_AGAIN;
}

static enum tx_step
scan_window(struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	struct tx_scan_what w = { .kind = SCAN_PREFIX,
		.mem = buf_slice(&tx->window),
		.queue_us = tx->set->conf->queue_timeout * 1000,
		.budget_us = conf_scan_budget_us(c, tx->window.len) };

	if (tx->in_scan > 0 || tx->window.len <= tx->overlap)
		return TX_WAIT_EVENT;
	if (w.mem.len > MSG_INLINE_BODY_MAX)
		w.mem.len = MSG_INLINE_BODY_MAX;
	tx->in_scan = w.mem.len;
	if (tx_submit(tx, &w))
		return TX_WAIT_EVENT;
	return tx_reply_outcome(tx, OUTCOME_FAILED, tx->not_submitted, NULL);
}

static enum tx_step
finish_stream(struct tx *tx)
{
	struct verdict streamed;

	if (!tx->body_end || tx->in_scan > 0 || tx->window.len > tx->overlap)
		return TX_WAIT_EVENT;
	policy_verdict(&streamed, tx->svc->conf, OUTCOME_STREAMED,
	    "released in scanned windows", NULL);
	/* a finding that passes is told rather than that it was a stream */
	if (!tx->has_verdict || streamed.action != ACTION_PASS)
		tx->verdict = streamed;
	tx->has_verdict = true;
	if (tx_send_head(tx) == -1)
		tx_cut(tx, "out of memory");
	return tx_reply_verdict(tx);
}

static enum tx_step
window_answered(struct tx *tx)
{
	size_t ok = tx->in_scan;
	const struct tx_scan_what w = { .kind = SCAN_PREFIX,
		.mem = { tx->window.p, tx->in_scan } };

	(void)tx_note_end(tx, &w);
	tx->in_scan = 0;
	if (tx->done_how != SCHED_ANSWER)
		return tx_reply_outcome(tx,
		    tx->done_how == SCHED_OVERDUE  ? OUTCOME_TIMEOUT
		    : tx->done_how == SCHED_QUEUED ? OUTCOME_OVERLOAD
						   : OUTCOME_FAILED,
		    "a window of the stream could not be scanned", NULL);
	if (tx->answer.nfindings > 0 || !tx->answer.complete) {
		policy_scan_verdict(
		    &tx->verdict, tx->svc->conf, &tx->answer, 0);
		tx->has_verdict = true;
		if (tx->verdict.action != ACTION_PASS)
			return tx_reply_verdict(tx);
	}
	if (tx_send_head(tx) == -1 || tx_stream_flush(tx, ok) == -1) {
		tx_cut(tx, "out of memory");
		return TX_WAIT_EVENT;
	}
	if (tx->window.len > tx->overlap)
		return scan_window(tx);
	return finish_stream(tx);
}

static enum tx_step
window_received(struct tx *tx)
{
	if (tx->window.len < STREAM_SNIFF && !tx->body_end)
		return TX_WAIT_EVENT;
	if (!tx->type_checked && tx->window.len > 0) {
		tx->type_checked = true;
		if (!looks_like_its_type(tx))
			return fall_back(tx);
	}
	if (tx->window.len > tx->overlap)
		return scan_window(tx);
	return finish_stream(tx);
}

/* Passing without a scan: what is stored first, then what comes. */
static enum tx_step
pass_on(struct tx *tx)
{
	if (ends_as_204(tx) || in_preview(tx))
		return TX_WAIT_EVENT;
	if (tx_send_head(tx) == -1) {
		tx_cut(tx, "out of memory");
		return TX_WAIT_EVENT;
	}
	if (tx_pump(tx) && outq_has_room(tx->out) &&
	    tx_stream_flush(tx, tx->window.len) == -1)
		tx_cut(tx, "out of memory");
	return TX_WAIT_EVENT;
}

static enum tx_step
run_passthrough(struct tx *tx, enum tx_event ev)
{
	switch (ev) {
	case TX_EV_PREVIEW_END:
		if (tx_may_204(tx))
			return tx_reply_verdict(tx);
		return tx_continue(tx, TX_STREAM);
	case TX_EV_BODY_END:
		return tx_reply_verdict(tx);
	case TX_EV_TIMEOUT: /* no space within QueueTimeout: none is needed */
	case TX_EV_SPACE:
		if (tx->held.len == 0)
			return TX_WAIT_EVENT;
		if (buf_append_slice(&tx->window, buf_slice(&tx->held)) == -1)
			tx_cut(tx, "out of memory");
		buf_free(&tx->held);
		return pass_on(tx);
	default:
		return pass_on(tx);
	}
}

/* Silence of the client, unless it is we who do not read. */
static enum tx_step
stream_silent(struct tx *tx)
{
	if (!tx->body_end && tx_wants_input(tx))
		return tx_reply_error(tx, PROTO_ERR_TIMED_OUT);
	tx_touch_deadline(tx);
	return TX_WAIT_EVENT;
}

enum tx_step
tx_run_STREAM(struct tx *tx, enum tx_event ev)
{
	if (ev == TX_EV_TIMEOUT && tx->held.len == 0)
		return stream_silent(tx);
	if (ev == TX_EV_BODY)
		tx_touch_deadline(tx);
	if (tx->passthrough)
		return run_passthrough(tx, ev);
	switch (ev) {
	case TX_EV_PREVIEW_END:
		if (tx_continue(tx, TX_STREAM) == TX_AGAIN)
			return TX_AGAIN;
		return window_received(tx);
	case TX_EV_BODY:
	case TX_EV_BODY_END:
		return window_received(tx);
	case TX_EV_SCAN:
		return window_answered(tx);
	default:
		return TX_WAIT_EVENT;
	}
}

enum tx_step
tx_stream_begin(struct tx *tx, bool passthrough)
{
	/* what is not to be released in windows is not begun */
	if (!passthrough && tx->state != TX_STREAM &&
	    tx->svc->conf->actions[OUTCOME_STREAMED] != ACTION_PASS &&
	    !tx->svc->conf->monitor)
		return tx_reply_outcome(
		    tx, OUTCOME_STREAMED, "it has no end", NULL);
	if (passthrough && !tx->has_verdict) {
		policy_verdict(&tx->verdict, tx->svc->conf, OUTCOME_EXEMPT,
		    tx->decision.reason, NULL);
		tx->has_verdict = true;
	}
	tx_cancel_job(tx);
	if (tx->state == TX_STREAM) {
		/* a window could not be scanned, and that passes */
		buf_consume(&tx->window, tx->overlap);
		tx->overlap = 0;
		tx->passthrough = true;
		return TX_AGAIN;
	}
	tx->passthrough = passthrough;
	if (passthrough && tx->held.len > 0) {
		if (buf_append_slice(&tx->window, buf_slice(&tx->held)) == -1)
			tx_cut(tx, "out of memory");
		buf_free(&tx->held);
	}
	tx_goto(tx, TX_STREAM);
	return TX_AGAIN;
}
