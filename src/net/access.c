/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/access.h"

#include <stdlib.h>

struct nets {
	struct addr_net *v;
	size_t n;
};
struct access {
	struct nets allow, trust, balancers;
};

static int
compile(struct nets *nets, const struct conf_list *words)
{
	if (words->n == 0)
		return 0;
	if ((nets->v = calloc(words->n, sizeof(*nets->v))) == NULL)
		return -1;
	nets->n = words->n;
	for (size_t i = 0; i < words->n; i++)
		/* the words were checked with the configuration */
		CHECK(
		    addr_net_parse(&nets->v[i], slice_of(words->v[i])) == NULL);
	return 0;
}

struct access *
access_new(const struct conf *c)
{
	struct access *a = calloc(1, sizeof(*a));

	if (a != NULL &&
	    (compile(&a->allow, &c->allow_clients) == -1 ||
		compile(&a->trust, &c->trust_clients) == -1 ||
		compile(&a->balancers, &c->proxy_protocol_from) == -1))
		access_free(&a);
	return a;
}

void
access_free(struct access **a)
{
	if (*a == NULL)
		return;
	free((*a)->allow.v);
	free((*a)->trust.v);
	free((*a)->balancers.v);
	free(*a);
	*a = NULL;
}

static bool
has(const struct nets *nets, const struct addr *a)
{
	for (size_t i = 0; i < nets->n; i++)
		if (addr_net_has(&nets->v[i], a))
			return true;
	return false;
}

bool
access_allows(const struct access *a, const struct addr *client)
{
	return has(&a->allow, client);
}

bool
access_trusts(const struct access *a, const struct addr *client)
{
	return has(&a->trust, client);
}

bool
access_is_balancer(const struct access *a, const struct addr *peer)
{
	return has(&a->balancers, peer);
}
