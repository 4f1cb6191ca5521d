/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCANPORT_H
#define NET_SCANPORT_H
/*
 * The scan socket (tolsey-scan-socket(7)): programs of this machine hand over
 * what they want scanned by descriptor. Each of their requests is a
 * transaction as any other (tx.h); what is special is how its bytes come and
 * how its answer goes.
 *
 *   scanport.c       sockets, who may, how much
 *   scan_conn.c      one connection: requests in, verdicts out
 *   scan_source.c    which descriptors are taken
 *   scan_text.c      between its messages and ICAP
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "net/core.h"

struct event_base;
struct scanport;

/* NULL when out of memory. */
struct scanport *scanport_new(struct event_base *base, struct net_core *core);
void scanport_free(struct scanport **p); /* closes all connections */
/*
 * Serves the listening socket fd (taken over) for members of the group gid;
 * UINT32_MAX: whoever can connect. 0 or -1.
 */
int scanport_listen(
    struct scanport *p, int fd, uint32_t gid, const char *name) MUST_CHECK;
/* Draining: idle connections end now, the others after their answer. */
void scanport_drain(struct scanport *p);
unsigned int scanport_count(const struct scanport *p);
#endif
