/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Folders that are made when something is put into them, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <clamav.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/tripwire.h"
#include "engine/wish.h"

static char root[64], folder[128], inside[160];

/* Without the wrappers' help, which would make it. */
static bool
exists(const char *path)
{
	struct stat st;
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool there;

	assert_true(dir >= 0);
	there = fstatat(dir, path + strlen(root) + 1, &st, 0) == 0;
	assert_int_equal(close(dir), 0);
	return there;
}

/* Armed, with a wish for folder. */
static int
setup(void **state)
{
	(void)state;
	/* what is looked at is what scans use */
	assert_non_null(cl_retver());
	(void)snprintf(root, sizeof(root), "/tmp/test_wish.XXXXXX");
	assert_non_null(mkdtemp(root));
	(void)snprintf(folder, sizeof(folder), "%s/scan", root);
	(void)snprintf(inside, sizeof(inside), "%s/file", folder);
	wish_below(root);
	tripwire_arm();
	assert_int_equal(mkdir(folder, 0700), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	wish_forget();
	wish_below(NULL);
	(void)tripwire_disarm();
	(void)unlink(inside);
	(void)rmdir(folder);
	return rmdir(root);
}

static void
test_removed_as_it_was(void **state)
{
	(void)state;
	assert_false(exists(folder));
	/* as libclamav does it */
	assert_int_equal(chmod(folder, 0700), 0);
	assert_null(opendir(folder));
	assert_int_equal(errno, ENOENT);
	assert_false(exists(folder));
	assert_null(tripwire_disarm());
}

static void
test_rmdir(void **state)
{
	(void)state;
	assert_int_equal(rmdir(folder), 0);
	assert_false(exists(folder));
	assert_int_equal(rmdir(folder), -1);
	assert_int_equal(errno, ENOENT);
}

/* Each way to put something into it, or to look at it. */
static int
by_open(void)
{
	return open(inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int
by_openat(void)
{
	return openat(AT_FDCWD, inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int
by_fopen(void)
{
	FILE *f = fopen(inside, "we");

	return f != NULL ? fclose(f) : -1;
}

static int
by_mkdir(void)
{
	return mkdir(inside, 0700) == 0 ? rmdir(inside) : -1;
}

static int
by_rename(void)
{
	char other[96];
	int fd;

	(void)snprintf(other, sizeof(other), "%s/other", root);
	fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && close(fd) == 0 ? rename(other, inside) : -1;
}

static int
by_symlink(void)
{
	return symlink("/", inside);
}

static int
by_stat(void)
{
	struct stat st;

	return stat(folder, &st);
}

static int
by_lstat(void)
{
	struct stat st;

	return lstat(folder, &st);
}

static int
by_fstatat(void)
{
	struct stat st;

	return fstatat(AT_FDCWD, folder, &st, 0);
}

static int
by_statx(void)
{
	struct statx st;

	return statx(AT_FDCWD, folder, 0, STATX_BASIC_STATS, &st);
}

static int
by_access(void)
{
	return access(folder, R_OK);
}

static int
by_realpath(void)
{
	char *path = realpath(folder, NULL);
	int rc = path != NULL ? 0 : -1;

	free(path);
	return rc;
}

static int
by_opendir_inside(void)
{
	DIR *dir = opendir(inside); /* which is not there */

	return dir == NULL && errno == ENOENT ? 0 : -1;
}

static void
test_each_way_makes_it(void **state)
{
	static int (*const ways[])(void) = { by_open, by_openat, by_fopen,
		by_mkdir, by_rename, by_symlink, by_stat, by_lstat, by_fstatat,
		by_statx, by_access, by_realpath, by_opendir_inside };
	int rc;

	for (size_t i = 0; i < COUNTOF(ways); i++) {
		if (i > 0)
			setup(state);
		assert_false(exists(folder));
		rc = ways[i]();
		if (rc < 0 || !exists(folder))
			fail_msg("way %zu: %d", i, rc);
		if (rc > 2)
			assert_int_equal(close(rc), 0);
		assert_null(tripwire_disarm());
		if (i + 1 < COUNTOF(ways))
			assert_int_equal(teardown(state), 0);
	}
}

static void
test_with_its_mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* What is put there after it was removed is not lost without a word. */
static void
test_after_its_end(void **state)
{
	(void)state;
	assert_null(opendir(folder));
	assert_int_equal(by_open(), -1);
	assert_non_null(tripwire_disarm());
}

static void
test_it_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(rmdir(root), 0);
	(void)by_stat();
	assert_non_null(tripwire_disarm());
	assert_int_equal(mkdir(root, 0700), 0);
}

static void
test_only_right_below(void **state)
{
	char deeper[160], other[96];

	(void)state;
	(void)snprintf(deeper, sizeof(deeper), "%s/a", folder);
	assert_int_equal(mkdir(deeper, 0700), 0);
	assert_true(exists(deeper));
	assert_int_equal(rmdir(deeper), 0);
	(void)snprintf(other, sizeof(other), "%s-other", root);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(rmdir(other), 0); /* the real one */
	assert_int_equal(rmdir(other), -1);
}

static void
test_twice(void **state)
{
	(void)state;
	assert_int_equal(mkdir(folder, 0700), -1);
	assert_int_equal(errno, EEXIST);
}

/* A name that begins like it is another one. */
static void
test_names_that_begin_alike(void **state)
{
	char longer[160];

	(void)state;
	(void)snprintf(longer, sizeof(longer), "%s-2", folder);
	assert_int_equal(access(longer, F_OK), -1);
	assert_false(exists(folder));
	assert_int_equal(mkdir(longer, 0700), 0);
	assert_int_equal(rmdir(longer), 0);
}

/* More scans inside of scans than there are places. */
static void
test_many(void **state)
{
	char name[160];

	(void)state;
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "%s/%d", root, i);
		assert_int_equal(mkdir(name, 0700), 0);
	}
	assert_true(exists(name));
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "%s/%d", root, i);
		assert_int_equal(rmdir(name), 0);
	}
}

static void
test_not_outside_of_a_scan(void **state)
{
	char name[160];

	(void)state;
	assert_null(tripwire_disarm());
	(void)snprintf(name, sizeof(name), "%s/own", root);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_true(exists(name));
	assert_int_equal(rmdir(name), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(test_removed_as_it_was),
		TEST(test_rmdir),
		TEST(test_each_way_makes_it),
		TEST(test_with_its_mode),
		TEST(test_after_its_end),
		TEST(test_it_cannot_be_made),
		TEST(test_only_right_below),
		TEST(test_twice),
		TEST(test_names_that_begin_alike),
		TEST(test_many),
		TEST(test_not_outside_of_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
