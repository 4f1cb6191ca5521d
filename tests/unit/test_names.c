/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine/names.h"

static void
test_outcomes(void **state)
{
	static const struct {
		const char *name;
		enum outcome o;
	} rows[] = {
		{ "Win.Trojan.Agent-1", OUTCOME_INFECTED },
		{ "Heuristics.Limits.Exceeded.MaxScanTime", OUTCOME_TIMEOUT },
		{ "Heuristics.Limits.Exceeded.MaxFiles", OUTCOME_LIMIT },
		{ "Heuristics.Limits.Exceeded.EmailHeaders", OUTCOME_LIMIT },
		{ "Heuristics.Zip.OverlappingFiles", OUTCOME_LIMIT },
		{ "Heuristics.Encrypted.Zip", OUTCOME_ENCRYPTED },
		{ "Heuristics.Broken.Executable", OUTCOME_SUSPICIOUS },
		{ "Heuristics.OLE2.ContainsMacros.VBA", OUTCOME_SUSPICIOUS },
		{ "Heuristics.Phishing.Email.SpoofedDomain",
		    OUTCOME_SUSPICIOUS },
		{ "Heuristics.Structured.SSN", OUTCOME_SUSPICIOUS },
		{ "Heuristics.W32.Parite.B", OUTCOME_INFECTED },
		{ "Heuristics.Exploit.W32.MS04-028", OUTCOME_INFECTED },
		{ "PUA.Win.Tool.Test", OUTCOME_PUA },
		{ "NotPUA.Win", OUTCOME_INFECTED },
		{ "", OUTCOME_INFECTED },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++)
		assert_int_equal(
		    names_outcome(slice_of(rows[i].name)), rows[i].o);
}

static void
add(struct names *n, const char *name, bool plain)
{
	assert_int_equal(names_add(n, slice_of(name), plain), 0);
}

static void
test_plain(void **state)
{
	struct names *n = names_new();

	(void)state;
	assert_non_null(n);
	add(n, "A.Pattern", true);
	add(n, "B.Pattern", true);
	add(n, "B.Pattern", false); /* a hash of the same name */
	add(n, "C.Hash", false);
	names_done(n);
	assert_true(names_plain(n, SLICE_LIT("A.Pattern")));
	assert_true(names_plain(n, SLICE_LIT("A.Pattern.UNOFFICIAL")));
	assert_false(names_plain(n, SLICE_LIT("B.Pattern")));
	assert_false(names_plain(n, SLICE_LIT("C.Hash")));
	assert_false(names_plain(n, SLICE_LIT("BC.Bytecode")));
	assert_false(names_plain(n, SLICE_LIT("")));
	names_free(&n);
	assert_null(n);
}

static void
test_many(void **state)
{
	struct names *n = names_new();
	char name[32];
	unsigned int plain = 0;

	(void)state;
	assert_non_null(n);
	for (unsigned int i = 0; i < 200000; i++) {
		(void)snprintf(name, sizeof(name), "Name-%u", i);
		add(n, name, i % 2 == 0);
	}
	names_done(n);
	for (unsigned int i = 0; i < 200000; i++) {
		bool is;

		(void)snprintf(name, sizeof(name), "Name-%u", i);
		is = names_plain(n, slice_of(name));
		/* never the other way round */
		if (i % 2 != 0)
			assert_false(is);
		plain += is;
	}
	/* the map errs rarely */
	assert_in_range(plain, 99900, 100000);
	names_free(&n);
}

static void
test_empty(void **state)
{
	struct names *n = names_new();

	(void)state;
	names_done(n);
	assert_false(names_plain(n, SLICE_LIT("X")));
	names_free(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
