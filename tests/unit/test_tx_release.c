/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What may go out before the verdict: trickle, stall poke, streams. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "tests/unit/tx_world.h"

#define REQ_HDR "GET / HTTP/1.1\r\nHost: x\r\n\r\n" /* 27 bytes */
#define HTML_HDR "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
#define BIN_HDR "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n\r\n"
#define SSE_HDR "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define SECOND ((uint64_t)1000000)

static void
begin(struct world *w, const char *allow, const char *head)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n%s"
	    "Encapsulated: req-hdr=0, res-hdr=27, res-body=%zu\r\n\r\n%s%s",
	    allow, 27 + strlen(head), REQ_HDR, head);
	world_say(w, text);
}

/* One chunk of n bytes of 'x'. */
static void
chunk(struct world *w, size_t n)
{
	char head[24];
	char *data = malloc(n + 2);

	assert_non_null(data);
	memset(data, 'x', n);
	memcpy(data + n, "\r\n", 2);
	(void)snprintf(head, sizeof(head), "%zx\r\n", n);
	world_say(w, head);
	world_feed(w, data, n + 2, 0);
	free(data);
}

static size_t
count_x(const char *s)
{
	size_t n = 0;

	s = strstr(s, "\r\n\r\nHTTP/1.1 200");
	if (s == NULL)
		s = "";
	else
		s = strstr(s + 4, "\r\n\r\n");
	for (; s != NULL && *s != '\0'; s++)
		n += *s == 'x';
	return n;
}

static size_t
all_x(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == 'x';
	return n;
}

/* A 300-byte page, dripped for an hour, never goes out before its verdict. */
static void
dripped_page(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "Allow: trailers\r\n", HTML_HDR);
	for (int i = 0; i < 300; i++) {
		chunk(&w, 1);
		/* its worker begins in time */
		for (int k = 0; k < 3; k++) {
			world_wait(&w, 4 * SECOND);
			if (w.pending != 0)
				world_answer(&w, NULL, false);
		}
	}
	s = world_sent(&w);
	assert_int_equal(count_x(s), 0); /* headers at most */
	world_say(&w, "0\r\n\r\n");
	world_answer(&w, "Bad", false);
	/* the head was out: a cut; else a page */
	s = world_sent(&w);
	assert_int_equal(all_x(s), 0);
	assert_true(w.cut);
	world_free(&w);
}

/* The shape of Squid 5.7's stall: 64 KiB, trailers but no 204, silence. */
static void
stall_poke(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "Allow: trailers\r\n", BIN_HDR);
	chunk(&w, 65536);
	world_wait(&w, 40000);
	assert_int_equal(w.scans, 0);
	world_wait(&w, 20000);
	/* first everything received so far has to pass a scan */
	assert_int_equal(w.scans, 1);
	assert_int_equal(w.rq.size, 65536);
	assert_int_equal(w.rq.opts.glance, 0);
	assert_string_equal(world_sent(&w), "");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	assert_non_null(strstr(s, "ICAP/1.0 200 OK"));
	assert_int_equal(count_x(s), 1);
	/* a poke that brings no data doubles the wait */
	world_wait(&w, 60000);
	(void)world_sent(&w);
	world_wait(&w, 60 * SECOND);
	assert_true(all_x(world_sent(&w)) <= 32);
	/* found at the end: cut, and the whole never went out */
	chunk(&w, 1000);
	world_say(&w, "0\r\n\r\n");
	world_answer(&w, "Bad", false);
	assert_true(w.cut);
	assert_int_equal(all_x(world_sent(&w)), 0);
	world_free(&w);
}

/* A large body stalls again and again: every 5 MiB or so with Squid 5.7. */
static void
many_pokes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "Allow: trailers\r\n", BIN_HDR);
	chunk(&w, 65536);
	world_wait(&w, 60000);
	world_answer(&w, NULL, false);
	(void)world_sent(&w);
	for (int i = 0; i < 60; i++) {
		chunk(&w, 5 << 20);
		world_wait(&w, 60000);
		assert_int_equal(all_x(world_sent(&w)), 1);
	}
	world_free(&w);
}

static void
no_poke(void **state)
{
	static const struct {
		const char *allow;
		size_t size;
	} cases[] = {
		{ "Allow: 204, trailers\r\n", 65536 }, /* may end as 204 */
		{ "", 65536 },                         /* not Squid */
		{ "Allow: trailers\r\n", 60000 },      /* too small to stall */
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		world_init(&w, NULL, true);
		begin(&w, cases[i].allow, BIN_HDR);
		chunk(&w, cases[i].size);
		world_wait(&w, 10 * SECOND);
		assert_int_equal(w.scans, 0);
		assert_string_equal(world_sent(&w), "");
		world_free(&w);
	}
	/* an unbroken fast stream */
	world_init(&w, NULL, true);
	begin(&w, "Allow: trailers\r\n", BIN_HDR);
	for (int i = 0; i < 100; i++) {
		chunk(&w, 65536);
		world_wait(&w, 20000);
	}
	assert_int_equal(w.scans, 0);
	assert_string_equal(world_sent(&w), "");
	world_free(&w);
	/* switched off */
	{
		const char *const off[] = { "StallPoke off", NULL };

		world_init(&w, off, true);
		begin(&w, "Allow: trailers\r\n", BIN_HDR);
		chunk(&w, 65536);
		world_wait(&w, 10 * SECOND);
		assert_string_equal(world_sent(&w), "");
		world_free(&w);
	}
}

static void
trickle_by_clock(void **state)
{
	const char *const conf[] = { "StallPoke off", "BodyTimeout 1h", NULL };
	struct world w;
	const char *s;
	size_t n;

	(void)state;
	world_init(&w, conf, true);
	begin(&w, "", BIN_HDR);
	chunk(&w, 200000);
	world_wait(&w, 14 * SECOND);
	assert_string_equal(world_sent(&w), "");
	world_wait(&w, 2 * SECOND);
	assert_int_equal(w.scans, 1);
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	assert_non_null(strstr(s, "ICAP/1.0 200 OK"));
	/* single bytes, within TrickleMax */
	world_wait(&w, 3000 * SECOND);
	n = all_x(world_sent(&w));
	assert_true(n > 100 && n <= 256);
	/* clean: the rest follows, whole */
	world_say(&w, "0\r\n\r\n");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	assert_true(all_x(s) + n + 1 >= 200000 && all_x(s) + n <= 200000);
	assert_string_equal(s + strlen(s) - 5, "0\r\n\r\n");
	assert_false(w.cut);
	world_free(&w);
	/* a gate that finds something blocks at once: nothing was out */
	world_init(&w, conf, true);
	begin(&w, "", BIN_HDR);
	chunk(&w, 200000);
	world_wait(&w, 16 * SECOND);
	world_answer(&w, "Bad", true);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 403 Forbidden"));
	world_free(&w);
}

/* What a browser may take for a page goes out by 64 bytes at most. */
static void
less_of_text(void **state)
{
	static const char *const types[] = { "Content-Type: text/html",
		"Content-Type: TEXT/JavaScript; charset=x",
		"Content-Type: image/svg+xml", "Content-Type: text/css",
		"Content-Type: application/unknown", "Content-Type: */*",
		"Content-Type: text", "X-None: y" };
	const char *const conf[] = { "StallPoke off", "BodyTimeout 1h", NULL };
	char head[200];
	struct world w;

	(void)state;
	for (size_t i = 0; i < COUNTOF(types); i++) {
		(void)snprintf(head, sizeof(head),
		    "HTTP/1.1 200 OK\r\n%s\r\n\r\n", types[i]);
		world_init(&w, conf, true);
		begin(&w, "", head);
		chunk(&w, 200000);
		world_wait(&w, 16 * SECOND);
		world_answer(&w, NULL, false);
		world_wait(&w, 3000 * SECOND);
		assert_int_equal(count_x(world_sent(&w)), 64);
		world_free(&w);
	}
}

/* A gate that could not look at everything stays shut. */
static void
incomplete_gate(void **state)
{
	const char *const conf[] = { "StallPoke off", "BodyTimeout 1h", NULL };
	struct world w;

	(void)state;
	world_init(&w, conf, true);
	begin(&w, "", BIN_HDR);
	chunk(&w, 200000);
	world_wait(&w, 16 * SECOND);
	assert_int_equal(w.scans, 1);
	world_answer_incomplete(&w, OUTCOME_FAILED);
	world_wait(&w, 60 * SECOND);
	assert_string_equal(world_sent(&w), "");
	world_free(&w);
}

/* All of the first n bytes that the worker got are the object's. */
static void
worker_has(struct world *w, size_t n)
{
	assert_true(w->rq.size >= n && n < sizeof(w->body));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(w->body[i], 'x');
}

/*
 * A gate's scan waits for a worker while the body grows and moves: from inline
 * memory to larger memory, to a memfd, and to a file.
 */
static void
queued_gate(void **state)
{
	const char *const conf[] = { "StallPoke off", "QueueTimeout 1m",
		"SpoolMemory 500K", NULL };
	static const size_t first[] = { 300, 300, 300, 100000 };
	static const size_t more[] = { 20000, 60000, 900000, 900000 };
	struct world w;

	(void)state;
	for (size_t i = 0; i < COUNTOF(first); i++) {
		world_init(&w, conf, true);
		begin(&w, "", BIN_HDR);
		chunk(&w, first[i]);
		w.deaf = true;
		world_wait(&w, 16 * SECOND);
		assert_int_equal(w.scans, 0);
		chunk(&w, more[i]);
		w.deaf = false;
		sched_worker_writable(w.sched, w.incarnation);
		assert_int_equal(w.scans, 1);
		assert_int_equal(w.rq.size, first[i]);
		worker_has(&w, 300);
		world_answer(&w, NULL, false);
		world_free(&w);
	}
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

#define OTHERS 5
/* Other small bodies, until not one byte more fits. */
static void
use_up(struct spool_pool *p, struct spool *others[OTHERS])
{
	static const char fill[SPOOL_INLINE_MAX];

	for (int i = 0; i < OTHERS; i++) {
		others[i] = spool_new(p, nothing, NULL);
		for (size_t n = sizeof(fill); n > 0; n /= 2)
			if (spool_size(others[i]) + n <= SPOOL_INLINE_MAX)
				(void)spool_write(others[i], fill, n);
	}
}

static void
free_others(struct spool *others[OTHERS])
{
	for (int i = 0; i < OTHERS; i++)
		spool_free(&others[i]);
}

/* ---- streams ---- */

/* The same for a window that waits while more of the stream arrives. */
static void
queued_window(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "", SSE_HDR);
	w.deaf = true;
	world_say(&w, "9\r\ndata: a\n\n\r\n");
	assert_int_equal(w.scans, 0);
	chunk(&w, 50000);
	w.deaf = false;
	sched_worker_writable(w.sched, w.incarnation);
	assert_int_equal(w.scans, 1);
	assert_string_equal(w.body, "data: a\n\n");
	world_free(&w);
}

static void
event_stream(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "Allow: trailers\r\n", SSE_HDR);
	world_say(&w, "9\r\ndata: a\n\n\r\n");
	assert_int_equal(w.scans, 1);
	assert_int_equal(w.rq.opts.glance, 0);
	assert_string_equal(world_sent(&w), "");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	assert_non_null(strstr(s, SSE_HDR "9\r\ndata: a\n\n\r\n"));
	/* the next window is scanned together with what went before */
	world_say(&w, "9\r\ndata: b\n\n\r\n");
	assert_string_equal(w.body, "data: a\n\ndata: b\n\n");
	world_answer(&w, NULL, false);
	assert_string_equal(world_sent(&w), "9\r\ndata: b\n\n\r\n");
	/* a hit cuts */
	world_say(&w, "9\r\ndata: c\n\n\r\n");
	world_answer(&w, "Bad", true);
	assert_string_equal(world_sent(&w), "");
	assert_true(w.cut);
	world_free(&w);
}

static void
stream_ends(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "", SSE_HDR);
	world_say(&w, "9\r\ndata: a\n\n\r\n0\r\n\r\n");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	assert_string_equal(s + strlen(s) - 16, "data: a\n\n\r\n0\r\n\r\n");
	assert_int_equal(w.transactions, 1);
	world_free(&w);
}

/* A zip that calls itself an event stream is held and scanned like any. */
static void
not_its_type(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "", SSE_HDR);
	world_say(&w, "8\r\nPK\003\004abcd\r\n");
	assert_int_equal(w.scans, 0);
	world_say(&w, "0\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_WHOLE);
	world_answer(&w, "Bad", false);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 403 Forbidden"));
	world_free(&w);
}

/* The same inside a preview: it goes on as a preview. */
static void
not_its_type_in_the_preview(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "Preview: 8\r\n", SSE_HDR);
	world_say(&w, "8\r\nPK\003\004abcd\r\n0\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_PREFIX);
	world_answer(&w, NULL, false);
	assert_string_equal(world_sent(&w), "ICAP/1.0 100 Continue\r\n\r\n");
	world_say(&w, "4\r\nefgh\r\n0\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_WHOLE);
	assert_int_equal(w.rq.size, 12);
	world_answer(&w, "Bad", false);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 403 Forbidden"));
	world_free(&w);
	/* whole in the preview */
	world_init(&w, NULL, true);
	begin(&w, "Preview: 9\r\n", SSE_HDR);
	world_say(&w, "8\r\nPK\003\004abcd\r\n0; ieof\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_WHOLE);
	assert_int_equal(w.rq.size, 8);
	world_free(&w);
}

/* What has no space when it falls back is waited for, not forgotten. */
static void
not_its_type_without_space(void **state)
{
	const char *const conf[] = { "SpoolMemory 64K", "SpoolSize 0", NULL };
	static const char *const rest[] = { "0\r\n\r\n",
		"4\r\nefgh\r\n0\r\n\r\n" };
	struct spool *others[OTHERS];
	struct world w;

	(void)state;
	for (size_t i = 0; i < COUNTOF(rest); i++) {
		world_init(&w, conf, true);
		use_up(w.spool, others);
		begin(&w, "Allow: 204\r\n", SSE_HDR);
		/* four bytes are too few to tell: the end comes with them */
		world_say(&w,
		    i == 0 ? "4\r\nPK\003\004\r\n" : "8\r\nPK\003\004abcd\r\n");
		world_say(&w, rest[i]);
		assert_int_equal(w.scans, 0);
		assert_string_equal(world_sent(&w), "");
		free_others(others);
		world_wait(&w, 1);
		assert_int_equal(w.scans, 1);
		assert_int_equal(w.rq.kind, SCAN_WHOLE);
		assert_int_equal(w.rq.size, i == 0 ? 4 : 12);
		world_free(&w);
		/* or it never comes */
		world_init(&w, conf, true);
		use_up(w.spool, others);
		begin(&w, "Allow: 204\r\n", SSE_HDR);
		world_say(&w,
		    i == 0 ? "4\r\nPK\003\004\r\n" : "8\r\nPK\003\004abcd\r\n");
		world_say(&w, rest[i]);
		world_wait(&w, 11 * SECOND);
		assert_non_null(strstr(world_sent(&w), "HTTP/1.1 503 Service"));
		free_others(others);
		world_free(&w);
	}
}

static void
stream_scan_fails(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	begin(&w, "", SSE_HDR);
	world_say(&w, "9\r\ndata: a\n\n\r\n");
	world_worker_dies(&w, SIGSEGV);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 403 Forbidden"));
	world_free(&w);
}

/* A finding that passes is the outcome, not "streamed". */
static void
finding_of_a_stream_stays(void **state)
{
	const char *const conf[] = { "Monitor on", NULL };
	uint64_t before = metrics->outcomes[0][OUTCOME_INFECTED];
	struct world w;

	(void)state;
	world_init(&w, conf, true);
	begin(&w, "", SSE_HDR);
	world_say(&w, "9\r\ndata: a\n\n\r\n");
	world_answer(&w, "Bad", true);
	world_say(&w, "a\r\ndata: bb\n\n\r\n0\r\n\r\n");
	world_answer(&w, NULL, false);
	assert_int_equal(w.transactions, 1);
	assert_false(w.cut);
	assert_int_equal(metrics->outcomes[0][OUTCOME_INFECTED], before + 1);
	world_free(&w);
}

/* Where that passes, the stream goes on without windows. */
static void
stream_scan_fails_and_passes(void **state)
{
	static const char *const confs[][3] = { { "Monitor on", NULL },
		{ "OnFailed pass", NULL } };
	struct world w;
	const char *s;

	(void)state;
	for (size_t i = 0; i < COUNTOF(confs); i++) {
		world_init(&w, confs[i], true);
		begin(&w, "", SSE_HDR);
		world_say(&w, "9\r\ndata: a\n\n\r\n");
		world_answer(&w, NULL, false);
		(void)world_sent(&w);
		world_say(&w, "9\r\ndata: b\n\n\r\n");
		world_worker_dies(&w, SIGSEGV);
		assert_string_equal(world_sent(&w), "9\r\ndata: b\n\n\r\n");
		world_say(&w, "9\r\ndata: c\n\n\r\n0\r\n\r\n");
		s = world_sent(&w);
		assert_string_equal(s, "9\r\ndata: c\n\n\r\n0\r\n\r\n");
		assert_int_equal(w.transactions, 1);
		assert_false(w.cut);
		world_free(&w);
	}
}

/*
 * A preview that passes (too large) and finds no space for a while: its parts
 * stay in order, and it does not wait for space that it needs no more.
 */
static void
preview_without_space(void **state)
{
	const char *const conf[] = { "MaxObjectSize 1K", "OnTooLarge pass",
		"SpoolMemory 64K", "SpoolSize 0", NULL };
	struct world w;
	struct spool *others[OTHERS];
	const char *s;
	char fill[1400];

	(void)state;
	memset(fill, 'x', sizeof(fill));
	for (int late = 0; late < 2; late++) {
		world_init(&w, conf, true);
		world_say(&w,
		    "REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
		    "Preview: 4096\r\n"
		    "Encapsulated: req-hdr=0, req-body=41\r\n\r\n"
		    "PUT / HTTP/1.1\r\nHost: x\r\nX-Test: edit\r\n\r\n"
		    "578\r\n");
		world_feed(&w, fill, sizeof(fill), 0);
		world_say(&w, "\r\n");
		assert_int_equal(w.tx->state, TX_STREAM);
		use_up(w.spool, others);
		world_say(&w, "4\r\nbbbb\r\n");
		assert_false(tx_wants_input(w.tx));
		if (!late)
			free_others(others);
		else
			world_wait(&w, 11 * SECOND);
		world_say(&w, "4\r\ncccc\r\n0\r\n\r\n");
		world_say(&w, "4\r\ndddd\r\n0\r\n\r\n");
		if (late)
			free_others(others);
		assert_int_equal(w.transactions, 1);
		s = world_sent(&w);
		assert_non_null(strstr(s, "ICAP/1.0 100 Continue"));
		assert_int_equal(all_x(s), 1 + sizeof(fill)); /* Host: x */
		assert_non_null(s = strstr(s, "bbbb"));
		assert_non_null(s = strstr(s, "cccc"));
		assert_non_null(strstr(s, "dddd"));
		world_free(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dripped_page),
		cmocka_unit_test(stall_poke),
		cmocka_unit_test(many_pokes),
		cmocka_unit_test(no_poke),
		cmocka_unit_test(trickle_by_clock),
		cmocka_unit_test(less_of_text),
		cmocka_unit_test(incomplete_gate),
		cmocka_unit_test(queued_gate),
		cmocka_unit_test(queued_window),
		cmocka_unit_test(event_stream),
		cmocka_unit_test(stream_ends),
		cmocka_unit_test(not_its_type),
		cmocka_unit_test(not_its_type_in_the_preview),
		cmocka_unit_test(not_its_type_without_space),
		cmocka_unit_test(finding_of_a_stream_stays),
		cmocka_unit_test(stream_scan_fails),
		cmocka_unit_test(stream_scan_fails_and_passes),
		cmocka_unit_test(preview_without_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
