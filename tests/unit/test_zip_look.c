/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Zip archives whose headers say everything, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/unpack/zip.h"
#include "tests/unit/pack_util.h"

static const struct slice text = { "some text that is long enough to be looked "
				   "at, and then some more of it",
	71 };

static struct zip_look
look(const struct buf *b)
{
	struct zip_look z;

	zip_look(buf_slice(b), &z);
	return z;
}

static void
plain(struct buf *b, size_t members)
{
	struct zip_look z = look(b);

	assert_true(z.found);
	if (z.by_directory || z.by_stream)
		fail_msg("odd: %s", z.why);
	assert_int_equal(z.members, members);
	buf_free(b);
}

static struct zip_look
is_odd(struct buf *b, bool by_directory, bool by_stream)
{
	struct zip_look z = look(b);

	assert_true(z.found);
	assert_non_null(z.why);
	assert_int_equal(z.by_directory, by_directory);
	assert_int_equal(z.by_stream, by_stream);
	buf_free(b);
	return z;
}

static void
test_plain(void **state)
{
	static const unsigned int flags[] = { 0, PACK_STORED, PACK_DESCRIPTOR };
	struct pack_member m[] = { { "a", text, 0 },
		{ "folder/", SLICE_NONE, PACK_STORED },
		{ "b", text, PACK_STORED }, { "c", SLICE_LIT("ab"), 0 } };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(flags); i++) {
		pack_zip_one(&b, text, flags[i], 0);
		plain(&b, 1);
	}
	pack_zip(&b, SLICE_NONE, m, COUNTOF(m), 0);
	plain(&b, 2);
	pack_zip(&b, SLICE_NONE, m, 0, 0);
	plain(&b, 0);
	/* a comment, a tail of other bytes */
	pack_zip_one(&b, text, 0, 0);
	b.p[b.len - 2] = 7;
	assert_int_equal(buf_append(&b, "comment", 7), 0);
	plain(&b, 1);
	/* a zip in a zip has an end record of its own */
	pack_zip_one(&b, text, 0, 0);
	{
		struct buf outer;

		pack_zip_one(&outer, buf_slice(&b), PACK_STORED, 0);
		outer.p[outer.len - 2] = 3;
		assert_int_equal(buf_append(&outer, "abc", 3), 0);
		plain(&outer, 1);
	}
	buf_free(&b);
}

static void
test_prefix(void **state)
{
	struct pack_member m = { "a", text, PACK_DESCRIPTOR };
	struct zip_look z;
	struct buf b;

	(void)state;
	pack_zip(&b, SLICE_LIT("MZ and so on"), &m, 1, 0);
	z = look(&b);
	assert_true(z.found && !z.by_directory && !z.by_stream);
	assert_int_equal(z.start, 0);
	assert_int_equal(z.first, 12);
	assert_true(z.descriptors);
	buf_free(&b);
	pack_zip(&b, SLICE_LIT("MZ and so on"), &m, 1, PACK_SHIFTED);
	z = look(&b);
	assert_true(z.found && !z.by_directory && !z.by_stream);
	assert_int_equal(z.start, 12);
	assert_int_equal(z.first, 12);
	buf_free(&b);
}

static void
test_odd(void **state)
{
	struct pack_member m[] = { { "a", text, 0 }, { "b", text, 0 },
		{ "c", text, 0 } };
	struct buf b, c;

	(void)state;
	pack_zip_one(&b, text, 0, PACK_NO_DIRECTORY);
	(void)is_odd(&b, false, true);
	pack_zip_one(&b, text, PACK_ZIP64, 0);
	(void)is_odd(&b, true, false);
	pack_zip_one(&b, text, PACK_UNKNOWN, 0);
	(void)is_odd(&b, true, false);
	pack_zip_one(&b, text, PACK_LIES, 0);
	assert_true(is_odd(&b, true, false).contradicts);
	m[1].flags = PACK_HIDDEN;
	pack_zip(&b, SLICE_NONE, m, 3, 0);
	(void)is_odd(&b, false, true);
	m[1].flags = 0;
	m[0].flags = PACK_HIDDEN;
	pack_zip(&b, SLICE_NONE, m, 3, 0);
	(void)is_odd(&b, false, true);
	m[0].flags = 0;
	m[2].flags = PACK_HIDDEN;
	pack_zip(&b, SLICE_NONE, m, 3, 0);
	(void)is_odd(&b, false, true);
	/* one archive behind another */
	pack_zip_one(&b, text, 0, 0);
	pack_zip_one(&c, text, 0, 0);
	assert_int_equal(buf_append(&b, c.p, c.len), 0);
	buf_free(&c);
	(void)is_odd(&b, true, true);
	/* its comment is an archive, too */
	pack_zip_one(&b, text, 0, 0);
	pack_zip_one(&c, text, 0, 0);
	b.p[b.len - 2] = (char)c.len;
	b.p[b.len - 1] = (char)(c.len >> 8);
	assert_int_equal(buf_append(&b, c.p, c.len), 0);
	buf_free(&c);
	(void)is_odd(&b, true, true);
}

/* Sizes that only the directory, or only the header, knows otherwise. */
static void
test_two_truths(void **state)
{
	static const size_t places[] = { 6, 8, 18, 22 };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(places); i++) {
		pack_zip_one(&b, text, 0, 0);
		b.p[places[i]] ^= places[i] == 6 ? 1 : 2;
		(void)is_odd(&b, true, false);
	}
	/* the number of members */
	pack_zip_one(&b, text, 0, 0);
	b.p[b.len - 12] = 2;
	(void)is_odd(&b, true, false);
}

/* Whatever is cut off or wrong: no fault, and never plain with the members. */
static void
test_cut(void **state)
{
	struct pack_member m[] = { { "a", text, 0 },
		{ "b", text, PACK_DESCRIPTOR }, { "c", text, PACK_ZIP64 } };
	struct buf b;
	struct zip_look z;

	(void)state;
	pack_zip(&b, SLICE_NONE, m, 3, 0);
	for (size_t len = 0; len < b.len; len++) {
		zip_look((struct slice){ b.p, len }, &z);
		if (len >= 30 && !(z.found && (z.by_stream || z.by_directory)))
			fail_msg("cut at %zu is plain", len);
	}
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] ^= (char)(1 << bit);
			zip_look(buf_slice(&b), &z);
			b.p[i] ^= (char)(1 << bit);
		}
	buf_free(&b);
}

static void
test_none(void **state)
{
	static const char noise[] =
	    "PK\5\6 and other things that look like it: PK\6\7 PK\1\2 ...";
	struct zip_look z;

	(void)state;
	zip_look(SLICE_NONE, &z);
	assert_false(z.found);
	zip_look((struct slice){ noise, sizeof(noise) - 1 }, &z);
	assert_false(z.found);
	zip_look(text, &z);
	assert_false(z.found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_two_truths),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
