/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/wish.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "engine/real.h"
#include "engine/tripwire.h"

/* A scan inside of another one's callback has a folder of its own. */
#define MAX_WISHES 8
#define MAX_PATH 256

struct wished {
	char path[MAX_PATH];
	size_t len;
	mode_t mode;
};
static struct {
	char below[MAX_PATH]; /* with a slash at its end */
	size_t below_len;     /* 0: no wishes */
	struct wished all[MAX_WISHES];
	unsigned int count;
} wish;

/* ---- whether every way to a path is known here ---- */

/* Functions of C libraries that take a path and are not defined here. */
static const char *const strange[] = { "__open_2", "__open64_2", "__openat_2",
	"__openat64_2", "openat2", "creat", "creat64", "mkstemp", "mkstemp64",
	"mkostemp", "mkostemp64", "mkstemps", "mkstemps64", "mkostemps",
	"mkostemps64", "mkdtemp", "mktemp", "tempnam", "freopen", "freopen64",
	"mkdirat", "mknod", "mknodat", "mkfifoat", "link", "symlinkat",
	"readlinkat", "renameat", "renameat2", "truncate", "truncate64",
	"__xstat", "__xstat64", "__lxstat", "__lxstat64", "__fxstatat",
	"__fxstatat64", "scandir", "scandir64", "nftw", "nftw64", "ftw",
	"ftw64", "fts_open", "fts64_open", "glob", "glob64", "faccessat",
	"fchmodat", "fchownat", "utime", "utimes", "canonicalize_file_name" };

static bool
is_strange(const char *name)
{
	for (size_t i = 0; i < COUNTOF(strange); i++)
		if (strcmp(name, strange[i]) == 0)
			return true;
	return false;
}

/* Where an entry of the dynamic section points. */
static const void *
at(const struct dl_phdr_info *o, ElfW(Addr) p)
{
	/* glibc has added the address of the object already */
	return (
	    const void *)(uintptr_t)(p < o->dlpi_addr ? p + o->dlpi_addr : p);
}

/* Not 0: the library is bound to a function of strange[]. */
static int
look_at_object(struct dl_phdr_info *o, size_t size, void *ctx)
{
	const ElfW(Dyn) *d = NULL;
	const ElfW(Sym) *symbols = NULL;
	const char *names = NULL;
	const uint32_t *hash = NULL;
	bool *seen = ctx;

	(void)size;
	if (o->dlpi_name == NULL || strstr(o->dlpi_name, "/libclam") == NULL)
		return 0;
	for (int i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(uintptr_t)(o->dlpi_addr +
						      o->dlpi_phdr[i].p_vaddr);
	for (; d != NULL && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			symbols = at(o, d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB)
			names = at(o, d->d_un.d_ptr);
		else if (d->d_tag == DT_GNU_HASH)
			hash = at(o, d->d_un.d_ptr);
	}
	if (symbols == NULL || names == NULL || hash == NULL)
		return 1;
	*seen = true;
	/* what others define stands before what can be looked up (hash[1]) */
	for (uint32_t i = 1; i < hash[1]; i++)
		if (symbols[i].st_shndx == SHN_UNDEF &&
		    is_strange(names + symbols[i].st_name))
			return 1;
	return 0;
}

static bool
all_ways_are_known(void)
{
	bool seen = false;

	return dl_iterate_phdr(look_at_object, &seen) == 0 && seen;
}

/* ---- wishes ---- */

void
wish_below(const char *dir)
{
	wish.below_len = wish.count = 0;
	if (dir == NULL || dir[0] == '\0' ||
	    strlen(dir) + 2 > sizeof(wish.below) || !all_ways_are_known())
		return;
	/* the library puts a slash behind the name, also behind "/" */
	(void)snprintf(wish.below, sizeof(wish.below), "%s/", dir);
	wish.below_len = strlen(wish.below);
}

/* The wished folder that path is, or is in: its place, or count. */
static unsigned int
find(const char *path, bool itself)
{
	unsigned int i;

	for (i = 0; i < wish.count; i++)
		if (strncmp(path, wish.all[i].path, wish.all[i].len) == 0 &&
		    (path[wish.all[i].len] == '\0' ||
			(!itself && path[wish.all[i].len] == '/')))
			break;
	return i;
}

bool
wish_make(const char *path, mode_t mode)
{
	struct wished *w = &wish.all[wish.count];
	size_t len = strlen(path);

	if (wish.below_len == 0 || wish.count == MAX_WISHES ||
	    len <= wish.below_len || len >= sizeof(w->path) ||
	    strncmp(path, wish.below, wish.below_len) != 0 ||
	    strchr(path + wish.below_len, '/') != NULL ||
	    find(path, true) < wish.count)
		return false;
	memcpy(w->path, path, len + 1);
	w->len = len;
	w->mode = mode;
	wish.count++;
	return true;
}

static void
forget(unsigned int i)
{
	wish.all[i] = wish.all[--wish.count];
}

void
wish_touch(const char *path)
{
	int saved = errno;
	struct wished w;
	unsigned int i;

	REAL(mkdir);
	if (wish.count == 0 || path == NULL ||
	    (i = find(path, false)) == wish.count)
		return;
	w = wish.all[i];
	forget(i);
	if (real(w.path, w.mode) != 0)
		tripwire_trip("mkdir", errno);
	errno = saved;
}

bool
wish_is(const char *path)
{
	return wish.count > 0 && find(path, true) < wish.count;
}

bool
wish_drop(const char *path)
{
	unsigned int i;

	if (wish.count == 0 || (i = find(path, true)) == wish.count)
		return false;
	forget(i);
	return true;
}

void
wish_forget(void)
{
	wish.count = 0;
}
