/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_PASSED_H
#define SYS_PASSED_H
/* Sockets that systemd passed (sd_listen_fds(3), without its library). */
#include <stddef.h>

#include "base/check.h"

#define PASSED_MAX 64
#define PASSED_NAME_MAX 64

struct passed {
	size_t n;
	struct passed_socket {
		int fd; /* ours; never closed before the end */
		char name[PASSED_NAME_MAX];
	} socket[PASSED_MAX];
};
/*
 * Takes what the environment announces, if it is for this process, and removes
 * it from there. To be called once, before anything is opened.
 */
void passed_take(struct passed *p);
/*
 * A listening stream socket made fit for us: non-blocking, close-on-exec. 0,
 * or -1 when it is none.
 */
int passed_check(int fd) MUST_CHECK;
#endif
