/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Failures of the C library's functions while the tripwire is armed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/engine.h"
#include "engine/tripwire.h"

static void
tripped(const char *word)
{
	const char *fault = tripwire_disarm();

	assert_non_null(fault);
	if (strstr(fault, word) == NULL)
		fail_msg("'%s' is not in: %s", word, fault);
}

static int
open_full(void)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
test_write(void **state)
{
	int fd = open_full();

	(void)state;
	tripwire_arm();
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	tripped("write: No space");
	assert_int_equal(close(fd), 0);
}

static void
test_not_armed(void **state)
{
	int fd = open_full();

	(void)state;
	assert_int_equal(write(fd, "x", 1), -1);
	tripwire_arm();
	assert_null(tripwire_disarm());
	assert_int_equal(close(fd), 0);
}

static void
test_streams(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	tripwire_arm();
	assert_true(fputs("text", f) >= 0); /* buffered */
	assert_int_equal(fclose(f), EOF);
	tripped("fclose");
	f = fopen("/dev/full", "w");
	assert_non_null(f);
	assert_int_equal(setvbuf(f, NULL, _IONBF, 0), 0);
	tripwire_arm();
	assert_int_equal(fwrite("text", 1, 4, f), 0);
	tripped("fwrite");
	tripwire_arm();
	assert_int_equal(fputs("text", f), EOF);
	(void)fclose(f); /* says nothing of what failed before */
	tripped("fclose");
}

static void
test_short_write(void **state)
{
	char name[] = "/tmp/test_tripwire.XXXXXX", block[4096];
	struct rlimit have, r;
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	memset(block, 'x', sizeof(block));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &have), 0);
	r = have;
	r.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
	tripwire_arm();
	assert_int_equal(write(fd, block, sizeof(block)), 1000);
	tripped("short write");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &have), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(name), 0);
}

static void
test_folders_and_files(void **state)
{
	int fd;

	(void)state;
	tripwire_arm();
	assert_int_equal(mkdir("/nonexistent/a", 0700), -1);
	tripped("mkdir");
	tripwire_arm();
	assert_int_equal(open("/nonexistent/a", O_WRONLY | O_CREAT, 0600), -1);
	tripped("open");
	tripwire_arm();
	assert_int_equal(
	    openat(AT_FDCWD, "/nonexistent/a", O_RDWR | O_CREAT, 0600), -1);
	tripped("openat");
	tripwire_arm();
	assert_null(fopen("/nonexistent/a", "w"));
	tripped("fopen");
	/* a file that is only looked for may be missing */
	tripwire_arm();
	assert_int_equal(open("/nonexistent/a", O_RDONLY), -1);
	assert_null(fopen("/nonexistent/a", "r"));
	assert_null(tripwire_disarm());
	/* the mode arrives */
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0640);
	if (fd >= 0) {
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0640 & 0777);
		assert_int_equal(close(fd), 0);
	}
}

static void
test_reads(void **state)
{
	char c;

	(void)state;
	tripwire_arm();
	assert_int_equal(read(-1, &c, 1), -1);
	tripped("read");
	tripwire_arm();
	assert_true(
	    mmap64(NULL, 0, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED);
	tripped("mmap");
}

/* What libclamav goes through again after it was unpacked. */
static void
test_folders_that_are_read(void **state)
{
	struct stat64 st;

	(void)state;
	tripwire_arm();
	assert_null(opendir("/nonexistent"));
	assert_null(tripwire_disarm());
	tripwire_arm();
	assert_null(opendir("/dev/null"));
	tripped("opendir");
	tripwire_arm();
	assert_null(fdopendir(-1));
	tripped("fdopendir");
	tripwire_arm();
	assert_null(fdopen(-1, "r"));
	tripped("fdopen");
	tripwire_arm();
	assert_int_equal(dup(-1), -1);
	tripped("dup");
	tripwire_arm();
	assert_int_equal(lseek64(-1, 0, SEEK_SET), -1);
	tripped("lseek");
	tripwire_arm();
	assert_int_equal(lstat64("/dev/null/a", &st), -1);
	tripped("lstat");
	tripwire_arm();
	assert_int_equal(lstat64("/nonexistent", &st), -1);
	assert_null(tripwire_disarm());
}

static void
test_memory(void **state)
{
	/* volatile: the compiler must not know better */
	volatile size_t much = SIZE_MAX / 4;
	void *volatile p, *volatile q;

	(void)state;
	if (!tripwire_sees_memory()) {
		print_message("skipped: not in this build\n");
		skip();
	}
	tripwire_arm();
	p = malloc(much);
	assert_null(p);
	tripped("malloc");
	tripwire_arm();
	p = calloc(2, much);
	assert_null(p);
	tripped("calloc");
	tripwire_arm();
	q = malloc(10);
	assert_non_null(q);
	p = realloc(q, much);
	assert_null(p); /* so q is still ours */
	free(q);
	tripped("realloc");
}

/* The first failure is the one that is told. */
static void
test_first(void **state)
{
	(void)state;
	tripwire_arm();
	assert_int_equal(mkdir("/nonexistent/a", 0700), -1);
	assert_int_equal(write(-1, "x", 1), -1);
	tripped("mkdir");
}

static _Noreturn void
fill(const char *dir, bool keep)
{
	static char block[65536];
	char path[128];

	if (tripwire_limit(dir, 1 << 20) != 0)
		_exit(1);
	tripwire_arm();
	for (int i = 0; i < 64; i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%d", dir, i);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (fd < 0 || write(fd, block, sizeof(block)) < 0)
			_exit(2);
		(void)close(fd);
		if (!keep && unlink(path) != 0)
			_exit(3);
	}
	_exit(0);
}

static int
fill_status(const char *dir, bool keep)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		fill(dir, keep);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 4 MiB in all, of which at most 1 MiB may lie there at a time. */
static void
test_limit(void **state)
{
	char dir[] = "/tmp/test_tripwire.XXXXXX", command[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(fill_status(dir, false), 0);
	assert_int_equal(fill_status(dir, true), ENGINE_EXIT_TEMP);
	for (int i = 0; i < 64; i++) {
		(void)snprintf(command, sizeof(command), "%s/%d", dir, i);
		(void)unlink(command);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* ---- small mappings are kept ---- */

#ifdef WITH_SANITIZERS
#define KEPT false
#else
#define KEPT true
#endif
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *
map(size_t len)
{
	char *p = mmap64(NULL, len, PROT_READ | PROT_WRITE, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], 0);
	return p;
}

static void
unmap(char *p, size_t len)
{
	memset(p, 'x', len);
	assert_int_equal(munmap(p, len), 0);
}

static bool
is_mapped(char *p)
{
	unsigned char in;

	return mincore(p, 1, &in) == 0;
}

static void
test_maps_are_kept(void **state)
{
	static const size_t lens[] = { 5000, 5000, 8192, 4097 };
	char *p, *first = NULL;

	(void)state;
	tripwire_arm();
	for (size_t i = 0; i < COUNTOF(lens); i++) {
		p = map(lens[i]);
		unmap(p, lens[i]);
		assert_int_equal(is_mapped(p), KEPT);
		if (first == NULL)
			first = p;
		if (KEPT)
			assert_ptr_equal(p, first);
	}
	/* another one while it is in use */
	p = map(5000);
	first = map(5000);
	assert_ptr_not_equal(p, first);
	unmap(p, 5000);
	unmap(first, 5000);
	assert_null(tripwire_disarm());
}

static void
test_maps_not_kept(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p;

	(void)state;
	/* outside of a scan */
	p = map(3 * page);
	unmap(p, 3 * page);
	assert_false(is_mapped(p));
	tripwire_arm();
	/* too large */
	p = map(1 << 20);
	unmap(p, 1 << 20);
	assert_false(is_mapped(p));
	/* in parts */
	p = map(12 * page);
	assert_int_equal(munmap(p, page), 0);
	assert_false(is_mapped(p));
	assert_true(is_mapped(p + page));
	assert_int_equal(munmap(p + page, 11 * page), 0);
	assert_false(is_mapped(p + page));
	/* nor what was behind it */
	assert_true(!KEPT || !is_mapped(p + 12 * page));
	/* no longer writable */
	p = map(20 * page);
	assert_int_equal(mprotect(p, 20 * page, PROT_READ), 0);
	assert_int_equal(munmap(p, 20 * page), 0);
	assert_false(is_mapped(p));
	/* replaced by something else */
	p = map(20 * page);
	assert_ptr_equal(
	    mmap64(p, page, PROT_READ, ANON | MAP_FIXED, -1, 0), p);
	assert_int_equal(munmap(p, 20 * page), 0);
	assert_false(is_mapped(p));
	assert_null(tripwire_disarm());
}

/* More at once than there are places, in all sizes, each with its own. */
static void
test_many_maps(void **state)
{
	char *p[100] = { NULL };
	size_t len[100], at;

	(void)state;
	srand(1);
	tripwire_arm();
	for (int i = 0; i < 20000; i++) {
		at = (size_t)rand() % (i % 2000 < 1000 ? 10 : COUNTOF(p));
		if (p[at] == NULL) {
			len[at] =
			    (size_t)rand() % ((size_t)4096 << (rand() % 8)) + 1;
			p[at] = mmap64(
			    NULL, len[at], PROT_READ | PROT_WRITE, ANON, -1, 0);
			assert_ptr_not_equal(p[at], MAP_FAILED);
			assert_int_equal(p[at][0], 0);
			assert_int_equal(p[at][len[at] - 1], 0);
			memset(p[at], (int)at + 1, len[at]);
			continue;
		}
		assert_int_equal(p[at][0], at + 1);
		assert_int_equal(p[at][len[at] - 1], at + 1);
		assert_int_equal(munmap(p[at], len[at]), 0);
		p[at] = NULL;
	}
	for (at = 0; at < COUNTOF(p); at++)
		if (p[at] != NULL)
			assert_int_equal(munmap(p[at], len[at]), 0);
	assert_null(tripwire_disarm());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_not_armed),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_short_write),
		cmocka_unit_test(test_folders_and_files),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_folders_that_are_read),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_maps_are_kept),
		cmocka_unit_test(test_maps_not_kept),
		cmocka_unit_test(test_many_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
