/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* tolsey-bench: a load on an ICAP server (bench.h). */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "client/bench_opts.h"

static int
usage(FILE *f)
{
	fprintf(f,
	    "usage: tolsey-bench [--json] [OPTION ...] ADDRESS:PORT[/SERVICE]\n"
	    "  an IPv4 address, or unix:/PATH\n");
	bench_usage(f);
	return f == stderr ? EX_USAGE : EX_OK;
}

/* ADDRESS:PORT[/SERVICE] or unix:PATH; cuts the word up. */
static int
parse_target(struct bench_params *p, char *word)
{
	struct sockaddr_in *in = (void *)&p->address;
	struct sockaddr_un *un = (void *)&p->address;
	char *colon, *slash;
	uint64_t port;

	p->service = "avscan";
	if (strncmp(word, "unix:", 5) == 0) {
		if (strlen(word + 5) >= sizeof(un->sun_path))
			return -1;
		p->host = "localhost";
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, word + 5, strlen(word + 5) + 1);
		p->address_len = sizeof(*un);
		return 0;
	}
	if ((slash = strchr(word, '/')) != NULL) {
		*slash = '\0';
		p->service = slash + 1;
	}
	if ((colon = strchr(word, ':')) == NULL ||
	    str_to_u64(slice_of(colon + 1), 65535, &port) != 0)
		return -1;
	*colon = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, word, &in->sin_addr) != 1)
		return -1;
	*colon = ':';
	p->host = word;
	p->address_len = sizeof(*in);
	return 0;
}

/* 0, or -1 with the reason in err (or empty). */
static int
parse(
    struct bench_params *p, int argc, char *argv[], bool *json, struct buf *err)
{
	const char *name, *arg;
	int i;

	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		bool takes = false;
		int rc;

		name = argv[i] + 2;
		if (strcmp(name, "json") == 0) {
			*json = true;
			continue;
		}
		rc = bench_option(p, name, NULL, &takes, err);
		arg = takes && i + 1 < argc ? argv[++i] : NULL;
		if (rc != 0 || (takes && arg == NULL))
			return -1;
		if (bench_option(p, name, arg, NULL, err) != 0)
			return -1;
	}
	if (i != argc - 1 || parse_target(p, argv[i]) != 0)
		return -1;
	return bench_params_done(p, err);
}

int
main(int argc, char *argv[])
{
	struct bench_params p;
	struct bench_result *r = malloc(sizeof(*r));
	struct buf err, out;
	bool json = false;
	int rc = EX_SOFTWARE;

	buf_init(&err, 4096);
	buf_init(&out, 65536);
	bench_params_init(&p);
	if (r == NULL) {
		fprintf(stderr, "tolsey-bench: out of memory\n");
	} else if (parse(&p, argc, argv, &json, &err) != 0) {
		if (err.len > 0)
			fprintf(stderr, "tolsey-bench: %s\n", buf_cstr(&err));
		rc = err.len > 0 ? EX_USAGE : usage(stderr);
	} else if (bench_run(&p, r, &err) != 0) {
		fprintf(stderr, "tolsey-bench: %s\n", buf_cstr(&err));
	} else {
		(json ? bench_print_json : bench_print)(r, &out);
		(void)fputs(buf_cstr(&out), stdout);
		rc = bench_result_faults(r) == 0 ? EX_OK : EXIT_FAILURE;
	}
	bench_params_free(&p);
	buf_free(&err);
	buf_free(&out);
	free(r);
	return rc;
}
