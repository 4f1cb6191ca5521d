/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_BITS 32
#define V6_BITS 128

static void
set_v4(struct addr *a, const void *ip)
{
	a->family = ADDR_V4;
	memcpy(a->ip, ip, 4);
}

/* ::ffff:a.b.c.d is a.b.c.d. */
static void
set_v6(struct addr *a, const struct in6_addr *ip)
{
	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		set_v4(a, ip->s6_addr + 12);
		return;
	}
	a->family = ADDR_V6;
	memcpy(a->ip, ip->s6_addr, 16);
}

void
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(a, 0, sizeof(*a));
	if (len >= sizeof(in) && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		set_v4(a, &in.sin_addr);
		a->port = ntohs(in.sin_port);
	} else if (len >= sizeof(in6) && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		set_v6(a, &in6.sin6_addr);
		a->port = ntohs(in6.sin6_port);
	} else if (len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNIX) {
		a->family = ADDR_UNIX;
	}
}

int
addr_parse(struct addr *a, struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	memset(a, 0, sizeof(*a));
	if (text.len == 0 || text.len >= sizeof(copy) ||
	    memchr(text.p, '\0', text.len) != NULL)
		return -1;
	(void)str_copy(copy, sizeof(copy), text);
	if (inet_pton(AF_INET, copy, &v4) == 1)
		set_v4(a, &v4);
	else if (inet_pton(AF_INET6, copy, &v6) == 1)
		set_v6(a, &v6);
	else
		return -1;
	return 0;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

const char *
addr_text(const struct addr *a, char out[ADDR_TEXT_LEN])
{
	const char *text = NULL;

	if (a->family == ADDR_V4)
		text = inet_ntop(AF_INET, a->ip, out, ADDR_TEXT_LEN);
	else if (a->family == ADDR_V6)
		text = inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT_LEN);
	if (text == NULL)
		(void)str_copy(out, ADDR_TEXT_LEN,
		    a->family == ADDR_UNIX ? SLICE_LIT("unix")
					   : SLICE_LIT("-"));
	return out;
}

/* Whether all bits behind the first `bits` are 0. */
static bool
rest_is_zero(const struct addr_net *n, unsigned int all)
{
	for (unsigned int i = n->bits; i < all; i++)
		if (n->addr.ip[i / 8] & (0x80u >> i % 8))
			return false;
	return true;
}

static const char *
parse_bits(struct addr_net *n, struct slice text, unsigned int all, bool mapped)
{
	uint64_t bits;

	/* the first 96 bits of a mapped address are gone */
	if (str_to_u64(text, mapped ? V6_BITS : all, &bits) == -1 ||
	    (mapped && bits < V6_BITS - V4_BITS))
		return "not a number of bits behind the slash; an IPv4 address "
		       "has 32, an IPv6 address 128";
	n->bits = (unsigned int)(mapped ? bits - (V6_BITS - V4_BITS) : bits);
	return rest_is_zero(n, all)
		   ? NULL
		   : "bits are set behind the network; write the first address "
		     "of the network, as 192.0.2.0/24";
}

const char *
addr_net_parse(struct addr_net *n, struct slice word)
{
	ptrdiff_t slash = slice_find(word, '/');
	struct slice address = word;
	unsigned int all;
	bool mapped;

	memset(n, 0, sizeof(*n));
	n->any = slice_eq(word, SLICE_LIT("any"));
	n->none = slice_eq(word, SLICE_LIT("none"));
	if (slice_eq(word, SLICE_LIT("unix")))
		n->addr.family = ADDR_UNIX;
	if (n->any || n->none || n->addr.family == ADDR_UNIX)
		return NULL;
	if (slash >= 0)
		address.len = (size_t)slash;
	if (addr_parse(&n->addr, address) == -1)
		return "not an address; write 192.0.2.1, 192.0.2.0/24, "
		       "2001:db8::/32, unix, any or none";
	all = n->addr.family == ADDR_V4 ? V4_BITS : V6_BITS;
	mapped = n->addr.family == ADDR_V4 && slice_find(address, ':') >= 0;
	n->bits = all;
	if (slash < 0)
		return NULL;
	return parse_bits(n,
	    (struct slice){ word.p + slash + 1, word.len - (size_t)slash - 1 },
	    all, mapped);
}

bool
addr_net_has(const struct addr_net *n, const struct addr *a)
{
	unsigned int whole = n->bits / 8, left = n->bits % 8;
	unsigned int mask = 0xffu << (8 - left) & 0xffu;

	if (n->any || n->none)
		return n->any;
	if (a->family == ADDR_NONE || a->family != n->addr.family ||
	    memcmp(a->ip, n->addr.ip, whole) != 0)
		return false;
	return left == 0 || (a->ip[whole] & mask) == n->addr.ip[whole];
}
