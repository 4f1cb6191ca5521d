/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "conf/conf_int.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

#define FILE_MAX_SIZE ((size_t)4 << 20)
#define INCLUDE_DEPTH 8
#define INCLUDE_FILES 256

static void read_path(struct conf_load *l, const char *path, unsigned int depth,
    struct conf_where from, const char *as_written);

/* A relative name is meant relative to the folder of the file that names it. */
static int
include_path(struct buf *out, const char *from, const char *name, bool for_glob)
{
	const char *slash = strrchr(from, '/');

	if (name[0] != '/' && slash != NULL) {
		for (const char *p = from; p <= slash; p++) {
			if (for_glob && strchr("*?[\\", *p) != NULL)
				(void)buf_append_str(out, "\\");
			(void)buf_append(out, p, 1);
		}
	}
	return buf_append_str(out, name);
}

static void
include(struct conf_load *l, struct conf_where at, unsigned int depth,
    char *const *words, size_t n)
{
	struct buf path;
	bool wild;
	glob_t g = { 0 };
	int rc;

	if (n != 2 || words[1][0] == '\0') {
		conf_load_fail(l, at, words, n, "one file name is expected");
		return;
	}
	buf_init(&path, (size_t)CONF_LINE_MAX * 3);
	wild = strpbrk(words[1], "*?[") != NULL;
	if (include_path(&path, at.file, words[1], wild) == -1) {
		conf_load_fail(l, at, words, n, "the name is too long");
	} else if (!wild) {
		read_path(l, buf_cstr(&path), depth, at, words[1]);
	} else {
		rc = glob(buf_cstr(&path), 0, NULL, &g);
		if (rc != 0 && rc != GLOB_NOMATCH)
			conf_load_fail(
			    l, at, words, n, "the folder cannot be read");
		for (size_t i = 0; rc == 0 && i < g.gl_pathc; i++)
			read_path(l, g.gl_pathv[i], depth, at, words[1]);
		globfree(&g);
	}
	buf_free(&path);
}

/* <Service NAME> and </Service>, without the angle brackets. */
static void
section(struct conf_load *l, struct conf_where at, char *const *words, size_t n)
{
	if (n == 0) {
		conf_errors_add(l->err, at.file, at.line,
		    "a section has no name; write <Service NAME>");
		return;
	}
	if (strcasecmp(words[0], "Service") == 0) {
		conf_load_open(l, at, words, n);
		return;
	}
	if (n != 1 || strcasecmp(words[0], "/Service") != 0) {
		conf_load_fail(l, at, words, n,
		    "unknown section; there is only <Service NAME> and "
		    "</Service>");
		return;
	}
	if (l->open == NULL || strcmp(l->open->file, at.file) != 0)
		conf_load_fail(l, at, words, n,
		    "no <Service> is open in this file; remove it");
	else
		conf_load_close(l);
}

static void
bad_line(struct conf_load *l, struct conf_where at, const char *what)
{
	conf_errors_add(l->err, at.file, at.line, "%s", what);
}

/* Nothing but blanks and a comment follows. */
static bool
ends_here(const char *p)
{
	p += strspn(p, " \t");
	return *p == '\0' || *p == '#';
}

static void
read_line(
    struct conf_load *l, struct conf_where at, unsigned int depth, char *line)
{
	char *words[CONF_WORDS_MAX], *end;
	bool in_angles;
	const char *what = NULL;
	ssize_t n;

	line += strspn(line, " \t");
	in_angles = line[0] == '<';
	if (in_angles) {
		end = strchr(line, '>');
		if (end == NULL || !ends_here(end + 1)) {
			bad_line(l, at,
			    "a section does not end with >; write <Service "
			    "NAME>");
			return;
		}
		*end = '\0';
		line++;
	}
	if ((n = conf_lex_all(line, words, &what)) == -1)
		bad_line(l, at, what);
	else if (in_angles)
		section(l, at, words, (size_t)n);
	else if (n > 0 && strcasecmp(words[0], "Include") == 0)
		include(l, at, depth, words, (size_t)n);
	else if (n > 0)
		conf_load_directive(l, at, words, (size_t)n);
}

/* One line of the file, which may be too long or hold NUL bytes. */
static void
take_line(struct conf_load *l, struct conf_where at, unsigned int depth,
    struct slice raw)
{
	char line[CONF_LINE_MAX + 1];

	if (raw.len > 0 && raw.p[raw.len - 1] == '\r')
		raw.len--;
	if (raw.len > CONF_LINE_MAX) {
		bad_line(l, at, "the line is longer than 8192 bytes; split it");
	} else if (slice_find(raw, '\0') != -1) {
		bad_line(l, at, "a NUL byte; this is not a text file");
	} else {
		str_copy(line, sizeof(line), raw);
		read_line(l, at, depth, line);
	}
}

static void
read_text(struct conf_load *l, const char *name, unsigned int depth,
    struct slice text)
{
	struct conf_service *before = l->open;
	struct conf_where at = { name, 0 };
	struct slice line;
	ptrdiff_t eol;

	while (text.len > 0) {
		at.line++;
		eol = slice_find(text, '\n');
		line = (struct slice){ text.p,
			eol == -1 ? text.len : (size_t)eol };
		take_line(l, at, depth, line);
		if (eol != -1)
			line.len++;
		text.p += line.len;
		text.len -= line.len;
	}
	if (l->open != NULL && before == NULL) {
		at.line = l->open->line;
		bad_line(l, at,
		    "this <Service> is not ended; add a line </Service>");
		conf_load_close(l);
	}
}

/* The whole file, at most FILE_MAX_SIZE. -1 with errno. */
static int
slurp(int fd, struct buf *out)
{
	char block[16384];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (buf_append(out, block, (size_t)n) == -1) {
			errno = EFBIG;
			return -1;
		}
	}
	return 0;
}

/*
 * What is included must be a file: a pattern may well match a pipe or a device
 * that never ends. The first may be anything (-c /dev/stdin). -1 with errno.
 */
static int
open_file(const char *path, bool included)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | (included ? O_NONBLOCK : 0));

	if (fd == -1 || !included ||
	    (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	(void)close(fd);
	errno = EINVAL;
	return -1;
}

static void
cannot_read(struct conf_load *l, const char *path, struct conf_where from,
    const char *as_written)
{
	const char *why =
	    errno == EINVAL ? "not a regular file" : strerror(errno);

	if (from.file == NULL)
		conf_errors_add(l->err, path, 0,
		    "cannot be read: %s; name the configuration with -c", why);
	else
		conf_errors_add(l->err, from.file, from.line,
		    "Include '%.256s': %.512s cannot be read: %s", as_written,
		    path, why);
}

static void
read_path(struct conf_load *l, const char *path, unsigned int depth,
    struct conf_where from, const char *as_written)
{
	char *name = conf_strdup(l->c->mem, slice_of(path));
	struct buf text;
	int fd;

	if (depth >= INCLUDE_DEPTH || ++l->nfiles > INCLUDE_FILES) {
		bad_line(l, from,
		    "Include is nested deeper than 8 files, or there are more "
		    "than 256; does a file include itself?");
		return;
	}
	buf_init(&text, FILE_MAX_SIZE);
	fd = open_file(path, depth > 0);
	if (fd == -1 || slurp(fd, &text) == -1)
		cannot_read(l, path, from, as_written);
	else if (name == NULL)
		conf_errors_add(l->err, path, 0, "out of memory");
	else
		read_text(l, name, depth + 1, buf_slice(&text));
	if (fd != -1)
		(void)close(fd);
	buf_free(&text);
}

void
conf_file_read(struct conf_load *l, const char *path)
{
	read_path(l, path, 0, (struct conf_where){ NULL, 0 }, path);
}

void
conf_file_text(struct conf_load *l, const char *name, struct slice text)
{
	read_text(l, name, INCLUDE_DEPTH, text);
}
