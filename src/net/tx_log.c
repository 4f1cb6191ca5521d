/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The access line of a transaction, and what it counts. */
#include "net/tx_int.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define LOG_VALUE_MAX 1024
#define LOG_LINE_MAX 16384

struct slice
tx_declared_type(const struct tx *tx)
{
	const struct http_head *h =
	    tx->rq.method == SVC_REQMOD ? &tx->rx->req : &tx->rx->res;
	struct slice v;

	if (h->raw.p == NULL)
		return SLICE_NONE;
	v = http_head_get(h, "Content-Type");
	if (slice_find(v, ';') >= 0)
		v.len = (size_t)slice_find(v, ';');
	return slice_trim(v);
}

static const char *
method_name(const struct tx *tx)
{
	return tx->rq.method == SVC_REQMOD ? "REQMOD" : "RESPMOD";
}

/* As LogUrl says; the bytes are the client's. */
static struct slice
logged_url(const struct tx *tx)
{
	struct slice u = { tx->url.p, tx->url.len };
	ptrdiff_t at;

	if (tx->set->conf->log_url == CONF_LOG_URL_FULL)
		return u;
	if ((at = slice_find(u, '?')) >= 0)
		u.len = (size_t)at;
	if (tx->set->conf->log_url == CONF_LOG_URL_NOQUERY)
		return u;
	for (size_t i = 0; i + 2 < u.len; i++) {
		if (memcmp(u.p + i, "://", 3) != 0)
			continue;
		at = slice_find(
		    (struct slice){ u.p + i + 3, u.len - i - 3 }, '/');
		if (at >= 0)
			u.len = i + 3 + (size_t)at;
		break;
	}
	return u;
}

/* A line is written for each request: printf would be half of its cost. */
static void
begin_value(struct buf *b, const char *key)
{
	(void)buf_append(b, " ", 1);
	(void)buf_append_str(b, key);
	(void)buf_append(b, "=", 1);
}

static void
add(struct buf *b, const char *key, struct slice value)
{
	begin_value(b, key);
	if (value.len == 0)
		(void)buf_append_str(b, "-");
	else
		(void)log_quote(b, value, LOG_VALUE_MAX);
}

/* A word of our own, which needs no quotes. */
static void
add_word(struct buf *b, const char *key, const char *word)
{
	begin_value(b, key);
	(void)buf_append_str(b, word);
}

static void
add_number(struct buf *b, const char *key, uint64_t v)
{
	begin_value(b, key);
	(void)buf_append_u64(b, v);
}

static void
add_names(struct buf *b, const struct verdict *v)
{
	struct buf names;

	buf_init(&names, LOG_VALUE_MAX);
	for (uint32_t i = 0; i < v->nnames; i++) {
		(void)buf_append_str(&names, i > 0 ? "," : "");
		(void)buf_append_str(&names, v->names[i]);
	}
	add(b, "threats", buf_slice(&names));
	buf_free(&names);
}

static void
add_sha256(struct buf *b, struct tx *tx)
{
	const unsigned char *digest;
	char hex[HASH_HEX_LEN];

	if (!tx->body_end || tx->verdict.outcome == OUTCOME_CLEAN ||
	    !tx->rq.has_body || (digest = tx_digest(tx)) == NULL)
		return;
	hash_hex(digest, hex);
	add_word(b, "sha256", hex);
}

static uint64_t
span_ms(uint64_t from, uint64_t to)
{
	return to > from ? (to - from) / 1000 : 0;
}

static void
add_times(struct buf *b, const struct tx *tx)
{
	const struct tx_times *t = &tx->t;

	add_number(b, "receive_ms", span_ms(t->begin_us, t->received_us));
	add_number(b, "queue_us", t->queue_us);
	add_number(b, "scan_us", t->scan_us);
	add_number(b, "send_ms", span_ms(t->verdict_us, t->end_us));
}

static void
add_course(struct buf *b, const struct tx *tx)
{
	add_word(b, "preview",
	    !tx->rx->icap.has_preview ? "no"
	    : tx->preview_is_whole    ? "whole"
				      : "yes");
	add_number(b, "100", tx->sent_100);
	add_number(b, "trickled", tx->cut ? tx->released : tx->trickled);
	add_number(b, "pokes", tx->pokes);
	if (tx->cut)
		(void)buf_append_str(b, " cut=1");
}

static const char *const source_words[] = { [SOURCE_NONE] = "-",
	[SOURCE_SCAN] = "miss",
	[SOURCE_CACHE] = "hit",
	[SOURCE_SHARED] = "shared" };

static void
make_line(struct buf *b, struct tx *tx)
{
	char when[CLOCK_ISO_LEN];
	const struct http_head *h = &tx->rx->res;

	clock_iso(clock_wall_us(), when);
	(void)buf_append_str(b, when);
	(void)buf_append_str(b, " access");
	add_word(b, "id", tx->name);
	add_word(b, "service", tx->svc->conf->name);
	add_word(b, "method", method_name(tx));
	add(b, "peer", slice_of(tx->host->peer));
	add(b, "client", tx->rq.client_ip);
	add(b, "user", tx->rq.user);
	if (tx->rq.groups.len > 0)
		add(b, "groups", tx->rq.groups);
	add(b, "request", tx->rx->req.method);
	add(b, "url", logged_url(tx));
	add_number(b, "http", (uint64_t)h->status);
	add_number(b, "icap", (uint64_t)tx->icap_status);
	add_course(b, tx);
	add(b, "type", tx_declared_type(tx));
	add(b, "detected", slice_of(tx->answer.type));
	add(b, "file", http_head_filename(&tx->rx->req, &tx->rx->res));
	add_number(b, "size", spool_size(tx->body) + tx->drained);
	add_word(b, "outcome", outcome_info(tx->verdict.outcome)->word);
	add_word(b, "action", action_word(tx->verdict.action));
	if (tx->verdict.action != tx->verdict.wanted)
		add_word(b, "monitor_would", action_word(tx->verdict.wanted));
	if (tx->verdict.nnames > 0)
		add_names(b, &tx->verdict);
	if (tx->verdict.part[0] != '\0')
		add(b, "part", slice_of(tx->verdict.part));
	if (tx->verdict.reason[0] != '\0')
		add(b, "reason", slice_of(tx->verdict.reason));
	add_sha256(b, tx);
	add_word(b, "cache", source_words[tx->source]);
	add_number(b, "generation", tx->generation);
	add_times(b, tx);
}

static void
count_http_status(int status)
{
	switch (status / 100) {
	case 1:
		METRIC_INC(http_1xx_total);
		break;
	case 2:
		METRIC_INC(http_2xx_total);
		break;
	case 3:
		METRIC_INC(http_3xx_total);
		break;
	case 4:
		METRIC_INC(http_4xx_total);
		break;
	case 5:
		METRIC_INC(http_5xx_total);
		break;
	default:
		break;
	}
}

static void
count(const struct tx *tx)
{
	unsigned int i = tx->svc->conf->index;

	if (tx->rq.method == SVC_REQMOD)
		METRIC_INC(reqmod_total);
	else
		METRIC_INC(respmod_total);
	count_http_status(tx->rx->res.status);
	if (i < METRICS_MAX_SERVICES)
		METRIC_INC(outcomes[i][tx->verdict.outcome]);
	if (tx->verdict.action == ACTION_PASS &&
	    tx->verdict.outcome != OUTCOME_CLEAN)
		METRIC_ADD(bytes_unscanned_total, tx->bytes_out);
}

void
tx_log_access(struct tx *tx)
{
	struct buf line;
	unsigned int mode = tx->set->conf->log_access;

	if (tx->svc == NULL || tx->rx->icap.method == ICAP_OPTIONS)
		return;
	/* the client left before there was a verdict: nothing was passed */
	if (!tx->has_verdict)
		policy_verdict(&tx->verdict, tx->svc->conf, OUTCOME_FAILED,
		    tx->icap_status != 0 ? "request refused" : "client gone",
		    NULL);
	count(tx);
	if (mode == CONF_LOG_ACCESS_OFF ||
	    (mode == CONF_LOG_ACCESS_NOTCLEAN &&
		tx->verdict.outcome == OUTCOME_CLEAN))
		return;
	buf_init(&line, LOG_LINE_MAX);
	make_line(&line, tx);
	log_access_line(buf_slice(&line));
	buf_free(&line);
}
