/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>
#include <string.h>

#include "proto/icap_out.h"

/* Tue, 18 Nov 2025 10:00:00 GMT */
#define NOW (UINT64_C(1763460000) * 1000000)
#define DATE "Date: Tue, 18 Nov 2025 10:00:00 GMT\r\n"
#define SERVER "Server: tolsey/0.1.0\r\n"
#define TAG "ISTag: \"t-1\"\r\n"
#define KEEP "Connection: keep-alive\r\n"
#define CLOSE "Connection: close\r\n"
#define P1 "HTTP/1.1 200 OK\r\n\r\n" /* 19 bytes */

static struct icap_out_common
common(bool close)
{
	return (struct icap_out_common){
		.istag = SLICE_LIT("t-1"),
		.wall_us = NOW,
		.close = close,
		.server = SLICE_LIT("tolsey/0.1.0"),
	};
}

static void
wrote(struct buf *out, int rc, const char *want)
{
	assert_int_equal(rc, 0);
	assert_string_equal(buf_cstr(out), want);
	buf_reset(out);
}

static int
setup(void **state)
{
	static struct buf out;

	buf_init(&out, 65536);
	*state = &out;
	return 0;
}

static int
teardown(void **state)
{
	buf_free(*state);
	return 0;
}

static void
the_100(void **state)
{
	wrote(
	    *state, icap_out_continue(*state), "ICAP/1.0 100 Continue\r\n\r\n");
}

static void
the_204(void **state)
{
	struct icap_out_common c = common(false);

	wrote(*state, icap_out_204(*state, &c),
	    "ICAP/1.0 204 No modifications needed\r\n" DATE SERVER TAG KEEP
	    "\r\n");
	c.close = true;
	c.wall_us = 0;
	c.server = SLICE_NONE;
	wrote(*state, icap_out_204(*state, &c),
	    "ICAP/1.0 204 No modifications needed\r\n" TAG CLOSE "\r\n");
}

/* Allow: 204 before other tokens, Encapsulated last, OP-10. */
static void
the_options(void **state)
{
	struct icap_out_common c = common(false);
	struct icap_out_options o = { .service = "tolsey virus scan",
		.service_id = "avscan",
		.reqmod = true,
		.respmod = true,
		.max_connections = 1000,
		.ttl_s = 3600,
		.preview = true,
		.preview_size = 4096 };
#define BEGIN \
	"ICAP/1.0 200 OK\r\n" DATE SERVER "Service: tolsey virus scan\r\n" \
	"Service-ID: avscan\r\n" TAG
#define END \
	"X-Include: X-Client-IP, X-Server-IP, X-Subscriber-ID, " \
	"X-Authenticated-User, X-Authenticated-Groups\r\n" \
	"X-Allow-Out: X-Infection-Found\r\n" KEEP \
	"Encapsulated: null-body=0\r\n\r\n"
	wrote(*state, icap_out_options(*state, &c, &o),
	    BEGIN "Methods: RESPMOD, REQMOD\r\nMax-Connections: 1000\r\n"
		  "Options-TTL: 3600\r\nAllow: 204\r\nPreview: 4096\r\n"
		  "Transfer-Preview: *\r\n" END);
	o.reqmod = o.preview = false;
	o.offer_206 = o.offer_trailers = true;
	wrote(*state, icap_out_options(*state, &c, &o),
	    BEGIN "Methods: RESPMOD\r\nMax-Connections: 1000\r\n"
		  "Options-TTL: 3600\r\nAllow: 204, 206, trailers\r\n" END);
	o.reqmod = true;
	o.respmod = o.offer_206 = false;
	wrote(*state, icap_out_options(*state, &c, &o),
	    BEGIN "Methods: REQMOD\r\nMax-Connections: 1000\r\n"
		  "Options-TTL: 3600\r\nAllow: 204, trailers\r\n" END);
}

static void
errors(void **state)
{
	struct icap_out_common c = common(false);

	wrote(*state, icap_out_error(*state, &c, PROTO_ERR_BAD_CHUNK),
	    "ICAP/1.0 400 Bad Request\r\n" DATE SERVER TAG CLOSE "\r\n");
	wrote(*state, icap_out_error(*state, &c, PROTO_ERR_BAD_VERSION),
	    "ICAP/1.0 505 ICAP Version Not Supported\r\n" DATE SERVER TAG CLOSE
	    "\r\n");
}

/* Every error that is answered has a reason; the numbers of the list. */
static void
error_table(void **state)
{
	static const struct {
		enum proto_err err;
		int status;
	} rows[] = {
		{ PROTO_ERR_BAD_REQUEST_LINE, 400 },
		{ PROTO_ERR_BAD_URI, 400 },
		{ PROTO_ERR_URI_TOO_LONG, 414 },
		{ PROTO_ERR_HEAD_TOO_LARGE, 400 },
		{ PROTO_ERR_SECTION_TOO_LARGE, 413 },
		{ PROTO_ERR_UNKNOWN_METHOD, 501 },
		{ PROTO_ERR_WRONG_METHOD, 405 },
		{ PROTO_ERR_UNKNOWN_SERVICE, 404 },
		{ PROTO_ERR_TIMED_OUT, 408 },
		{ PROTO_ERR_OVERLOADED, 503 },
		{ PROTO_ERR_INTERNAL, 500 },
		{ PROTO_ERR_NOT_ICAP, 0 },
	};
	const struct proto_err_info *info;

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++)
		assert_int_equal(
		    proto_err_info(rows[i].err)->status, rows[i].status);
	for (int e = PROTO_OK + 1; e < NPROTO_ERRS; e++) {
		info = proto_err_info((enum proto_err)e);
		assert_true(info->status == 0 ||
			    (info->status >= 400 && info->status < 600));
		assert_true(info->status == 0 || *info->reason != '\0');
		assert_true(*info->text != '\0');
	}
}

/* EN-11: the offset of the body is where the heads end. */
static void
offsets(void **state)
{
	struct icap_out_common c = common(false);
	struct icap_out_200 a = { .res_hdr = SLICE_LIT(P1),
		.body = ENCAP_RES_BODY };

	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP
	    "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" P1);
	a.body = ENCAP_NULL_BODY;
	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP
	    "Encapsulated: res-hdr=0, null-body=19\r\n\r\n" P1);
	a.res_hdr = SLICE_NONE;
	a.req_hdr = SLICE_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	a.body = ENCAP_REQ_BODY;
	a.extra = SLICE_LIT("X-A: b\r\nX-C: d\r\n");
	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP "X-A: b\r\nX-C: d\r\n"
	    "Encapsulated: req-hdr=0, req-body=27\r\n\r\n"
	    "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	/* EN-06 */
	a = (struct icap_out_200){ .body = ENCAP_RES_BODY };
	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP
	    "Encapsulated: res-body=0\r\n\r\n");
}

/* XH-04, XH-06, RQ-08 */
static void
a_threat(void **state)
{
	struct icap_out_common c = common(false);
	struct icap_out_threat t = { .resolution = 2,
		.name = SLICE_LIT("Win.Test.EICAR_HDB-1") };
	struct icap_out_200 a = { .res_hdr = SLICE_LIT(P1),
		.body = ENCAP_RES_BODY,
		.no_store = true,
		.threat = &t };

	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP
	    "Cache-Control: no-store\r\n"
	    "X-Infection-Found: Type=0; Resolution=2; "
	    "Threat=Win.Test.EICAR_HDB-1;\r\n"
	    "X-Virus-ID: Win.Test.EICAR_HDB-1\r\n"
	    "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" P1);
	t.type = 2;
	t.resolution = 0;
	t.name = SLICE_LIT("a");
	a.no_store = false;
	wrote(*state, icap_out_200(*state, &c, &a),
	    "ICAP/1.0 200 OK\r\n" DATE SERVER TAG KEEP
	    "X-Infection-Found: Type=2; Resolution=0; Threat=a;\r\n"
	    "X-Virus-ID: a\r\n"
	    "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" P1);
}

/* The value of the field in what was written. */
static void
field(struct buf *out, const char *name, char *value, size_t size)
{
	const char *p = strstr(buf_cstr(out), name), *end;

	assert_non_null(p);
	p += strlen(name);
	end = strstr(p, "\r\n");
	assert_non_null(end);
	assert_true((size_t)(end - p) < size);
	memcpy(value, p, (size_t)(end - p));
	value[end - p] = '\0';
	/* once only */
	assert_null(strstr(end, name));
}

/* 75, XH-08: whatever the name, the fields keep their form. */
static void
threat_names(void **state)
{
	static const struct {
		struct slice name;
		const char *clean;
	} rows[] = {
		{ SLICE_LIT("a;b\r\nX: y"), "a_b__X: y" },
		{ SLICE_LIT("\r\n\r\nHTTP/1.1 200 OK"), "____HTTP/1.1 200 OK" },
		{ SLICE_LIT("a\0b\x7f\x1f\t"), "a_b___" },
		{ SLICE_LIT("S\xc3\xa4ge"), "S__ge" },
		{ SLICE_LIT("Eicar-Signature {HEX}"), "Eicar-Signature {HEX}" },
		{ SLICE_LIT(";"), "_" },
		{ SLICE_LIT(""), "unknown" },
	};
	struct icap_out_common c = common(false);
	struct icap_out_threat t = { .resolution = 2 };
	struct icap_out_200 a = {
		.res_hdr = SLICE_LIT(P1), .body = ENCAP_RES_BODY, .threat = &t
	};
	char value[600], long_name[400];
	regex_t re;

	assert_int_equal(
	    regcomp(&re, "^Type=[012]; Resolution=[012]; Threat=[^;]+;$",
		REG_EXTENDED | REG_NOSUB),
	    0);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		t.name = rows[i].name;
		assert_int_equal(icap_out_200(*state, &c, &a), 0);
		field(*state, "\r\nX-Infection-Found: ", value, sizeof(value));
		assert_int_equal(regexec(&re, value, 0, NULL, 0), 0);
		field(*state, "\r\nX-Virus-ID: ", value, sizeof(value));
		assert_string_equal(value, rows[i].clean);
		buf_reset(*state);
	}
	memset(long_name, 'x', sizeof(long_name));
	t.name = (struct slice){ long_name, sizeof(long_name) };
	assert_int_equal(icap_out_200(*state, &c, &a), 0);
	field(*state, "\r\nX-Virus-ID: ", value, sizeof(value));
	assert_int_equal(strlen(value), 256);
	regfree(&re);
}

/* CH-11 */
static void
chunks(void **state)
{
	static const struct {
		uint64_t size;
		const char *want;
	} rows[] = {
		{ 1, "1\r\n" },
		{ 10, "a\r\n" },
		{ 65536, "10000\r\n" },
		{ 0xabcdef, "abcdef\r\n" },
		{ UINT64_MAX, "ffffffffffffffff\r\n" },
	};
	char head[ICAP_OUT_CHUNK_HEAD_MAX + 1];

	for (size_t i = 0; i < COUNTOF(rows); i++) {
		assert_int_equal(icap_out_chunk_head(head, rows[i].size),
		    strlen(rows[i].want));
		assert_string_equal(head, rows[i].want);
	}
	wrote(*state, icap_out_last_chunk(*state, SLICE_NONE), "0\r\n\r\n");
	wrote(*state, icap_out_last_chunk(*state, SLICE_LIT("X: y\r\n")),
	    "0\r\nX: y\r\n\r\n");
}

/* What does not fit says so. */
static void
no_room(void **state)
{
	struct icap_out_common c = common(false);
	struct icap_out_options o = { .service = "s", .service_id = "i" };
	struct icap_out_200 a = { .res_hdr = SLICE_LIT(P1),
		.body = ENCAP_RES_BODY };
	struct buf out;

	(void)state;
	for (size_t max = 0; max < 24; max++) {
		buf_init(&out, max);
		assert_int_equal(icap_out_continue(&out), -1);
		assert_int_equal(icap_out_204(&out, &c), -1);
		assert_int_equal(
		    icap_out_error(&out, &c, PROTO_ERR_INTERNAL), -1);
		assert_int_equal(icap_out_options(&out, &c, &o), -1);
		assert_int_equal(icap_out_200(&out, &c, &a), -1);
		buf_free(&out);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_100),
		TEST(the_204),
		TEST(the_options),
		TEST(errors),
		TEST(error_table),
		TEST(offsets),
		TEST(a_threat),
		TEST(threat_names),
		TEST(chunks),
		TEST(no_room),
	};

	return cmocka_run_group_tests_name("icap_out", tests, NULL, NULL);
}
