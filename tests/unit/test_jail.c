/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a worker is left with after it has entered its jail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "scan/jail.h"

#define TEMP_MAX ((uint64_t)1 << 20)

static char root[64];

static int
make_root(void **state)
{
	(void)state;
	(void)strcpy(root, "/tmp/test_jail.XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int
remove_root(void **state)
{
	(void)state;
	jail_remove_tree(root);
	return access(root, F_OK) == -1 && errno == ENOENT ? 0 : -1;
}

static uint64_t
mapped(void)
{
	struct jail_host h;
	uint64_t bytes;

	jail_host_open(&h);
	bytes = jail_host_mapped(&h);
	jail_host_close(&h);
	return bytes;
}

static struct jail
make_jail(bool off)
{
	return (struct jail){ .path = root,
		.incarnation = 0x500000001,
		.temp_max = TEMP_MAX,
		.memory_max = (uint64_t)256 << 20,
		.mapped = mapped(),
		.off = off };
}

/* Runs look() in a child that has entered; its exit status. */
static int
inside(const struct jail *j, int (*look)(const char *dir))
{
	char dir[JAIL_PATH_MAX], err[160];
	struct sandbox_report r = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (jail_enter(j, dir, &r, err, sizeof(err)) != 0)
			_exit(100);
		_exit(look(dir));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static rlim_t
limit(__rlimit_resource_t what)
{
	struct rlimit r = { 0, 0 };

	(void)getrlimit(what, &r);
	return r.rlim_max;
}

static int
look_around(const char *dir)
{
	char cwd[JAIL_PATH_MAX];
	struct stat st;
	int fd;

	if (getcwd(cwd, sizeof(cwd)) == NULL || strcmp(cwd, dir) != 0)
		return 1;
	if (stat(".", &st) != 0 || (st.st_mode & 0777) != 0700)
		return 2;
	fd = open("file", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || close(fd) != 0 || mkdir("folder", 0700) != 0)
		return 3;
	if (limit(RLIMIT_CORE) != 0 || limit(RLIMIT_FSIZE) != TEMP_MAX ||
	    limit(RLIMIT_NOFILE) > 256)
		return 4;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 5;
	return 0;
}

static void
test_folder(void **state)
{
	struct jail j = make_jail(true);
	char path[128];

	(void)state;
	assert_int_equal(inside(&j, look_around), 0);
	(void)snprintf(path, sizeof(path), "%s/w0000000500000001/file", root);
	assert_int_equal(access(path, F_OK), 0);
	/* the same folder is never used twice */
	assert_int_equal(inside(&j, look_around), 100);
	jail_clean(&j);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(inside(&j, look_around), 0);
	jail_clean(&j);
}

/* As a worker lives: only calls that one may make. */
static int
look_confined(const char *dir)
{
	bool rooted = strcmp(dir, "/") == 0;
	struct stat st;
	int fd;

	if (stat(dir, &st) != 0 || (st.st_mode & 0777) != 0700)
		return 2;
	fd = open("file", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || close(fd) != 0 || mkdir("folder", 0700) != 0)
		return 3;
	fd = open("/etc/passwd", O_RDONLY);
	if (fd >= 0 || (errno != ENOENT && errno != EACCES))
		return 4;
	if (rooted && stat("/etc", &st) == 0)
		return 5;
	fd = open("../stray", O_WRONLY | O_CREAT | O_EXCL, 0600);
	return fd < 0 || rooted ? 0 : 6;
}

static void
test_confined(void **state)
{
	struct jail j = make_jail(false);
	struct sandbox_report r = { 0 };
	char err[160] = "", path[128];

	(void)state;
	assert_int_equal(jail_probe(&j, &r, err, sizeof(err)), 0);
	print_message("have %x, lacks: %s\n", r.have, r.why);
	if ((r.have & (PROTECTION_BIT(FILES) | PROTECTION_BIT(ROOT))) == 0) {
		print_message("skipped: neither Landlock nor chroot here\n");
		skip();
	}
	assert_int_equal(inside(&j, look_confined), 0);
	(void)snprintf(path, sizeof(path), "%s/w0000000500000001/file", root);
	assert_int_equal(access(path, F_OK), 0);
	jail_clean(&j);
}

static int
allocate(const char *dir)
{
	void *volatile p = malloc((size_t)512 << 20); /* not optimised away */

	(void)dir;
	return p == NULL ? 0 : 1;
}

static void
test_memory(void **state)
{
	struct jail j = make_jail(true);

	(void)state;
#ifdef WITH_SANITIZERS
	print_message("skipped: sanitizers reserve address space\n");
	skip();
#endif
	assert_int_equal(inside(&j, allocate), 0);
	jail_clean(&j);
}

static void
test_missing_slot(void **state)
{
	struct jail j = make_jail(true);
	struct sandbox_report r = { 0 };
	char err[160] = "";

	(void)state;
	j.path = "/nonexistent/slot";
	assert_int_equal(inside(&j, look_around), 100);
	assert_int_equal(jail_probe(&j, &r, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "folder"));
}

static void
test_remove_tree(void **state)
{
	char deep[256], kept[128], link_path[256], tree[128];
	int fd;

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s/kept", root);
	(void)snprintf(tree, sizeof(tree), "%s/tree", root);
	assert_int_equal(mkdir(kept, 0700), 0);
	assert_int_equal(mkdir(tree, 0700), 0);
	(void)snprintf(deep, sizeof(deep), "%s/a", tree);
	assert_int_equal(mkdir(deep, 0700), 0);
	(void)snprintf(deep, sizeof(deep), "%s/a/file", tree);
	fd = open(deep, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	(void)snprintf(deep, sizeof(deep), "%s/file", kept);
	fd = open(deep, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	/* a link out of it: the link goes, its target stays */
	(void)snprintf(link_path, sizeof(link_path), "%s/a/out", tree);
	assert_int_equal(symlink(kept, link_path), 0);
	jail_remove_tree(tree);
	assert_int_equal(access(tree, F_OK), -1);
	assert_int_equal(access(deep, F_OK), 0);
	jail_remove_tree("/nonexistent/tree"); /* nothing happens */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_missing_slot),
		cmocka_unit_test(test_remove_tree),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
