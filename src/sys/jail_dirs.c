/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/jail_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define SETS 2
#define REMOVE_FDS 16

void
jail_dirs_path(const struct jail_dirs *j, unsigned int set, unsigned int slot,
    char *out, size_t len)
{
	(void)snprintf(out, len, "%s/%u-%u", j->base, set % SETS, slot);
}

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
make_one(const struct jail_dirs *j, const char *path, uint64_t size,
    uint32_t uid, uint32_t gid)
{
	char options[128];

	if (mkdir(path, 0700) == -1)
		return -1;
	if (!j->mounted)
		return uid == UINT32_MAX ? 0 : chown(path, uid, gid);
	(void)snprintf(options, sizeof(options),
	    "size=%llu,nr_inodes=200000,mode=0700,uid=%u,gid=%u",
	    (unsigned long long)size, uid, gid);
	return mount("tolsey-worker", path, "tmpfs",
	    MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

/* A mount namespace of our own, so that nobody else sees the mounts. */
static bool
may_mount(struct jail_dirs *j, uint32_t uid)
{
	if (uid == UINT32_MAX) {
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
make_all(struct jail_dirs *j, uint64_t size, uint32_t uid, uint32_t gid)
{
	char path[256];

	for (unsigned int set = 0; set < SETS; set++)
		for (unsigned int i = 0; i < j->slots; i++) {
			jail_dirs_path(j, set, i, path, sizeof(path));
			if (make_one(j, path, size, uid, gid) == -1)
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
	j->mounted = may_mount(j, uid);
	if (j->mounted) {
		if ((make_base(j, "/run") == 0 || make_base(j, "/tmp") == 0) &&
		    make_all(j, size_each, uid, gid) == 0)
			return 0;
		(void)snprintf(j->missing, sizeof(j->missing),
		    "no tmpfs can be mounted: %s", strerror(errno));
		jail_dirs_remove(j);
		j->mounted = false;
	}
	if (make_base(j, shared_tmpfs) == 0 &&
	    make_all(j, size_each, uid, gid) == 0)
		return 0;
	(void)snprintf(err, errlen,
	    "TemporaryDirectory %s: cannot make the workers' folders: %s",
	    shared_tmpfs, strerror(errno));
	return -1;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void
jail_dirs_remove(struct jail_dirs *j)
{
	char path[256];

	if (j->base[0] == '\0')
		return;
	for (unsigned int set = 0; j->mounted && set < SETS; set++)
		for (unsigned int i = 0; i < j->slots; i++) {
			jail_dirs_path(j, set, i, path, sizeof(path));
			(void)umount2(path, MNT_DETACH);
		}
	(void)nftw(j->base, remove_entry, REMOVE_FDS,
	    FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	j->base[0] = '\0';
}
