/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-scan-file: has files judged over the scan socket. A small example of
 * libtolsey-scan, and what tests use.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scanapi/tolsey_scan.h"

#define TIMEOUT_MS 330000 /* above ScanTimeoutMax + QueueTimeout */

enum { EXIT_CLEAN = 0, EXIT_BLOCKED = 1, EXIT_ERROR = 2 };

static int
print_verdict(const char *file, const struct tolsey_scan_verdict *v)
{
	static const char *const words[] = { "?", "pass", "block", "error" };

	printf("%s: %s outcome=%s id=%s generation=%" PRIu32 " size=%" PRIu64,
	    file, words[v->action], v->outcome, v->id, v->generation, v->size);
	for (unsigned int i = 0; i < v->nnames; i++)
		printf(" threat=%s", v->names[i]);
	if (v->part[0] != '\0')
		printf(" part=\"%s\"", v->part);
	if (v->reason[0] != '\0')
		printf(" reason=\"%s\"", v->reason);
	printf("\n");
	return v->action == TOLSEY_SCAN_PASS ? EXIT_CLEAN : EXIT_BLOCKED;
}

static int
scan_file(struct tolsey_scan *s, const char *service, const char *file)
{
	struct tolsey_scan_request rq = { .method = TOLSEY_SCAN_RESPMOD,
		.service = service };
	struct tolsey_scan_verdict *v = NULL;
	char url[4096];
	enum tolsey_scan_rc rc;
	struct stat st;
	int status = EXIT_ERROR;

	rq.fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (rq.fd == -1 || fstat(rq.fd, &st) == -1) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		goto out;
	}
	rq.size = (uint64_t)st.st_size;
	/* only for the log and the page; blanks cannot stand in a URL */
	(void)snprintf(url, sizeof(url), "file:%s", file);
	if (strpbrk(url, " \t\r\n") == NULL)
		rq.url = url;
	rc = tolsey_scan_whole(s, &rq, TIMEOUT_MS, &v);
	if (rc == TOLSEY_SCAN_OK)
		status = print_verdict(file, v);
	else
		fprintf(stderr, "%s: %s%s%s\n", file, tolsey_scan_strerror(rc),
		    tolsey_scan_why(s)[0] != '\0' ? ": " : "",
		    tolsey_scan_why(s));
	tolsey_scan_verdict_free(v);
out:
	if (rq.fd != -1)
		(void)close(rq.fd);
	return status;
}

static int
show_service(struct tolsey_scan *s, const char *service)
{
	struct tolsey_scan_service o;
	enum tolsey_scan_rc rc = tolsey_scan_options(s, service, 5000, &o);

	if (rc != TOLSEY_SCAN_OK) {
		fprintf(stderr, "%s\n", tolsey_scan_strerror(rc));
		return EXIT_ERROR;
	}
	printf("daemon=%s generation=%" PRIu32 " service=%s found=%d ready=%d "
	       "istag=%s preview=%d\n",
	    o.daemon, o.generation, o.service, o.found, o.ready, o.istag,
	    o.preview_size);
	return o.found && o.ready ? EXIT_CLEAN : EXIT_ERROR;
}

int
main(int argc, char *argv[])
{
	const char *path = TOLSEY_SCAN_SOCKET, *service = "";
	struct tolsey_scan *s;
	enum tolsey_scan_rc rc;
	int opt, status = EXIT_CLEAN, one;

	while ((opt = getopt(argc, argv, "S:s:")) != -1) {
		if (opt == 'S') {
			path = optarg;
		} else if (opt == 's') {
			service = optarg;
		} else {
			fprintf(stderr, "usage: tolsey-scan-file [-S socket] "
					"[-s service] [file ...]\n");
			return EXIT_ERROR;
		}
	}
	rc = tolsey_scan_open(path, 5000, &s);
	if (rc != TOLSEY_SCAN_OK) {
		fprintf(stderr, "%s: %s\n", path, tolsey_scan_strerror(rc));
		return EXIT_ERROR;
	}
	if (optind == argc)
		status = show_service(s, service);
	for (int i = optind; i < argc; i++) {
		/* an error ends a connection */
		if (tolsey_scan_is_broken(s)) {
			tolsey_scan_close(s);
			if (tolsey_scan_open(path, 5000, &s) != TOLSEY_SCAN_OK)
				return EXIT_ERROR;
		}
		one = scan_file(s, service, argv[i]);
		status = one > status ? one : status;
	}
	tolsey_scan_close(s);
	return status;
}
