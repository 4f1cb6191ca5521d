/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Who gives way to whom: a loader while it loads, a worker at a long scan. Both
 * come back to normal, for which CAP_SYS_NICE is needed (or RLIMIT_NICE, of an
 * ordinary user). The right stays here: a loader asks for one of two values,
 * and for nobody but its workers.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/privdrop.h"
#include "sys/parent.h"

/* A tenth of the time beside a normal one. */
#define LOWER_NICE 10

static int
usual(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

bool
priority_can_change(void)
{
	struct rlimit r;

	if (capability_has(CAP_SYS_NICE))
		return true;
	return getrlimit(RLIMIT_NICE, &r) == 0 &&
	       (r.rlim_cur == RLIM_INFINITY ||
		   (int64_t)r.rlim_cur >= 20 - usual());
}

void
priority_say(void)
{
	if (!priority_can_change())
		log_notice("priority",
		    "why=\"neither long scans nor loading can step back and "
		    "return: CAP_SYS_NICE is missing\"");
}

static int
set(pid_t pid, bool gives_way)
{
	int nice = usual() + (gives_way ? LOWER_NICE : 0);

	return setpriority(PRIO_PROCESS, (id_t)pid, nice);
}

void
priority_of_loader(struct loader *l, bool gives_way)
{
	if (l->gives_way == gives_way || !priority_can_change())
		return;
	if (set(l->pid, gives_way) == -1)
		log_warn(
		    "priority", "why=%s", LOG_Q(slice_of(strerror(errno))));
	else
		l->gives_way = gives_way;
}

void
priority_of_worker(const struct loader *l, const struct msg_priority *m)
{
	if (!priority_can_change())
		return;
	/* a loader leads the group in which its workers are; nobody else is */
	if (m->pid <= 0 || m->pid == l->pid || getpgid(m->pid) != l->pid)
		log_debug("priority",
		    "pid=%d why=\"no worker of generation %u\"", m->pid,
		    l->generation);
	else if (set(m->pid, m->gives_way != 0) == -1 && errno != ESRCH)
		log_debug("priority", "pid=%d why=%s", m->pid,
		    LOG_Q(slice_of(strerror(errno))));
}
