/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What confines the other processes, and what is left of root's rights here. */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "sandbox/privdrop.h"
#include "sandbox/sandbox.h"
#include "sys/parent.h"
#include "sys/temproom.h"

static const enum role kinds[MSG_NCONFINED] = {
	[MSG_CONFINED_NET] = ROLE_NET,
	[MSG_CONFINED_SCAN] = ROLE_SCAN,
	[MSG_CONFINED_WORKER] = ROLE_WORKER,
	[MSG_CONFINED_CTL] = ROLE_CTL,
};

int
confined_parent(void)
{
	static const unsigned int needed[] = {
		CAP_CHOWN,                    /* logs, folders of sockets */
		CAP_DAC_OVERRIDE, CAP_FOWNER, /* what belongs to other accounts:
						 configuration, logs, spool */
		CAP_KILL, CAP_SETUID, CAP_SETGID, /* the children */
		CAP_NET_BIND_SERVICE,             /* ports below 1024 */
		CAP_SYS_ADMIN, CAP_SYS_CHROOT, /* the workers' tmpfs and root */
		CAP_SYS_RESOURCE,              /* limits of the children */
		CAP_SYS_NICE, /* loaders give way, and come back */
	};
	uint64_t keep = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < COUNTOF(needed); i++)
		keep |= CAP_BIT(needed[i]);
	capabilities_bound(keep);
	return capabilities_keep(keep);
}

static int
demand(const struct parent *p, enum role role, char *err, size_t errlen)
{
	bool scan = role == ROLE_SCAN;
	struct sandbox_report r = { 0 }, worker = { 0 };

	if (sandbox_try(role, scan ? p->scan_uid : p->uid,
		scan ? p->scan_gid : p->gid, &r, scan ? &worker : NULL, err,
		errlen) == -1 ||
	    sandbox_demand(role, &r, err, errlen) == -1)
		return -1;
	return scan ? sandbox_demand(ROLE_WORKER, &worker, err, errlen) : 0;
}

int
confined_demand(
    const struct parent *p, const struct conf *c, char *err, size_t errlen)
{
	static const enum role roles[] = { ROLE_SCAN, ROLE_NET, ROLE_CTL };

	if (c->sandbox != CONF_SANDBOX_REQUIRE)
		return 0;
	for (size_t i = 0; i < COUNTOF(roles); i++)
		if (demand(p, roles[i], err, errlen) == -1)
			return -1;
	return 0;
}

/* Workers share a file system that may be too small for them. */
static void
check_folder(const struct parent *p)
{
	char why[768];

	temproom_of_folder(p->jails.base, p->jails.size_each, p->workers_max,
	    why, sizeof(why));
	if (why[0] != '\0')
		log_warn("temporary-space", "why=%s", LOG_Q(slice_of(why)));
}

void
confined_set(struct parent *p, enum msg_confined kind, uint32_t have)
{
	uint64_t missing = 0;

	if (p->uid != UINT32_MAX)
		have |= PROTECTION_BIT(ACCOUNT);
	if (kind == MSG_CONFINED_WORKER && p->confined[kind] == 0 &&
	    (have & PROTECTION_BIT(TMPFS)) == 0)
		check_folder(p);
	p->confined[kind] = have | MSG_CONFINED_KNOWN;
	for (size_t i = 0; i < COUNTOF(kinds); i++)
		if ((p->confined[i] & MSG_CONFINED_KNOWN) != 0)
			missing += (unsigned int)__builtin_popcount(
			    sandbox_missing(kinds[i], p->confined[i]));
	METRIC_SET(sandbox_missing, missing);
}
