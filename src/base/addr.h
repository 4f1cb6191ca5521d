/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H
/*
 * Addresses of peers, and the words of directives that name many of them. An
 * IPv4 address that comes mapped into IPv6 is the IPv4 address.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6, ADDR_UNIX };

struct addr {
	uint8_t family; /* enum addr_family */
	uint16_t port;  /* 0: not known */
	unsigned char ip[16];
};
#define ADDR_TEXT_LEN 48

/* The address of a socket; ADDR_NONE when it is of no family we know. */
void addr_from_sockaddr(
    struct addr *a, const struct sockaddr *sa, socklen_t len);
/* IPv4 or IPv6 as text, without port. 0 or -1. */
int addr_parse(struct addr *a, struct slice text) MUST_CHECK;
/* The same address, whatever the ports. */
bool addr_equal(const struct addr *a, const struct addr *b);
/* "192.0.2.1", "2001:db8::1", "unix" or "-"; without port. Returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_LEN]);

/* Many addresses. */
struct addr_net {
	bool any, none;
	struct addr addr; /* the first of them */
	unsigned int bits;
};
/*
 * ADDRESS, ADDRESS/BITS, "unix", "any" or "none". NULL, or what is wrong with
 * the word.
 */
const char *addr_net_parse(struct addr_net *n, struct slice word);
bool addr_net_has(const struct addr_net *n, const struct addr *a);
#endif
