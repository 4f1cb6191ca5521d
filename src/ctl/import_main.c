/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* tolseyctl import: the command. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/import.h"

#define TEXT_MAX ((size_t)64 << 20)

struct out {
	const char *path; /* NULL: the stream */
	FILE *stream;
	bool force;
};

static int
usage(FILE *f)
{
	fprintf(f,
	    "usage: tolseyctl import [-o FILE] [-r FILE] [-f] FILE...\n"
	    "  FILE       c-icap.conf, virus_scan.conf, clamav_mod.conf,\n"
	    "             clamd_mod.conf, squidclamav.conf, clamd.conf\n"
	    "  -o FILE    the tolsey.conf that is made [standard output]\n"
	    "  -r FILE    the report of what differs [standard error]\n"
	    "  -f         replace files that are there\n");
	return f == stderr ? EX_USAGE : EX_OK;
}

/* A configuration that is there is not replaced by accident. */
static int
put(const struct out *o, struct buf *text)
{
	FILE *f = o->stream;
	int fd, rc;

	if (o->path != NULL) {
		fd = open(o->path,
		    O_WRONLY | O_CREAT | O_CLOEXEC |
			(o->force ? O_TRUNC : O_EXCL),
		    0644);
		f = fd != -1 ? fdopen(fd, "w") : NULL;
		if (f == NULL) {
			fprintf(stderr, "tolseyctl: %s: %s%s\n", o->path,
			    strerror(errno),
			    errno == EEXIST ? " (-f replaces it)" : "");
			if (fd != -1)
				(void)close(fd);
			return -1;
		}
	}
	rc = fputs(buf_cstr(text), f) == EOF ? -1 : 0;
	if ((o->path != NULL ? fclose(f) : fflush(f)) == EOF)
		rc = -1;
	if (rc == -1)
		fprintf(stderr, "tolseyctl: cannot write %s: %s\n",
		    o->path != NULL ? o->path : "the result", strerror(errno));
	return rc;
}

static int
run(char *const *files, int n, const struct out *conf, const struct out *rep)
{
	struct import *im = import_new();
	struct buf c, r, err;
	int status = EX_OK;

	buf_init(&c, TEXT_MAX);
	buf_init(&r, TEXT_MAX);
	buf_init(&err, 65536);
	for (int i = 0; i < n && im != NULL && status == EX_OK; i++)
		if (import_file(im, files[i], &err) == -1)
			status = EX_NOINPUT;
	if (im == NULL)
		status = EX_OSERR;
	else if (status == EX_OK && import_finish(im, &c, &r, &err) == -1)
		status = EX_SOFTWARE;
	if (err.len > 0 || im == NULL)
		fprintf(stderr, "tolseyctl: %s\n",
		    err.len > 0 ? buf_cstr(&err) : "out of memory");
	if (status == EX_OK && (put(conf, &c) == -1 || put(rep, &r) == -1))
		status = EX_CANTCREAT;
	import_free(&im);
	buf_free(&c);
	buf_free(&r);
	buf_free(&err);
	return status;
}

int
import_main(int argc, char *argv[])
{
	static const struct option longs[] = { { "output", required_argument,
						   NULL, 'o' },
		{ "report", required_argument, NULL, 'r' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct out conf = { .stream = stdout }, rep = { .stream = stderr };
	int c;

	optind = 0; /* GNU: begin anew */
	while ((c = getopt_long(argc, argv, "o:r:fh", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			conf.path = optarg;
			break;
		case 'r':
			rep.path = optarg;
			break;
		case 'f':
			conf.force = rep.force = true;
			break;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	if (optind == argc)
		return usage(stderr);
	return run(argv + optind, argc - optind, &conf, &rep);
}
