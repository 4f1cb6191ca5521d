/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The rules of a complete scan with the real libclamav, broken from outside:
 * no room, no folder, no descriptors, no time, limits of every kind. None of
 * ClamAV's test files is ever clean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/complete_util.h"

/* These take a quarter of a second each where nothing stops them early. */
#define LARGE ((size_t)1 << 20)
#define NOBODY 65534

static struct engine *e;
static const struct testfile *files;
static size_t nfiles;

static void
need_files(void)
{
	if (nfiles > 0)
		return;
	print_message("skipped: no clamav-testfiles\n");
	skip();
}

static void
never_clean(const struct testfile *f, const struct scan_opts *o,
    uint64_t budget_us, const char *why)
{
	struct scan_answer a = view_for(e, f->data, o, budget_us);

	if (is_clean(&a))
		fail_msg("%s is clean: %s", f->name, why);
}

static void
none_is_clean(const struct scan_opts *o, size_t below, const char *why)
{
	for (size_t i = 0; i < nfiles; i++)
		if (files[i].data.len < below)
			never_clean(&files[i], o, 60 * 1000000, why);
}

/* ---- limits ---- */

static void
test_limits(void **state)
{
	(void)state;
	need_files();
	for (size_t i = 0; i < nfiles; i++) {
		const struct testfile *f = &files[i];
		struct scan_opts o = default_opts();
		struct scan_answer a;

		o.max_file_size = f->data.len - 1;
		a = view(e, f->data, &o);
		assert_int_equal(a.reason, OUTCOME_LIMIT);
		o = default_opts();
		o.max_scan_size = f->data.len - 1;
		a = view(e, f->data, &o);
		assert_int_equal(a.reason, OUTCOME_LIMIT);
		/* just the object, and nothing of what is in it */
		o.max_scan_size = f->data.len;
		never_clean(f, &o, 60 * 1000000, "MaxScanSize");
		o = default_opts();
		o.max_file_size = f->data.len;
		never_clean(f, &o, 60 * 1000000, "MaxFileSize");
	}
	for (uint32_t n = 1; n <= 3; n++) {
		struct scan_opts o = default_opts();

		o.max_files = n;
		none_is_clean(&o, n == 1 ? SIZE_MAX : LARGE, "MaxFiles");
		o = default_opts();
		o.max_recursion = n;
		none_is_clean(&o, n == 1 ? SIZE_MAX : LARGE, "MaxRecursion");
	}
	for (uint64_t more = 100; more <= 1000000; more *= 100) {
		struct scan_opts o = default_opts();

		for (size_t i = 0; i < nfiles; i++) {
			if (files[i].data.len >= LARGE)
				continue;
			o.max_scan_size = files[i].data.len + more;
			never_clean(&files[i], &o, 60 * 1000000, "MaxScanSize");
		}
	}
}

static void
test_time(void **state)
{
	static const uint64_t budgets[] = { 1, 100, 500, 1000, 2000, 5000 };

	(void)state;
	need_files();
	for (size_t k = 0; k < COUNTOF(budgets); k++)
		for (size_t i = 0; i < nfiles; i++)
			never_clean(&files[i], NULL, budgets[k], "time");
}

/* ---- temporary files ---- */

static void
use_folder(const char *path)
{
	assert_int_equal(engine_enter_worker(e, path, TEMP_MAX), 0);
}

static void
test_no_folder(void **state)
{
	char path[128];

	(void)state;
	need_files();
	(void)snprintf(path, sizeof(path), "%s/gone", root);
	use_folder(path);
	none_is_clean(NULL, SIZE_MAX, "no temporary folder");
	put(root, "a-file", "");
	(void)snprintf(path, sizeof(path), "%s/a-file", root);
	use_folder(path);
	none_is_clean(NULL, SIZE_MAX, "the folder is a file");
	use_folder(folder("work"));
}

/* A tmpfs with these options; false where this machine cannot. */
static bool
mounted(const char *path, const char *options, unsigned long flags)
{
	if (mount("tmpfs", path, "tmpfs", flags, options) == 0)
		return true;
	print_message("skipped: cannot mount a tmpfs\n");
	return false;
}

static void
test_no_space(void **state)
{
	static const char *const sizes[] = { "size=4k", "size=8k", "size=12k",
		"size=20k", "size=64k", "size=256k", "nr_inodes=2",
		"nr_inodes=3", "nr_inodes=4" };
	char path[128];

	(void)state;
	need_files();
	(void)snprintf(path, sizeof(path), "%s", folder("small"));
	for (size_t i = 0; i < COUNTOF(sizes) && mounted(path, sizes[i], 0);
	     i++) {
		use_folder(path);
		none_is_clean(NULL, i < 2 ? SIZE_MAX : LARGE, sizes[i]);
		assert_int_equal(umount(path), 0);
	}
	if (mounted(path, "size=1M", MS_RDONLY)) {
		use_folder(path);
		none_is_clean(NULL, SIZE_MAX, "read-only");
		assert_int_equal(umount(path), 0);
	}
	use_folder(folder("work"));
}

/* ---- in processes of their own ---- */

enum how { AS_NOBODY, NO_FILES, LONG_FILES_KILL, SMALL_TEMP };

struct trial {
	enum how how;
	uint64_t number;
};

static bool
prepare(const struct trial *t)
{
	struct sigaction deflt = { .sa_handler = SIG_DFL };
	struct rlimit r = { t->number, t->number };

	switch (t->how) {
	case AS_NOBODY:
		/* root may write anywhere */
		return chmod(folder("work"), 0500) == 0 &&
		       (geteuid() != 0 || setuid(NOBODY) == 0);
	case NO_FILES:
		return setrlimit(RLIMIT_NOFILE, &r) == 0;
	case LONG_FILES_KILL:
		return sigaction(SIGXFSZ, &deflt, NULL) == 0 &&
		       setrlimit(RLIMIT_FSIZE, &r) == 0;
	case SMALL_TEMP:
		return engine_enter_worker(e, folder("work"), t->number) == 0;
	}
	return false;
}

/* What such a process can end with; the message has gone to stderr. */
#define CHILD_NOT_CLEAN 0
#define CHILD_CLEAN 1
#define CHILD_CANNOT 2

static int
in_child(const struct trial *t, const struct testfile *f)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct scan_answer a;

		if (!prepare(t))
			_exit(CHILD_CANNOT);
		a = view(e, f->data, NULL);
		_exit(is_clean(&a) ? CHILD_CLEAN : CHILD_NOT_CLEAN);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)chmod(folder("work"), 0700);
	return status;
}

/* How many were ended by the signal or with the status that is meant. */
static unsigned int
try_children(struct trial t, size_t below, int signal, int exit_status)
{
	unsigned int ended = 0;

	for (size_t i = 0; i < nfiles; i++) {
		int status;

		if (files[i].data.len >= below)
			continue;
		status = in_child(&t, &files[i]);
		if (WIFSIGNALED(status) && WTERMSIG(status) == signal)
			ended++;
		else if (WIFEXITED(status) && exit_status != 0 &&
			 WEXITSTATUS(status) == exit_status)
			ended++;
		else if (!WIFEXITED(status) ||
			 WEXITSTATUS(status) != CHILD_NOT_CLEAN)
			fail_msg("%s: status %#x, how=%d, %llu", files[i].name,
			    (unsigned int)status, (int)t.how,
			    (unsigned long long)t.number);
	}
	return ended;
}

static void
test_unwritable(void **state)
{
	(void)state;
	need_files();
	(void)try_children((struct trial){ AS_NOBODY, 0 }, SIZE_MAX, 0, 0);
}

static void
test_no_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint64_t used = (uint64_t)fd;

	(void)state;
	need_files();
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	for (uint64_t more = 0; more <= 6; more++)
		(void)try_children((struct trial){ NO_FILES, used + more },
		    more == 0 ? SIZE_MAX : LARGE, 0, 0);
}

/* Rule 7: who would write a file too long is killed, and not told of it. */
static void
test_long_files(void **state)
{
	unsigned int killed = 0;

	(void)state;
	need_files();
	for (uint64_t max = 0; max <= 4000; max += 500)
		killed += try_children(
		    (struct trial){ LONG_FILES_KILL, max }, LARGE, SIGXFSZ, 0);
	killed += try_children(
	    (struct trial){ LONG_FILES_KILL, 20000 }, SIZE_MAX, SIGXFSZ, 0);
	assert_true(killed > 20);
}

/* Rule 7: and who writes more than it may altogether ends itself. */
static void
test_small_temp(void **state)
{
	unsigned int ended = 0;

	(void)state;
	need_files();
	for (uint64_t max = 1; max <= 100000; max *= 10)
		ended += try_children((struct trial){ SMALL_TEMP, max },
		    max == 1 ? SIZE_MAX : LARGE, 0, ENGINE_EXIT_TEMP);
	assert_true(ended > 20);
}

/* Rule 6: the same where the signal is ignored: short and failed writes. */
static void
test_short_writes(void **state)
{
	struct rlimit have, r;

	(void)state;
	need_files();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &have), 0);
	for (rlim_t max = 0; max <= 4000; max += 500) {
		r = (struct rlimit){ max, have.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
		none_is_clean(NULL, LARGE, "short writes");
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &have), 0);
	}
}

/* And when all is well again, everything is found. */
static void
test_all_found(void **state)
{
	(void)state;
	need_files();
	for (size_t i = 0; i < nfiles; i++) {
		struct scan_answer a = view(e, files[i].data, NULL);

		if (!is_infected(&a))
			fail_msg("%s: %s", files[i].name, describe(&a));
	}
}

static int
set_up(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (make_root(state) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0)
		return -1;
	files = testfiles(&nfiles);
	e = open_complete_db();
	return 0;
}

static int
tear_down(void **state)
{
	engine_close(&e);
	testfiles_free();
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_long_files),
		cmocka_unit_test(test_small_temp),
		cmocka_unit_test(test_short_writes),
		cmocka_unit_test(test_all_found),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
