/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/sigfile.h"

static void
test_names(void **state)
{
	static const char *const ours[] = { "main.cvd", "daily.cld", "x.ndb",
		"X.NDB", "a.b.hsb", "own.yara", "own.yar", "local.ign2", "a.db",
		"false.fp", "my.cud", ".hidden.ndb", "a.pwdb", "daily.cfg" };
	static const char *const others[] = { "", ".", "..", "freshclam.dat",
		"mirrors.dat", "main-62.cvd.sign", "daily.cvd.sign",
		"freshclam.lock", "tmp.c0ffee", "x.ndb.bak", "x.ndb~",
		"daily.cvd.Xy12ab", "ndb", "x.info", "COPYING", "x.cvd.tmp" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(ours); i++)
		if (!sigfile_is_one(ours[i]))
			fail_msg("%s", ours[i]);
	for (size_t i = 0; i < COUNTOF(others); i++)
		if (sigfile_is_one(others[i]))
			fail_msg("%s", others[i]);
}

static void
test_containers(void **state)
{
	(void)state;
	assert_true(sigfile_is_container("main.cvd"));
	assert_true(sigfile_is_container("Daily.CLD"));
	/* unsigned: only its content tells what it is */
	assert_false(sigfile_is_container("own.cud"));
	assert_false(sigfile_is_container("main.ndb"));
	assert_false(sigfile_is_container("main.cvd.sign"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
		cmocka_unit_test(test_containers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
