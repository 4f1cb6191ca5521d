/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* A worker's loop with the fake engine, driven as net drives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "ipc/chan.h"
#include "ipc/progress.h"
#include "scan/worker.h"

#define BUDGET_US 20000000

struct fixture {
	pid_t pid;
	struct chan_block c;
};

static int
start(void **state)
{
	static struct fixture f;
	struct engine_load load = { .database = "fake" };
	char err[64];
	int fds[2];

	if (chan_pair(fds) != 0)
		return -1;
	f.pid = fork();
	if (f.pid == 0) {
		struct sigaction deflt = { .sa_handler = SIG_DFL };
		struct engine *e = engine_open(&load, err, sizeof(err));

		(void)sigaction(
		    SIGSEGV, &deflt, NULL); /* cmocka's is not ours */
		(void)close(fds[0]);
		_exit(worker_loop(e, fds[1]));
	}
	(void)close(fds[1]);
	*state = &f;
	return f.pid > 0 &&
		       chan_block_init(&f.c, fds[0], ROLE_NET, ROLE_WORKER) == 0
		   ? 0
		   : -1;
}

/* The worker's wait status, its channel closed. */
static int
finish(struct fixture *f)
{
	int status = -1;

	chan_block_free(&f->c);
	if (f->pid > 0)
		assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	return status;
}

static int
stop(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)finish(f);
	}
	return 0;
}

static struct msg_scan_request
request(uint64_t id, uint64_t size)
{
	return (struct msg_scan_request){ .scan_id = id,
		.size = size,
		.budget_us = BUDGET_US,
		.kind = SCAN_WHOLE };
}

static void
send_inline(
    struct fixture *f, const struct msg_scan_request *rq, const char *text)
{
	assert_int_equal(
	    chan_block_send(&f->c, MSG_SCAN_REQUEST, rq, slice_of(text), -1),
	    0);
}

static void
expect_started(struct fixture *f, uint64_t id)
{
	struct chan_msg m;

	assert_int_equal(chan_block_recv(&f->c, &m), 1);
	assert_int_equal(m.type, MSG_SCAN_STARTED);
	assert_int_equal(((const struct msg_scan_id *)m.payload)->scan_id, id);
}

static struct scan_answer
expect_result(struct fixture *f, uint64_t id)
{
	const struct msg_scan_result *r;
	struct scan_answer a;
	struct chan_msg m;

	expect_started(f, id);
	assert_int_equal(chan_block_recv(&f->c, &m), 1);
	assert_int_equal(m.type, MSG_SCAN_RESULT);
	r = m.payload;
	assert_int_equal(r->scan_id, id);
	assert_int_equal(msg_scan_result_check(r, m.tail, &a), 0);
	return a;
}

static struct scan_answer
scan_text(struct fixture *f, uint64_t id, const char *text)
{
	struct msg_scan_request rq = request(id, strlen(text));

	send_inline(f, &rq, text);
	return expect_result(f, id);
}

static int
make_memfd(const char *text, size_t len)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void
send_fd(struct fixture *f, const struct msg_scan_request *rq, int fd)
{
	assert_int_equal(
	    chan_block_send(&f->c, MSG_SCAN_REQUEST, rq, SLICE_NONE, fd), 0);
	assert_int_equal(close(fd), 0);
}

static void
test_inline(void **state)
{
	struct fixture *f = *state;
	struct scan_answer a = scan_text(f, 7, "harmless");

	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
	a = scan_text(f, 8, "a virus Unit.Test in it");
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 1);
	assert_int_equal(a.findings[0].outcome, OUTCOME_INFECTED);
	assert_string_equal(a.findings[0].name, "Unit.Test");
	a = scan_text(f, 9, "fail");
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_FAILED);
	assert_int_equal(finish(f), 0);
}

static void
test_empty(void **state)
{
	struct scan_answer a = scan_text(*state, 1, "");

	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
}

static void
test_descriptor(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 100000);
	struct scan_answer a;

	send_fd(f, &rq, make_memfd("virus Unit.Fd ", 100000));
	a = expect_result(f, 1);
	assert_int_equal(a.nfindings, 1);
	/* longer than the body: only the body counts */
	rq = request(2, 4);
	send_fd(f, &rq, make_memfd("abc virus Unit.Fd ", 100000));
	a = expect_result(f, 2);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
}

static void
test_read_only_descriptor(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 14);
	int fd = make_memfd("virus Unit.Fd ", 14),
	    seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;

	/* memfds are made sealable only on demand: a sealed one, then */
	(void)close(fd);
	fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "virus Unit.Fd ", 14), 14);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	send_fd(f, &rq, fd);
	assert_int_equal(expect_result(f, 1).nfindings, 1);
}

static void
test_wrong_size(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 9);
	struct scan_answer a;

	send_inline(f, &rq, "harmless"); /* 8 bytes */
	a = expect_result(f, 1);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_FAILED);
	rq = request(2, 1001);
	send_fd(f, &rq, make_memfd("x", 1000));
	a = expect_result(f, 2);
	assert_int_equal(a.complete, 0);
	/* it goes on */
	assert_int_equal(scan_text(f, 3, "harmless").complete, 1);
}

static void
test_not_a_file(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 10);
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	send_fd(f, &rq, fds[0]);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(expect_result(f, 1).complete, 0);
}

static void
test_both_bodies(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 5);
	int fd = make_memfd("12345", 5);

	assert_int_equal(chan_block_send(&f->c, MSG_SCAN_REQUEST, &rq,
			     SLICE_LIT("12345"), fd),
	    0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(expect_result(f, 1).complete, 0);
}

/* The exit status after the worker has hung up by itself. */
static int
hangs_up(struct fixture *f)
{
	struct chan_msg m;
	int status;

	while (chan_block_recv(&f->c, &m) > 0)
		;
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	chan_block_free(&f->c);
	return status;
}

static void
test_invalid_requests(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 0);
	int status;

	rq.budget_us = 0;
	send_inline(f, &rq, "");
	status = hangs_up(f);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), WORKER_EXIT_VIOLATION);
	assert_int_equal(start(state), 0);
	rq = request(1, 0);
	rq.kind = 3;
	send_inline(f, &rq, "");
	assert_int_equal(WEXITSTATUS(hangs_up(f)), WORKER_EXIT_VIOLATION);
	assert_int_equal(start(state), 0);
	rq = request(1, 0);
	rq.ncodings = SCAN_MAX_CODINGS + 1;
	send_inline(f, &rq, "");
	assert_int_equal(WEXITSTATUS(hangs_up(f)), WORKER_EXIT_VIOLATION);
}

static void
test_garbage(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(send(f->c.fd, "rubbish", 7, 0), 7);
	assert_int_equal(WEXITSTATUS(hangs_up(f)), WORKER_EXIT_VIOLATION);
}

static void
test_deadline(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 5);
	uint64_t began = clock_mono_us();
	int status;

	rq.budget_us = 200000;
	send_inline(f, &rq, "sleep");
	expect_started(f, 1);
	status = hangs_up(f);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
	assert_in_range(clock_mono_us() - began, 150000, 5000000);
}

/* The timer of one scan does not reach into the next. */
static void
test_timer_is_disarmed(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 8);

	rq.budget_us = 100000;
	send_inline(f, &rq, "harmless");
	assert_int_equal(expect_result(f, 1).complete, 1);
	assert_int_equal(usleep(250000), 0);
	assert_int_equal(scan_text(f, 2, "harmless").complete, 1);
}

static void
test_crash(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 5);
	int status;

	send_inline(f, &rq, "crash");
	expect_started(f, 1);
	status = hangs_up(f);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void
test_unknown_coding(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 8);
	struct scan_answer a;

	rq.ncodings = 1;
	rq.codings[0] = SCAN_CODING_UNKNOWN;
	send_inline(f, &rq, "harmless");
	a = expect_result(f, 1);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_UNDECODABLE);
	/* what is found in the raw form still counts */
	rq = request(2, 14);
	rq.ncodings = 1;
	rq.codings[0] = SCAN_CODING_UNKNOWN;
	send_inline(f, &rq, "virus Unit.Raw");
	a = expect_result(f, 2);
	assert_int_equal(a.nfindings, 1);
	assert_int_equal(a.complete, 0);
}

/* text as gzip, its length. */
static size_t
gzip(const char *text, unsigned char *out, size_t cap)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, 0), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)strlen(text);
	z.next_out = out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return z.total_out;
}

static struct scan_answer
scan_part_gzip(struct fixture *f, enum scan_kind kind, const void *p,
    size_t len, uint32_t missing)
{
	struct msg_scan_request rq = request(9, len);

	rq.kind = kind;
	rq.missing = missing;
	rq.ncodings = 1;
	rq.codings[0] = SCAN_CODING_GZIP;
	rq.opts.max_decoded_size = 1 << 20;
	rq.opts.max_decode_ratio = 1000;
	assert_int_equal(chan_block_send(&f->c, MSG_SCAN_REQUEST, &rq,
			     (struct slice){ p, len }, -1),
	    0);
	return expect_result(f, 9);
}

static struct scan_answer
scan_gzip(struct fixture *f, enum scan_kind kind, const void *p, size_t len)
{
	return scan_part_gzip(f, kind, p, len, 0);
}

/* A part of a coded object is a part, and not badly coded. */
static void
test_coded_part(void **state)
{
	static const char text[] = "some words, virus Unit.Gz and the rest";
	unsigned char z[256];
	struct fixture *f = *state;
	struct scan_answer a;
	size_t n = gzip(text, z, sizeof(z));

	a = scan_part_gzip(f, SCAN_WHOLE, z, n - 8, SCAN_NO_END);
	assert_int_equal(a.complete, 1);
	assert_string_equal(a.findings[0].name, "Unit.Gz");
	a = scan_part_gzip(f, SCAN_WHOLE, z + 3, n - 3, SCAN_NO_START);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
	/* scanned as it is */
	a = scan_part_gzip(
	    f, SCAN_WHOLE, "a virus Unit.Raw", 16, SCAN_NO_START | SCAN_NO_END);
	assert_int_equal(a.complete, 1);
	assert_string_equal(a.findings[0].name, "Unit.Raw");
}

static void
test_coded(void **state)
{
	static const char text[] = "some words, virus Unit.Gz and the rest";
	unsigned char z[256];
	struct fixture *f = *state;
	struct scan_answer a;
	size_t n = gzip("harmless", z, sizeof(z));

	a = scan_gzip(f, SCAN_WHOLE, z, n);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
	n = gzip(text, z, sizeof(z));
	a = scan_gzip(f, SCAN_WHOLE, z, n);
	assert_int_equal(a.complete, 1);
	assert_string_equal(a.findings[0].name, "Unit.Gz");
	/* cut: what was decoded is scanned, and it is not complete */
	a = scan_gzip(f, SCAN_WHOLE, z, n - 8);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_UNDECODABLE);
	assert_int_equal(a.nfindings, 1);
	/* not gzip at all: scanned as it is */
	a = scan_gzip(f, SCAN_WHOLE, "a virus Unit.Raw", 16);
	assert_int_equal(a.complete, 0);
	assert_string_equal(a.findings[0].name, "Unit.Raw");
	/* a prefix ends within its coding, and that is no fault */
	a = scan_gzip(f, SCAN_PREFIX, z, n - 8);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 1);
	assert_int_equal(a.final, 1);
}

static void
test_prefix(void **state)
{
	struct fixture *f = *state;
	struct msg_scan_request rq = request(1, 14);
	struct scan_answer a;

	rq.kind = SCAN_PREFIX;
	send_inline(f, &rq, "virus Unit.Pre");
	a = expect_result(f, 1);
	assert_int_equal(a.final, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* With a page it says nothing when it begins. */
static void
test_page(void **state)
{
	struct fixture *f = *state;
	const struct msg_none none = { 0 };
	struct msg_scan_request rq = request(7, 4);
	uint64_t at = 0, before = clock_mono_us();
	struct progress *p;
	struct chan_msg m;
	int fd;

	p = progress_new(&fd);
	assert_non_null(p);
	assert_int_equal(progress_begun(p, &at), 0);
	/* it cannot be made shorter under net */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(
	    chan_block_send(&f->c, MSG_PROGRESS, &none, SLICE_NONE, fd), 0);
	assert_int_equal(close(fd), 0);
	send_inline(f, &rq, "text");
	assert_int_equal(chan_block_recv(&f->c, &m), 1);
	assert_int_equal(m.type, MSG_SCAN_RESULT);
	assert_int_equal(progress_begun(p, &at), 7);
	assert_true(at >= before && at <= clock_mono_us());
	progress_free(&p);
	assert_int_equal(finish(f), 0);
}

static void
test_second_page(void **state)
{
	struct fixture *f = *state;
	const struct msg_none none = { 0 };
	struct progress *p;
	int fd;

	p = progress_new(&fd);
	assert_non_null(p);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    chan_block_send(&f->c, MSG_PROGRESS, &none, SLICE_NONE, fd),
		    0);
	assert_int_equal(close(fd), 0);
	progress_free(&p);
	assert_int_equal(WEXITSTATUS(hangs_up(f)), WORKER_EXIT_VIOLATION);
}

/* What is no page. */
static void
test_bad_page(void **state)
{
	struct fixture *f = *state;
	const struct msg_none none = { 0 };
	int fd = make_memfd("", 8);

	assert_int_equal(
	    chan_block_send(&f->c, MSG_PROGRESS, &none, SLICE_NONE, fd), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(WEXITSTATUS(hangs_up(f)), WORKER_EXIT_VIOLATION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inline),
		TEST(test_empty),
		TEST(test_descriptor),
		TEST(test_read_only_descriptor),
		TEST(test_wrong_size),
		TEST(test_not_a_file),
		TEST(test_both_bodies),
		TEST(test_invalid_requests),
		TEST(test_garbage),
		TEST(test_deadline),
		TEST(test_timer_is_disarmed),
		TEST(test_crash),
		TEST(test_unknown_coding),
		TEST(test_coded),
		TEST(test_coded_part),
		TEST(test_prefix),
		TEST(test_page),
		TEST(test_second_page),
		TEST(test_bad_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
