/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/jail.h"

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/privdrop.h"

#define MAX_DEPTH 64
#define OOM_SCORE 900 /* of all processes, workers are the ones to go */
#define OOM_SCORE_LOADING "1000" /* the former signatures go on then */
#define MAX_DESCRIPTORS 256

/* Sanitizers reserve terabytes of address space. */
#ifdef WITH_SANITIZERS
#define LIMIT_ADDRESS_SPACE 0
#else
#define LIMIT_ADDRESS_SPACE 1
#endif

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

static int
set_limits(const struct jail *j)
{
	if (set_limit(RLIMIT_CORE, 0) != 0 || set_limit(RLIMIT_NPROC, 0) != 0 ||
	    set_limit(RLIMIT_NOFILE, MAX_DESCRIPTORS) != 0 ||
	    set_limit(RLIMIT_FSIZE, j->temp_max) != 0)
		return -1;
	if (!LIMIT_ADDRESS_SPACE || j->memory_max == 0)
		return 0;
	if (j->mapped == 0 || j->mapped > UINT64_MAX - j->memory_max)
		return -1;
	return set_limit(RLIMIT_AS, j->mapped + j->memory_max);
}

/* The folder becomes the root where that right is left; *dir says so. */
static int
enter_folder(
    const struct jail *j, char dir[JAIL_PATH_MAX], struct sandbox_report *r)
{
	if (folder_name(j, dir) != 0 || mkdir(dir, 0700) != 0 ||
	    chdir(dir) != 0)
		return -1;
	if (j->off || !capability_has(CAP_SYS_CHROOT))
		return 0;
	if (chroot(".") != 0)
		return -1;
	(void)str_copy(dir, JAIL_PATH_MAX, SLICE_LIT("/"));
	r->have |= PROTECTION_BIT(ROOT);
	return 0;
}

int
jail_enter(const struct jail *j, char dir[JAIL_PATH_MAX],
    struct sandbox_report *r, char *err, size_t errlen)
{
	struct sandbox_path folder = { .path = dir, .write = true };
	struct sandbox s = { .role = ROLE_WORKER,
		.off = j->off,
		.paths = &folder,
		.npaths = 1 };

	(void)str_copy(err, errlen, SLICE_LIT("its folder cannot be entered"));
	if (enter_folder(j, dir, r) != 0)
		return -1;
	(void)str_copy(err, errlen, SLICE_LIT("its limits cannot be set"));
	if (prctl(PR_SET_NAME, "tolsey-worker", 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	/* valgrind, for one, sets limits of its own */
	if (set_limits(j) != 0 && !j->off)
		return -1;
	r->have |= PROTECTION_BIT(LIMITS);
	return sandbox_enter(&s, r, err, errlen);
}

/* ---- what the loader keeps for its workers ---- */

void
jail_host_open(struct jail_host *h)
{
	char text[16] = "";

	/* changing the user has cleared it, and the second file needs it */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	h->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	h->oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	h->oom[0] = '\0';
	if (h->oom_fd == -1 ||
	    pread(h->oom_fd, text, sizeof(text) - 1, 0) <= 0 ||
	    strtol(text, NULL, 10) >= OOM_SCORE)
		return; /* it is first in the queue already */
	(void)str_copy(h->oom, sizeof(h->oom), slice_of(text));
}

void
jail_host_close(struct jail_host *h)
{
	if (h->statm_fd != -1)
		(void)close(h->statm_fd);
	if (h->oom_fd != -1)
		(void)close(h->oom_fd);
	h->statm_fd = h->oom_fd = -1;
	h->oom[0] = '\0';
}

/* A number of statm, in bytes; 0: unknown. */
static uint64_t
statm(const struct jail_host *h, unsigned int field)
{
	char text[128];
	ssize_t n = h->statm_fd == -1
			? -1
			: pread(h->statm_fd, text, sizeof(text) - 1, 0);
	struct slice rest, pages;
	uint64_t v;

	if (n <= 0)
		return 0;
	rest = (struct slice){ text, (size_t)n };
	for (unsigned int i = 0; i <= field; i++)
		if (!slice_next(&rest, ' ', &pages))
			return 0;
	if (str_to_u64(pages, UINT64_MAX >> 20, &v) != 0)
		return 0;
	return v * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
jail_host_mapped(const struct jail_host *h)
{
	return statm(h, 0);
}

uint64_t
jail_host_memory(const struct jail_host *h)
{
	uint64_t resident = statm(h, 1), files = statm(h, 2);

	return resident > files ? resident - files : 0;
}

/* It is only a wish. */
static void
set_oom_score(const struct jail_host *h, const char *text)
{
	size_t n = strlen(text);

	if (pwrite(h->oom_fd, text, n, 0) != (ssize_t)n)
		log_debug("oom-score", "why=%s", strerror(errno));
}

void
jail_host_fork(const struct jail_host *h, bool about_to)
{
	char text[16];

	if (h->oom[0] == '\0')
		return;
	(void)snprintf(text, sizeof(text), "%d", OOM_SCORE);
	set_oom_score(h, about_to ? text : h->oom);
}

void
jail_host_loading(const struct jail_host *h, bool loading)
{
	if (h->oom[0] != '\0')
		set_oom_score(h, loading ? OOM_SCORE_LOADING : h->oom);
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

int
jail_probe(
    const struct jail *j, struct sandbox_report *r, char *err, size_t errlen)
{
	struct probe {
		struct sandbox_report report;
		char err[160];
		bool ok;
	} *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char dir[JAIL_PATH_MAX];
	pid_t pid;
	bool ok;

	(void)str_copy(err, errlen, SLICE_LIT("out of memory"));
	if (p == MAP_FAILED)
		return -1;
	p->report = *r;
	if ((pid = fork()) == 0) {
		p->ok =
		    jail_enter(j, dir, &p->report, p->err, sizeof(p->err)) == 0;
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	jail_clean(j);
	ok = pid > 0 && p->ok;
	*r = p->report;
	if (pid > 0)
		(void)str_copy(err, errlen, slice_of(p->err));
	(void)munmap(p, sizeof(*p));
	return ok ? 0 : -1;
}
