/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_LINK_INT_H
#define CLIENT_LINK_INT_H
/* link.c and link_tls.c between themselves. */
#include <openssl/ssl.h>

#include "client/link.h"

/* NULL with a line in err. */
SSL_CTX *link_tls_ctx(const struct client_options *o, struct buf *err);
/* Handshake and verification. 0, or -1 with a line in err. */
int link_tls_start(struct link *l, SSL_CTX *ctx, const struct target *t,
    const struct client_options *o, uint64_t deadline_us,
    struct buf *err) MUST_CHECK;
void link_tls_end(struct link *l);
ssize_t link_tls_read(struct link *l, void *p, size_t len) MUST_CHECK;
ssize_t link_tls_write(struct link *l, const void *p, size_t len) MUST_CHECK;
/* It holds bytes that the socket does not show any more. */
bool link_tls_pending(const struct link *l);
#endif
