/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Landlock: three system calls, for which there is no library. */
#include "sandbox/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* linux/landlock.h, which on Debian 12 ends with version 2 */
#define VERSION_ONLY 1u
#define RULE_PATH 1
#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_REMOVE_DIR (1u << 4)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_DIR (1u << 7)
#define FS_MAKE_REG (1u << 8)
#define FS_TRUNCATE (1u << 14)
#define NET_BIND_TCP 1u
#define NET_CONNECT_TCP 2u
#define SCOPE_ABSTRACT_SOCKETS 1u
#define SCOPE_SIGNALS 2u

#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE \
	(FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | \
	    FS_MAKE_DIR | FS_MAKE_REG | FS_TRUNCATE)

struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* What each version of the interface (1 ...) can refuse. */
static const struct {
	uint64_t fs, net, scoped;
	size_t size;
} versions[] = {
	{ 0x1fff, 0, 0, 8 },
	{ 0x3fff, 0, 0, 8 },
	{ 0x7fff, 0, 0, 8 },
	{ 0x7fff, NET_BIND_TCP | NET_CONNECT_TCP, 0, 16 },
	{ 0xffff, NET_BIND_TCP | NET_CONNECT_TCP, 0, 16 },
	{ 0xffff, NET_BIND_TCP | NET_CONNECT_TCP,
	    SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS, 24 },
};

static int
new_ruleset(struct ruleset *rules)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_ONLY);
	size_t v;

	if (abi < 1)
		return -1;
	v = (size_t)abi < COUNTOF(versions) ? (size_t)abi : COUNTOF(versions);
	*rules = (struct ruleset){ versions[v - 1].fs, versions[v - 1].net,
		versions[v - 1].scoped };
	return (int)syscall(
	    SYS_landlock_create_ruleset, rules, versions[v - 1].size, 0);
}

static int
permit(int ruleset, const struct ruleset *rules, const struct sandbox_path *p)
{
	struct path_rule rule = { p->write ? FS_WRITE : FS_READ, p->fd };
	struct stat st;
	int rc = -1, saved;

	if (p->path != NULL)
		rule.fd = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.fd != -1 && fstat(rule.fd, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			rule.allowed &= FS_OF_FILES;
		rule.allowed &= rules->fs;
		rc = (int)syscall(
		    SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0);
	}
	saved = errno;
	if (p->path != NULL && rule.fd != -1)
		(void)close(rule.fd);
	errno = saved;
	return rc;
}

enum part
landlock_enter(const struct sandbox_path *paths, size_t n)
{
	struct ruleset rules;
	int fd = new_ruleset(&rules), rc = 0, saved;

	if (fd == -1)
		return PART_ABSENT;
#ifdef WITH_SANITIZERS
	/* the search for leaks reads the process's own files there */
	if (access("/proc/self", X_OK) == 0)
		rc = permit(
		    fd, &rules, &(struct sandbox_path){ .path = "/proc" });
#endif
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = permit(fd, &rules, &paths[i]);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc == 0 ? PART_DONE : PART_FAILED;
}
