/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any datagram on the scan socket, in both directions: what the codec lets
 * through from a client is a request that icap_rx takes (and nothing more than
 * one), and from a daemon a verdict whose pieces lie within it.
 */
#include <string.h>

#include "base/check.h"
#include "net/scan_text.h"
#include "proto/icap_rx.h"
#include "scanapi/scan_client.h"
#include "tests/fuzz/fuzz.h"

static void
as_icap(const struct scanmsg *m)
{
	static const struct icap_rx_limits limits = { .max_icap_head = 65536,
		.max_http_head = SCANMSG_TAIL_MAX };
	struct slice in, body;
	struct icap_rx rx;
	struct buf text;

	buf_init(&text, SCANMSG_TAIL_MAX + 16384);
	CHECK(scan_text_request(&text, m) == 0);
	icap_rx_init(&rx, &limits);
	in = buf_slice(&text);
	if (icap_rx_feed(&rx, &in, &body) == ICAP_RX_HEAD) {
		/* nobody smuggles in fields or a body of their own */
		CHECK(rx.icap.allow_204 && rx.icap.allow_206);
		CHECK(
		    rx.icap.has_preview == (m->u.SCAN.kind == SCANMSG_PREFIX));
		CHECK(rx.req.raw.len == m->u.SCAN.len_req ||
		      m->u.SCAN.len_url > 0);
		CHECK(rx.res.raw.len == m->u.SCAN.len_res);
		CHECK(in.len == 0);
	}
	icap_rx_free(&rx);
	buf_free(&text);
}

static void
as_verdict(const struct scanmsg *m)
{
	struct tolsey_scan_verdict *v = scan_client_verdict(m);

	CHECK(v != NULL);
	CHECK(v->headers.len + v->page_head.len + v->edited_head.len +
		  v->page.len ==
	      m->tail_len);
	if (strcmp(v->outcome, "clean") == 0)
		CHECK(v->action == TOLSEY_SCAN_PASS && !v->early);
	if (v->action == TOLSEY_SCAN_BLOCK)
		CHECK(v->page_head.len > 0);
	for (unsigned int i = 0; i < v->nnames; i++)
		CHECK(strlen(v->names[i]) < 128);
	tolsey_scan_verdict_free(v);
}

static void
as_answer(const uint8_t *data, size_t size)
{
	struct scan_text_answer a;

	scan_text_answer_init(&a);
	if (scan_text_answer_parse(
		&a, (struct slice){ (const char *)data, size }) == 0)
		CHECK(a.head.len <= size && a.status <= 999);
	scan_text_answer_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scanmsg m;

	if (size < 2)
		return 0;
	as_answer(data + 1, size - 1);
	if (scanmsg_parse(&m, data + 1, size - 1,
		data[0] & 1 ? SCANMSG_DAEMON : SCANMSG_CLIENT,
		data[0] >> 1 & 3) != SCANMSG_OK)
		return 0;
	CHECK(m.tail_len < size);
	if (m.type == SCANMSG_SCAN)
		as_icap(&m);
	else if (m.type == SCANMSG_VERDICT)
		as_verdict(&m);
	return 0;
}
