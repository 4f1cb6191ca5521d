/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define S(lit) SLICE_LIT(lit)

static void
compares(void **state)
{
	(void)state;
	assert_true(slice_eq(slice_of("abc"), S("abc")));
	assert_false(slice_eq(S("abc"), S("abC")));
	assert_false(slice_eq(S("abc"), S("ab")));
	assert_true(slice_eq(SLICE_NONE, S("")));
	assert_true(slice_case_eq(S("aBc"), S("AbC")));
	assert_false(slice_case_eq(S("a["), S("a{")));
	assert_true(slice_of(NULL).p == NULL);
	assert_true(slice_has_prefix(S("abc"), S("ab")));
	assert_false(slice_has_prefix(S("a"), S("ab")));
	assert_true(slice_has_prefix(SLICE_NONE, SLICE_NONE));
	assert_true(slice_case_has_prefix(S("ABc"), S("ab")));
	assert_true(slice_case_has_suffix(S("a.EXE"), S(".exe")));
	assert_false(slice_case_has_suffix(S("exe"), S(".exe")));
	/* a NUL is a byte as any other */
	assert_false(slice_eq(S("a\0b"), S("a\0c")));
}

static void
finds_and_trims(void **state)
{
	(void)state;
	assert_int_equal(slice_find(S("a:b:c"), ':'), 1);
	assert_int_equal(slice_find(S("abc"), ':'), -1);
	assert_int_equal(slice_find(SLICE_NONE, ':'), -1);
	assert_true(slice_eq(slice_trim(S(" \t a b\t ")), S("a b")));
	assert_int_equal(slice_trim(S(" \t ")).len, 0);
	assert_true(slice_eq(slice_trim(S("\ra\n")), S("\ra\n")));
}

static void
walks_lists(void **state)
{
	static const char *const want[] = { "a", "", "b c", "" };
	struct slice rest = S(" a,, b c ,"), elem;
	size_t n = 0;

	(void)state;
	for (; slice_next(&rest, ',', &elem); n++)
		assert_true(n < 4 && slice_eq(elem, slice_of(want[n])));
	assert_int_equal(n, 4);
	rest = SLICE_NONE;
	assert_false(slice_next(&rest, ',', &elem));
	assert_true(slice_list_has(S("trailers, 204"), S("204")));
	assert_false(slice_list_has(S("1204, 2040"), S("204")));
	assert_true(slice_list_has(S("X, Close"), S("close")));
}

static void
converts_decimals(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1",
		"1.", "18446744073709551616", "99999999999999999999999" };
	uint64_t v = 77;

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		assert_int_equal(
		    str_to_u64(slice_of(bad[i]), UINT64_MAX, &v), -1);
	assert_int_equal(v, 77);
	assert_int_equal(
	    str_to_u64(S("18446744073709551615"), UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(
	    str_to_u64(S("0000000000000000000000100"), 100, &v), 0);
	assert_int_equal(v, 100);
	assert_int_equal(str_to_u64(S("101"), 100, &v), -1);
	assert_int_equal(str_to_u64(S("0"), 0, &v), 0);
	assert_int_equal(str_to_u64(S("1"), 0, &v), -1);
}

static void
converts_hex(void **state)
{
	uint64_t v = 77;

	(void)state;
	assert_int_equal(str_hex_to_u64(S("fFfFfFfFfFfFfFfF"), &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_hex_to_u64(S("1a"), &v), 0);
	assert_int_equal(v, 26);
	assert_int_equal(str_hex_to_u64(S("00000000000000001"), &v), -1);
	assert_int_equal(str_hex_to_u64(S(""), &v), -1);
	assert_int_equal(str_hex_to_u64(S("0x1"), &v), -1);
	assert_int_equal(str_hex_to_u64(S("1g"), &v), -1);
	assert_int_equal(str_hex_to_u64(S("-1"), &v), -1);
}

static void
copies(void **state)
{
	char d[4];

	(void)state;
	memset(d, 'x', sizeof(d));
	assert_int_equal(str_copy(d, sizeof(d), S("abcdef")), 3);
	assert_string_equal(d, "abc");
	assert_int_equal(str_copy(d, sizeof(d), SLICE_NONE), 0);
	assert_string_equal(d, "");
	assert_int_equal(str_copy(d, 1, S("a")), 0);
	assert_string_equal(d, "");
}

static void
cleans(void **state)
{
	char d[16];

	(void)state;
	assert_int_equal(
	    str_copy_clean(d, sizeof(d), S("a\r\n\0\x7f\xff\"~ z"), "\""), 10);
	assert_string_equal(d, "a______~ z");
	assert_int_equal(str_copy_clean(d, 3, S("abc"), ""), 2);
	assert_string_equal(d, "ab");
}

static void
finds_nearest(void **state)
{
	static const char *const names[] = { "ScanTimeout", "ScanTimeoutMax",
		"Listen", "User" };
	char longname[200];

	(void)state;
	assert_string_equal(str_nearest("scantimout", names, 4), "ScanTimeout");
	assert_string_equal(str_nearest("Listne", names, 4), "Listen");
	assert_string_equal(str_nearest("Usr", names, 4), "User");
	assert_null(str_nearest("Whatever", names, 4));
	assert_null(str_nearest("", names, 4));
	assert_null(str_nearest("x", names, 0));
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_null(str_nearest(longname, names, 4));
}

static void
formats(void **state)
{
	struct slice huge = { "", SIZE_MAX };
	char d[16];

	(void)state;
	assert_int_equal(slice_fmt_len(huge), 2147483647);
	(void)snprintf(d, sizeof(d), "<%.*s>", SLICE_FMT(SLICE_NONE));
	assert_string_equal(d, "<>");
	(void)snprintf(d, sizeof(d), "<%.*s>", SLICE_FMT(S("ab")));
	assert_string_equal(d, "<ab>");
}

static void
text_is(const char *src, size_t room, const char *want)
{
	char d[32];

	assert_int_equal(str_copy_text(d, room, slice_of(src)), strlen(want));
	assert_string_equal(d, want);
	assert_true(str_is_text(slice_of(d)));
}

/* Names that people gave: UTF-8, no controls, no half characters. */
static void
texts(void **state)
{
	(void)state;
	text_is("", 32, "");
	text_is("a b\"<", 32, "a b\"<");
	text_is("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 32,
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	text_is("a\r\n\t\x7f\xc2\x80z", 32, "a_____z");
	text_is("\xe4\xff\xc0\xaf\xed\xa0\x80z", 32, "_______z");
	text_is("\xc3\xa4\xc3\xa4", 5, "\xc3\xa4\xc3\xa4");
	text_is("\xc3\xa4\xc3\xa4", 4, "\xc3\xa4");
	text_is("\xe2\x82", 32, "__");
	text_is("abc", 1, "");
	assert_int_equal(str_copy_text(NULL, 0, S("abc")), 0);
	assert_true(str_is_text(S("\xe2\x82\xac")));
	assert_false(str_is_text(S("a\n")));
	assert_false(str_is_text(S("\xe2\x82")));
}

static void
assert_param(struct slice *rest, const char *name, const char *value)
{
	struct slice n, v;

	assert_true(slice_next_param(rest, &n, &v));
	assert_true(slice_eq(n, slice_of(name)));
	assert_true(slice_eq(v, slice_of(value)));
}

/* A semicolon within quotes, an escaped quote, a folded line. */
static void
cuts_parameters(void **state)
{
	struct slice n, v,
	    rest = slice_of(
		"form-data; name=\"a;b\";\r\n filename = \"c\\\"d;\" ;x;y=z=1");

	(void)state;
	assert_param(&rest, "form-data", "");
	assert_param(&rest, "name", "\"a;b\"");
	assert_param(&rest, "filename", "\"c\\\"d;\"");
	assert_param(&rest, "x", "");
	assert_param(&rest, "y", "z=1");
	assert_false(slice_next_param(&rest, &n, &v));
	rest = slice_of("a=\"never closed; b=c");
	assert_param(&rest, "a", "\"never closed; b=c");
	assert_int_equal(rest.len, 0);
}

static void
reads_hex_digits(void **state)
{
	(void)state;
	assert_int_equal(str_hex_digit('0'), 0);
	assert_int_equal(str_hex_digit('a'), 10);
	assert_int_equal(str_hex_digit('F'), 15);
	assert_int_equal(str_hex_digit('g'), -1);
	assert_int_equal(str_hex_digit('/'), -1);
	assert_int_equal(str_hex_digit('\0'), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(finds_and_trims),
		cmocka_unit_test(walks_lists),
		cmocka_unit_test(converts_decimals),
		cmocka_unit_test(converts_hex),
		cmocka_unit_test(copies),
		cmocka_unit_test(cleans),
		cmocka_unit_test(texts),
		cmocka_unit_test(finds_nearest),
		cmocka_unit_test(formats),
		cmocka_unit_test(cuts_parameters),
		cmocka_unit_test(reads_hex_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
