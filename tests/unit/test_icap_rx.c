/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/rx_trace.h"

#define H1 "GET / HTTP/1.1\r\nHost: x\r\n\r\n" /* 27 bytes */
#define P1 "HTTP/1.1 200 OK\r\n\r\n"           /* 19 bytes */
#define R "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
#define Q "REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
#define O "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
#define E(list) "Encapsulated: " list "\r\n\r\n"
/* A RESPMOD with both heads; the body follows. */
#define RB(fields) R fields E("req-hdr=0, res-hdr=27, res-body=46") H1 P1
#define RES "res-hdr=0, res-body=19"

/* How inputs are answered, and how long one may be to be cut everywhere. */
struct how {
	const struct icap_rx_limits *limits;
	bool answered_before, finish_preview;
};
#define CUT_ALL 4096

static void
run(struct rx_trace *t, const struct how *how, bool direct, struct slice in,
    size_t first, size_t step)
{
	rx_trace_init(t, how->limits);
	t->rx.answered_before = how->answered_before;
	t->finish_preview = how->finish_preview;
	t->direct = direct;
	rx_trace_feed(t, in.p, first);
	for (size_t at = first; at < in.len; at += step)
		rx_trace_feed(
		    t, in.p + at, step < in.len - at ? step : in.len - at);
	rx_trace_end(t);
}

static void
assert_same(struct rx_trace *want, struct rx_trace *got, size_t cut)
{
	if (!rx_trace_same(want, got)) {
		print_error("cut at %zu: %s\n%s", cut, buf_cstr(&got->events),
		    buf_cstr(&got->detail));
		print_error("whole: %s\n%s", buf_cstr(&want->events),
		    buf_cstr(&want->detail));
	}
	assert_true(rx_trace_same(want, got));
	rx_trace_free(got);
}

/* FR-19: whole, byte by byte, and cut in two at every byte. */
static void
trace(struct rx_trace *whole, const struct how *how, struct slice in)
{
	size_t pace = in.len > CUT_ALL ? in.len / 256 : 1;
	struct rx_trace t;

	run(whole, how, false, in, in.len, 1);
	run(&t, how, false, in, 0, 1);
	assert_same(whole, &t, 1);
	run(&t, how, true, in, 0, 3);
	assert_same(whole, &t, 3);
	for (size_t at = 0; at <= in.len; at += pace) {
		run(&t, how, at % 2 == 1, in, at, in.len);
		assert_same(whole, &t, at);
	}
}

static void
expect_how(const struct how *how, struct slice in, const char *events)
{
	struct rx_trace whole;

	trace(&whole, how, in);
	if (strcmp(buf_cstr(&whole.events), events) != 0)
		print_error("input: %.*s\n", SLICE_FMT(in));
	assert_string_equal(buf_cstr(&whole.events), events);
	rx_trace_free(&whole);
}

static const struct how fresh = { .limits = &rx_trace_limits };
static const struct how later = { .limits = &rx_trace_limits,
	.answered_before = true };
static const struct how early = { .limits = &rx_trace_limits,
	.finish_preview = true };
#define EXPECT(in, events) expect_how(&fresh, SLICE_LIT(in), events)
#define EXPECT_LATER(in, events) expect_how(&later, SLICE_LIT(in), events)
#define EXPECT_EARLY(in, events) expect_how(&early, SLICE_LIT(in), events)

/* The whole input, up to and without the event that is asked for. */
static void
stop_at(struct icap_rx *rx, const char *in, enum icap_rx_event want)
{
	struct slice rest = slice_of(in), body;
	enum icap_rx_event ev;

	icap_rx_init(rx, &rx_trace_limits);
	do
		ev = icap_rx_feed(rx, &rest, &body);
	while (ev != want && ev != ICAP_RX_MORE && ev != ICAP_RX_ERROR);
	assert_int_equal(ev, want);
}

/* Inputs 2 to 11 of the list of edge inputs, and FR-01 to FR-09. */
static void
request_lines(void **state)
{
	(void)state;
	EXPECT("OPT", "+head");
	EXPECT("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "ERROR(BAD_REQUEST_LINE)");
	EXPECT("\x16\x03\x01\x02", "ERROR(NOT_ICAP)");
	EXPECT("options icap://h/avscan ICAP/1.0\r\n\r\n",
	    "ERROR(UNKNOWN_METHOD)");
	EXPECT("FOO icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n",
	    "ERROR(UNKNOWN_METHOD)");
	EXPECT("OPTIONS /avscan ICAP/1.0\r\n\r\n", "ERROR(BAD_URI)");
	EXPECT("OPTIONS http://h/avscan ICAP/1.0\r\n\r\n", "ERROR(BAD_URI)");
	EXPECT("OPTIONS icap://h/nope ICAP/1.0\r\n\r\n", "HEAD BODY_END");
	EXPECT("OPTIONS icap://h ICAP/1.0\r\n\r\n", "HEAD BODY_END");
	EXPECT(
	    "OPTIONS icap://h/avscan ICAP/2.0\r\n\r\n", "ERROR(BAD_VERSION)");
	EXPECT("OPTIONS icap://h/avscan ICAP/x\r\n\r\n",
	    "ERROR(BAD_REQUEST_LINE)");
	EXPECT("OPTIONS icap://h/avscan\r\n\r\n", "ERROR(BAD_REQUEST_LINE)");
	EXPECT("OPTIONS  icap://h/a ICAP/1.0\r\n", "ERROR(BAD_REQUEST_LINE)");
	EXPECT(" OPTIONS icap://h/a ICAP/1.0\r\n", "ERROR(BAD_REQUEST_LINE)");
	EXPECT("zzz\r\n", "ERROR(BAD_REQUEST_LINE)");
}

/* FR-21: silence where an answer would be taken for another request's. */
static void
garbage_after_an_answer(void **state)
{
	static char line[9000];

	(void)state;
	EXPECT_LATER("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "ERROR(NOT_ICAP)");
	EXPECT_LATER("zzz\r\n", "ERROR(NOT_ICAP)");
	EXPECT_LATER("zzz\n", "ERROR(NOT_ICAP)");
	EXPECT_LATER("OPTIONS /avscan ICAP/1.0\r\n", "ERROR(NOT_ICAP)");
	EXPECT_LATER("\r\n\r\n\r\n\r\n\r\n", "ERROR(NOT_ICAP)");
	memset(line, 'z', sizeof(line));
	expect_how(
	    &later, (struct slice){ line, sizeof(line) }, "ERROR(NOT_ICAP)");
	/* those are requests, only not good ones */
	memcpy(line, "RESPMOD icap://h/", 17);
	expect_how(&later, (struct slice){ line, sizeof(line) },
	    "ERROR(URI_TOO_LONG)");
	EXPECT_LATER(
	    "FOO icap://h/avscan ICAP/1.0\r\n", "ERROR(UNKNOWN_METHOD)");
	EXPECT_LATER(R "Host : h\r\n\r\n", "ERROR(BAD_HEADER)");
	/* 36: a stray last-chunk behind a null-body */
	EXPECT(R E("res-hdr=0, null-body=19") P1 "0\r\n\r\n",
	    "HEAD BODY_END ERROR(NOT_ICAP)");
	/* 44: chunks behind a preview that was answered */
	EXPECT_EARLY(RB("Preview: 4\r\n") "4\r\nabcd\r\n0\r\n\r\n"
					  "2\r\nef\r\n0\r\n\r\n",
	    "HEAD BODY(abcd) PREVIEW_END ERROR(NOT_ICAP)");
}

/* 12 and 13: the limits of a head. */
static void
limits(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, 1 << 20);
	assert_int_equal(buf_append_str(&in, "OPTIONS icap://h/"), 0);
	while (in.len < 9 * 1024)
		assert_int_equal(buf_append_str(&in, "aaaaaaaa"), 0);
	expect_how(&fresh, buf_slice(&in), "ERROR(URI_TOO_LONG)");
	in.len = ICAP_MAX_REQUEST_LINE - 11;
	assert_int_equal(buf_append_str(&in, " ICAP/1.0\r\n\r\n"), 0);
	expect_how(&fresh, buf_slice(&in), "HEAD BODY_END");
	in.len = ICAP_MAX_REQUEST_LINE - 10;
	assert_int_equal(buf_append_str(&in, " ICAP/1.0\r\n\r\n"), 0);
	expect_how(&fresh, buf_slice(&in), "ERROR(URI_TOO_LONG)");
	buf_reset(&in);
	assert_int_equal(buf_append_str(&in, O), 0);
	for (int i = 1; i < ICAP_USUAL_FIELDS; i++)
		assert_int_equal(buf_append_str(&in, "X-A: b\r\n"), 0);
	assert_int_equal(buf_append_str(&in, "\r\n"), 0);
	expect_how(&fresh, buf_slice(&in), "HEAD BODY_END");
	in.len -= 2;
	assert_int_equal(buf_append_str(&in, "X-A: b\r\n\r\n"), 0);
	expect_how(&fresh, buf_slice(&in), "ERROR(HEAD_TOO_LARGE)");
	buf_reset(&in);
	assert_int_equal(buf_append_str(&in, O "X-A: "), 0);
	while (in.len < 33 * 1024)
		assert_int_equal(buf_append_str(&in, "aaaaaaaa"), 0);
	expect_how(&fresh, buf_slice(&in), "ERROR(HEAD_TOO_LARGE)");
	buf_free(&in);
}

/* 14 to 19, FR-10 to FR-12, FR-18, FR-20. */
static void
field_lines(void **state)
{
	(void)state;
	EXPECT(O "X : h\r\n\r\n", "ERROR(BAD_HEADER)");
	EXPECT(O "garbage\r\n\r\n", "ERROR(BAD_HEADER)");
	EXPECT(O ": h\r\n\r\n", "ERROR(BAD_HEADER)");
	EXPECT(O "a b: h\r\n\r\n", "ERROR(BAD_HEADER)");
	EXPECT(O "X: a\0b\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT(O "X: a\rb\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT(O "X: a\r\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT(O "X: a\x7f\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT("OPTIONS icap://h/a\0 ICAP/1.0\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT("OPTIONS icap://h/avscan ICAP/1.0\nHost: h\n\n",
	    "ERROR(BAD_LINE_END)");
	EXPECT(O "\n", "ERROR(BAD_LINE_END)");
	EXPECT(R "Encapsulated: req-hdr=0,\r\n null-body=9\r\n\r\n",
	    "ERROR(BAD_ENCAPSULATED)");
	EXPECT(
	    R "Encapsulated: null-body=0\r\n X\r\n\r\n", "ERROR(BAD_LINE_END)");
	EXPECT("\r\n\r\n" O "\r\n", "HEAD BODY_END");
	EXPECT("\r\n\r\n\r\n\r\n" O "\r\n", "HEAD BODY_END");
	EXPECT("\r\n\r\n\r\n\r\n\r\n", "ERROR(BAD_REQUEST_LINE)");
	EXPECT("\r\n\r\n", "");
	EXPECT("OPTIONS icap://h/a ICAP/1.0\r\nhOsT:h\r\nX-Client-IP: \r\n\r\n",
	    "HEAD BODY_END");
}

static void
lenient_lf(void **state)
{
	static const struct icap_rx_limits limits = { .max_icap_head = 32768,
		.max_http_head = 131072,
		.lenient_lf = true };
	static const struct how lenient = { .limits = &limits };

	(void)state;
	expect_how(&lenient,
	    SLICE_LIT("\n\r\nOPTIONS icap://h/avscan ICAP/1.0\nHost: h\n\n"),
	    "HEAD BODY_END");
	expect_how(&lenient,
	    SLICE_LIT("RESPMOD icap://h/avscan ICAP/1.0\nEncapsulated: " RES
		      "\r\n\n" P1 "2\r\nab\r\n0\r\n\r\n"),
	    "HEAD BODY(ab) BODY_END");
	/* not in bodies (CH-04) */
	expect_how(&lenient,
	    SLICE_LIT("RESPMOD icap://h/avscan ICAP/1.0\nEncapsulated: " RES
		      "\r\n\n" P1 "2\nab\r\n0\r\n\r\n"),
	    "HEAD ERROR(BAD_CHUNK)");
}

/* 20 to 29, EN-01 to EN-07. */
static void
bad_encapsulated(void **state)
{
	(void)state;
	EXPECT(R "\r\n", "ERROR(NO_ENCAPSULATED)");
	EXPECT(Q "\r\n", "ERROR(NO_ENCAPSULATED)");
	EXPECT(R "Encapsulated: null-body=0\r\n" E("null-body=0"),
	    "ERROR(DUP_HEADER)");
	EXPECT(R "Encapsulated: null-body=0\r\n" E("res-body=0"),
	    "ERROR(DUP_HEADER)");
	EXPECT(R E(""), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("res-hdr=5, res-body=24"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("req-hdr=0, res-hdr=40, res-body=20"),
	    "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("res-body=0, res-hdr=0"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("res-hdr=0"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(
	    R E("res-hdr=0, res-body=99999999999"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(Q E(RES), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("req-hdr=0, req-body=27"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(R E("opt-body=0"), "ERROR(BAD_ENCAPSULATED)");
	EXPECT(Q E("req-hdr=0, res-hdr=27, req-body=46"),
	    "ERROR(BAD_ENCAPSULATED)");
	EXPECT(Q E("req-hdr=0, res-hdr=27, null-body=46"),
	    "ERROR(BAD_ENCAPSULATED)");
	EXPECT(O E("req-hdr=0, req-body=27"), "ERROR(BAD_ENCAPSULATED)");
}

/* 28: a section over MaxHttpHead is refused before a byte of it came. */
static void
large_sections(void **state)
{
	struct buf in;

	(void)state;
	EXPECT(R E("res-hdr=0, res-body=200000"), "ERROR(SECTION_TOO_LARGE)");
	EXPECT(
	    R E("res-hdr=0, res-body=9999999999"), "ERROR(SECTION_TOO_LARGE)");
	EXPECT(R E("req-hdr=0, res-hdr=131073, res-body=131074"),
	    "ERROR(SECTION_TOO_LARGE)");
	EXPECT(R E("req-hdr=0, res-hdr=1, res-body=131074"),
	    "ERROR(SECTION_TOO_LARGE)");
	EXPECT(R E("req-hdr=0, res-hdr=131072, res-body=262144"), "+head");
	/* two heads of the full size, so that the memory moves */
	buf_init(&in, 1 << 20);
	assert_int_equal(buf_append_str(&in,
			     R E("req-hdr=0, res-hdr=131072, res-body=262144")),
	    0);
	for (int i = 0; i < 262144 / 64; i++)
		assert_int_equal(
		    buf_append_str(&in,
			"X-0123456789: 0123456789012345678901234567890123456789"
			"01234567\r\n"),
		    0);
	assert_int_equal(buf_append_str(&in, "1\r\nz\r\n0\r\n\r\n"), 0);
	expect_how(&fresh, buf_slice(&in), "HEAD BODY(z) BODY_END");
	buf_free(&in);
}

/* 30, 31, 33 to 35, 68, EN-05, EN-06, EN-08 to EN-10, EN-14. */
static void
good_encapsulated(void **state)
{
	(void)state;
	EXPECT(R E("req-hdr=0 res-hdr=27 res-body=46") H1 P1 "0\r\n\r\n",
	    "HEAD BODY_END");
	EXPECT(R "ENCAPSULATED: Res-Hdr=0,Res-Body=19\r\n\r\n" P1
		 "1\r\na\r\n0\r\n\r\n",
	    "HEAD BODY(a) BODY_END");
	EXPECT(
	    R E("res-body=0") "2\r\nab\r\n0\r\n\r\n", "HEAD BODY(ab) BODY_END");
	EXPECT(
	    Q E("req-body=0") "2\r\nab\r\n0\r\n\r\n", "HEAD BODY(ab) BODY_END");
	EXPECT(R E("res-hdr=0 res-body=0") "2\r\nab\r\n0\r\n\r\n",
	    "HEAD BODY(ab) BODY_END");
	EXPECT(R E("res-hdr=0, null-body=19") P1, "HEAD BODY_END");
	EXPECT(R "Preview: 0\r\n" E("res-hdr=0, null-body=19") P1 O "\r\n",
	    "HEAD BODY_END HEAD BODY_END");
	EXPECT(Q E("req-hdr=0, null-body=27") H1, "HEAD BODY_END");
	EXPECT(Q E("null-body=0"), "HEAD BODY_END");
	EXPECT(R E("res-hdr=0, res-body=21") "Content-Length: 5\r\n\r\n"
					     "5\r\nhello\r\n0\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
	EXPECT(R E("res-hdr=0, res-body=17") "HTTP/1.1 200 OK\r\n"
					     "1\r\na\r\n0\r\n\r\n",
	    "HEAD BODY(a) BODY_END");
	EXPECT(Q E("req-hdr=0, req-body=46") H1 P1 "1\r\na\r\n0\r\n\r\n",
	    "HEAD BODY(a) BODY_END");
	EXPECT(O E("null-body=0"), "HEAD BODY_END");
	EXPECT(O E("opt-body=0") "3\r\nabc\r\n0\r\n\r\n",
	    "HEAD BODY(abc) BODY_END");
}

/* 37 to 45, PV-02 to PV-05. */
static void
previews(void **state)
{
	(void)state;
	EXPECT(RB("Preview: -1\r\n"), "ERROR(BAD_PREVIEW)");
	EXPECT(RB("Preview: abc\r\n"), "ERROR(BAD_PREVIEW)");
	EXPECT(RB("Preview: \r\n"), "ERROR(BAD_PREVIEW)");
	EXPECT(RB("Preview: 99999999999999999999\r\n"), "ERROR(BAD_PREVIEW)");
	EXPECT(RB("Preview: 1\r\nPreview: 1\r\n"), "ERROR(DUP_HEADER)");
	EXPECT(RB("Preview: 10\r\n") "4\r\nabcd\r\n0; ieof\r\n\r\n",
	    "HEAD BODY(abcd) BODY_END(ieof)");
	EXPECT(RB("Preview: 4\r\n") "4\r\nabcd\r\n0\r\n\r\n0\r\n\r\n",
	    "HEAD BODY(abcd) PREVIEW_END BODY_END");
	EXPECT(RB("Preview: 4\r\n") "9\r\nabcdefghi\r\n0\r\n\r\n",
	    "HEAD BODY(abcdefghi) PREVIEW_END +body");
	EXPECT(RB("Preview: 0\r\n") "0\r\n\r\n", "HEAD PREVIEW_END +body");
	EXPECT(RB("Preview: 0\r\n") "0; ieof\r\n\r\n", "HEAD BODY_END(ieof)");
	EXPECT(RB("") "5\r\nhello\r\n0; ieof\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
	EXPECT(RB("Preview: 4\r\n") "4\r\nabcd\r\n0\r\n\r\n"
				    "2\r\nef\r\n0\r\n\r\n" O "\r\n",
	    "HEAD BODY(abcd) PREVIEW_END BODY(ef) BODY_END HEAD BODY_END");
	/* CH-09: ieof behind the 100 is a plain end */
	EXPECT(RB("Preview: 4\r\n") "4\r\nabcd\r\n0\r\n\r\n0; ieof\r\n\r\n",
	    "HEAD BODY(abcd) PREVIEW_END BODY_END");
	/* ieof of the preview does not stick to the next request */
	EXPECT(RB("Preview: 4\r\n") "0; ieof\r\n\r\n" RB(
		   "Preview: 4\r\n") "0\r\n\r\n",
	    "HEAD BODY_END(ieof) HEAD PREVIEW_END +body");
	/* 70: a preview that is answered leaves the connection usable */
	EXPECT_EARLY(RB("Preview: 4\r\n") "4\r\nabcd\r\n0\r\n\r\n" O "\r\n",
	    "HEAD BODY(abcd) PREVIEW_END HEAD BODY_END");
}

/* 49 to 60, CH-*. */
static void
chunks(void **state)
{
	static const char *const refused[] = { "+5\r\n", "-5\r\n", "0x5\r\n",
		" 5\r\n", "\r\n", "g\r\n", ";ieof\r\n", "10000000000000000\r\n",
		"ffffffffffffffff\r\n", "5\nhello\r\n",
		"5;x=\ny\r\nhello\r\n0\r\n\r\n" };
	struct buf in;

	(void)state;
	buf_init(&in, 1 << 20);
	for (size_t i = 0; i < COUNTOF(refused); i++) {
		buf_reset(&in);
		assert_int_equal(buf_append_str(&in, RB("")), 0);
		assert_int_equal(buf_append_str(&in, refused[i]), 0);
		expect_how(&fresh, buf_slice(&in), "HEAD ERROR(BAD_CHUNK)");
	}
	buf_reset(&in);
	assert_int_equal(buf_append_str(&in, RB("") "5;"), 0);
	for (int i = 0; i < 2048; i++)
		assert_int_equal(buf_append_str(&in, "x"), 0);
	expect_how(&fresh, buf_slice(&in), "HEAD ERROR(BAD_CHUNK)");
	buf_free(&in);
	EXPECT(RB("") "00000005\r\nhello\r\n", "HEAD BODY(hello) +body");
	EXPECT(RB("") "100000000\r\nabc", "HEAD BODY(abc) +body");
	EXPECT(RB("") "5\r\nhelloX\r\n", "HEAD BODY(hello) ERROR(BAD_CHUNK)");
	EXPECT(RB("") "5;a=\"q;1\";b\r\nhello\r\n0\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
	EXPECT(
	    RB("") "0\r\nContent-Length: 9\r\nX: y\r\n\r\n", "HEAD BODY_END");
	EXPECT(RB("") "0\r\nX\r\n\r\n", "HEAD ERROR(BAD_TRAILER)");
	EXPECT(RB("") "0\r\n", "HEAD +body");
	EXPECT(RB("") "5\r\nhel", "HEAD BODY(hel) +body");
	EXPECT(RB("") "5\r\nhello\r\n0\r\n", "HEAD BODY(hello) +body");
	EXPECT(R E(RES) "HTTP/1.1", "+head");
}

/* CH-07: no field of the encapsulated head frames the body. */
static void
inner_length(void **state)
{
	(void)state;
	EXPECT(R E("res-hdr=0, res-body=38") "HTTP/1.1 200 OK\r\n"
					     "Content-Length: 1\r\n\r\n"
					     "5\r\nhello\r\n0\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
	EXPECT(
	    R E("res-hdr=0, res-body=47") "HTTP/1.1 200 OK\r\n"
					  "Transfer-Encoding: chunked\r\n\r\n"
					  "5\r\nhello\r\n0\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
	/* FR-13: neither do those of the ICAP head */
	EXPECT(R "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n" E(RES) P1
	    "5\r\nhello\r\n0\r\n\r\n",
	    "HEAD BODY(hello) BODY_END");
}

/* 62: one after the other; nothing of the second is taken too early. */
static void
pipelined(void **state)
{
	static const char in[] = R E("res-hdr=0, null-body=19") P1 O "\r\n";
	struct slice rest = slice_of(in), body;
	struct icap_rx rx;

	(void)state;
	EXPECT(O "\r\n" O "\r\n", "HEAD BODY_END HEAD BODY_END");
	EXPECT(RB("") "1\r\na\r\n0\r\n\r\n" RB("") "1\r\nb\r\n0\r\n\r\n",
	    "HEAD BODY(a) BODY_END HEAD BODY(b) BODY_END");
	EXPECT(RB("") "0\r\n\r\n\r\n" O "\r\n", "HEAD BODY_END HEAD BODY_END");
	icap_rx_init(&rx, &rx_trace_limits);
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_HEAD);
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_BODY_END);
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_MORE);
	assert_string_equal(rest.p, O "\r\n");
	assert_true(icap_rx_in_request(&rx));
	icap_rx_finish(&rx);
	assert_false(icap_rx_in_request(&rx));
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_HEAD);
	assert_int_equal(rx.icap.method, ICAP_OPTIONS);
	icap_rx_free(&rx);
}

/* What the owner reads between the events. */
static void
parsed_heads(void **state)
{
	struct icap_rx rx;

	(void)state;
	stop_at(&rx, RB("Preview: 4\r\nAllow: 204\r\n"), ICAP_RX_HEAD);
	assert_int_equal(rx.icap.method, ICAP_RESPMOD);
	assert_true(slice_eq(rx.icap.service, SLICE_LIT("avscan")));
	assert_true(rx.in_preview);
	assert_true(slice_eq(rx.req.raw, SLICE_LIT(H1)));
	assert_true(slice_eq(rx.res.raw, SLICE_LIT(P1)));
	assert_true(slice_eq(rx.req.target, SLICE_LIT("/")));
	assert_int_equal(rx.res.status, 200);
	icap_rx_finish(&rx);
	assert_null(rx.req.raw.p);
	assert_null(rx.res.raw.p);
	icap_rx_free(&rx);
	/* EN-05: an empty section is absent */
	stop_at(&rx, R E("req-hdr=0, res-hdr=0, res-body=19") P1, ICAP_RX_HEAD);
	assert_null(rx.req.raw.p);
	assert_true(slice_eq(rx.res.raw, SLICE_LIT(P1)));
	icap_rx_free(&rx);
	/* 68 */
	stop_at(&rx, R E("res-hdr=0, res-body=21") "Content-Length: 5\r\n\r\n",
	    ICAP_RX_HEAD);
	assert_false(rx.res.has_first_line);
	assert_true(
	    slice_eq(http_head_get(&rx.res, "content-length"), SLICE_LIT("5")));
	icap_rx_free(&rx);
	/* 73 */
	stop_at(&rx, RB("Trailer: X-Sum\r\n"), ICAP_RX_HEAD);
	assert_true(slice_eq(rx.icap.trailer, SLICE_LIT("X-Sum")));
	assert_false(rx.icap.allow_trailers);
	icap_rx_free(&rx);
}

/* 58: trailers are kept, until the next request. */
static void
kept_trailers(void **state)
{
	struct icap_rx rx;

	(void)state;
	stop_at(&rx, RB("") "0\r\nContent-Length: 9\r\nX: y\r\n\r\n",
	    ICAP_RX_BODY_END);
	assert_true(slice_eq(
	    icap_rx_trailer(&rx), SLICE_LIT("Content-Length: 9\r\nX: y\r\n")));
	icap_rx_finish(&rx);
	assert_int_equal(icap_rx_trailer(&rx).len, 0);
	icap_rx_free(&rx);
}

/* Which timeout runs: none before a request, then the head's. */
static void
where_it_is(void **state)
{
	struct icap_rx rx;

	(void)state;
	stop_at(&rx, "", ICAP_RX_MORE);
	assert_false(icap_rx_in_request(&rx));
	assert_false(icap_rx_in_head(&rx));
	icap_rx_free(&rx);
	stop_at(&rx, "\r\n", ICAP_RX_MORE);
	assert_false(icap_rx_in_request(&rx));
	icap_rx_free(&rx);
	stop_at(&rx, "\r\n\r", ICAP_RX_MORE);
	assert_false(icap_rx_in_request(&rx));
	assert_false(icap_rx_in_head(&rx));
	icap_rx_free(&rx);
	stop_at(&rx, "O", ICAP_RX_MORE);
	assert_true(icap_rx_in_request(&rx));
	assert_true(icap_rx_in_head(&rx));
	icap_rx_free(&rx);
	stop_at(&rx, R E(RES) "H", ICAP_RX_MORE);
	assert_true(icap_rx_in_head(&rx));
	icap_rx_free(&rx);
	stop_at(&rx, RB("") "100000000\r\nabc", ICAP_RX_MORE);
	assert_true(icap_rx_in_request(&rx));
	assert_false(icap_rx_in_head(&rx));
	assert_int_equal(icap_rx_direct(&rx), UINT64_C(0x100000000) - 3);
	icap_rx_skip(&rx, 5);
	assert_int_equal(icap_rx_direct(&rx), UINT64_C(0x100000000) - 8);
	icap_rx_free(&rx);
	stop_at(&rx, RB("") "5\r\nhello", ICAP_RX_MORE);
	assert_int_equal(icap_rx_direct(&rx), 0);
	icap_rx_free(&rx);
}

/* An error is final: not even finishing brings the position back. */
static void
errors_stay(void **state)
{
	struct slice rest = SLICE_LIT(O "\r\n"), body;
	struct icap_rx rx;

	(void)state;
	stop_at(&rx, "zzz\r\n", ICAP_RX_ERROR);
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_ERROR);
	icap_rx_finish(&rx);
	assert_int_equal(icap_rx_feed(&rx, &rest, &body), ICAP_RX_ERROR);
	assert_int_equal(rx.err, PROTO_ERR_BAD_REQUEST_LINE);
	icap_rx_free(&rx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_lines),
		cmocka_unit_test(garbage_after_an_answer),
		cmocka_unit_test(limits),
		cmocka_unit_test(field_lines),
		cmocka_unit_test(lenient_lf),
		cmocka_unit_test(bad_encapsulated),
		cmocka_unit_test(large_sections),
		cmocka_unit_test(good_encapsulated),
		cmocka_unit_test(previews),
		cmocka_unit_test(chunks),
		cmocka_unit_test(inner_length),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(parsed_heads),
		cmocka_unit_test(kept_trailers),
		cmocka_unit_test(where_it_is),
		cmocka_unit_test(errors_stay),
	};

	return cmocka_run_group_tests_name("icap_rx", tests, NULL, NULL);
}
