/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Replays inputs of a fuzzer without libFuzzer: the files given as arguments
 * and all files of the folders given; without any, the corpus in $srcdir.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX ((size_t)16 << 20)
#define PATH_LEN_MAX ((size_t)4096)

/* Appends all of the file. 0 or -1. */
static int
read_all(struct buf *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n;

	if (fd == -1)
		return -1;
	while ((n = read(fd, part, sizeof(part))) > 0)
		if (buf_append(b, part, (size_t)n) == -1)
			break;
	(void)close(fd);
	return n == 0 ? 0 : -1;
}

/* The number of inputs replayed, or -1. */
static int
replay_file(const char *path)
{
	struct buf b;
	int rc;

	buf_init(&b, INPUT_MAX);
	rc = read_all(&b, path);
	if (rc == -1)
		perror(path);
	else
		(void)LLVMFuzzerTestOneInput(
		    (const uint8_t *)buf_cstr(&b), b.len);
	buf_free(&b);
	return rc == -1 ? -1 : 1;
}

static int
replay_folder(const char *path)
{
	struct dirent *d;
	struct buf name;
	int sum = 0, n = 0;
	DIR *dir = opendir(path);

	if (dir == NULL) {
		perror(path);
		return -1;
	}
	buf_init(&name, PATH_LEN_MAX);
	while (n != -1 && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		buf_reset(&name);
		n = buf_printf(&name, "%s/%s", path, d->d_name) == 0
			? replay_file(buf_cstr(&name))
			: -1;
		sum += n;
	}
	buf_free(&name);
	(void)closedir(dir);
	return n == -1 ? -1 : sum;
}

static int
replay(const char *path)
{
	struct stat st;
	int n;

	if (stat(path, &st) == -1) {
		perror(path);
		return -1;
	}
	n = S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path);
	if (n == 0)
		(void)fprintf(stderr, "%s: no inputs\n", path);
	else if (n > 0)
		(void)printf("%s: %d inputs\n", path, n);
	return n > 0 ? 0 : -1;
}

static int
replay_corpus(void)
{
	const char *srcdir = getenv("srcdir");
	struct buf path;
	int rc;

	buf_init(&path, PATH_LEN_MAX);
	rc = buf_printf(&path, "%s/tests/fuzz/corpus/" FUZZ_CORPUS,
	    srcdir != NULL ? srcdir : ".");
	if (rc == 0)
		rc = replay(buf_cstr(&path));
	buf_free(&path);
	return rc;
}

int
main(int argc, char *argv[])
{
	int rc = argc < 2 ? replay_corpus() : 0;

	for (int i = 1; i < argc; i++)
		rc |= replay(argv[i]);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
