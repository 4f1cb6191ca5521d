/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_ACCESS_H
#define NET_ACCESS_H
/* Which clients may do what: the address lists of the configuration. */
#include <stdbool.h>

#include "base/addr.h"
#include "conf/conf.h"

struct access;

/* NULL when out of memory. */
struct access *access_new(const struct conf *c);
void access_free(struct access **a);
/* AllowClients */
bool access_allows(const struct access *a, const struct addr *client);
/* TrustClients: what it says of users and their addresses is believed. */
bool access_trusts(const struct access *a, const struct addr *client);
/* ProxyProtocolFrom: of the address of the socket. */
bool access_is_balancer(const struct access *a, const struct addr *peer);
#endif
