/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_LISTEN_H
#define SYS_LISTEN_H
/* Opening the sockets that net and ctl serve. */
#include <stdint.h>

#include "base/str.h"

/*
 * What connections inherit from the socket on which they are accepted, instead
 * of five system calls for each (CN-15). On a unix socket
 * they fail, and are not needed.
 */
void listen_options(int fd);
/*
 * ADDRESS:PORT or [IPV6]:PORT, numeric; PORT 0 lets the system choose. A
 * listening, non-blocking, close-on-exec socket, or -1 with the reason.
 */
int listen_tcp(const char *address, char *err, size_t errlen) MUST_CHECK;
/* A unix socket with that mode and group; a stale one is replaced. */
int listen_unix(const char *path, unsigned int mode, uint32_t gid, char *err,
    size_t errlen) MUST_CHECK;
/* The same of SOCK_SEQPACKET. */
int listen_unix_seqpacket(const char *path, unsigned int mode, uint32_t gid,
    char *err, size_t errlen) MUST_CHECK;
/* Permissions and group (UINT32_MAX: as it is) of its path. 0 or -1. */
int listen_unix_mode(
    const char *path, unsigned int mode, uint32_t gid) MUST_CHECK;
/* The address it really has, as ADDRESS:PORT or unix:/PATH. */
void listen_name(int fd, char *out, size_t len);
#endif
