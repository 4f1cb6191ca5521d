/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/memroom.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define TEXT_MAX 65536
#define MOUNTS_MAX ((size_t)1 << 20)
#define NO_LIMIT ((uint64_t)1 << 60) /* v1 says a number near 2^63 */
#define MARGIN ((uint64_t)16 << 20)
#define DEPTH_MAX 64

/* How a version of control groups calls things. */
struct dialect {
	bool v2;
	const char *limits[2]; /* files; the second may be NULL */
	const char *usage;
	const char *cached[3]; /* rows of memory.stat */
};
static const struct dialect dialects[] = {
	{ true, { "memory.max", "memory.high" }, "memory.current",
	    { "inactive_file ", "active_file ", "slab_reclaimable " } },
	{ false, { "memory.limit_in_bytes", NULL }, "memory.usage_in_bytes",
	    { "total_inactive_file ", "total_active_file ", NULL } },
};

static ssize_t
read_file(void *ctx, const char *path, char *out, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = -1;

	(void)ctx;
	if (fd == -1)
		return -1;
	while (have + 1 < len && (n = read(fd, out + have, len - 1 - have)) > 0)
		have += (size_t)n;
	(void)close(fd);
	if (n < 0)
		return -1;
	out[have] = '\0';
	return (ssize_t)have;
}

const struct memroom_source memroom_system = { .read = read_file };

/* The number behind the first line that begins with `name`. 0 or -1. */
static int
field(const char *text, const char *name, uint64_t *out)
{
	struct slice rest = slice_of(text), line, word;

	while (slice_next(&rest, '\n', &line)) {
		/* slice_next() trims: a name may end in the blank behind it */
		size_t len = strlen(name);

		if (line.len <= len || memcmp(line.p, name, len) != 0)
			continue;
		line =
		    slice_trim((struct slice){ line.p + len, line.len - len });
		if (slice_next(&line, ' ', &word))
			return str_to_u64(word, UINT64_MAX, out);
	}
	return -1;
}

/* A file that holds one number; "max" is none. 0 or -1. */
static int
read_number(const struct memroom_source *s, const char *folder,
    const char *name, uint64_t *out)
{
	char path[PATH_MAX], text[64];
	struct slice rest, word;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path) ||
	    s->read(s->ctx, path, text, sizeof(text)) < 0)
		return -1;
	rest = slice_of(text);
	if (!slice_next(&rest, '\n', &word))
		return -1;
	return str_to_u64(word, NO_LIMIT, out);
}

static void
lower(struct memroom *m, uint64_t bytes, const char *what, const char *where)
{
	if (bytes >= m->bytes)
		return;
	m->bytes = bytes;
	(void)snprintf(m->what, sizeof(m->what), "%s%s%.120s", what,
	    where[0] != '\0' ? " of " : "", where);
}

static void
machine(const struct memroom_source *s, struct memroom *out)
{
	char text[4096];
	uint64_t kib;

	if (s->read(s->ctx, "/proc/meminfo", text, sizeof(text)) >= 0 &&
	    field(text, "MemAvailable:", &kib) == 0 && kib < UINT64_MAX / 1024)
		lower(out, kib * 1024, "MemAvailable", "");
}

/* One group: its limits, and what it uses of them. */
static void
group(const struct memroom_source *s, const struct dialect *d,
    const char *folder, char *text, struct memroom *out)
{
	char path[PATH_MAX];
	uint64_t limit, used = 0, n, cached = 0;

	if (read_number(s, folder, d->usage, &used) == -1)
		return;
	(void)snprintf(path, sizeof(path), "%.4000s/memory.stat", folder);
	if (s->read(s->ctx, path, text, TEXT_MAX) >= 0)
		for (size_t i = 0; i < COUNTOF(d->cached); i++)
			if (d->cached[i] != NULL &&
			    field(text, d->cached[i], &n) == 0)
				cached += n;
	used -= cached < used ? cached : used;
	for (size_t i = 0; i < COUNTOF(d->limits); i++)
		if (d->limits[i] != NULL &&
		    read_number(s, folder, d->limits[i], &limit) == 0 &&
		    limit < NO_LIMIT)
			lower(out, limit > used ? limit - used : 0,
			    d->limits[i], folder);
}

/* ---- where our group is ---- */

/* "ID:controllers:/path" of /proc/self/cgroup. */
static int
own_path(const char *text, bool v2, char *out, size_t len)
{
	struct slice rest = slice_of(text), line, id, list;

	while (slice_next(&rest, '\n', &line)) {
		if (!slice_next(&line, ':', &id) ||
		    !slice_next(&line, ':', &list) || line.len == 0)
			continue;
		if (v2 ? list.len != 0 || !slice_eq(id, SLICE_LIT("0"))
		       : !slice_list_has(list, SLICE_LIT("memory")))
			continue;
		return str_copy(out, len, line) == line.len ? 0 : -1;
	}
	return -1;
}

/* The n-th word of a line, from 0. */
static struct slice
word_at(struct slice line, unsigned int n)
{
	struct slice w = SLICE_NONE;

	for (unsigned int i = 0; i <= n; i++)
		if (!slice_next(&line, ' ', &w))
			return SLICE_NONE;
	return w;
}

/*
 * A line of mountinfo: 36 35 98:0 ROOT MOUNT options [tags] - TYPE source
 * SUPER. Whether it is of the memory controller.
 */
static bool
is_mount(struct slice line, bool v2, struct slice *root, struct slice *mount)
{
	unsigned int dash = 6;
	struct slice w, type;

	while (
	    (w = word_at(line, dash)).len != 0 && !slice_eq(w, SLICE_LIT("-")))
		dash++;
	type = word_at(line, dash + 1);
	if (w.len == 0 ||
	    !slice_eq(type, v2 ? SLICE_LIT("cgroup2") : SLICE_LIT("cgroup")))
		return false;
	if (!v2 &&
	    !slice_list_has(word_at(line, dash + 3), SLICE_LIT("memory")))
		return false;
	*root = word_at(line, 3);
	*mount = word_at(line, 4);
	return true;
}

/*
 * The folder of the group, and how much of it is the mount point: in a
 * container the mount may show a part of the tree only.
 */
static int
own_folder(const char *mounts, bool v2, const char *path, char *out, size_t len,
    size_t *mount_len)
{
	struct slice rest = slice_of(mounts), line, root, mount;
	struct slice p = slice_of(path);
	int n;

	while (slice_next(&rest, '\n', &line)) {
		if (!is_mount(line, v2, &root, &mount))
			continue;
		if (!slice_eq(root, SLICE_LIT("/"))) {
			if (slice_has_prefix(p, root) &&
			    (p.len == root.len || p.p[root.len] == '/')) {
				p.p += root.len;
				p.len -= root.len;
			} else {
				p.len = 0;
			}
		}
		if (slice_eq(p, SLICE_LIT("/")))
			p.len = 0;
		*mount_len = mount.len;
		n = snprintf(
		    out, len, "%.*s%.*s", SLICE_FMT(mount), SLICE_FMT(p));
		return n > 0 && (size_t)n < len ? 0 : -1;
	}
	return -1;
}

/* Of the group itself and of all above it. */
static void
groups(const struct memroom_source *s, const struct dialect *d, const char *own,
    const char *mounts, char *text, struct memroom *out)
{
	char path[PATH_MAX], folder[PATH_MAX];
	size_t mount_len;
	char *slash;

	if (own_path(own, d->v2, path, sizeof(path)) == -1 ||
	    own_folder(
		mounts, d->v2, path, folder, sizeof(folder), &mount_len) == -1)
		return;
	for (unsigned int i = 0; i < DEPTH_MAX; i++) {
		group(s, d, folder, text, out);
		if ((slash = strrchr(folder, '/')) == NULL ||
		    (size_t)(slash - folder) < mount_len)
			return;
		*slash = '\0';
	}
}

void
memroom_now(const struct memroom_source *s, struct memroom *out)
{
	char *own = malloc(TEXT_MAX), *mounts = malloc(MOUNTS_MAX);
	char *text = malloc(TEXT_MAX);

	*out = (struct memroom){ .bytes = UINT64_MAX };
	machine(s, out);
	if (own != NULL && mounts != NULL && text != NULL &&
	    s->read(s->ctx, "/proc/self/cgroup", own, TEXT_MAX) >= 0 &&
	    s->read(s->ctx, "/proc/self/mountinfo", mounts, MOUNTS_MAX) >= 0)
		for (size_t i = 0; i < COUNTOF(dialects); i++)
			groups(s, &dialects[i], own, mounts, text, out);
	free(own);
	free(mounts);
	free(text);
}

/* statm is readable for everybody: pages in all, resident, of files, ... */
uint64_t
memroom_of_process(const struct memroom_source *s, pid_t pid)
{
	char path[64], text[256];
	uint64_t resident, files;
	struct slice line;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (s->read(s->ctx, path, text, sizeof(text)) < 0)
		return 0;
	line = slice_of(text);
	if (str_to_u64(word_at(line, 1), UINT32_MAX, &resident) == -1 ||
	    str_to_u64(word_at(line, 2), UINT32_MAX, &files) == -1 ||
	    files > resident)
		return 0;
	return (resident - files) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
memroom_need(uint64_t present)
{
	return present + present / 8 + MARGIN;
}
