/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_PEERS_H
#define NET_PEERS_H
/* How many connections each client address has (SE-04). */
#include "base/addr.h"

struct peers;
struct peer;

struct peers *peers_new(void);
void peers_free(struct peers **c); /* nobody is in it any more */
/*
 * One connection more of the address. NULL when out of memory, or when the
 * address is none of a network.
 */
struct peer *peers_enter(struct peers *c, const struct addr *a);
/* One less; NULL is permitted. */
void peers_leave(struct peers *c, struct peer *one);
unsigned int peer_connections(const struct peer *one);
#endif
