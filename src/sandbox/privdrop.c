/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sandbox/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights once given up must not come back. */
static int
is_dropped(uint32_t uid)
{
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
get(struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	return (int)syscall(SYS_capget, &head, d);
}

int
capability_has(unsigned int capability)
{
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	return get(d) == 0 &&
	       (d[capability / 32].effective >> capability % 32 & 1) != 0;
}

int
capabilities_keep(uint64_t keep)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	if (get(d) != 0)
		return -1;
	for (size_t i = 0; i < COUNTOF(d); i++) {
		d[i].permitted &= (uint32_t)(keep >> 32 * i);
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &head, d);
}

void
capabilities_bound(uint64_t keep)
{
	/* the last one answers -1, and so does every one without CAP_SETPCAP */
	for (unsigned long i = 0; i < 64; i++)
		if ((keep >> i & 1) == 0 && prctl(PR_CAPBSET_READ, i) == 1)
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

static int
become(uint32_t uid, uint32_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 ||
	    setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

int
privdrop(uint32_t uid, uint32_t gid, uint64_t keep)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (uid == UINT32_MAX)
		return 0;
	if (become(uid, gid) == -1 || capabilities_keep(keep) == -1)
		return -1;
	return is_dropped(uid);
}
