/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/parts.h"
#include "sandbox/privdrop.h"

static const struct {
	const char *word;
	unsigned int roles;
	bool demanded;
} protections[] = {
#define PROTECTION(id, word, roles, demanded, text) { word, roles, demanded },
#include "sandbox/protections.def"
};

const char *
sandbox_word(enum protection p)
{
	return protections[p].word;
}

void
sandbox_lacks(struct sandbox_report *r, const char *what, int error)
{
	size_t len = strlen(r->why);

	(void)snprintf(r->why + len, sizeof(r->why) - len, "%s%s: %s",
	    len > 0 ? ", " : "", what, strerror(error));
}

/* 0, or -1 when the part is there and was not put in place. */
static int
took(enum part part, const char *what, uint32_t bits, struct sandbox_report *r,
    char *err, size_t errlen)
{
	if (part == PART_DONE)
		r->have |= bits;
	if (part == PART_ABSENT)
		sandbox_lacks(r, what, errno);
	if (part != PART_FAILED)
		return 0;
	(void)snprintf(err, errlen,
	    "the sandbox cannot be put in place: %s: %s", what,
	    strerror(errno));
	return -1;
}

static int
enter_root(
    const struct sandbox *s, struct sandbox_report *r, char *err, size_t errlen)
{
	return took(root_enter(s->paths, s->npaths, s->scratch),
	    "namespaces and root",
	    PROTECTION_BIT(ROOT) | PROTECTION_BIT(NETWORK), r, err, errlen);
}

static int
drop_rest(const struct sandbox *s, struct sandbox_report *r)
{
	uint64_t keep = s->role == ROLE_SCAN ? CAP_BIT(CAP_SYS_CHROOT) : 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    capabilities_keep(keep) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
	r->have |= PROTECTION_BIT(PRIVS) | PROTECTION_BIT(CAPS) |
		   PROTECTION_BIT(HIDDEN);
	return 0;
}

int
sandbox_enter(
    const struct sandbox *s, struct sandbox_report *r, char *err, size_t errlen)
{
	if (s->off) {
		(void)snprintf(r->why, sizeof(r->why), "Sandbox off");
		return 0;
	}
	if (s->role == ROLE_SCAN && enter_root(s, r, err, errlen) != 0)
		return -1;
	if (took(landlock_enter(s->paths, s->npaths), "Landlock",
		PROTECTION_BIT(FILES), r, err, errlen) != 0)
		return -1;
	if (drop_rest(s, r) != 0) {
		(void)snprintf(err, errlen, "its rights cannot be dropped: %s",
		    strerror(errno));
		return -1;
	}
	return took(calls_enter(s->role), "seccomp", PROTECTION_BIT(CALLS), r,
	    err, errlen);
}

/* ---- reports ---- */

uint32_t
sandbox_missing(enum role role, uint32_t have)
{
	uint32_t missing = 0;

	for (unsigned int i = 0; i < NPROTECTIONS; i++)
		if ((protections[i].roles & role) != 0)
			missing |= (uint32_t)1 << i & ~have;
	return missing;
}

int
sandbox_words(struct buf *out, uint32_t set)
{
	int rc = 0;
	bool first = true;

	for (unsigned int i = 0; i < NPROTECTIONS; i++) {
		if ((set >> i & 1) == 0)
			continue;
		rc |= buf_printf(
		    out, "%s%s", first ? "" : " ", protections[i].word);
		first = false;
	}
	return first ? buf_append_str(out, "none") : rc;
}

void
sandbox_log(enum role role, const struct sandbox_report *r)
{
	uint32_t missing = sandbox_missing(role, r->have);
	struct buf have, lacks;

	/* the parent alone knows these two */
	missing &= ~(PROTECTION_BIT(ACCOUNT) | PROTECTION_BIT(TMPFS));
	buf_init(&have, 512);
	buf_init(&lacks, 512);
	(void)sandbox_words(&have, r->have);
	(void)sandbox_words(&lacks, missing);
	log_event(missing != 0 ? LOG_WARN : LOG_NOTICE, "sandbox",
	    "of=%s have=\"%s\" missing=\"%s\" why=%s", role_name(role),
	    buf_cstr(&have), buf_cstr(&lacks), LOG_Q(slice_of(r->why)));
	buf_free(&have);
	buf_free(&lacks);
}

int
sandbox_demand(
    enum role role, const struct sandbox_report *r, char *err, size_t errlen)
{
	uint32_t missing = sandbox_missing(role, r->have);
	struct buf words;

	for (unsigned int i = 0; i < NPROTECTIONS; i++)
		if (!protections[i].demanded)
			missing &= ~((uint32_t)1 << i);
	if ((r->have & PROTECTION_BIT(ROOT)) != 0)
		missing &= ~PROTECTION_BIT(FILES);
	if (missing == 0)
		return 0;
	buf_init(&words, 512);
	(void)sandbox_words(&words, missing);
	(void)snprintf(err, errlen,
	    "Sandbox require: this system does not offer %s for %s (%s)",
	    buf_cstr(&words), role_name(role), r->why);
	buf_free(&words);
	return -1;
}

/* ---- trying out ---- */

struct trial {
	struct sandbox_report report, worker;
	char err[256];
	bool ok;
};

static int
enter_as(enum role role, struct sandbox_report *r, struct trial *t)
{
	struct sandbox s = { .role = role, .scratch = "/proc" };

	return sandbox_enter(&s, r, t->err, sizeof(t->err));
}

/* In the process that ends. */
static void
run_trial(enum role role, uint32_t uid, uint32_t gid, struct trial *t)
{
	uint64_t keep = role == ROLE_SCAN
			    ? CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_CHROOT)
			    : 0;

	if (privdrop(uid, gid, keep) != 0) {
		(void)snprintf(t->err, sizeof(t->err),
		    "rights cannot be dropped: %s", strerror(errno));
		return;
	}
	if (enter_as(role, &t->report, t) != 0)
		return;
	if (role == ROLE_SCAN) {
		t->worker.have = t->report.have & PROTECTION_BIT(NETWORK);
		t->worker.have |= PROTECTION_BIT(LIMITS);
		if (capability_has(CAP_SYS_CHROOT))
			t->worker.have |= PROTECTION_BIT(ROOT);
		if (enter_as(ROLE_WORKER, &t->worker, t) != 0)
			return;
	}
	t->ok = true;
}

int
sandbox_try(enum role role, uint32_t uid, uint32_t gid,
    struct sandbox_report *r, struct sandbox_report *worker, char *err,
    size_t errlen)
{
	struct trial *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int rc = -1;

	if (t == MAP_FAILED) {
		(void)snprintf(err, errlen, "out of memory");
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		run_trial(role, uid, gid, t);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	if (pid > 0 && t->ok) {
		*r = t->report;
		if (worker != NULL)
			*worker = t->worker;
		rc = 0;
	} else {
		(void)snprintf(err, errlen, "%s",
		    t->err[0] != '\0' ? t->err
				      : "the sandbox ends the process");
	}
	(void)munmap(t, sizeof(*t));
	return rc;
}
