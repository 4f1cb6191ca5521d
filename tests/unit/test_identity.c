/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/identity.h"

static void
says(const char *fields, const char *client, const char *user,
    const char *groups)
{
	static struct icap_head h;
	struct identity id;
	char text[2048];

	(void)snprintf(text, sizeof(text),
	    "OPTIONS icap://h/avscan ICAP/1.0\r\n%s\r\n", fields);
	assert_int_equal(icap_head_parse(&h, slice_of(text)), PROTO_OK);
	identity_init(&id, 256);
	identity_read(&id, &h);
	assert_string_equal(buf_cstr(&id.client), client);
	assert_string_equal(buf_cstr(&id.user), user);
	assert_string_equal(buf_cstr(&id.groups), groups);
	identity_free(&id);
}

static void
addresses(void **state)
{
	(void)state;
	says("X-Client-IP: 192.0.2.7\r\n", "192.0.2.7", "", "");
	says("X-Client-IP: 2001:db8::7\r\n", "2001:db8::7", "", "");
	says("X-Client-IP: \r\n", "", "", "");
	says("X-Client-IP: 300.1.1.1\r\n", "", "", "");
	says("X-Client-IP: a name\r\n", "", "", "");
}

static void
names(void **state)
{
	(void)state;
	/* Local://mary, WinNT://DOMAIN/mary */
	says("X-Authenticated-User: TG9jYWw6Ly9tYXJ5\r\n", "", "Local://mary",
	    "");
	says("X-Authenticated-User: V2luTlQ6Ly9ET01BSU4vbWFyeQ==\r\n", "",
	    "WinNT://DOMAIN/mary", "");
	/* Squid, plain and coded */
	says("X-Client-Username: mary\r\n", "", "mary", "");
	says("X-Client-Username: bWFyeQ==\r\n", "", "mary", "");
	says("X-Client-Username: mary.smith@example.org\r\n", "",
	    "mary.smith@example.org", "");
	/* plain names that happen to be base64 */
	says("X-Client-Username: root\r\n", "", "root", "");
	says("X-Client-Username: YWJj\r\n", "", "YWJj", "");
	says("X-Client-Username: administrator\r\n", "", "administrator", "");
	/* the first one counts */
	says("X-Client-Username: other\r\nX-Authenticated-User: "
	     "TG9jYWw6Ly9tYXJ5\r\n",
	    "", "Local://mary", "");
	/* not base64 after all */
	says("X-Authenticated-User: !!!\r\n", "", "!!!", "");
	says("X-Authenticated-User: AAAA\r\n", "", "AAAA", "");
}

static void
groups(void **state)
{
	(void)state;
	/* Local://staff LF Local://admins */
	says("X-Authenticated-Groups: "
	     "TG9jYWw6Ly9zdGFmZgpMb2NhbDovL2FkbWlucw==\r\n",
	    "", "", "Local://staff\nLocal://admins");
	says("X-Authenticated-Groups: staff, admins\r\n", "", "",
	    "staff, admins");
}

static void
too_long(void **state)
{
	char fields[1024];

	(void)state;
	(void)snprintf(
	    fields, sizeof(fields), "X-Client-Username: %0300d\r\n", 0);
	says(fields, "", "", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
		cmocka_unit_test(groups),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
