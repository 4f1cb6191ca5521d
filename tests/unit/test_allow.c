/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Sizes of excepted files, from rows as they are and from containers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/allow.h"
#include "tests/unit/cvd_util.h"

static struct allow *
read_one(const char *name, const void *p, size_t len, size_t at_least)
{
	struct allow *a = allow_new();
	FILE *f = tmpfile();

	assert_non_null(a);
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	assert_int_equal(fflush(f), 0);
	allow_read(a, name, fileno(f));
	allow_done(a, at_least);
	(void)fclose(f);
	return a;
}

static struct allow *
rows(const char *name, const char *text)
{
	return read_one(name, text, strlen(text), 0);
}

static void
plain_rows(void **state)
{
	struct allow *a =
	    rows("x.fp", "00000000000000000000000000000001:12345:a\n"
			 "# a comment\n\r\n"
			 "00000000000000000000000000000002:7:b\r\n"
			 "00000000000000000000000000000003:99:c:73");

	(void)state;
	assert_int_equal(allow_rows(a), 3);
	assert_true(allow_may_match(a, 12345));
	assert_true(allow_may_match(a, 7));
	assert_true(allow_may_match(a, 99));
	assert_false(allow_may_match(a, 12344));
	assert_false(allow_may_match(a, UINT64_MAX));
	assert_true(allow_may_match(a, 0)); /* unknown */
	assert_true(allow_own_below(a, 7));
	assert_false(allow_own_below(a, 6));
	allow_free(&a);
	assert_null(a);
	allow_free(&a);
	/* other files have no such rows */
	a = rows("x.hdb", "00000000000000000000000000000001:12345:a\n");
	assert_int_equal(allow_rows(a), 0);
	assert_false(allow_may_match(a, 12345));
	assert_false(allow_own_below(a, UINT64_MAX - 1));
	allow_free(&a);
}

/* What is not understood excepts everything. */
static void
any_size(void **state)
{
	static const char *const texts[] = {
		"00000000000000000000000000000001:*:a:73\n",
		"00000000000000000000000000000001\n",
		"00000000000000000000000000000001:\n",
		"00000000000000000000000000000001:12a:x\n",
		"00000000000000000000000000000001:99999999999999999999:x\n",
	};
	char *text = malloc(5000);

	(void)state;
	for (size_t i = 0; i < COUNTOF(texts); i++) {
		struct allow *a = rows("x.SFP", texts[i]);

		if (!allow_may_match(a, 1))
			fail_msg("no exception: %s", texts[i]);
		allow_free(&a);
	}
	assert_non_null(text);
	memset(text, 'a', 5000);
	text[4999] = '\0';
	{
		struct allow *a = rows("x.fp", text);

		assert_true(allow_may_match(a, 1));
		allow_free(&a);
	}
	free(text);
	{
		/* the library loaded more than there is here */
		struct allow *a = read_one("x.fp", "h:5:x\n", 6, 2);

		assert_true(allow_may_match(a, 1));
		allow_free(&a);
	}
}

static const struct cvd_file files[] = {
	{ "COPYING", "all rights" },
	{ "x.ndb", "Some.Name:0:*:41424344\n" },
	{ "x.fp", "00000000000000000000000000000001:1111:a\n"
		  "00000000000000000000000000000001:2222:b\n" },
	{ "x.sfp", "0000000000000000000000000000000000000001:3333:c\n" },
};

static void
containers(void **state)
{
	static const char *const names[] = { "x.cvd", "x.cld", "x.cud" };
	struct buf b;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		make_cvd(&b, files, COUNTOF(files), packed != 0);
		for (size_t i = 0; i < COUNTOF(names); i++) {
			struct allow *a = read_one(names[i], b.p, b.len, 3);

			assert_int_equal(allow_rows(a), 3);
			assert_true(allow_may_match(a, 1111));
			assert_true(allow_may_match(a, 2222));
			assert_true(allow_may_match(a, 3333));
			assert_false(allow_may_match(a, 3334));
			/* they are not the operator's own */
			assert_false(allow_own_below(a, UINT64_MAX - 1));
			allow_free(&a);
		}
		buf_free(&b);
	}
}

/* Cut anywhere: never fewer exceptions than there are. */
static void
damaged_containers(void **state)
{
	struct buf b;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		make_cvd(&b, files, COUNTOF(files), packed != 0);
		for (size_t n = 0; n < b.len; n += packed ? 1 : 37) {
			struct allow *a = read_one("x.cvd", b.p, n, 3);

			assert_true(allow_may_match(a, 1111));
			assert_true(allow_may_match(a, 3333));
			allow_free(&a);
		}
		/* a size that is none */
		if (!packed) {
			struct allow *a;

			memset(b.p + 512 + 124, 'x', 11);
			a = read_one("x.cvd", b.p, b.len, 3);
			assert_true(allow_may_match(a, 4444));
			allow_free(&a);
		}
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_rows),
		cmocka_unit_test(any_size),
		cmocka_unit_test(containers),
		cmocka_unit_test(damaged_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
