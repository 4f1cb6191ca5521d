/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/passed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/listen.h"

#define FIRST_FD 3

static bool
number(const char *variable, uint64_t max, uint64_t *out)
{
	const char *text = getenv(variable);

	return text != NULL && str_to_u64(slice_of(text), max, out) == 0;
}

static void
close_on_exec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags != -1)
		(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

void
passed_take(struct passed *p)
{
	const char *given = getenv("LISTEN_FDNAMES");
	struct slice names = slice_of(given), name;
	uint64_t pid, n;

	memset(p, 0, sizeof(*p));
	if (number("LISTEN_PID", INT32_MAX, &pid) &&
	    pid == (uint64_t)getpid() && number("LISTEN_FDS", PASSED_MAX, &n))
		p->n = (size_t)n;
	for (size_t i = 0; i < p->n; i++) {
		p->socket[i].fd = FIRST_FD + (int)i;
		close_on_exec(p->socket[i].fd);
		if (given == NULL || !slice_next(&names, ':', &name))
			name = SLICE_LIT("unknown");
		(void)str_copy(
		    p->socket[i].name, sizeof(p->socket[i].name), name);
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

int
passed_check(int fd)
{
	int type = 0, listening = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type), len2 = sizeof(listening);

	if (flags == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len2) ==
		-1 ||
	    type != SOCK_STREAM || listening == 0)
		return -1;
	listen_options(fd);
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ? -1 : 0;
}
