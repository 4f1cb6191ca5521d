/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define KEEPALIVE_IDLE_S 120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_PROBES 4

/* Splits at the last colon; brackets around the address are removed. */
static int
split(
    const char *address, char *host, size_t hostlen, char *port, size_t portlen)
{
	const char *colon = strrchr(address, ':');
	struct slice h;

	if (colon == NULL || colon[1] == '\0')
		return -1;
	h = (struct slice){ address, (size_t)(colon - address) };
	if (h.len >= 2 && h.p[0] == '[' && h.p[h.len - 1] == ']')
		h = (struct slice){ h.p + 1, h.len - 2 };
	else if (slice_find(h, ':') >= 0)
		return -1;
	if (h.len == 0 || h.len >= hostlen)
		return -1;
	(void)str_copy(host, hostlen, h);
	(void)str_copy(port, portlen, slice_of(colon + 1));
	return 0;
}

void
listen_options(int fd)
{
	static const struct {
		int level, name, value;
	} rows[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
	};

	for (size_t i = 0; i < COUNTOF(rows); i++)
		(void)setsockopt(fd, rows[i].level, rows[i].name,
		    &rows[i].value, sizeof(rows[i].value));
}

static int
open_socket(const struct addrinfo *ai)
{
	int on = 1, fd = socket(ai->ai_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	listen_options(fd);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	on = errno;
	(void)close(fd);
	errno = on;
	return -1;
}

int
listen_tcp(const char *address, char *err, size_t errlen)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *ai = NULL;
	char host[64], port[8];
	int fd;

	if (split(address, host, sizeof(host), port, sizeof(port)) == -1 ||
	    getaddrinfo(host, port, &hints, &ai) != 0) {
		(void)snprintf(err, errlen,
		    "'%s' is not ADDRESS:PORT or [IPV6]:PORT", address);
		return -1;
	}
	if ((fd = open_socket(ai)) == -1)
		(void)snprintf(err, errlen, "cannot listen on %s: %s%s",
		    address, strerror(errno),
		    errno == EADDRINUSE ? " (is another tolseyd or c-icap "
					  "running?)"
					: "");
	freeaddrinfo(ai);
	return fd;
}

/* Only a socket that nobody serves any more is removed. */
static int
remove_stale(int fd, const struct sockaddr_un *sun)
{
	struct stat st;

	if (lstat(sun->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ||
	    errno != ECONNREFUSED) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(sun->sun_path);
}

int
listen_unix_mode(const char *path, unsigned int mode, uint32_t gid)
{
	if (gid != UINT32_MAX && chown(path, (uid_t)-1, gid) == -1)
		return -1;
	return chmod(path, (mode_t)mode);
}

static int
listen_unix_type(const char *path, int type, unsigned int mode, uint32_t gid,
    char *err, size_t errlen)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int probe = -1, fd = -1, rc = -1;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		(void)snprintf(err, errlen, "%s: path is too long", path);
		return -1;
	}
	(void)str_copy(sun.sun_path, sizeof(sun.sun_path), slice_of(path));
	probe = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe == -1 || fd == -1 || remove_stale(probe, &sun) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen_unix_mode(path, mode, gid) == -1 ||
	    listen(fd, BACKLOG) == -1)
		(void)snprintf(err, errlen, "cannot listen on %s: %s", path,
		    strerror(errno));
	else
		rc = 0;
	if (probe != -1)
		(void)close(probe);
	if (rc == -1 && fd != -1)
		(void)close(fd);
	return rc == 0 ? fd : -1;
}

int
listen_unix(
    const char *path, unsigned int mode, uint32_t gid, char *err, size_t errlen)
{
	return listen_unix_type(path, SOCK_STREAM, mode, gid, err, errlen);
}

int
listen_unix_seqpacket(
    const char *path, unsigned int mode, uint32_t gid, char *err, size_t errlen)
{
	return listen_unix_type(path, SOCK_SEQPACKET, mode, gid, err, errlen);
}

void
listen_name(int fd, char *out, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t sslen = sizeof(ss);
	char host[64], port[8];

	out[0] = '\0';
	memset(&ss, 0, sizeof(ss));
	if (getsockname(fd, (struct sockaddr *)&ss, &sslen) == -1)
		return;
	if (ss.ss_family == AF_UNIX) {
		(void)snprintf(out, len, "unix:%.107s",
		    ((const struct sockaddr_un *)&ss)->sun_path);
		return;
	}
	if (getnameinfo((struct sockaddr *)&ss, sslen, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	(void)snprintf(out, len, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
	    host, port);
}
