/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H
/*
 * Accepts on sockets that the parent has opened. When no descriptor is free
 * it pauses, so that it neither spins nor floods the log.
 */
#include "net/conn.h"

struct listener;
TAILQ_HEAD(listener_list, listener);

/* Takes the listening socket over. 0 or -1. */
int listener_add(struct listener_list *l, struct conn_pool *pool, int fd,
    bool tls, const char *name) MUST_CHECK;
/* Stops accepting and frees all. */
void listener_free_all(struct listener_list *l);
#endif
