/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Signature files. libclamav reads them by path, so they are opened and
 * hashed here, and after it has loaded them the path must still show the same
 * files (device, inode, size, time): else the digest would not be of what was
 * loaded.
 */
#include "engine/engine_db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sigfile.h"
#include "base/str.h"
#include "engine/allow.h"

#define CVD_HEAD_LEN 512
#define CVD_MAGIC "ClamAV-VDB"
#define MAX_FILES 20000
#define LINE_LEN (NAME_MAX + 100) /* of one file, in what is hashed */

struct dbfile {
	char name[NAME_MAX + 1];
	int fd;
	struct stat st;
	bool container; /* .cvd or .cld with a valid head */
	uint64_t version, signatures, built_s;
};
struct dbset {
	char *path;
	struct dbfile *files; /* sorted by name */
	size_t n;
};

/* "18 Nov 2025 10-00 +0000", as old heads have it alone; 0: not understood. */
static uint64_t
build_time(struct slice text)
{
	char s[64];
	struct tm tm;
	time_t t;
	long east;

	(void)str_copy(s, sizeof(s), text);
	memset(&tm, 0, sizeof(tm));
	if (strptime(s, "%d %b %Y %H-%M %z", &tm) == NULL)
		return 0;
	east = tm.tm_gmtoff; /* timegm() forgets it */
	t = timegm(&tm);
	return t > east ? (uint64_t)(t - east) : 0;
}

/*
 * Fields, separated by colons: magic, time, version, signatures, level, MD5,
 * signature, builder, and the time again in seconds.
 */
static void
read_head(struct dbfile *f)
{
	char head[CVD_HEAD_LEN];
	ssize_t n = pread(f->fd, head, sizeof(head), 0);
	struct slice rest, field[4], last = SLICE_NONE;

	if (n != (ssize_t)sizeof(head))
		return;
	rest = (struct slice){ head, sizeof(head) };
	for (size_t i = 0; i < COUNTOF(field); i++)
		if (!slice_next(&rest, ':', &field[i]))
			return;
	f->container = slice_eq(field[0], SLICE_LIT(CVD_MAGIC)) &&
		       str_to_u64(field[2], UINT32_MAX, &f->version) == 0 &&
		       str_to_u64(field[3], UINT32_MAX, &f->signatures) == 0;
	for (int i = 0; i < 5; i++)
		if (!slice_next(&rest, ':', &last))
			last = SLICE_NONE;
	if (str_to_u64(last, INT64_MAX / 1000000, &f->built_s) != 0)
		f->built_s = build_time(field[1]);
}

static int
add_file(struct dbset *s, int dirfd, const char *path, const char *name)
{
	struct dbfile f = { .fd = -1 };
	struct dbfile *p;

	if (s->n >= MAX_FILES || strlen(name) >= sizeof(f.name)) {
		errno = s->n >= MAX_FILES ? EMFILE : ENAMETOOLONG;
		return -1;
	}
	p = reallocarray(s->files, s->n + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	s->files = p;
	(void)str_copy(f.name, sizeof(f.name), slice_of(name));
	f.fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f.fd < 0)
		return -1;
	if (fstat(f.fd, &f.st) != 0 || !S_ISREG(f.st.st_mode)) {
		(void)close(f.fd);
		errno = EINVAL;
		return -1;
	}
	if (sigfile_is_container(name))
		read_head(&f);
	s->files[s->n++] = f;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct dbfile *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Of this process: looked up once, while the system's files can be read. */
static char account[40];

void
db_remember_account(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw != NULL)
		(void)snprintf(
		    account, sizeof(account), "account %.31s", pw->pw_name);
	else
		(void)snprintf(
		    account, sizeof(account), "uid %u", (unsigned)geteuid());
}

/* errno, and for whom: it is not the account that the operator is. */
static void
cannot_read(const char *path, const char *name, char *err, size_t errlen)
{
	int error = errno;
	bool denied = error == EACCES || error == EPERM;

	(void)snprintf(err, errlen, "%s%s%s: %s%s%s%s", path,
	    name[0] != '\0' ? "/" : "", name, strerror(error),
	    denied ? " for the " : "", denied ? account : "",
	    denied ? ", which must be able to read it" : "");
	errno = error;
}

static int
add_folder(struct dbset *s, int fd, char *err, size_t errlen)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	int rc = 0;

	if (dir == NULL) {
		(void)snprintf(err, errlen, "%s: %s", s->path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (!sigfile_is_one(d->d_name))
			continue;
		rc = add_file(s, fd, d->d_name, d->d_name);
		if (rc != 0)
			cannot_read(s->path, d->d_name, err, errlen);
	}
	(void)closedir(dir);
	if (s->n > 0)
		qsort(s->files, s->n, sizeof(*s->files), by_name);
	return rc;
}

struct dbset *
dbset_open(const char *path, char *err, size_t errlen)
{
	struct dbset *s = calloc(1, sizeof(*s));
	const char *slash = strrchr(path, '/');
	int rc, fd;

	if (s == NULL || (s->path = strdup(path)) == NULL) {
		(void)snprintf(err, errlen, "out of memory");
		dbset_free(&s);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		rc = add_folder(s, fd, err, errlen);
	} else {
		rc = errno == ENOTDIR
			 ? add_file(s, AT_FDCWD, path, slash ? slash + 1 : path)
			 : -1;
		if (rc != 0)
			cannot_read(path, "", err, errlen);
	}
	if (rc != 0)
		dbset_free(&s);
	return s;
}

void
dbset_free(struct dbset **s)
{
	int error = errno;

	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		(void)close((*s)->files[i].fd);
	free((*s)->files);
	free((*s)->path);
	free(*s);
	*s = NULL;
	errno = error;
}

static bool
stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       /* which no one can set back, as they can the other */
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* By its name, and by what our own descriptor says by now. */
static bool
file_same(const struct dbfile *f, int dirfd, const char *name)
{
	struct stat now;

	return fstatat(dirfd, name, &now, 0) == 0 && stat_same(&f->st, &now) &&
	       fstat(f->fd, &now) == 0 && stat_same(&f->st, &now);
}

static bool
folder_same(const struct dbset *s, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	size_t n = 0;
	bool same = dir != NULL;

	if (dir == NULL) {
		(void)close(fd);
		return false;
	}
	while ((d = readdir(dir)) != NULL)
		n += sigfile_is_one(d->d_name);
	for (size_t i = 0; same && i < s->n; i++)
		same = file_same(&s->files[i], fd, s->files[i].name);
	(void)closedir(dir);
	return same && n == s->n;
}

bool
dbset_same(const struct dbset *s)
{
	int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return folder_same(s, fd);
	return errno == ENOTDIR && s->n == 1 &&
	       file_same(&s->files[0], AT_FDCWD, s->path);
}

static size_t
stem_len(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL ? (size_t)(dot - name) : strlen(name);
}

/* libclamav loads the newer one of main.cvd and main.cld. */
static bool
superseded(const struct dbset *s, size_t at)
{
	const struct dbfile *f = &s->files[at];
	size_t len = stem_len(f->name);

	for (size_t i = 0; i < s->n; i++) {
		const struct dbfile *o = &s->files[i];

		if (i == at || !o->container || stem_len(o->name) != len ||
		    memcmp(o->name, f->name, len) != 0)
			continue;
		if (o->version > f->version ||
		    (o->version == f->version && i < at))
			return true;
	}
	return false;
}

static int
hash_file(const struct dbfile *f, unsigned char out[HASH_LEN])
{
	unsigned char block[65536];
	struct hash *h = hash_new();
	off_t at = 0;
	ssize_t n = -1;
	int rc = -1;

	while (h != NULL && (n = pread(f->fd, block, sizeof(block), at)) > 0) {
		if (hash_update(h, block, (size_t)n) != 0)
			break;
		at += n;
	}
	if (n == 0)
		rc = hash_final(h, out);
	hash_free(&h);
	return rc;
}

static int
describe_file(const struct dbfile *f, struct buf *lines)
{
	unsigned char digest[HASH_LEN];
	char hex[HASH_HEX_LEN];

	if (f->container)
		return buf_printf(lines, "cvd %.*s %llu %llu\n",
		    (int)stem_len(f->name), f->name,
		    (unsigned long long)f->version,
		    (unsigned long long)f->signatures);
	if (hash_file(f, digest) != 0)
		return -1;
	hash_hex(digest, hex);
	return buf_printf(lines, "file %s %s\n", f->name, hex);
}

static int
describe_all(const struct dbset *s, struct buf *lines, struct buf *words)
{
	unsigned int others = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct dbfile *f = &s->files[i];

		if (f->container && superseded(s, i))
			continue;
		if (describe_file(f, lines) != 0)
			return -1;
		if (f->container)
			(void)buf_printf(words, "%s%.*s %llu",
			    words->len > 0 ? ", " : "", (int)stem_len(f->name),
			    f->name, (unsigned long long)f->version);
		else
			others++;
	}
	if (others > 0)
		(void)buf_printf(words, "%s%u%s file%s",
		    words->len > 0 ? ", " : "", others,
		    words->len > 0 ? " other" : "", others > 1 ? "s" : "");
	return lines->failed ? -1 : 0;
}

/* When daily was built; without it the newest container; else the newest file.
 */
static uint64_t
built_s(const struct dbset *s)
{
	uint64_t containers = 0, files = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct dbfile *f = &s->files[i];
		struct slice stem = { f->name, stem_len(f->name) };

		if (f->container && superseded(s, i))
			continue;
		if (f->container && f->built_s != 0 &&
		    slice_case_eq(stem, SLICE_LIT("daily")))
			return f->built_s;
		if (f->container && f->built_s > containers)
			containers = f->built_s;
		if (f->st.st_mtim.tv_sec > 0 &&
		    (uint64_t)f->st.st_mtim.tv_sec > files)
			files = (uint64_t)f->st.st_mtim.tv_sec;
	}
	return containers != 0 ? containers : files;
}

void
dbset_age(const struct dbset *s, uint64_t *built_wall_us, uint32_t *daily)
{
	*built_wall_us = built_s(s) * 1000000;
	*daily = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->files[i].container && !superseded(s, i) &&
		    stem_len(s->files[i].name) == 5 &&
		    strncmp(s->files[i].name, "daily", 5) == 0)
			*daily = (uint32_t)s->files[i].version;
}

int
dbset_describe(const struct dbset *s, char *text, size_t textlen,
    unsigned char digest[HASH_LEN])
{
	struct buf lines, words;
	int rc;

	buf_init(&lines, (size_t)MAX_FILES * LINE_LEN);
	buf_init(&words, 4096);
	rc = describe_all(s, &lines, &words);
	if (rc == 0)
		rc = hash_once(lines.p, lines.len, digest);
	(void)str_copy_clean(text, textlen, buf_slice(&words), "");
	buf_free(&lines);
	buf_free(&words);
	return rc;
}

void
dbset_read_allow(const struct dbset *s, struct allow *a)
{
	for (size_t i = 0; i < s->n; i++)
		allow_read(a, s->files[i].name, s->files[i].fd);
}
