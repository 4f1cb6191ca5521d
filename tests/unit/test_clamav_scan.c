/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "service/service.h"

static void *instance;
static struct http_head req, resp;
static struct svc_request rq;
static struct svc_decision d;
static char heads[2][4096];

static void *
configure(const char *name, const char *value)
{
	struct svc_setting s[16];
	char err[256];
	size_t n = 0;

	for (size_t i = 0; i < tolsey_module.ndirectives; i++) {
		const struct svc_directive *t = &tolsey_module.directives[i];

		s[n++] = (struct svc_setting){ t->name,
			name != NULL && strcmp(name, t->name) == 0 ? value
								   : t->def };
	}
	return tolsey_module.configure(s, n, err, sizeof(err));
}

static void
use(const char *name, const char *value)
{
	if (instance != NULL)
		tolsey_module.unconfigure(instance);
	instance = configure(name, value);
	assert_non_null(instance);
}

static int
setup(void **state)
{
	(void)state;
	memset(&rq, 0, sizeof(rq));
	memset(&req, 0, sizeof(req));
	memset(&resp, 0, sizeof(resp));
	rq.req = &req;
	rq.resp = &resp;
	rq.has_body = true;
	rq.state = calloc(1, tolsey_module.state_size);
	use(NULL, NULL);
	return rq.state != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	tolsey_module.release(instance, &rq);
	tolsey_module.unconfigure(instance);
	instance = NULL;
	free(rq.state);
	return 0;
}

/* The head's memory ends with it, so that reading on is noticed. */
static void
ask(enum svc_stage stage)
{
	memset(&d, 0, sizeof(d));
	tolsey_module.inspect(instance, stage, &rq, &d);
}

static void
reqmod(const char *fields)
{
	(void)snprintf(heads[0], sizeof(heads[0]),
	    "POST /up HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
	http_head_parse(&req, slice_of(heads[0]), false);
	rq.method = SVC_REQMOD;
	ask(SVC_AT_HEADS);
}

static void
respmod(const char *fields)
{
	(void)snprintf(heads[1], sizeof(heads[1]),
	    "HTTP/1.1 200 OK\r\nServer: x\r\n%s\r\n", fields);
	http_head_parse(&resp, slice_of(heads[1]), true);
	rq.method = SVC_RESPMOD;
	ask(SVC_AT_HEADS);
}

static void
more_then_scan(void **state)
{
	(void)state;
	respmod("Content-Type: text/html\r\n");
	assert_int_equal(d.action, SVC_MORE);
	ask(SVC_AT_PREVIEW);
	assert_int_equal(d.action, SVC_SCAN);
	assert_int_equal(d.ncodings, 0);
	assert_int_equal(d.declared.len, 10);
	reqmod("");
	assert_int_equal(d.action, SVC_MORE);
	ask(SVC_AT_PREVIEW);
	assert_int_equal(d.action, SVC_SCAN);
	assert_int_equal(d.ndrop, 0);
	assert_int_equal(d.add_fields.len, 0);
}

static void
no_body_is_exempt_never_clean(void **state)
{
	(void)state;
	rq.has_body = false;
	respmod("Content-Length: 5\r\n");
	assert_int_equal(d.action, SVC_PASS);
	assert_int_equal(d.outcome, OUTCOME_EXEMPT);
	assert_string_equal(d.reason, "no-body");
	reqmod("Accept-Encoding: sdch, gzip\r\n");
	assert_int_equal(d.action, SVC_PASS);
	assert_int_equal(d.outcome, OUTCOME_EXEMPT);
	assert_int_equal(d.ndrop, 1);
}

static void
heads_may_be_absent(void **state)
{
	(void)state;
	rq.method = SVC_REQMOD;
	ask(SVC_AT_HEADS);
	assert_int_equal(d.action, SVC_MORE);
	rq.method = SVC_RESPMOD;
	ask(SVC_AT_HEADS);
	assert_int_equal(d.action, SVC_MORE);
	ask(SVC_AT_PREVIEW);
	assert_int_equal(d.action, SVC_SCAN);
}

/* want: one letter for each coding, in order. */
static void
codings(const char *fields, const char *want)
{
	static const char letters[] = {
		[SCAN_CODING_NONE] = '-',
		[SCAN_CODING_GZIP] = 'g',
		[SCAN_CODING_DEFLATE] = 'd',
		[SCAN_CODING_BR] = 'b',
		[SCAN_CODING_ZSTD] = 'z',
		[SCAN_CODING_AWS_CHUNKED] = 'a',
		[SCAN_CODING_CHUNKED] = '!',
		[SCAN_CODING_UNKNOWN] = '?',
	};
	char got[SCAN_MAX_CODINGS + 1] = "";

	respmod(fields);
	for (int at_preview = 0; at_preview < 2; at_preview++) {
		for (uint32_t i = 0; i < d.ncodings; i++)
			got[i] = letters[d.codings[i]];
		assert_string_equal(got, want);
		ask(SVC_AT_PREVIEW);
	}
}

#define CE(v) "Content-Encoding: " v "\r\n"

static void
content_codings(void **state)
{
	(void)state;
	codings("", "");
	codings(CE(""), "");
	codings(CE("identity"), "");
	codings(CE("none"), "");
	codings(CE("UTF-8, gzip"), "g");
	codings(CE("gzip"), "g");
	codings(CE("X-GZip"), "g");
	codings(CE("deflate"), "d");
	codings(CE(" deflate , gzip "), "dg");
	codings(CE("deflate,,gzip,"), "dg");
	codings(CE("deflate") CE("gzip"), "dg");
	codings(CE("deflate,\r\n gzip"), "dg");
	codings(CE("aws-chunked,gzip"), "ga");
	codings(CE("gzip,aws-chunked"), "ga");
	codings(CE("aws-chunked"), "a");
	codings(CE("compress"), "?");
	codings(CE("gzip, foo"), "g?");
	codings(CE("gzipped"), "?");
	codings(CE("gzip deflate"), "?");
	codings(CE("gzip;q=1"), "g");
	codings(CE("gzip,gzip,gzip,gzip"), "gggg");
	codings(CE("gzip,gzip,gzip,gzip,gzip"), "?");
	codings(CE("gzip,gzip,gzip,gzip,aws-chunked"), "?");
	codings(CE("identity,gzip,identity,identity,identity,identity"), "g");
#ifdef HAVE_BROTLI
	codings(CE("br"), "b");
#endif
#ifdef HAVE_ZSTD
	codings(CE("zstd"), "z");
#endif
}

/* want: the line that is added, or NULL when the head stays as it is. */
static void
accept_encoding(const char *fields, const char *want)
{
	reqmod(fields);
	for (int at_preview = 0; at_preview < 2; at_preview++) {
		if (want == NULL) {
			assert_int_equal(d.ndrop, 0);
			assert_int_equal(d.add_fields.len, 0);
		} else {
			assert_int_equal(d.ndrop, 1);
			assert_string_equal(
			    d.drop_fields[0], "Accept-Encoding");
			assert_int_equal(d.add_fields.len, strlen(want));
			assert_memory_equal(d.add_fields.p, want, strlen(want));
		}
		ask(SVC_AT_PREVIEW);
	}
}

#define AE(v) "Accept-Encoding: " v "\r\n"

static void
limits_accept_encoding(void **state)
{
	(void)state;
	accept_encoding("", NULL);
	accept_encoding(AE(""), NULL);
	accept_encoding(AE("gzip"), NULL);
	accept_encoding(AE("gzip, deflate;q=0.5, identity"), NULL);
	accept_encoding(AE("gzip") AE("deflate"), NULL);
	accept_encoding(AE("gzip, sdch"), AE("gzip"));
	accept_encoding(AE("sdch") AE("gzip;q=0.2"), AE("gzip;q=0.2"));
	accept_encoding(AE("sdch, compress"), AE("identity"));
	accept_encoding(AE("*"), AE("identity"));
	accept_encoding(AE("gzip, *;q=0.1"), AE("gzip"));
	accept_encoding(AE("gzip, *;q=0"), NULL);
	accept_encoding(AE("gzip, sdch;q=0"), NULL);
	accept_encoding(AE("sdch, *;q=0"), AE("identity"));
	accept_encoding(AE("sdch, gzip;q=0"), AE("identity"));
	accept_encoding(
	    AE("sdch, gzip;q=0.000, deflate"), AE("gzip;q=0.000, deflate"));
	accept_encoding(AE("aws-chunked, gzip"), AE("gzip"));
	accept_encoding(AE("gzip,\r\n sdch"), AE("gzip"));
	accept_encoding(AE("gzip;\x01=1, deflate"), AE("deflate"));
	accept_encoding(AE("gzip;\xff, deflate"), AE("deflate"));
}

static void
an_event_source_gets_no_coding(void **state)
{
	(void)state;
	accept_encoding(
	    "Accept: text/event-stream\r\n" AE("gzip"), AE("identity"));
	accept_encoding(
	    "Accept: text/html, text/event-stream;q=1\r\n" AE("gzip, identity"),
	    AE("identity"));
	accept_encoding("Accept: text/html, audio/*, */*\r\n" AE("gzip"), NULL);
	accept_encoding("Accept: text/event-stream\r\n", NULL);
}

static void
keeps_accept_encoding(void **state)
{
	(void)state;
	use("AcceptEncoding", "keep");
	accept_encoding(AE("sdch"), NULL);
	accept_encoding("Accept: text/event-stream\r\n" AE("gzip"), NULL);
}

static void
long_lists_are_cut(void **state)
{
	char fields[3000] = "Accept-Encoding: sdch";

	(void)state;
	for (size_t n = strlen(fields); n < 2900; n += 6)
		(void)snprintf(fields + n, sizeof(fields) - n, ", gzip");
	(void)strncat(fields, "\r\n", 3);
	reqmod(fields);
	assert_int_equal(d.ndrop, 1);
	assert_in_range(d.add_fields.len, 400, 512);
	assert_memory_equal(
	    d.add_fields.p + d.add_fields.len - 8, ", gzip\r\n", 8);
}

static void
strips_ranges_when_asked(void **state)
{
	(void)state;
	reqmod("Range: bytes=5-\r\nIf-Range: x\r\n");
	assert_int_equal(d.ndrop, 0);
	use("StripRange", "on");
	reqmod("Range: bytes=5-\r\nIf-Range: x\r\n");
	assert_int_equal(d.ndrop, 2);
	assert_string_equal(d.drop_fields[0], "Range");
	assert_string_equal(d.drop_fields[1], "If-Range");
	assert_int_equal(d.add_fields.len, 0);
	reqmod("range: bytes=5-\r\n" AE("zzz"));
	assert_int_equal(d.ndrop, 3);
	reqmod("");
	assert_int_equal(d.ndrop, 0);
	use("StripRange", "off");
	reqmod("Range: bytes=5-\r\n");
	assert_int_equal(d.ndrop, 0);
}

static bool
strips(const char *value)
{
	char fields[256];

	(void)snprintf(fields, sizeof(fields), "Range: %s\r\n", value);
	reqmod(fields);
	return d.ndrop == 2;
}

static void
strips_large_ranges(void **state)
{
	(void)state;
	use("StripRange", "Large");
	/* the whole, probes, and what players and readers of documents ask */
	assert_false(strips("bytes=0-"));
	assert_false(strips("bytes=0-0"));
	assert_false(strips("bytes=0-1048575"));
	assert_false(strips("bytes=500000000-500065535"));
	assert_false(strips("bytes=-65536"));
	assert_false(strips("bytes=0-99,500-599,-100"));
	/* resumed and split downloads, and what is not understood */
	assert_true(strips("bytes=1-"));
	assert_true(strips("bytes=0-1048576"));
	assert_true(strips("bytes=-1048577"));
	assert_true(strips("bytes=0-999999,1000000-1999999"));
	assert_true(strips("bytes=0-,5-6"));
	assert_true(strips("bytes=x"));
	assert_true(strips("items=0-5"));
	reqmod("Range: bytes=0-0\r\nRange: bytes=5-\r\n");
	assert_int_equal(d.ndrop, 2);
	reqmod("");
	assert_int_equal(d.ndrop, 0);
}

static enum outcome
judged(const char *name)
{
	struct scan_answer a = { .complete = 1, .nfindings = 2 };

	a.findings[0].outcome = OUTCOME_INFECTED;
	(void)str_copy(
	    a.findings[0].name, sizeof(a.findings[0].name), slice_of(name));
	a.findings[1].outcome = OUTCOME_PUA;
	(void)strcpy(a.findings[1].name, "PUA.Other");
	tolsey_module.verdict(instance, &rq, &a);
	assert_int_equal(a.nfindings, 2);
	assert_int_equal(a.findings[1].outcome, OUTCOME_PUA);
	return (enum outcome)a.findings[0].outcome;
}

static void
ignores_signatures(void **state)
{
	char err[256];
	struct svc_setting s = { "IgnoreSignature", "*" };

	(void)state;
	assert_int_equal(judged("Win.Test-1"), OUTCOME_INFECTED);
	use("IgnoreSignature", "win.test-1 Heuristics.Phishing.* Own.X");
	assert_int_equal(judged("Win.Test-1"), OUTCOME_NONE);
	assert_int_equal(judged("Win.Test-1.UNOFFICIAL"), OUTCOME_NONE);
	assert_int_equal(judged("Heuristics.Phishing.Email"), OUTCOME_NONE);
	assert_int_equal(judged("Own.X.UNOFFICIAL"), OUTCOME_NONE);
	assert_int_equal(judged("Win.Test-10"), OUTCOME_INFECTED);
	assert_int_equal(judged("Win.Test"), OUTCOME_INFECTED);
	assert_int_equal(judged("Heuristics.Phishing"), OUTCOME_INFECTED);
	use("IgnoreSignature", "Own.X.UNOFFICIAL");
	assert_int_equal(judged("Own.X.UNOFFICIAL"), OUTCOME_NONE);
	assert_int_equal(judged("Own.X"), OUTCOME_INFECTED);
	/* not everything at once */
	assert_null(tolsey_module.configure(&s, 1, err, sizeof(err)));
	assert_string_equal(
	    err, "IgnoreSignature *: too short for the name of a signature");
}

static bool
streams(const char *fields)
{
	respmod(fields);
	return d.action == SVC_STREAM;
}

#define CT(v) "Content-Type: " v "\r\n"

static void
endless_types(void **state)
{
	(void)state;
	assert_true(streams(CT("text/event-stream")));
	assert_true(streams(CT("Text/Event-Stream ; charset=utf-8")));
	assert_true(streams(CT("multipart/x-mixed-replace; boundary=x")));
	assert_true(streams(CT("application/grpc")));
	assert_true(streams(CT("application/grpc+proto")));
	assert_true(streams(CT("audio/mpeg")));
	assert_false(streams(CT("audio/mpeg") "Content-Length: 9\r\n"));
	assert_false(streams(CT("text/event-stream") "Content-Length: x\r\n"));
	assert_false(streams(CT("text/event-stream") CE("gzip")));
	assert_true(streams(CT("text/event-stream") CE("identity")));
	assert_false(streams(CT("text/event-streams")));
	assert_false(streams(CT("text/html")));
	assert_false(streams(CT("")));
	assert_false(streams(""));
	reqmod(CT("text/event-stream"));
	assert_int_equal(d.action, SVC_MORE);
	rq.has_body = false;
	assert_false(streams(CT("text/event-stream")));
	rq.has_body = true;
	use("StreamTypes", "none");
	assert_false(streams(CT("text/event-stream")));
	use("StreamTypes", "a/b  c/*");
	assert_true(streams(CT("a/b")));
	assert_true(streams(CT("c/d")));
	assert_false(streams(CT("audio/mpeg")));
	ask(SVC_AT_PREVIEW);
	assert_int_equal(d.action, SVC_SCAN);
}

static void
declared(const char *fields, const char *want)
{
	reqmod(fields);
	for (int at_preview = 0; at_preview < 2; at_preview++) {
		assert_int_equal(d.declared.len, strlen(want));
		if (want[0] != '\0')
			assert_memory_equal(d.declared.p, want, strlen(want));
		ask(SVC_AT_PREVIEW);
	}
}

/* All of them, as they are; what takes them apart is in the worker. */
static void
declared_types(void **state)
{
	char fields[1024];

	(void)state;
	declared("", "");
	declared(CT("multipart/form-data; boundary=abc"),
	    "multipart/form-data; boundary=abc\n");
	declared(CT("a/b") "content-type: multipart/mixed; boundary=\"x\"\r\n",
	    "a/b\nmultipart/mixed; boundary=\"x\"\n");
	declared(CT("multipart/form-data;\r\n boundary=x"),
	    "multipart/form-data;   boundary=x\n");
	/* what does not fit is left out; the boundary is then in the body */
	(void)snprintf(fields, sizeof(fields), CT("text/%0600d") CT("a/b"), 0);
	declared(fields, "a/b\n");
}

static void
forms_of_the_body(void **state)
{
	(void)state;
	reqmod("");
	assert_int_equal(d.forms, SCAN_FORM_KEPT);
	reqmod("Transfer-Encoding: gzip, Chunked\r\n");
	assert_int_equal(d.forms, SCAN_FORM_KEPT | SCAN_FORM_CHUNKED);
	respmod("Transfer-Encoding: chunked\r\n");
	assert_int_equal(d.forms, SCAN_FORM_CHUNKED);
	respmod("Transfer-Encoding: gzip\r\n");
	assert_int_equal(d.forms, 0);
	/* who has not asked for a coding keeps what comes in it */
	respmod(CE("gzip"));
	assert_int_equal(d.forms, SCAN_FORM_KEPT);
	reqmod(AE("x-gzip;q=0.5, deflate"));
	respmod(CE("gzip"));
	assert_int_equal(d.forms, 0);
	respmod(CE("deflate, gzip"));
	assert_int_equal(d.forms, 0);
	reqmod(AE("gzip;q=0, *"));
	respmod(CE("gzip"));
	assert_int_equal(d.forms, SCAN_FORM_KEPT);
	memset(&req, 0, sizeof(req));
	respmod("");
	assert_int_equal(d.forms, SCAN_FORM_KEPT);
	/* S3 clients may name the framing in no other place */
	codings("x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n",
	    "a");
	codings(CE("aws-chunked") "X-Amz-Content-SHA256: "
				  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n",
	    "a");
	codings("x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n", "");
}

static void
wrong_types_are_refused(void **state)
{
	char many[1000] = "";

	(void)state;
	assert_null(configure("StreamTypes", "text"));
	assert_null(configure("StreamTypes", "a/b text"));
	assert_null(configure("StreamTypes", "/b"));
	for (int i = 0; i < 65; i++)
		(void)strncat(many, "a/b ", 5);
	assert_null(configure("StreamTypes", many));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(more_then_scan),
		T(no_body_is_exempt_never_clean),
		T(heads_may_be_absent),
		T(content_codings),
		T(limits_accept_encoding),
		T(an_event_source_gets_no_coding),
		T(keeps_accept_encoding),
		T(long_lists_are_cut),
		T(strips_ranges_when_asked),
		T(strips_large_ranges),
		T(ignores_signatures),
		T(endless_types),
		T(declared_types),
		T(forms_of_the_body),
		T(wrong_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
