/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/jail_dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

#define MAX_DEPTH 64

void
jail_dirs_path(const struct jail_dirs *j, unsigned int set, unsigned int slot,
    char *out, size_t len)
{
	(void)snprintf(out, len, "%s/%u-%u", j->base, set % JAIL_SETS, slot);
}

/* ---- removing, by descriptors: a worker cannot lead us elsewhere ---- */

static void empty_folder(int fd, unsigned int depth);

static void
remove_entry(int dir_fd, const char *name, unsigned int depth)
{
	int fd;

	if (unlinkat(dir_fd, name, 0) == 0 || depth == MAX_DEPTH)
		return;
	fd = openat(
	    dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return;
	empty_folder(fd, depth + 1);
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

/* Takes the descriptor over. */
static void
empty_folder(int fd, unsigned int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		(void)close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_entry(fd, e->d_name, depth);
	(void)closedir(d);
}

static void
empty_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd != -1)
		empty_folder(fd, 0);
}

/* ---- making ---- */

static int
make_base(struct jail_dirs *j, const char *folder)
{
	int n = snprintf(j->base, sizeof(j->base), "%s/tolsey-XXXXXX", folder);

	if (n < 0 || (size_t)n >= sizeof(j->base) || mkdtemp(j->base) == NULL) {
		j->base[0] = '\0';
		return -1;
	}
	/* the scan user has to pass through to its own folders */
	return chmod(j->base, 0711);
}

static int
mount_one(const struct jail_dirs *j, const char *path)
{
	char options[128];

	(void)snprintf(options, sizeof(options),
	    "size=%llu,nr_inodes=200000,mode=0700,uid=%u,gid=%u",
	    (unsigned long long)j->size_each, j->uid, j->gid);
	return mount("tolsey-worker", path, "tmpfs",
	    MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

static int
make_one(const struct jail_dirs *j, const char *path)
{
	if (mkdir(path, 0700) == -1)
		return -1;
	if (j->mounted)
		return mount_one(j, path);
	return j->uid == UINT32_MAX ? 0 : chown(path, j->uid, j->gid);
}

/* A mount namespace of our own, so that nobody else sees the mounts. */
static bool
may_mount(struct jail_dirs *j)
{
	if (j->uid == UINT32_MAX) {
		(void)str_copy(j->missing, sizeof(j->missing),
		    SLICE_LIT("not started as root"));
		return false;
	}
	if (unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	(void)snprintf(j->missing, sizeof(j->missing), "no mount namespace: %s",
	    strerror(errno));
	return false;
}

static int
make_all(struct jail_dirs *j, const char *folder)
{
	char path[256];

	if (make_base(j, folder) == -1)
		return -1;
	for (unsigned int set = 0; set < JAIL_SETS; set++)
		for (unsigned int i = 0; i < j->slots; i++) {
			jail_dirs_path(j, set, i, path, sizeof(path));
			if (make_one(j, path) == -1)
				return -1;
		}
	return 0;
}

int
jail_dirs_make(struct jail_dirs *j, unsigned int slots, uint64_t size_each,
    const char *shared_tmpfs, uint32_t uid, uint32_t gid, char *err,
    size_t errlen)
{
	memset(j, 0, sizeof(*j));
	j->slots = slots;
	j->size_each = size_each;
	j->uid = uid;
	j->gid = gid;
	j->mounted = may_mount(j);
	if (j->mounted) {
		if (make_all(j, "/run") == 0)
			return 0;
		jail_dirs_remove(j);
		if (make_all(j, "/tmp") == 0)
			return 0;
		(void)snprintf(j->missing, sizeof(j->missing),
		    "no tmpfs can be mounted: %s", strerror(errno));
		jail_dirs_remove(j);
		j->mounted = false;
	}
	if (make_all(j, shared_tmpfs) == 0)
		return 0;
	(void)snprintf(err, errlen,
	    "TemporaryDirectory %s: cannot make the workers' folders: %s",
	    shared_tmpfs, strerror(errno));
	jail_dirs_remove(j);
	return -1;
}

void
jail_dirs_renew(const struct jail_dirs *j, unsigned int set)
{
	char path[256];

	for (unsigned int i = 0; i < j->slots; i++) {
		jail_dirs_path(j, set, i, path, sizeof(path));
		if (!j->mounted)
			empty_path(path);
		else if (umount2(path, MNT_DETACH) == -1 ||
			 mount_one(j, path) == -1)
			log_warn("jail-not-renewed", "slot=%u error=\"%s\"", i,
			    strerror(errno));
	}
}

void
jail_dirs_remove(struct jail_dirs *j)
{
	int saved = errno;
	char path[256];

	if (j->base[0] == '\0')
		return;
	for (unsigned int set = 0; set < JAIL_SETS; set++)
		for (unsigned int i = 0; i < j->slots; i++) {
			jail_dirs_path(j, set, i, path, sizeof(path));
			if (j->mounted)
				(void)umount2(path, MNT_DETACH);
			else
				empty_path(path);
			(void)rmdir(path);
		}
	(void)rmdir(j->base);
	j->base[0] = '\0';
	errno = saved;
}
