/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A root folder of its own: a small tmpfs that holds the given paths under
 * their own names and nothing else. With CAP_SYS_ADMIN (started as root) in
 * plain namespaces, else in those that a user namespace may give.
 */
#include "sandbox/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
#define ROOT_OPTIONS "size=1m,nr_inodes=32k,mode=0755"

static int
write_text(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -1;
	rc = write(fd, text, len) == (ssize_t)len ? 0 : -1;
	return close(fd) == 0 ? rc : -1;
}

static int
map_ids(uid_t uid, gid_t gid)
{
	char line[64];

	/* changing the user has cleared it, and these files need it */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	(void)snprintf(line, sizeof(line), "%u %u 1", uid, uid);
	if (write_text("/proc/self/setgroups", "deny") != 0 ||
	    write_text("/proc/self/uid_map", line) != 0)
		return -1;
	(void)snprintf(line, sizeof(line), "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", line);
}

static int
enter_namespaces(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(NAMESPACES) != 0 &&
	    (unshare(CLONE_NEWUSER | NAMESPACES) != 0 ||
		map_ids(uid, gid) != 0))
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* ---- putting it together ---- */

/* mkdir -p of what lies above path. */
static int
make_folders_above(char *path)
{
	for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		int rc;

		*p = '\0';
		rc = mkdir(path, 0755);
		*p = '/';
		if (rc != 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* A folder or file to mount upon. */
static int
make_place(char *path, bool is_folder)
{
	int fd;

	if (make_folders_above(path) != 0)
		return -1;
	if (is_folder)
		return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd != -1 ? close(fd) : -1;
}

static int
close_to(const char *place, bool write)
{
	struct mount_attr plain = { .attr_set = MOUNT_ATTR_NOSUID |
						MOUNT_ATTR_NODEV |
						MOUNT_ATTR_NOEXEC };

	if (!write)
		plain.attr_set |= MOUNT_ATTR_RDONLY;
	return mount_setattr(
	    AT_FDCWD, place, AT_RECURSIVE, &plain, sizeof(plain));
}

static int
mount_fresh(const char *place, uint64_t size)
{
	char options[96];

	(void)snprintf(options, sizeof(options),
	    "size=%llu,nr_inodes=200000,mode=0700", (unsigned long long)size);
	return mount(
	    "tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

/* from: of the path, opened before anything was covered. */
static int
mount_path(const char *scratch, const struct sandbox_path *p, int from)
{
	char place[PATH_MAX], source[40];
	struct stat st;
	int n = snprintf(place, sizeof(place), "%s%s", scratch, p->path);

	if (n < 0 || (size_t)n >= sizeof(place)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (fstat(from, &st) != 0 ||
	    make_place(place, S_ISDIR(st.st_mode)) != 0)
		return -1;
	if (p->fresh_tmpfs > 0)
		return mount_fresh(place, p->fresh_tmpfs);
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", from);
	if (mount(source, place, NULL, MS_BIND | MS_REC, NULL) != 0)
		return -1;
	return close_to(place, p->write);
}

static int
mount_all(const char *scratch, const struct sandbox_path *paths, size_t n,
    const int *from)
{
	if (mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		ROOT_OPTIONS) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (paths[i].path != NULL &&
		    mount_path(scratch, &paths[i], from[i]) != 0)
			return -1;
	return 0;
}

static int
change_root(const char *scratch)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount_setattr(
		AT_FDCWD, scratch, 0, &read_only, sizeof(read_only)) != 0 ||
	    chdir(scratch) != 0)
		return -1;
	/* the old root ends up upon the new one, and is taken off */
	if (syscall(SYS_pivot_root, ".", ".") != 0 ||
	    umount2(".", MNT_DETACH) != 0)
		return -1;
	return chdir("/");
}

static int
open_all(const struct sandbox_path *paths, size_t n, int *from)
{
	for (size_t i = 0; i < n; i++) {
		from[i] = paths[i].path != NULL
			      ? open(paths[i].path, O_PATH | O_CLOEXEC)
			      : -1;
		if (from[i] == -1 && paths[i].path != NULL)
			return -1;
	}
	return 0;
}

static int
enter(const struct sandbox_path *paths, size_t n, const char *scratch)
{
	int *from = calloc(n + 1, sizeof(*from));
	int rc = -1, saved;

	if (from == NULL)
		return -1;
	for (size_t i = 0; i < n; i++)
		from[i] = -1;
	/* only what was opened in the new namespace can be mounted in it */
	if (enter_namespaces() == 0 && open_all(paths, n, from) == 0 &&
	    mount_all(scratch, paths, n, from) == 0)
		rc = change_root(scratch);
	saved = errno;
	for (size_t i = 0; i < n; i++)
		if (from[i] != -1)
			(void)close(from[i]);
	free(from);
	errno = saved;
	return rc;
}

/*
 * Some systems permit the namespace and then nothing in it: a child tries, so
 * that this process is never left half way.
 */
static int
try_out(const struct sandbox_path *paths, size_t n, const char *scratch)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(enter(paths, n, scratch) == 0 ? 0
		      : errno > 0 && errno < 256    ? errno
						    : EIO);
	while (pid > 0 && waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (pid > 0)
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
	return -1;
}

enum part
root_enter(const struct sandbox_path *paths, size_t n, const char *scratch)
{
	if (try_out(paths, n, scratch) != 0)
		return PART_ABSENT;
	return enter(paths, n, scratch) == 0 ? PART_DONE : PART_FAILED;
}
