/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/scan_source.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/check.h"

#define SEALED (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/*
 * File systems whose reads depend on this kernel alone: on others (FUSE, NFS,
 * ...) a peer, or a dead server, could keep us waiting in a read. The numbers
 * are those of statfs(2).
 */
static bool
is_local(int fd)
{
	static const unsigned long local[] = {
		0xef53,     /* ext2, ext3, ext4 */
		0x58465342, /* xfs */
		0x9123683e, /* btrfs */
		0x01021994, /* tmpfs, memfd */
		0x858458f6, /* ramfs */
		0x794c7630, /* overlay */
		0xf2f52010, /* f2fs */
		0x2fc12fc1, /* zfs */
		0xca451a4e, /* bcachefs */
		0x3153464a, /* jfs */
		0x52654973, /* reiserfs */
		0x73717368, /* squashfs */
		0xe0f5e1e2, /* erofs */
	};
	struct statfs s;

	if (fstatfs(fd, &s) == -1)
		return false;
	for (size_t i = 0; i < COUNTOF(local); i++)
		if (((unsigned long)s.f_type & 0xffffffffu) == local[i])
			return true;
	return false;
}

enum scanmsg_err
scan_source_check(int fd, uint64_t size)
{
	int flags = fcntl(fd, F_GETFL), seals;
	struct stat st;

	if (flags == -1 || (flags & O_PATH) != 0 || fstat(fd, &st) == -1 ||
	    !S_ISREG(st.st_mode))
		return SCANMSG_ERR_NOT_A_FILE;
	if (!is_local(fd))
		return SCANMSG_ERR_NOT_LOCAL;
	/* -1: no file that has seals; other files of tmpfs have F_SEAL_SEAL */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals == -1 || (seals & SEALED) != SEALED) {
		if (seals != -1 && (seals & F_SEAL_SEAL) == 0)
			return SCANMSG_ERR_WRITABLE;
		if ((flags & O_ACCMODE) != O_RDONLY)
			return SCANMSG_ERR_WRITABLE;
	}
	if (st.st_size < 0 || (uint64_t)st.st_size < size)
		return SCANMSG_ERR_TOO_SHORT;
	return SCANMSG_OK;
}
