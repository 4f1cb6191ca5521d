/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"

static struct addr
parsed(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, slice_of(text)), 0);
	return a;
}

static bool
has(const char *net, const char *address)
{
	struct addr a = parsed(address);
	struct addr_net n;

	assert_null(addr_net_parse(&n, slice_of(net)));
	return addr_net_has(&n, &a);
}

static void
text_and_back(void **state)
{
	static const char *const same[] = { "192.0.2.1", "0.0.0.0",
		"255.255.255.255", "::", "::1", "2001:db8::1" };
	char out[ADDR_TEXT_LEN];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < COUNTOF(same); i++) {
		a = parsed(same[i]);
		assert_string_equal(addr_text(&a, out), same[i]);
	}
	a = parsed("::ffff:192.0.2.1");
	assert_int_equal(a.family, ADDR_V4);
	assert_string_equal(addr_text(&a, out), "192.0.2.1");
}

static void
what_is_no_address(void **state)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5",
		"1.2.3.256", "localhost", "1.2.3.4 ", " 1.2.3.4", "::g",
		"01.2.3.4", "1:2", "[::1]", "1.2.3.4:80",
		"aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa" };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		assert_int_equal(addr_parse(&a, slice_of(bad[i])), -1);
	assert_int_equal(addr_parse(&a, (struct slice){ "1.2.3.4\0x", 9 }), -1);
}

static void
sockets(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(1344) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(5) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char out[ADDR_TEXT_LEN];
	struct addr a, b = parsed("192.0.2.7");

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &in.sin_addr), 1);
	addr_from_sockaddr(&a, (struct sockaddr *)&in, sizeof(in));
	assert_int_equal(a.port, 1344);
	assert_true(addr_equal(&a, &b));
	assert_int_equal(
	    inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr), 1);
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, sizeof(in6));
	assert_true(addr_equal(&a, &b));
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, sizeof(in6));
	assert_string_equal(addr_text(&a, out), "2001:db8::7");
	/* accept(2) gives no more than the family of a client without a name */
	addr_from_sockaddr(&a, (struct sockaddr *)&un, sizeof(un.sun_family));
	assert_string_equal(addr_text(&a, out), "unix");
	addr_from_sockaddr(&a, (struct sockaddr *)&in, 4);
	assert_int_equal(a.family, ADDR_NONE);
	assert_string_equal(addr_text(&a, out), "-");
}

static void
nets(void **state)
{
	(void)state;
	assert_true(has("192.0.2.1", "192.0.2.1"));
	assert_false(has("192.0.2.1", "192.0.2.2"));
	assert_true(has("192.0.2.0/24", "192.0.2.255"));
	assert_false(has("192.0.2.0/24", "192.0.3.0"));
	assert_true(has("192.0.2.128/25", "192.0.2.128"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("10.0.0.0/7", "11.255.255.255"));
	assert_false(has("10.0.0.0/7", "12.0.0.0"));
	assert_true(has("0.0.0.0/0", "255.1.2.3"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_false(has("::/0", "1.2.3.4"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("::1", "::1"));
	assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_false(has("::ffff:10.0.0.0/104", "11.1.2.3"));
	assert_true(has("any", "1.2.3.4"));
	assert_true(has("any", "::1"));
	assert_false(has("none", "1.2.3.4"));
	assert_false(has("unix", "1.2.3.4"));
}

static void
unix_sockets_and_unknown_peers(void **state)
{
	struct addr peer = { .family = ADDR_UNIX }, unknown = { 0 };
	struct addr_net n;

	(void)state;
	assert_null(addr_net_parse(&n, SLICE_LIT("unix")));
	assert_true(addr_net_has(&n, &peer));
	assert_false(addr_net_has(&n, &unknown));
	assert_null(addr_net_parse(&n, SLICE_LIT("0.0.0.0/0")));
	assert_false(addr_net_has(&n, &peer));
	assert_false(addr_net_has(&n, &unknown));
	assert_null(addr_net_parse(&n, SLICE_LIT("any")));
	assert_true(addr_net_has(&n, &peer));
	assert_true(addr_net_has(&n, &unknown));
}

static void
wrong_nets(void **state)
{
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8",
		"::1/127", "::/129", "::ffff:10.0.0.0/95", "Any", "all",
		"10.0.0.0/08x", "10.0.0/8", "10.*" };
	struct addr_net n;

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		assert_non_null(addr_net_parse(&n, slice_of(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(sockets),
		cmocka_unit_test(nets),
		cmocka_unit_test(unix_sockets_and_unknown_peers),
		cmocka_unit_test(wrong_nets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
