/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "scan/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where libclamav 1.5 and later have what signs their databases. */
#define CERTIFICATES "/etc/clamav/certs"

static int
add(struct confine_paths *p, struct sandbox_path path)
{
	size_t cap = p->cap > 0 ? p->cap * 2 : 16;
	struct sandbox_path *v;

	if (p->n == p->cap) {
		if ((v = reallocarray(p->v, cap, sizeof(*v))) == NULL)
			return -1;
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n++] = path;
	return 0;
}

/* Takes name over. */
static int
add_name(struct confine_paths *p, char *name)
{
	char **names = reallocarray(p->names, p->nnames + 1, sizeof(*p->names));

	if (names == NULL) {
		free(name);
		return -1;
	}
	p->names = names;
	p->names[p->nnames++] = name;
	return add(p, (struct sandbox_path){ .path = name });
}

/* A link in the folder that leads out of it; one that leads nowhere is not
 * ours to report. */
static int
add_link(struct confine_paths *p, const char *folder, const char *name)
{
	char path[PATH_MAX];
	char *target;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path) ||
	    (target = realpath(path, NULL)) == NULL)
		return 0;
	return add_name(p, target);
}

static int
add_links(struct confine_paths *p, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	struct stat st;
	int rc = 0;

	if (dir == NULL)
		return 0; /* a file, or missing: loading says so */
	while (rc == 0 && (d = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISLNK(st.st_mode))
			rc = add_link(p, folder, d->d_name);
	(void)closedir(dir);
	return rc;
}

static int
add_database(struct confine_paths *p, const char *path)
{
	if (access(CERTIFICATES, R_OK | X_OK) == 0 &&
	    add(p, (struct sandbox_path){ .path = CERTIFICATES }) != 0)
		return -1;
	/* what is missing is missing afterwards, too */
	if (strcmp(path, "embedded") == 0 || access(path, R_OK) != 0)
		return 0;
	if (add(p, (struct sandbox_path){ .path = path }) != 0)
		return -1;
	return add_links(p, path);
}

static int
add_slots(struct confine_paths *p, const struct loader *l)
{
	bool mounted = loader_folder_is_tmpfs(l);
	const char *folder;

	for (size_t i = 0; (folder = loader_folder(l, i)) != NULL; i++) {
		struct sandbox_path slot = { .path = folder,
			.write = true,
			.fresh_tmpfs = mounted ? 0 : loader_folder_size(l) };

		if (add(p, slot) != 0)
			return -1;
	}
	return 0;
}

static int
find_scratch(struct confine_paths *p, const struct loader *l)
{
	const char *first = loader_folder(l, 0), *slash;

	if (first == NULL || (slash = strrchr(first, '/')) == NULL)
		return -1;
	(void)str_copy(p->scratch, sizeof(p->scratch),
	    (struct slice){ first, (size_t)(slash - first) });
	return 0;
}

/* The search for leaks at the end reads the process's own files. */
static int
add_proc(struct confine_paths *p)
{
#ifdef WITH_SANITIZERS
	return add(p, (struct sandbox_path){ .path = "/proc" });
#else
	(void)p;
	return 0;
#endif
}

int
confine_paths(struct confine_paths *p, const struct conf *c,
    const struct loader *l, char *err, size_t errlen)
{
	if (find_scratch(p, l) != 0) {
		(void)snprintf(err, errlen, "no worker slots were given");
		return -1;
	}
	if (add_database(p, c->database_directory) == 0 &&
	    add_slots(p, l) == 0 && add_proc(p) == 0)
		return 0;
	(void)snprintf(err, errlen, "out of memory");
	return -1;
}

void
confine_paths_free(struct confine_paths *p)
{
	for (size_t i = 0; i < p->nnames; i++)
		free(p->names[i]);
	free(p->names);
	free(p->v);
	memset(p, 0, sizeof(*p));
}

uint32_t
confine_inherited(uint32_t have, const struct loader *l)
{
	uint32_t mine = have & PROTECTION_BIT(NETWORK);

	/* the loader has mounted it, or the parent has */
	if (loader_folder_is_tmpfs(l) || (have & PROTECTION_BIT(ROOT)) != 0)
		mine |= PROTECTION_BIT(TMPFS);
	return mine;
}
