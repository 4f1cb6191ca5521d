/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Transactions against a fake clock and a fake worker. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "net/tx_int.h"
#include "tests/unit/tx_world.h"

#define REQ_HDR "GET / HTTP/1.1\r\nHost: x\r\n\r\n" /* 27 bytes */
#define RES_HDR "HTTP/1.1 200 OK\r\n\r\n"           /* 19 bytes */
#define RESPMOD "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
#define ENCAP "Encapsulated: req-hdr=0, res-hdr=27, res-body=46\r\n\r\n"
#define HEADS ENCAP REQ_HDR RES_HDR

static void
has(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("missing \"%s\" in:\n%s", what, text);
}

static void
has_not(const char *text, const char *what)
{
	if (strstr(text, what) != NULL)
		fail_msg("unexpected \"%s\" in:\n%s", what, text);
}

/* ---- the table ---- */

static void
no_dead_ends(void **state)
{
	uint32_t seen = 1u << TX_HEADS, ends = 1u << TX_DONE;

	(void)state;
	for (int round = 0; round < TX_NSTATES; round++)
		for (int s = 0; s < TX_NSTATES; s++) {
			if (seen & (1u << s))
				seen |= tx_states[s].next;
			if (tx_states[s].next & ends)
				ends |= 1u << s;
		}
	assert_int_equal(seen, (1u << TX_NSTATES) - 1);
	assert_int_equal(ends, (1u << TX_NSTATES) - 1);
}

static void
illegal_step_aborts(void **state)
{
	struct world w;
	int status;
	pid_t pid;

	(void)state;
	world_init(&w, NULL, true);
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "2\r\nab");
	assert_int_equal(w.tx->state, TX_PREVIEW);
	if ((pid = fork()) == 0) {
		(void)close(STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		tx_goto(w.tx, TX_DRAIN);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	world_free(&w);
}

/* ---- OPTIONS and readiness ---- */

static void
options(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	world_say(&w, "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n");
	s = world_sent(&w);
	has(s, "ICAP/1.0 200 OK\r\n");
	has(s, "Methods: RESPMOD, REQMOD\r\n");
	has(s, "Preview: 16384\r\nTransfer-Preview: *\r\n");
	has(s, "Encapsulated: null-body=0\r\n\r\n");
	world_say(&w, "OPTIONS icap://h/nope ICAP/1.0\r\nHost: h\r\n\r\n");
	has(world_sent(&w), "ICAP/1.0 404 ICAP Service Not Found\r\n");
	assert_true(w.closed);
	world_free(&w);
}

static void
not_ready(void **state)
{
	const char *const wait[] = { "StartWait 20s", NULL };
	struct world w;

	(void)state;
	world_init(&w, wait, false);
	world_say(&w, "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n");
	assert_string_equal(world_sent(&w), "");
	world_wait(&w, 19000000);
	assert_string_equal(world_sent(&w), "");
	world_ready(&w);
	has(world_sent(&w), "ICAP/1.0 200 OK");
	world_free(&w);

	world_init(&w, wait, false);
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	world_wait(&w, 21000000);
	has(world_sent(&w), "HTTP/1.1 503 Service Unavailable");
	world_free(&w);

	world_init(&w, wait, false);
	/* no database at all: at once */
	assert_int_equal(net_core_generation(&w.core, NULL), 0);
	world_say(&w, "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n");
	has(world_sent(&w), "ICAP/1.0 503");
	world_free(&w);
}

/* ---- the preview machine (protocol.md 7) ---- */

static void
golden(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	/* C1: ieof, the whole is scanned once, no 100 */
	world_say(
	    &w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0; ieof\r\n\r\n");
	assert_int_equal(w.scans, 1);
	assert_int_equal(w.rq.kind, SCAN_WHOLE);
	assert_string_equal(w.body, "abcd");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	has(s, "ICAP/1.0 204 No modifications needed\r\n");
	has_not(s, "Encapsulated");
	has_not(s, "100 Continue");
	/* C2: prefix, 100, rest, and 200 since 204 is not allowed any more */
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_PREFIX);
	assert_string_equal(world_sent(&w), ""); /* PV-03 */
	world_answer(&w, NULL, false);
	assert_string_equal(world_sent(&w), "ICAP/1.0 100 Continue\r\n\r\n");
	world_say(&w, "2\r\nef\r\n0\r\n\r\n");
	assert_int_equal(w.rq.kind, SCAN_WHOLE);
	assert_string_equal(w.body, "abcdef"); /* PV-08 */
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	has(s, "ICAP/1.0 200 OK\r\n");
	has(s, "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" RES_HDR
	       "6\r\nabcdef\r\n0\r\n\r\n");
	/* C3: found in the whole */
	world_say(
	    &w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0; ieof\r\n\r\n");
	world_answer(&w, "Eicar", false);
	s = world_sent(&w);
	has(s, "ICAP/1.0 200 OK\r\n");
	has(s, "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n");
	has(s, "X-Virus-ID: Eicar\r\n");
	has(s, "HTTP/1.1 403 Forbidden\r\n");
	has_not(s, "abcd");
	assert_int_equal(w.transactions, 3);
	assert_false(w.closed);
	world_free(&w);
}

/* PV-12: {Allow} x {preview, after 100, no preview} */
static void
when_204(void **state)
{
	static const struct {
		const char *head, *rest;
		bool is_204;
	} cases[] = {
		{ "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0; ieof\r\n\r\n", NULL,
		    true },
		{ "Allow: 204\r\nPreview: 4\r\n" HEADS
		  "4\r\nabcd\r\n0; ieof\r\n\r\n",
		    NULL, true },
		{ "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n", "0\r\n\r\n",
		    false },
		{ "Allow: 204\r\nPreview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n",
		    "0\r\n\r\n", true },
		{ HEADS "4\r\nabcd\r\n0\r\n\r\n", NULL, false },
		{ "Allow: 204\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n", NULL, true },
		{ "Allow: 2045\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n", NULL,
		    false },
		{ "Allow: 206, trailers\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n",
		    NULL, false },
	};
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		world_say(&w, RESPMOD);
		world_say(&w, cases[i].head);
		if (cases[i].rest != NULL) {
			world_answer(&w, NULL, false);
			world_say(&w, cases[i].rest);
		}
		world_answer(&w, NULL, false);
		s = world_sent(&w);
		has(s, cases[i].is_204 ? "ICAP/1.0 204" : "ICAP/1.0 200");
		if (!cases[i].is_204)
			has(s, RES_HDR "4\r\nabcd\r\n0\r\n\r\n");
	}
	world_free(&w);
}

static void
prefix_blocks(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	world_answer(&w, "Bad", true);
	s = world_sent(&w);
	has_not(s, "100 Continue");
	has(s, "HTTP/1.1 403 Forbidden");
	/* the connection goes on with the next request */
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	/* not final: the whole has to confirm it */
	world_answer(&w, "Bad", false);
	assert_string_equal(world_sent(&w), "ICAP/1.0 100 Continue\r\n\r\n");
	world_say(&w, "0\r\n\r\n");
	world_answer(&w, NULL, false);
	has(world_sent(&w), "ICAP/1.0 200 OK");
	/* late: 100 after PreviewScanTimeout, and the answer is void */
	world_say(&w, RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	world_wait(&w, 99000);
	assert_string_equal(world_sent(&w), "");
	world_wait(&w, 2000);
	assert_string_equal(world_sent(&w), "ICAP/1.0 100 Continue\r\n\r\n");
	world_answer(&w, "Bad", true);
	assert_string_equal(world_sent(&w), "");
	world_free(&w);
}

static void
null_body_and_reqmod(void **state)
{
	struct world w;
	const char *s;

	(void)state;
	world_init(&w, NULL, true);
	/* #35: no wait for a chunk; the next request at once */
	world_say(&w, RESPMOD
	    "Preview: 0\r\nEncapsulated: res-hdr=0, null-body=19\r\n\r\n" RES_HDR);
	has(world_sent(&w), "ICAP/1.0 204");
	/* #34 */
	world_say(&w,
	    RESPMOD "Encapsulated: res-hdr=0, null-body=19\r\n\r\n" RES_HDR);
	s = world_sent(&w);
	has(s, "Encapsulated: res-hdr=0, null-body=19\r\n\r\n" RES_HDR);
	assert_int_equal(w.scans, 0);
	/* an edited request head is never answered 204 */
	world_say(&w,
	    "REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n"
	    "Encapsulated: req-hdr=0, null-body=62\r\n\r\n"
	    "GET / HTTP/1.1\r\nHost: x\r\nX-Test: edit\r\n"
	    "Accept-Encoding: br\r\n\r\n");
	s = world_sent(&w);
	has(s, "Encapsulated: req-hdr=0, null-body=");
	has(s, "X-Test: edit\r\nAccept-Encoding: gzip\r\n\r\n");
	has_not(s, "br");
	world_free(&w);
}

static void
pipelined_and_split(void **state)
{
	static const char two[] = RESPMOD "Allow: 204\r\n" HEADS
					  "4\r\nabcd\r\n0\r\n\r\n" RESPMOD HEADS
					  "3\r\nxyz\r\n0\r\nX: y\r\n\r\n";
	char whole[8192];
	struct world w;

	(void)state;
	whole[0] = '\0';
	for (size_t step = 0; step < 20; step++) {
		world_init(&w, NULL, true);
		for (size_t at = 0, n; at < sizeof(two) - 1; at += n) {
			n = step > 0 && step < sizeof(two) - 1 - at
				? step
				: sizeof(two) - 1 - at;
			world_feed(&w, two + at, n, 0);
			if (w.pending != 0)
				world_answer(&w, NULL, false);
		}
		if (w.pending != 0)
			world_answer(&w, NULL, false);
		assert_int_equal(w.transactions, 2);
		if (step == 0)
			(void)str_copy(
			    whole, sizeof(whole), slice_of(world_sent(&w)));
		else
			assert_string_equal(world_sent(&w), whole);
		world_free(&w);
	}
	has(whole, "ICAP/1.0 204");
	has(whole, "3\r\nxyz\r\n0\r\nX: y\r\n\r\n"); /* trailers stay: RM-02 */
}

/* ---- outcomes ---- */

static void
failures(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	world_say(&w, RESPMOD "Allow: 204\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	world_worker_dies(&w, SIGSEGV);
	has(world_sent(&w), "HTTP/1.1 403 Forbidden");
	/* a worker that never answers: page at the deadline, then the kill */
	world_say(&w, RESPMOD "Allow: 204\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	sched_started(w.sched, w.incarnation, w.pending);
	world_wait(&w, 29000000);
	assert_string_equal(world_sent(&w), "");
	world_wait(&w, 1500000);
	has(world_sent(&w), "HTTP/1.1 503 Service Unavailable");
	world_wait(&w, 2000000);
	assert_int_equal(w.overdue, 1);
	world_free(&w);

	/* nobody takes it within QueueTimeout */
	world_init(&w, NULL, true);
	w.deaf = true;
	world_say(&w, RESPMOD "Allow: 204\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
	world_wait(&w, 10500000);
	has(world_sent(&w), "HTTP/1.1 503 Service Unavailable");
	world_free(&w);

	/* incomplete is never clean; the client may decide */
	{
		const char *const error[] = { "OnLimit error", NULL };

		world_init(&w, error, true);
		world_say(&w,
		    RESPMOD "Allow: 204\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n");
		world_answer_incomplete(&w, OUTCOME_LIMIT);
		has(world_sent(&w), "ICAP/1.0 500");
		world_free(&w);
	}
}

static void
too_large(void **state)
{
	const char *const block[] = { "MaxObjectSize 1K", NULL };
	const char *const pass[] = { "MaxObjectSize 1K", "OnTooLarge pass",
		NULL };
	char body[3000];
	struct world w;
	const char *s;

	(void)state;
	memset(body, 'a', sizeof(body));
	world_init(&w, block, true);
	world_say(&w, RESPMOD HEADS "bb8\r\n");
	world_feed(&w, body, sizeof(body), 0);
	has(world_sent(&w), "HTTP/1.1 403 Forbidden"); /* early: PV-18 */
	world_say(&w, "\r\n0\r\n\r\n");
	assert_int_equal(w.transactions, 1);
	assert_false(w.closed); /* drained, and it goes on */
	world_free(&w);

	world_init(&w, pass, true);
	world_say(&w, RESPMOD HEADS "bb8\r\n");
	world_feed(&w, body, sizeof(body), 700);
	world_say(&w, "\r\n0\r\n\r\n");
	s = world_sent(&w);
	has(s, RES_HDR);
	assert_non_null(strstr(s, "\r\n0\r\n\r\n"));
	assert_int_equal(w.scans, 0);
	assert_int_equal(w.transactions, 1);
	world_free(&w);
}

/* The access lines so far; the log's from now on is fd. */
static void
lines_of(int fd, char *text, size_t len)
{
	ssize_t n = pread(fd, text, len - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
}

/* A digest is of all that came, or it is not told. */
static void
digest_of_all(void **state)
{
	const char *const conf[] = { "MaxObjectSize 1K", NULL };
	char body[3000], text[4096];
	struct world w;
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	assert_true(fd != -1);
	memset(body, 'a', sizeof(body));
	world_init(&w, conf, true);
	log_set_fd(LOG_ACCESS, dup(fd));
	world_say(&w, RESPMOD HEADS "3\r\nabc\r\n0\r\n\r\n");
	world_answer(&w, "Eicar", false);
	lines_of(fd, text, sizeof(text));
	has(text,
	    " sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f"
	    "20015ad ");
	/* read and thrown away behind its first bytes */
	world_say(&w, RESPMOD HEADS "578\r\n");
	world_feed(&w, body, 1400, 0);
	world_say(&w, "\r\nbb8\r\n");
	world_feed(&w, body, sizeof(body), 0);
	world_say(&w, "\r\n0\r\n\r\n");
	assert_int_equal(w.transactions, 2);
	lines_of(fd, text, sizeof(text));
	has(text, " outcome=too-large ");
	assert_null(strstr(text, "sha256="));
	world_free(&w);
	(void)close(fd);
}

/* A client that vanishes in any state leaves nothing: world_free() counts. */
static void
vanishes(void **state)
{
	static const char request[] =
	    RESPMOD "Preview: 4\r\n" HEADS "4\r\nabcd\r\n0\r\n\r\n";
	struct world w;

	(void)state;
	for (size_t n = 0; n <= sizeof(request) - 1; n++) {
		world_init(&w, NULL, true);
		world_feed(&w, request, n, 0);
		world_free(&w);
	}
	for (int step = 0; step < 3; step++) {
		world_init(&w, NULL, true);
		world_say(&w, request);
		world_answer(&w, NULL, false);
		if (step > 0)
			world_say(&w, "0\r\n\r\n");
		if (step > 1)
			sched_started(w.sched, w.incarnation, w.pending);
		world_hang_up(&w);
		if (w.pending != 0 && step == 1)
			world_answer(&w, NULL, false);
		world_free(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_dead_ends),
		cmocka_unit_test(illegal_step_aborts),
		cmocka_unit_test(options),
		cmocka_unit_test(not_ready),
		cmocka_unit_test(golden),
		cmocka_unit_test(when_204),
		cmocka_unit_test(prefix_blocks),
		cmocka_unit_test(null_body_and_reqmod),
		cmocka_unit_test(pipelined_and_split),
		cmocka_unit_test(failures),
		cmocka_unit_test(too_large),
		cmocka_unit_test(digest_of_all),
		cmocka_unit_test(vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
