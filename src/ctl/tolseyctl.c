/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* tolseyctl: the operator's command. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/import.h"

#define DEFAULT_SOCKET "/run/tolsey/control.sock"

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: tolseyctl [-s SOCKET] [--json] COMMAND\n"
	    "  status       what serves, with which signatures, and how much\n"
	    "  reload-db    load the signatures anew; waits for the result\n"
	    "  flush-cache  forget what was found: all is scanned again\n"
	    "  import       make a tolsey.conf of one of c-icap, squidclamav or\n"
	    "               clamd; see tolseyctl import --help\n"
	    "  -s SOCKET    ControlSocket of the daemon (default: %s)\n"
	    "  --json       status as JSON\n",
	    DEFAULT_SOCKET);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "tolseyctl: %s: path is too long\n", path);
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	fprintf(stderr,
	    "tolseyctl: %s: %s (is tolseyd running, and is this its "
	    "ControlSocket?)\n",
	    path, strerror(errno));
	if (fd != -1)
		(void)close(fd);
	return -1;
}

/* Prints what follows "ok\n", or "error: ..." on stderr. */
static int
print_answer(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = stdout;
	char line[8192];
	bool first = true, ok = false;

	if (in == NULL) {
		perror("tolseyctl");
		(void)close(fd);
		return EX_OSERR;
	}
	while (fgets(line, sizeof(line), in) != NULL) {
		if (first) {
			first = false;
			if ((ok = strcmp(line, "ok\n") == 0))
				continue;
			out = stderr;
		}
		(void)fputs(line, out);
	}
	(void)fclose(in);
	if (first)
		fprintf(stderr, "tolseyctl: the daemon gave no answer\n");
	return ok ? EX_OK : EXIT_FAILURE;
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = { { "json", no_argument, NULL,
						   'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	const char *path = DEFAULT_SOCKET, *command;
	bool json = false;
	int c, fd;

	/* it speaks with no daemon, and has options of its own */
	if (argc > 1 && strcmp(argv[1], "import") == 0)
		return import_main(argc - 1, argv + 1);
	while ((c = getopt_long(argc, argv, "s:jh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			path = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return EX_OK;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	command = argc - optind == 1 ? argv[optind] : "";
	if (strcmp(command, "status") != 0 &&
	    strcmp(command, "reload-db") != 0 &&
	    strcmp(command, "flush-cache") != 0) {
		usage(stderr);
		return EX_USAGE;
	}
	if ((fd = connect_to(path)) == -1)
		return EX_UNAVAILABLE;
	if (dprintf(fd, "%s%s\n", command,
		json && command[0] == 's' ? " --json" : "") < 0) {
		perror("tolseyctl");
		return EX_IOERR;
	}
	return print_answer(fd);
}
