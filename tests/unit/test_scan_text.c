/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* A request of the scan socket as ICAP, and the answer taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/scan_text.h"
#include "proto/icap_out.h"
#include "proto/icap_rx.h"

static const struct icap_rx_limits limits = { .max_icap_head = 65536,
	.max_http_head = 65536 };

/* What icap_rx makes of it; the body that follows begins a chunk. */
static enum icap_rx_event
receive(struct icap_rx *rx, const struct scanmsg_scan *s, const char *tail)
{
	struct scanmsg m = {
		.type = SCANMSG_SCAN, .tail = tail, .tail_len = strlen(tail)
	};
	struct slice in, body;
	struct buf text;
	enum icap_rx_event ev;

	m.u.SCAN = *s;
	buf_init(&text, 1 << 20);
	assert_int_equal(scan_text_request(&text, &m), 0);
	icap_rx_init(rx, &limits);
	in = buf_slice(&text);
	ev = icap_rx_feed(rx, &in, &body);
	assert_int_equal(in.len, 0);
	buf_free(&text);
	return ev;
}

static void
as_a_response(void **state)
{
	struct scanmsg_scan s = { .method = SCANMSG_RESPMOD,
		.kind = SCANMSG_PREFIX,
		.service = "avscan",
		.query = "allow204=on",
		.len_icap = 24,
		.len_req = 18,
		.len_res = 19,
		.len_body = 4 };
	struct icap_rx rx;

	(void)state;
	assert_int_equal(receive(&rx, &s,
			     "X-Client-IP: 192.0.2.1\r\n"
			     "GET / HTTP/1.1\r\n\r\n"
			     "HTTP/1.1 200 OK\r\n\r\n"
			     "body"),
	    ICAP_RX_HEAD);
	assert_int_equal(rx.icap.method, ICAP_RESPMOD);
	assert_true(slice_eq(rx.icap.service, SLICE_LIT("avscan")));
	assert_true(slice_eq(rx.icap.query, SLICE_LIT("allow204=on")));
	assert_true(rx.icap.allow_204 && rx.icap.allow_206);
	assert_true(rx.icap.has_preview);
	assert_int_equal(rx.icap.preview, 4);
	assert_int_equal(rx.icap.encap.body, ENCAP_RES_BODY);
	assert_int_equal(rx.res.status, 200);
	assert_true(slice_eq(
	    icap_head_get(&rx.icap, "X-Client-IP"), SLICE_LIT("192.0.2.1")));
	icap_rx_free(&rx);
}

static void
as_an_upload(void **state)
{
	struct scanmsg_scan s = { .method = SCANMSG_REQMOD,
		.kind = SCANMSG_WHOLE,
		.flags = SCANMSG_NO_BODY,
		.len_req = 18 };
	struct icap_rx rx;

	(void)state;
	assert_int_equal(
	    receive(&rx, &s, "GET / HTTP/1.1\r\n\r\n"), ICAP_RX_HEAD);
	assert_int_equal(rx.icap.encap.body, ENCAP_NULL_BODY);
	assert_false(rx.icap.has_preview);
	assert_int_equal(rx.icap.service.len, 0);
	icap_rx_free(&rx);
}

static void
with_a_url_alone(void **state)
{
	struct scanmsg_scan s = {
		.method = SCANMSG_RESPMOD, .kind = SCANMSG_WHOLE, .len_url = 8
	};
	struct icap_rx rx;

	(void)state;
	assert_int_equal(receive(&rx, &s, "file:/a/"), ICAP_RX_HEAD);
	assert_true(slice_eq(rx.req.target, SLICE_LIT("file:/a/")));
	assert_int_equal(rx.icap.encap.body, ENCAP_RES_BODY);
	icap_rx_free(&rx);
}

static void
answers(void **state)
{
	struct icap_out_common c = { .istag = SLICE_LIT("T"),
		.server = SLICE_LIT("tolsey") };
	struct icap_out_threat t = { .resolution = 2,
		.name = SLICE_LIT("Eicar") };
	struct icap_out_200 a = { .threat = &t,
		.res_hdr = SLICE_LIT("HTTP/1.1 403 Forbidden\r\n\r\n"),
		.body = ENCAP_RES_BODY };
	struct scan_text_answer got;
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(icap_out_200(&out, &c, &a), 0);
	assert_int_equal(buf_append_str(&out, "4\r\npage\r\n0\r\n\r\n"), 0);
	scan_text_answer_init(&got);
	assert_int_equal(scan_text_answer_parse(&got, buf_slice(&out)), 0);
	assert_int_equal(got.status, 200);
	assert_true(slice_eq(got.head, a.res_hdr));
	assert_string_equal(buf_cstr(&got.body), "page");
	assert_string_equal(buf_cstr(&got.headers),
	    "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n"
	    "X-Virus-ID: Eicar\r\n");
	scan_text_answer_free(&got);
	buf_reset(&out);
	assert_int_equal(icap_out_204(&out, &c), 0);
	scan_text_answer_init(&got);
	assert_int_equal(scan_text_answer_parse(&got, buf_slice(&out)), 0);
	assert_int_equal(got.status, 204);
	assert_int_equal(got.head.len + got.headers.len + got.body.len, 0);
	scan_text_answer_free(&got);
	buf_free(&out);
}

static void
no_answers(void **state)
{
	static const char *const bad[] = { "", "ICAP/1.0 ", "ICAP/1.0 204",
		"HTTP/1.1 200 OK\r\n\r\n", "ICAP/1.0 x00 OK\r\n\r\n",
		"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=99\r\n\r\nx",
		"ICAP/1.0 200 OK\r\nEncapsulated: nonsense\r\n\r\n",
		"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\nzz\r\n" };
	struct scan_text_answer got;

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++) {
		scan_text_answer_init(&got);
		assert_int_equal(
		    scan_text_answer_parse(&got, slice_of(bad[i])), -1);
		scan_text_answer_free(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_a_response),
		cmocka_unit_test(as_an_upload),
		cmocka_unit_test(with_a_url_alone),
		cmocka_unit_test(answers),
		cmocka_unit_test(no_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
