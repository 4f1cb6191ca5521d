/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/dbwatch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sigfile.h"

/* FNV-1a: no secret is at stake, only whether something moved. */
static uint64_t
mix(uint64_t h, const void *p, size_t len)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t
one_file(int dir_fd, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	struct stat st;

	if (fstatat(dir_fd, name, &st, 0) == -1 || !S_ISREG(st.st_mode))
		return 0;
	h = mix(h, name, strlen(name));
	h = mix(h, &st.st_dev, sizeof(st.st_dev));
	h = mix(h, &st.st_ino, sizeof(st.st_ino));
	h = mix(h, &st.st_size, sizeof(st.st_size));
	return mix(h, &st.st_mtim, sizeof(st.st_mtim));
}

uint64_t
dbwatch_fingerprint(const char *folder)
{
	uint64_t sum = 1;
	struct dirent *e;
	DIR *d;

	if (strcmp(folder, "embedded") == 0)
		return 1;
	if ((d = opendir(folder)) == NULL)
		return errno == ENOTDIR ? one_file(AT_FDCWD, folder) : 0;
	/* added up, so that the order of the folder does not matter */
	while ((e = readdir(d)) != NULL)
		if (sigfile_is_one(e->d_name))
			sum += one_file(dirfd(d), e->d_name);
	(void)closedir(d);
	return sum;
}
