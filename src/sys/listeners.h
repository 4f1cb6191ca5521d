/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_LISTENERS_H
#define SYS_LISTENERS_H
/*
 * The sockets of Listen and ListenTls. A new configuration opens what it adds
 * and closes what it leaves out; the others stay as they are, so that no
 * connection is refused meanwhile.
 */
#include "conf/conf.h"
#include "sys/passed.h"

#define LISTENERS_MAX 64

struct listener_socket {
	int fd;
	bool tls;
	bool is_unix;   /* its path is removed at the end */
	bool is_passed; /* by systemd, which keeps it */
	char word[240]; /* as configured; of systemd: with the number */
	char name[120]; /* where it really listens */
};
struct listeners {
	size_t n;
	struct listener_socket socket[LISTENERS_MAX];
};
/*
 * Makes them what c says. 0, or -1 with the reason: then all is as before.
 * gid: of unix sockets, when ListenGroup is empty (UINT32_MAX: as it comes).
 */
int listeners_open(struct listeners *l, const struct conf *c,
    const struct passed *passed, uint32_t gid, char *err,
    size_t errlen) MUST_CHECK;
/* Whether what c says can be opened at all: its group exists. 0 or -1. */
int listeners_check(const struct conf *c, char *err, size_t errlen) MUST_CHECK;
void listeners_close(struct listeners *l);
#endif
