/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"

/* The examples of FIPS 180-4. */
static const struct {
	const char *text, *hex;
} known[] = {
	{ "",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc",
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void
expect(const unsigned char digest[HASH_LEN], const char *hex)
{
	char got[HASH_HEX_LEN];

	hash_hex(digest, got);
	assert_string_equal(got, hex);
}

static void
knows_the_examples(void **state)
{
	unsigned char d[HASH_LEN];

	(void)state;
	for (size_t i = 0; i < COUNTOF(known); i++) {
		assert_int_equal(
		    hash_once(known[i].text, strlen(known[i].text), d), 0);
		expect(d, known[i].hex);
	}
}

/* One object serves one body after another, in pieces of any size. */
static void
pieces_and_reuse(void **state)
{
	struct hash *h = hash_new();
	unsigned char d[HASH_LEN];

	(void)state;
	assert_non_null(h);
	for (size_t piece = 1; piece < 60; piece++)
		for (size_t i = 0; i < COUNTOF(known); i++) {
			size_t len = strlen(known[i].text);

			for (size_t at = 0; at < len; at += piece)
				assert_int_equal(
				    hash_update(h, known[i].text + at,
					len - at < piece ? len - at : piece),
				    0);
			assert_int_equal(hash_final(h, d), 0);
			expect(d, known[i].hex);
		}
	hash_free(&h);
	assert_null(h);
	hash_free(&h);
}

static void
million_letters(void **state)
{
	struct hash *h = hash_new();
	unsigned char d[HASH_LEN];
	char a[1000];

	(void)state;
	assert_non_null(h);
	memset(a, 'a', sizeof(a));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(hash_update(h, a, sizeof(a)), 0);
	assert_int_equal(hash_final(h, d), 0);
	expect(d,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	hash_free(&h);
}

/* RFC 4648: "foobar" is MZXW6YTBOI. */
static void
base32_digits(void **state)
{
	unsigned char d[HASH_LEN] = "foobar";
	char out[53];

	(void)state;
	hash_base32(d, out, 9);
	assert_string_equal(out, "MZXW6YTBO");
	hash_base32(d, out, 0);
	assert_string_equal(out, "");
	memset(d, 0xff, sizeof(d));
	out[52] = 'x';
	hash_base32(d, out, 51);
	assert_int_equal(strlen(out), 51);
	assert_int_equal(strspn(out, "7"), 51);
	assert_int_equal(out[52], 'x');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_the_examples),
		cmocka_unit_test(pieces_and_reuse),
		cmocka_unit_test(million_letters),
		cmocka_unit_test(base32_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
