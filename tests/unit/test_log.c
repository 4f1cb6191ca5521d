/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/metrics.h"

#define SEC ((uint64_t)1000000)

static uint64_t mono, wall;
static int reader = -1;
static char text[4 << 20]; /* what take() has read */
static size_t ntext;

/* Both streams go into a pipe of their own; the reader does not read yet. */
static int
setup(void **state)
{
	int p[2];

	(void)state;
	mono = 100 * SEC;
	wall = 1763460000 * SEC;
	clock_set_fake(&mono, &wall);
	log_init("net0", LOG_INFO);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	reader = p[0];
	assert_true(fcntl(reader, F_SETFL, O_NONBLOCK) != -1);
	log_set_fd(LOG_ACCESS, fcntl(p[1], F_DUPFD_CLOEXEC, 3));
	log_set_fd(LOG_EVENTS, p[1]);
	ntext = 0;
	text[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mono += 10 * SEC; /* no event is the same as the next test's */
	log_flush();
	log_set_fd(LOG_ACCESS, STDERR_FILENO);
	log_set_fd(LOG_EVENTS, STDERR_FILENO);
	clock_set_fake(NULL, NULL);
	(void)close(reader);
	return 0;
}

static void
take(void)
{
	ssize_t n;

	while ((n = read(reader, text + ntext, sizeof(text) - 1 - ntext)) > 0)
		ntext += (size_t)n;
	text[ntext] = '\0';
}

/* Reads until nothing waits any more. */
static void
drain(void)
{
	for (int i = 0; i < 1000 && log_pending(LOG_ACCESS) > 0; i++) {
		take();
		log_flush();
	}
	assert_int_equal(log_pending(LOG_ACCESS), 0);
	take();
}

static unsigned int
count(const char *what)
{
	unsigned int n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void
one_event_line(void **state)
{
	char want[128];

	(void)state;
	log_info("worker-lost", "slot=%d signal=%d", 3, 11);
	take();
	(void)snprintf(want, sizeof(want),
	    "2025-11-18T10:00:00.000Z info net0[%d] worker-lost slot=3 "
	    "signal=11\n",
	    (int)getpid());
	assert_string_equal(text, want);
}

static void
levels_are_kept(void **state)
{
	(void)state;
	log_debug("nothing", "x=%d", 1);
	assert_false(log_wants(LOG_DEBUGGING));
	log_set_level(LOG_WARN);
	log_info("nothing", "x=%d", 1);
	log_warn("something", "x=%d", 1);
	log_error("bad", "x=%d", 1);
	take();
	assert_int_equal(count("nothing"), 0);
	assert_int_equal(count(" warn "), 1);
	assert_int_equal(count(" error "), 1);
}

static void
one_line_per_event(void **state)
{
	(void)state;
	log_info("said", "text=%s", "a\nb\r\nforged-event x=1");
	take();
	assert_int_equal(count("\n"), 1);
	assert_int_equal(count("\r"), 0);
}

static void
access_lines_as_they_are(void **state)
{
	(void)state;
	log_access_line(SLICE_LIT("id=1 outcome=clean"));
	log_access_line(SLICE_LIT("id=1 outcome=clean"));
	take();
	assert_string_equal(text, "id=1 outcome=clean\nid=1 outcome=clean\n");
}

/* ---- repeated lines ---- */

static void
equal_lines_are_written_once(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		log_warn("no-space", "dir=%s", "/var/tmp");
	take();
	assert_int_equal(count("no-space"), 1);
	mono += 4 * SEC;
	log_flush();
	take();
	assert_int_equal(count("no-space"), 1);
	mono += 1 * SEC;
	log_flush();
	take();
	assert_int_equal(count("no-space"), 2);
	assert_int_equal(count("repeated=99\n"), 1);
	/* the interval is over: it is news again */
	log_warn("no-space", "dir=%s", "/var/tmp");
	take();
	assert_int_equal(count("no-space"), 3);
	assert_int_equal(count("repeated="), 1);
}

static void
another_line_ends_the_repeating(void **state)
{
	const char *again, *other;

	(void)state;
	for (int i = 0; i < 3; i++)
		log_warn("first", "x=%d", 1);
	log_error("other", "x=%d", 1);
	log_warn("first", "x=%d", 1);
	take();
	assert_int_equal(count(" first "), 3);
	again = strstr(text, "repeated=2\n");
	other = strstr(text, " other ");
	assert_true(again != NULL && other != NULL && again < other);
	assert_int_equal(count(" warn "), 3);
	assert_int_equal(count(" error "), 1);
}

/* ---- sinks that do not take it ---- */

static uint64_t
real_us(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* Lines of 120 bytes with their number, as many as no pipe holds. */
static void
write_many(unsigned int n)
{
	char line[121];

	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(line, sizeof(line), "id=%06u %110d", i, 0);
		log_access_line(slice_of(line));
	}
}

static void
expect_whole_lines(void)
{
	char *end;

	for (char *p = text; *p != '\0'; p = end + 1) {
		end = strchr(p, '\n');
		if (end == NULL)
			fail_msg("cut: %s", p);
		if (strncmp(p, "log-dropped ", 12) != 0)
			assert_true(
			    end - p == 120 && strncmp(p, "id=", 3) == 0);
	}
}

/* The reader is stopped: nothing blocks, memory is bounded, drops counted. */
static void
stopped_reader(void **state)
{
	uint64_t dropped = log_dropped(LOG_ACCESS), begun = real_us(), after;
	struct metrics block, *before = metrics;
	char want[64];

	(void)state;
	memset(&block, 0, sizeof(block));
	metrics_use(&block);
	write_many(10000);
	after = log_dropped(LOG_ACCESS) - dropped;
	metrics_use(before);
	assert_true(real_us() - begun < 20 * SEC);
	assert_true(log_pending(LOG_ACCESS) <= LOG_SINK_PENDING_MAX);
	assert_true(after > 1000 && after < 10000);
	assert_int_equal(block.log_dropped_total, after);
	/* it reads again: what waited follows, then the word on the rest */
	drain();
	log_access_line(SLICE_NONE);
	drain();
	text[--ntext] = '\0'; /* the empty line */
	expect_whole_lines();
	(void)snprintf(want, sizeof(want), "log-dropped lines=%llu\n",
	    (unsigned long long)after);
	assert_int_equal(count(want), 1);
	assert_int_equal(count("id="), 10000 - after);
	assert_int_equal(count("log-dropped"), 1);
}

/* One that reads slowly gets whole lines, in order. */
static void
slow_reader(void **state)
{
	unsigned int last = 0, n;

	(void)state;
	for (int i = 0; i < 200; i++) {
		write_many(20);
		if (i % 10 == 0)
			take();
	}
	drain();
	expect_whole_lines();
	assert_int_equal(count("id="), 4000);
	for (const char *p = text; *p != '\0'; p = strchr(p, '\n') + 1) {
		assert_int_equal(sscanf(p, "id=%u", &n), 1);
		assert_true(n == 0 || n == last + 1);
		last = n;
	}
}

static void
reader_gone(void **state)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	uint64_t dropped = log_dropped(LOG_ACCESS);

	(void)state;
	/* as all processes have it */
	assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
	(void)close(reader);
	reader = open("/dev/null", O_RDONLY | O_CLOEXEC);
	write_many(10); /* no loop */
	log_flush();
	assert_true(
	    log_dropped(LOG_ACCESS) - dropped + log_pending(LOG_ACCESS) / 121 ==
	    10);
}

/* Every line waits or is counted; the memory is bounded. */
static void
full_disk(void **state)
{
	uint64_t dropped = log_dropped(LOG_ACCESS), more;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd != -1);
	log_set_fd(LOG_ACCESS, fd);
	write_many(10000);
	log_flush();
	more = log_dropped(LOG_ACCESS) - dropped;
	assert_true(log_pending(LOG_ACCESS) <= LOG_SINK_PENDING_MAX);
	assert_int_equal(more + log_pending(LOG_ACCESS) / 121, 10000);
}

static void
file_gets_all(void **state)
{
	char name[] = "/tmp/tolsey-log-XXXXXX";
	int fd = mkstemp(name), copy;

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(unlink(name), 0);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	log_access_line(SLICE_NONE); /* what former tests dropped is told */
	drain();
	log_set_fd(LOG_ACCESS, fd);
	write_many(5000);
	assert_int_equal(log_pending(LOG_ACCESS), 0);
	assert_int_equal(lseek(copy, 0, SEEK_END), 5000 * 121);
	(void)close(copy);
}

/* A socket whose other end does not read. */
static void
stopped_socket(void **state)
{
	uint64_t dropped = log_dropped(LOG_ACCESS);
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	log_set_fd(LOG_ACCESS, fds[0]);
	write_many(10000);
	assert_true(log_dropped(LOG_ACCESS) > dropped);
	(void)close(fds[1]);
	write_many(10);
}

/* The flags of a pipe that others share stay as they are. */
static void
shared_pipe_keeps_its_flags(void **state)
{
	int p[2], shared;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	shared = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
	log_set_fd(LOG_ACCESS, p[1]);
	log_access_line(SLICE_LIT("x"));
	assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	(void)close(shared);
	(void)close(p[0]);
}

/* ---- quoting ---- */

static void
quotes_hostile_bytes(void **state)
{
	struct buf out;
	char all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	buf_init(&out, 4096);
	assert_int_equal(log_quote(&out, (struct slice){ all, 256 }, 1000), 0);
	for (size_t i = 0; i < out.len; i++) {
		assert_true(out.p[i] >= 0x20 && out.p[i] < 0x7f);
		assert_true(out.p[i] != '"' || i == 0 || i == out.len - 1);
		if (out.p[i] == '\\')
			assert_int_equal(out.p[i + 1], 'x');
	}
	assert_int_equal(out.len, 2 + 93 + (256 - 93) * 4);
	buf_reset(&out);
	assert_int_equal(
	    log_quote(&out, SLICE_LIT("a\"b\\c\r\n\x1b[31m\xff\0"), 1000), 0);
	assert_string_equal(
	    buf_cstr(&out), "\"a\\x22b\\x5cc\\x0d\\x0a\\x1b[31m\\xff\\x00\"");
	buf_free(&out);
}

static void
cuts_long_values(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(log_quote(&out, SLICE_LIT("abcdef"), 6), 0);
	assert_int_equal(log_quote(&out, SLICE_LIT("abcdef"), 5), 0);
	assert_int_equal(log_quote(&out, SLICE_LIT("abcdef"), 0), 0);
	assert_int_equal(log_quote(&out, SLICE_NONE, 10), 0);
	assert_string_equal(
	    buf_cstr(&out), "\"abcdef\"\"abcde...\"\"...\"\"\"");
	buf_free(&out);
	buf_init(&out, 5);
	assert_int_equal(log_quote(&out, SLICE_LIT("abcdef"), 6), -1);
	buf_free(&out);
}

static void
quotes_in_events(void **state)
{
	char big[10000];

	(void)state;
	memset(big, '\n', sizeof(big));
	log_info("names", "a=%s b=%s", LOG_Q(SLICE_LIT("x\ny")),
	    LOG_Q(SLICE_LIT("%n%s")));
	log_info("big", "a=%s", LOG_Q(((struct slice){ big, sizeof(big) })));
	take();
	assert_int_equal(count("a=\"x\\x0ay\" b=\"%n%s\"\n"), 1);
	assert_int_equal(count("\\x0a...\"\n"), 1);
	assert_int_equal(count("\n"), 2);
}

int
main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOG_TEST(one_event_line),
		LOG_TEST(levels_are_kept),
		LOG_TEST(one_line_per_event),
		LOG_TEST(access_lines_as_they_are),
		LOG_TEST(equal_lines_are_written_once),
		LOG_TEST(another_line_ends_the_repeating),
		LOG_TEST(stopped_reader),
		LOG_TEST(slow_reader),
		LOG_TEST(reader_gone),
		LOG_TEST(full_disk),
		LOG_TEST(file_gets_all),
		LOG_TEST(stopped_socket),
		LOG_TEST(shared_pipe_keeps_its_flags),
		LOG_TEST(quotes_hostile_bytes),
		LOG_TEST(cuts_long_values),
		LOG_TEST(quotes_in_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
