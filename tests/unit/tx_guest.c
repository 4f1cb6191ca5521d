/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/tx_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQ_HDR "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define RES_HDR "HTTP/1.1 200 OK\r\n\r\n"

struct world w;
static struct guest guests[MAX_GUESTS];
static unsigned int nguests;

static void
kick(void *ctx)
{
	(void)ctx;
}

void
begin(const char *const overrides[])
{
	world_init(&w, overrides, true);
	w.caches = true;
	nguests = 0;
}

static void
guest_free(struct guest *g)
{
	outq_free(&g->out);
	tx_free(&g->tx);
	icap_rx_finish(&g->rx);
	icap_rx_free(&g->rx);
	buf_free(&g->sent);
}

struct guest *
guest_at(unsigned int i)
{
	return i < nguests && guests[i].tx != NULL ? &guests[i] : NULL;
}

void
leave(struct guest *g)
{
	outq_free(&g->out);
	tx_free(&g->tx);
}

void
end(void)
{
	for (unsigned int i = 0; i < nguests; i++)
		guest_free(&guests[i]);
	for (size_t i = 0; i < NET_CORE_BUCKETS; i++)
		assert_true(TAILQ_EMPTY(&w.core.flights[i]));
	world_free(&w);
}

static void
handle(struct guest *g, enum icap_rx_event ev, struct slice body)
{
	switch (ev) {
	case ICAP_RX_HEAD:
		g->tx = tx_new(&w.core, &g->host, &g->rx, &g->out);
		assert_non_null(g->tx);
		tx_start(g->tx);
		break;
	case ICAP_RX_BODY:
		tx_body(g->tx, body);
		break;
	case ICAP_RX_BODY_END:
		tx_body_end(g->tx);
		break;
	default:
		fail_msg("event %d", (int)ev);
	}
}

/* A new client asks for a response with these fields and this body. */
struct guest *
ask_for(const char *peer, const char *fields, const char *body)
{
	static const struct icap_rx_limits limits = { .max_icap_head = 32768,
		.max_http_head = 131072 };
	struct guest *g = &guests[nguests++];
	char text[4096];
	struct slice in, piece;
	enum icap_rx_event ev;

	assert_true(nguests <= MAX_GUESTS);
	memset(g, 0, sizeof(*g));
	icap_rx_init(&g->rx, &limits);
	outq_init(&g->out);
	buf_init(&g->sent, 1 << 20);
	g->host = (struct tx_host){ .kick = kick, .ctx = g, .peer = peer };
	(void)snprintf(text, sizeof(text),
	    "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n"
	    "Encapsulated: req-hdr=0, res-hdr=%zu, res-body=%zu\r\n\r\n"
	    "%sHTTP/1.1 200 OK\r\n%s\r\n%zx\r\n%s\r\n0\r\n\r\n",
	    strlen(REQ_HDR), strlen(REQ_HDR) + strlen(RES_HDR) + strlen(fields),
	    REQ_HDR, fields, strlen(body), body);
	in = slice_of(text);
	while ((ev = icap_rx_feed(&g->rx, &in, &piece)) != ICAP_RX_MORE) {
		handle(g, ev, piece);
		if (ev == ICAP_RX_BODY_END)
			break;
	}
	return g;
}

struct guest *
ask(const char *body)
{
	return ask_for("192.0.2.1", "", body);
}

/* What went out to it so far. */
const char *
sent(struct guest *g)
{
	struct outq_file file;
	struct iovec iov[8];
	int n;

	tx_event(g->tx, TX_EV_OUTPUT);
	while (outq_pending(&g->out) > 0) {
		uint64_t len = 0;

		n = outq_next(&g->out, iov, 8, &file);
		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			assert_int_equal(buf_append(&g->sent, iov[i].iov_base,
					     iov[i].iov_len),
			    0);
			len += iov[i].iov_len;
		}
		outq_sent(&g->out, len);
		tx_event(g->tx, TX_EV_OUTPUT);
	}
	return buf_cstr(&g->sent);
}

void
has(struct guest *g, const char *what)
{
	const char *s = sent(g);

	if (strstr(s, what) == NULL)
		fail_msg("missing \"%s\" in:\n%s", what, s);
}

void
is_silent(struct guest *g)
{
	assert_string_equal(sent(g), "");
}

void
is_clean(struct guest *g, enum tx_source source)
{
	has(g, "ICAP/1.0 204 ");
	assert_int_equal(g->tx->verdict.outcome, OUTCOME_CLEAN);
	assert_int_equal(g->tx->source, source);
}

void
ends_as(struct guest *g, enum outcome o)
{
	has(g, "ICAP/1.0 200 ");
	if (g->tx->verdict.outcome != o)
		fail_msg("%s instead of %s: %s",
		    outcome_info(g->tx->verdict.outcome)->word,
		    outcome_info(o)->word, g->tx->verdict.reason);
}
