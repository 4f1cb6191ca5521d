/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Who may do what, and how many connections each has. */
#include "net/access.h"
#include "net/peers.h"

static struct addr
parsed(const char *text)
{
	struct addr a = { .family = ADDR_UNIX };

	if (!slice_eq(slice_of(text), SLICE_LIT("unix")))
		assert_int_equal(addr_parse(&a, slice_of(text)), 0);
	return a;
}

static struct access *
access_of(const char *const overrides[], size_t n)
{
	struct conf_errors err;
	struct access *a;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load(NULL, overrides, n, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	a = access_new(c);
	assert_non_null(a);
	conf_unref(&c);
	conf_errors_free(&err);
	return a;
}

/* "atb": what the client is, in the order allowed, trusted, balancer. */
static void
is(const struct access *a, const char *text, const char *want)
{
	struct addr client = parsed(text);
	char got[4] = "---";

	if (access_allows(a, &client))
		got[0] = 'a';
	if (access_trusts(a, &client))
		got[1] = 't';
	if (access_is_balancer(a, &client))
		got[2] = 'b';
	assert_string_equal(got, want);
}

static void
without_configuration(void **state)
{
	struct access *a = access_of(NULL, 0);

	(void)state;
	is(a, "127.0.0.1", "at-");
	is(a, "127.200.0.1", "at-");
	is(a, "::1", "at-");
	is(a, "unix", "at-");
	is(a, "192.0.2.1", "a--");
	is(a, "2001:db8::1", "a--");
	access_free(&a);
}

static void
with_lists(void **state)
{
	static const char *const lists[] = {
		"AllowClients 192.0.2.0/25 2001:db8::/32",
		"AllowClients unix",
		"TrustClients 192.0.2.7",
		"ProxyProtocolFrom 10.0.0.0/8 unix",
	};
	struct access *a = access_of(lists, COUNTOF(lists));

	(void)state;
	is(a, "192.0.2.7", "at-");
	is(a, "192.0.2.8", "a--");
	is(a, "192.0.2.128", "---");
	is(a, "2001:db8:1::1", "a--");
	is(a, "127.0.0.1", "---");
	is(a, "10.1.2.3", "--b");
	is(a, "unix", "a-b");
	access_free(&a);
}

static void
nobody(void **state)
{
	static const char *const lists[] = { "AllowClients none",
		"TrustClients none" };
	struct access *a = access_of(lists, COUNTOF(lists));

	(void)state;
	is(a, "127.0.0.1", "---");
	is(a, "unix", "---");
	access_free(&a);
}

static void
connections_of_each(void **state)
{
	enum { MANY = 5000 };
	static struct peer *all[MANY];
	struct peers *p = peers_new();
	struct addr a = parsed("192.0.2.1"), b = parsed("2001:db8::1");
	struct addr local = parsed("unix"), many = parsed("10.0.0.0");
	struct peer *one, *two, *three;

	(void)state;
	assert_non_null(p);
	one = peers_enter(p, &a);
	a.port = 77; /* of no account */
	two = peers_enter(p, &a);
	three = peers_enter(p, &b);
	assert_ptr_equal(one, two);
	assert_int_equal(peer_connections(one), 2);
	assert_int_equal(peer_connections(three), 1);
	assert_null(peers_enter(p, &local));
	peers_leave(p, NULL);
	peers_leave(p, one);
	assert_int_equal(peer_connections(two), 1);
	peers_leave(p, two);
	one = peers_enter(p, &a);
	assert_int_equal(peer_connections(one), 1);
	for (unsigned int i = 0; i < MANY; i++) {
		many.ip[2] = (unsigned char)(i >> 8);
		many.ip[3] = (unsigned char)i;
		all[i] = peers_enter(p, &many);
		assert_int_equal(peer_connections(all[i]), 1);
	}
	for (unsigned int i = 0; i < MANY; i++)
		peers_leave(p, all[i]);
	peers_leave(p, one);
	peers_leave(p, three);
	peers_free(&p);
	assert_null(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_configuration),
		cmocka_unit_test(with_lists),
		cmocka_unit_test(nobody),
		cmocka_unit_test(connections_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
