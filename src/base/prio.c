/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/prio.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first version of it, which the C library does not declare. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

int
prio_long_slices(pid_t pid, bool on)
{
	struct attributes a = { .size = sizeof(a),
		.runtime = on ? PRIO_LONG_SLICE_NS : 0 };
	int policy = sched_getscheduler(pid);

	if (policy == -1)
		return -1;
	/* the others have no slices, or are behind everybody anyway */
	if (policy != SCHED_OTHER && policy != SCHED_BATCH)
		return 0;
	a.policy = (uint32_t)policy;
	errno = 0;
	a.nice = getpriority(PRIO_PROCESS, (id_t)pid);
	if (errno != 0)
		return -1;
	return (int)syscall(SYS_sched_setattr, pid, &a, 0);
}
