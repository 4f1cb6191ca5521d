/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H
/* Where requests go to, from URL and options. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "client/options.h"

#define TARGET_PORT 1344
#define TARGET_TLS_PORT 11344

struct target {
	bool tls;
	struct buf path;      /* of a unix socket; else empty */
	struct buf host;      /* name or address, without brackets */
	uint16_t port;        /* 0 for a unix socket */
	struct buf service;   /* without the first slash, with its arguments */
	struct buf uri;       /* what stands in the request line */
	struct buf authority; /* what stands in Host */
};

void target_init(struct target *t);
void target_free(struct target *t);
/*
 * The options' URL (else url, of the environment; NULL: none), and what
 * --host, --port, --service and --tls replace in it. 0, or -1 with a line in
 * err.
 */
int target_set(struct target *t, const struct client_options *o,
    const char *url, struct buf *err) MUST_CHECK;
#endif
