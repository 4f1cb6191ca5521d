/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_TRANSPORT_TLS_H
#define NET_TRANSPORT_TLS_H
/* TLS by OpenSSL on a socket that does not block. */
#include "base/buf.h"
#include "net/tls_ctx.h"
#include "net/transport.h"

/* Makes a plain transport one of TLS. 0, or -1 when out of memory. */
int transport_tls_begin(
    struct transport *t, const struct tls_ctx *ctx) MUST_CHECK;
/*
 * 1: done. 0: to be called again when the socket can be read or, with
 * t->read_wants_write, written. -1: it failed, why says how; what was said to
 * the client about it is on its way.
 */
int transport_tls_handshake(
    struct transport *t, char *why, size_t len) MUST_CHECK;
bool transport_tls_resumed(const struct transport *t);
/* "version=... cipher=..." for a log line. */
void transport_tls_describe(const struct transport *t, struct buf *out);
#endif
