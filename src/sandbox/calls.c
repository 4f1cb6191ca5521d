/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The filter of system calls, made of syscalls.def with libseccomp. */
#include "sandbox/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

enum condition {
	ALWAYS,
	NOT_EXECUTABLE, /* the third argument: protection */
	FCNTL_PLAIN,
	MADVISE_PLAIN,
	NO_ADDRESS,
	LOCAL_SOCKET,
	LIMITS_READ,
	LIMIT_OF_CPU,
	ITSELF,     /* the first argument: our process id */
	LAST_PLACE, /* itself, behind all others */
	FORK
};

static const struct row {
	const char *name;
	unsigned int roles;
	enum condition when;
	int error; /* 0: permitted; an errno; KILLS, IGNORED */
} rows[] = {
#define KILLS -1
#define IGNORED -2
#define CALL(name, roles) { #name, roles, ALWAYS, 0 },
#define CALL_WHEN(name, roles, when) { #name, roles, when, 0 },
#define CALL_FAILS(name, roles, error) { #name, roles, ALWAYS, error },
#define CALL_IGNORED(name, roles) { #name, roles, ALWAYS, IGNORED },
#define CALL_KILLS(name, roles) { #name, roles, ALWAYS, KILLS },
#include "sandbox/syscalls.def"
};

static int
permit(scmp_filter_ctx f, int nr, unsigned int n, struct scmp_arg_cmp a,
    struct scmp_arg_cmp b)
{
	struct scmp_arg_cmp args[] = { a, b };

	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, n, args);
}

/* One of several values of an argument. */
static int
permit_values(
    scmp_filter_ctx f, int nr, unsigned int arg, const int *values, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = permit(f, nr, 1,
		    SCMP_CMP(arg, SCMP_CMP_EQ, (scmp_datum_t)values[i], 0),
		    SCMP_CMP(arg, SCMP_CMP_EQ, 0, 0));
	return rc;
}

static int
add_permitted(scmp_filter_ctx f, int nr, enum condition when)
{
	static const int plain_fcntl[] = { F_GETFL, F_GETFD, F_SETFD,
		F_DUPFD_CLOEXEC };
	static const int plain_madvise[] = { MADV_DONTNEED, MADV_FREE,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	/* what fork() asks for, and no namespace or shared memory with it */
	const unsigned int fork_flags =
	    CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | 0xff;
	const struct scmp_arg_cmp none = SCMP_CMP(0, SCMP_CMP_EQ, 0, 0);

	switch (when) {
	case ALWAYS:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	case NOT_EXECUTABLE:
		return permit(f, nr, 1,
		    SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), none);
	case FCNTL_PLAIN:
		return permit_values(
		    f, nr, 1, plain_fcntl, COUNTOF(plain_fcntl));
	case MADVISE_PLAIN:
		return permit_values(
		    f, nr, 2, plain_madvise, COUNTOF(plain_madvise));
	case NO_ADDRESS:
		return permit(f, nr, 1, SCMP_CMP(4, SCMP_CMP_EQ, 0, 0), none);
	case LOCAL_SOCKET:
		return permit(
		    f, nr, 1, SCMP_CMP(0, SCMP_CMP_EQ, AF_UNIX, 0), none);
	case LIMITS_READ:
		return permit(f, nr, 2, SCMP_CMP(0, SCMP_CMP_EQ, 0, 0),
		    SCMP_CMP(2, SCMP_CMP_EQ, 0, 0));
	case LIMIT_OF_CPU:
		return permit(f, nr, 2, SCMP_CMP(0, SCMP_CMP_EQ, 0, 0),
		    SCMP_CMP(1, SCMP_CMP_EQ, RLIMIT_CPU, 0));
	case ITSELF:
		return permit(f, nr, 1,
		    SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0), none);
	case LAST_PLACE:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 3,
		    SCMP_CMP(0, SCMP_CMP_EQ, PRIO_PROCESS, 0),
		    SCMP_CMP(1, SCMP_CMP_EQ, 0, 0),
		    SCMP_CMP(2, SCMP_CMP_EQ, 19, 0));
	case FORK:
		return permit(f, nr, 1,
		    SCMP_CMP(
			0, SCMP_CMP_MASKED_EQ, (scmp_datum_t)~fork_flags, 0),
		    none);
	}
	return -EINVAL;
}

static int
add_row(scmp_filter_ctx f, const struct row *r)
{
	int nr = seccomp_syscall_resolve_name(r->name);
	int rc;

	if (nr < 0) /* this machine, or this library, does not know it */
		return 0;
	if (r->error == KILLS)
		rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, nr, 0);
	else if (r->error == IGNORED)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(0), nr, 0);
	else if (r->error != 0)
		rc = seccomp_rule_add(
		    f, SCMP_ACT_ERRNO((uint32_t)r->error), nr, 0);
	else
		rc = add_permitted(f, nr, r->when);
	return rc == -EEXIST ? 0 : rc;
}

static int
build(scmp_filter_ctx f, enum role role)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);

	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);
	for (size_t i = 0; i < COUNTOF(rows) && rc == 0; i++)
		if ((rows[i].roles & role) != 0)
			rc = add_row(f, &rows[i]);
	return rc == 0 ? seccomp_load(f) : rc;
}

enum part
calls_enter(enum role role)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;
	scmp_filter_ctx f;
	int rc;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
		return PART_ABSENT;
	f = seccomp_init(role == ROLE_WORKER ? SCMP_ACT_KILL_PROCESS
					     : SCMP_ACT_ERRNO(EPERM));
	rc = f != NULL ? build(f, role) : -ENOMEM;
	seccomp_release(f);
	errno = rc < 0 ? -rc : errno;
	return rc == 0 ? PART_DONE : PART_FAILED;
}

#else

enum part
calls_enter(enum role role)
{
	(void)role;
	errno = ENOSYS;
	return PART_ABSENT;
}

#endif
