/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/jail.h"

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_DEPTH 64
#define OOM_SCORE "900" /* of all processes, workers are the ones to go */
#define MAX_DESCRIPTORS 256

/* Sanitizers reserve terabytes of address space. */
#ifdef WITH_SANITIZERS
#define LIMIT_ADDRESS_SPACE 0
#else
#define LIMIT_ADDRESS_SPACE 1
#endif

struct technique {
	const char *name;
	bool confined;
	/* 0 when the folder `dir` is now as the technique promises. */
	int (*enter)(const struct jail *j, const char *dir);
};

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

/* The parent has mounted it: private, and of limited size. */
static int
enter_mounted(const struct jail *j, const char *dir)
{
	(void)dir;
	return j->kind == MSG_JAIL_TMPFS && !j->off ? 0 : -1;
}

static int
map_ids(uid_t uid, gid_t gid)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "%u %u 1", uid, uid);
	if (write_text("/proc/self/setgroups", "deny") != 0 ||
	    write_text("/proc/self/uid_map", line) != 0)
		return -1;
	(void)snprintf(line, sizeof(line), "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", line);
}

/* Own user, mount, network and IPC namespaces, and a tmpfs on the folder. */
static int
enter_namespace(const struct jail *j, const char *dir)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char options[96];

	if (j->off || unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET |
			      CLONE_NEWIPC) != 0)
		return -1;
	(void)snprintf(options, sizeof(options), "size=%llu,mode=0700",
	    (unsigned long long)j->temp_max);
	if (map_ids(uid, gid) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	return mount(
	    "tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

static int
enter_folder(const struct jail *j, const char *dir)
{
	(void)j;
	return access(dir, R_OK | W_OK | X_OK);
}

static const struct technique techniques[] = {
	{ "private tmpfs", true, enter_mounted },
	{ "user namespace", true, enter_namespace },
	{ "folder", false, enter_folder },
};

static int
folder_name(const struct jail *j, char dir[JAIL_PATH_MAX])
{
	int n = snprintf(dir, JAIL_PATH_MAX, "%s/w%016llx", j->path,
	    (unsigned long long)j->incarnation);

	if (n > 0 && n < JAIL_PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int
set_limit(int what, uint64_t v)
{
	struct rlimit have, r = { (rlim_t)v, (rlim_t)v };

	if (getrlimit((__rlimit_resource_t)what, &have) != 0)
		return -1;
	if (have.rlim_max != RLIM_INFINITY && r.rlim_max > have.rlim_max)
		r.rlim_cur = r.rlim_max = have.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &r);
}

/* Bytes of address space that are mapped now. */
static uint64_t
mapped_now(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int
set_limits(const struct jail *j)
{
	uint64_t now = mapped_now();

	if (set_limit(RLIMIT_CORE, 0) != 0 ||
	    set_limit(RLIMIT_NOFILE, MAX_DESCRIPTORS) != 0 ||
	    set_limit(RLIMIT_FSIZE, j->temp_max) != 0)
		return -1;
	if (!LIMIT_ADDRESS_SPACE || j->memory_max == 0)
		return 0;
	if (now == 0 || now > UINT64_MAX - j->memory_max)
		return -1;
	return set_limit(RLIMIT_AS, now + j->memory_max);
}

/* Whatever the namespace or a start as root gave. */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	return (int)syscall(SYS_capset, &head, none);
}

/*
 * What every technique ends with. The filters of system calls and of paths
 * (seccomp, Landlock) belong here, behind the last step that needs more.
 */
static int
seal(const struct jail *j)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NAME, "tolsey-worker", 0, 0, 0) != 0)
		return -1;
	(void)write_text("/proc/self/oom_score_adj", OOM_SCORE);
	if (set_limits(j) != 0)
		return -1;
	if (j->off)
		return 0;
	if (drop_capabilities() != 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

const char *
jail_enter(const struct jail *j, char dir[JAIL_PATH_MAX])
{
	size_t i;

	if (folder_name(j, dir) != 0 || mkdir(dir, 0700) != 0)
		return NULL;
	/* changing the user has cleared it, and /proc/self/uid_map needs it */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	for (i = 0; i < COUNTOF(techniques); i++)
		if (techniques[i].enter(j, dir) == 0)
			break;
	if (i == COUNTOF(techniques) || chdir(dir) != 0 || seal(j) != 0)
		return NULL;
	return techniques[i].name;
}

static void remove_below(int fd, unsigned int depth);

static void
remove_entry(int dir, const char *name, unsigned int depth)
{
	int fd;

	if (unlinkat(dir, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		remove_below(fd, depth + 1);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* Takes fd over. */
static void
remove_below(int fd, unsigned int depth)
{
	DIR *dir = depth < MAX_DEPTH ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		(void)close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			remove_entry(fd, d->d_name, depth);
	(void)closedir(dir);
}

void
jail_remove_tree(const char *path)
{
	remove_entry(AT_FDCWD, path, 0);
}

void
jail_clean(const struct jail *j)
{
	char dir[JAIL_PATH_MAX];

	if (folder_name(j, dir) == 0)
		jail_remove_tree(dir);
}

const char *
jail_probe(const struct jail *j)
{
	char dir[JAIL_PATH_MAX];
	const char *name;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		name = jail_enter(j, dir);
		for (size_t i = 0; name != NULL && i < COUNTOF(techniques); i++)
			if (strcmp(techniques[i].name, name) == 0)
				_exit((int)i);
		_exit(COUNTOF(techniques));
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return NULL;
	jail_clean(j);
	if (pid < 0 || !WIFEXITED(status) ||
	    (size_t)WEXITSTATUS(status) >= COUNTOF(techniques))
		return NULL;
	return techniques[WEXITSTATUS(status)].name;
}

bool
jail_is_confined(const char *technique)
{
	for (size_t i = 0; i < COUNTOF(techniques); i++)
		if (strcmp(techniques[i].name, technique) == 0)
			return techniques[i].confined;
	return false;
}
