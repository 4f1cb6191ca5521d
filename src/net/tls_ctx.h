/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_TLS_CTX_H
#define NET_TLS_CTX_H
/*
 * What all TLS connections share: certificate, key, who may connect, and the
 * keys of session tickets. Made of bytes that the parent passed; nothing is
 * opened here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ipc/msg.h"

struct tls_ctx;
struct tls_tickets;
struct ssl_st; /* SSL */

/*
 * The keys of session tickets, which every net of the parent has: a ticket of
 * one is good for the others, and outlives a new configuration. It must outlive
 * every connection. NULL when out of memory.
 */
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets **t);
/* Other keys from now on; the first makes new tickets, all read old ones. */
void tls_tickets_set(struct tls_tickets *t, const struct msg_tls_tickets *keys);

/* The files of the configuration, as bytes: p NULL where there is none. */
struct tls_files {
	struct slice file[MSG_TLS_NFILES];
};
/* NULL with the reason, which names directive and file. */
struct tls_ctx *tls_ctx_new(const struct conf *c, const struct tls_files *f,
    const struct tls_tickets *tickets, char *why, size_t len);
/* Connections that have begun go on. */
void tls_ctx_free(struct tls_ctx **c);
/* Unix time at which the certificate expires. */
uint64_t tls_ctx_expires(const struct tls_ctx *c);
/* The server's end of a new connection, NULL when out of memory. */
struct ssl_st *tls_ctx_connection(const struct tls_ctx *c);
#endif
