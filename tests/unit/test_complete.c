/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What libclamav does not look into is looked into here, or is not clean:
 * ClamAV's test files behind bytes that hide them and in containers that it
 * does not open, and good archives, in which nothing is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cfb_util.h"
#include "tests/unit/complete_util.h"
#include "tests/unit/pack_util.h"
#include "tests/unit/ways.h"

static struct engine *e;

/* The large test files take a quarter of a second each. */
#define LARGE (1u << 20)

/*
 * The one that is nested so deeply that any further container is one too many;
 * it is `limit`.
 */
static bool
too_deep(const char *name)
{
	return strcmp(name, "clam_cache_emax.tgz") == 0;
}

static void
try_file(const struct way *w, const struct testfile *f)
{
	struct scan_answer a;
	struct buf b;

	w->pack(&b, f->data);
	a = view(e, buf_slice(&b), NULL);
	buf_free(&b);
	if (is_clean(&a))
		fail_msg("%s %s is clean", f->name, w->name);
	if (too_deep(f->name))
		assert_true(a.complete == 0 && a.reason == OUTCOME_LIMIT);
	else if (!is_infected(&a))
		fail_msg("%s %s: %s", f->name, w->name, describe(&a));
}

static void
test_files_are_found(void **state)
{
	size_t n;
	const struct testfile *f = testfiles(&n);

	(void)state;
	if (n == 0) {
		print_message("skipped: no clamav-testfiles\n");
		skip();
	}
	for (const struct way *w = ways_hidden; w->name != NULL; w++)
		for (size_t i = 0; i < n; i++)
			if (f[i].data.len < LARGE ||
			    w < ways_hidden + WAYS_FIRST)
				try_file(w, &f[i]);
}

static const struct slice harmless = {
	"Goods were held and judged before they came in.\n", 48
};

/* In the same containers there is nothing to be found in what is good. */
static void
test_good_is_clean(void **state)
{
	static const char tiny[] = "abc";

	(void)state;
	for (const struct way *w = ways_hidden; w->name != NULL; w++)
		for (int i = 0; i < 2; i++) {
			struct scan_answer a;
			struct buf b;

			w->pack(
			    &b, i == 0 ? harmless : (struct slice){ tiny, 3 });
			a = view(e, buf_slice(&b), NULL);
			buf_free(&b);
			if (!is_clean(&a))
				fail_msg("good %s (%d): %s", w->name, i,
				    describe(&a));
		}
}

/* Nothing at all in it, or folders only. */
static void
test_empty_is_clean(void **state)
{
	static const char *const formats[] = { "zip", "7zip", "ustar", "pax",
		"newc", "ar", "xar", "iso" };
	static const char *const filters[] = { "gzip", "bzip2", "xz", "zstd",
		"lzip", "lzma", "compress" };
	struct pack_member empty[] = { { "empty", SLICE_NONE, 0 } };
	struct pack_member folders[] = { { "a/", SLICE_NONE, PACK_STORED },
		{ "a/b/", SLICE_NONE, PACK_STORED } };
	struct scan_answer a;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(formats) * 2; i++) {
		pack_archive(&b, formats[i / 2], NULL, NULL, empty, i % 2);
		a = view(e, buf_slice(&b), NULL);
		if (!is_clean(&a))
			fail_msg(
			    "an empty %s: %s", formats[i / 2], describe(&a));
		buf_free(&b);
	}
	for (size_t i = 0; i < COUNTOF(filters); i++) {
		pack_archive(&b, NULL, filters[i], NULL, empty, 1);
		a = view(e, buf_slice(&b), NULL);
		if (!is_clean(&a))
			fail_msg("an empty %s: %s", filters[i], describe(&a));
		buf_free(&b);
	}
	pack_zip(&b, SLICE_NONE, folders, 2, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(is_clean(&a));
	buf_free(&b);
}

static void
filtered(struct buf *b, const char *filter, const char *p, size_t len)
{
	struct pack_member m = { "", { p, len }, 0 };

	pack_archive(b, NULL, filter, NULL, &m, 1);
}

/*
 * Two bzip2 streams, cut in the middle of an archive in a tar: of the first
 * alone the engine sees the half of it.
 */
static void
test_cut_by_streams(void **state)
{
	struct pack_member m = { "m", harmless, 0 };
	struct buf ar, tar, one, two;
	struct scan_answer a;

	(void)state;
	pack_archive(&ar, "ar", NULL, NULL, &m, 1);
	m.data = buf_slice(&ar);
	pack_archive(&tar, "ustar", NULL, NULL, &m, 1);
	filtered(&one, "bzip2", tar.p, 590);
	filtered(&two, "bzip2", tar.p + 590, tar.len - 590);
	assert_int_equal(buf_append(&one, two.p, two.len), 0);
	a = view(e, buf_slice(&one), NULL);
	if (!is_clean(&a))
		fail_msg("%s", describe(&a));
	buf_free(&ar);
	buf_free(&tar);
	buf_free(&one);
	buf_free(&two);
}

static void
test_odd_zips(void **state)
{
	struct pack_member m[] = { { "a.zip", SLICE_NONE,
				       PACK_STORED | PACK_DESCRIPTOR },
		{ "b", harmless, 0 } };
	struct buf inner, b;
	struct scan_answer a;

	(void)state;
	/* stored behind a header without sizes, with headers of its own in it
	 */
	pack_zip_one(&inner, harmless, PACK_DESCRIPTOR, 0);
	m[0].data = buf_slice(&inner);
	pack_zip(&b, SLICE_NONE, m, 2, PACK_NO_DIRECTORY);
	a = view(e, buf_slice(&b), NULL);
	if (!is_clean(&a))
		fail_msg("%s", describe(&a));
	buf_free(&b);
	buf_free(&inner);
}

/* ---- what nobody opens ---- */

static void
test_opaque(void **state)
{
	static const struct slice none[] = {
		{ "\x8f\x31\x31\0\0\x10\x02**ACE**\x14\x14..............", 30 },
		{ "ZOO 2.10 Archive.\x1a..\xdc\xa7\xc4\xfd........", 32 },
		{ "SIT!\0\1\0\0\1\0rLau.....................", 35 },
		{ "MSWIM\0\0\0\xd0\0\0\0...................", 31 },
		{ "\x89LZO\0\r\n\x1a\n....................", 29 },
		{ "EGGA\0\1...............................", 37 },
		{ "!<arch>\nand no member as it should be, but a text that is "
		  "as long as one",
		    71 },
		{ "7z\xbc\xaf\x27\x1c\0\4........................", 32 },
		{ "MSCF\0\0\0\0..................................", 42 },
		{ "\x28\xb5\x2f\xfd....................", 24 },
		{ "\x5d\0\0\0\x60\xff\xff\xff\xff\xff\xff\xff\xff\0......",
		    20 },
	};
	struct scan_answer a;
	struct buf b, tar;

	(void)state;
	for (size_t i = 0; i < COUNTOF(none); i++) {
		a = view(e, none[i], NULL);
		if (!has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive."))
			fail_msg("%zu: %s", i, describe(&a));
		/* and the name says where */
		way_in_tar_gz(&tar, none[i]);
		a = view(e, buf_slice(&tar), NULL);
		assert_true(has(&a, OUTCOME_OPAQUE_ARCHIVE, ""));
		assert_string_equal(a.findings[0].part, "member.bin");
		buf_free(&tar);
	}
	pack_zip_one(&b, harmless, PACK_UNKNOWN, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.ZIP"));
	buf_free(&b);
	/* directory and header name two methods */
	pack_zip_one(&b, harmless, PACK_LIES, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.ZIP"));
	buf_free(&b);
	pack_rar(&b, 5, harmless, PACK_UNKNOWN);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.RAR"));
	buf_free(&b);
}

/* ScanArchive no: neither the library nor we open anything. */
static void
test_archives_off(void **state)
{
	static const struct pack_member member[] = { { "a.txt",
	    SLICE_LIT("some text, and more of it than fits into one line"),
	    0 } };
	struct scan_opts o = default_opts();
	struct scan_answer a;
	struct buf b;

	(void)state;
	pack_archive(&b, "7zip", NULL, NULL, member, 1);
	memset(b.p + 40, 0, b.len - 40 < 20 ? b.len - 40 : 20);
	a = view(e, buf_slice(&b), &o);
	assert_false(is_clean(&a));
	o.switches &= ~SCAN_BIT(scan_archive);
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	buf_free(&b);
}

static void
test_encrypted(void **state)
{
	struct scan_answer a;
	struct buf b;

	(void)state;
	for (int v = 4; v <= 5; v++) {
		pack_rar(&b, v, harmless, PACK_ENCRYPTED);
		a = view(e, buf_slice(&b), NULL);
		assert_true(has(&a, OUTCOME_ENCRYPTED, "Tolsey.Encrypted.RAR"));
		assert_false(has(&a, OUTCOME_OPAQUE_ARCHIVE, ""));
		buf_free(&b);
	}
	pack_zip_one(&b, harmless, PACK_ENCRYPTED | PACK_ZIP64, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(has(&a, OUTCOME_ENCRYPTED, ""));
	buf_free(&b);
}

/* ---- compound files ---- */

/* The engine leaves out a stream that claims to be longer than it may be. */
static void
test_ole2_stream(void **state)
{
	static const char name[] = "a\0 \0s\0t\0r\0e\0a\0m";
	struct cfb_stream stream = { "a stream", harmless.p, harmless.len };
	struct scan_answer a;
	struct buf b;
	char *entry;

	(void)state;
	make_cfb(&b, &stream, 1);
	a = view(e, buf_slice(&b), NULL);
	if (!is_clean(&a))
		fail_msg("%s", describe(&a));
	entry = memmem(b.p, b.len, name, sizeof(name) - 1);
	assert_non_null(entry);
	memcpy(entry + 120, "\xff\xff\xff\x3f", 4);
	a = view(e, buf_slice(&b), NULL);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	buf_free(&b);
}

/* ---- audio ---- */

static void
add_frames(struct buf *b, unsigned int n)
{
	char frame[417] = "\xff\xfb\x90\x64";

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(buf_append(b, frame, sizeof(frame)), 0);
}

static void
test_media(void **state)
{
	struct scan_answer a;
	struct buf b, zip, both;

	(void)state;
	pack_behind(&b, SLICE_LIT("ID3\3\0\0\0\0\0\4TIT2"), SLICE_NONE);
	add_frames(&b, 6);
	a = view(e, buf_slice(&b), NULL);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 1);
	assert_true(has(&a, OUTCOME_OPAQUE_MEDIA, "Tolsey.OpaqueMedia.MP3"));
	assert_string_equal(a.type, "IGNORED");
	/* a pattern in it is found all the same */
	assert_int_equal(buf_append(&b, MARKER, strlen(MARKER)), 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_true(has(&a, OUTCOME_OPAQUE_MEDIA, ""));
	/* and so is what is in an archive behind it */
	pack_zip_one(&zip, SLICE_LIT(MARKER), 0, 0);
	b.len -= strlen(MARKER);
	pack_behind(&both, buf_slice(&b), buf_slice(&zip));
	a = view(e, buf_slice(&both), NULL);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	buf_free(&both);
	buf_free(&zip);
	buf_free(&b);
}

/* ---- names, budgets ---- */

static void
test_names(void **state)
{
	struct pack_member m = { "folder/bad.bin", SLICE_LIT(MARKER), 0 };
	struct scan_answer a;
	struct buf b, outer;

	(void)state;
	pack_archive(&b, "ar", NULL, NULL, &m, 1);
	m = (struct pack_member){ "a.ar", buf_slice(&b), 0 };
	pack_zip(&outer, SLICE_NONE, &m, 1, 0);
	a = view(e, buf_slice(&outer), NULL);
	assert_true(is_infected(&a));
	for (uint32_t i = 0; i < a.nfindings; i++)
		if (strcmp(a.findings[i].part, "a.ar/bad.bin") == 0)
			break;
		else if (i + 1 == a.nfindings)
			fail_msg("%s", describe(&a));
	buf_free(&b);
	buf_free(&outer);
}

static void
zst(struct buf *b, struct slice d)
{
	struct pack_member m = { "", d, 0 };

	pack_archive(b, NULL, "zstd", NULL, &m, 1);
}

/* The second reader's members count like those of the engine. */
static void
test_budget(void **state)
{
	struct pack_member m[30];
	struct scan_opts o = default_opts();
	struct scan_answer a;
	struct buf b, deeper;

	(void)state;
	for (size_t i = 0; i < COUNTOF(m); i++)
		m[i] = (struct pack_member){ "m", harmless, 0 };
	pack_archive(&b, "ar", NULL, NULL, m, COUNTOF(m));
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	o.max_files = 30; /* the archive itself is one, too */
	a = view(e, buf_slice(&b), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	o = default_opts();
	o.max_scan_size = b.len + 29 * harmless.len;
	a = view(e, buf_slice(&b), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	o.max_scan_size += harmless.len;
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	o = default_opts();
	o.max_recursion = 5;
	for (int i = 0; i < 3; i++) {
		zst(&deeper, buf_slice(&b));
		buf_free(&b);
		b = deeper;
	}
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	zst(&deeper, buf_slice(&b));
	a = view(e, buf_slice(&deeper), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	buf_free(&deeper);
	a = view_for(e, buf_slice(&b), NULL, 1);
	assert_int_equal(a.reason, OUTCOME_TIMEOUT);
	buf_free(&b);
}

static int
set_up(void **state)
{
	if (make_root(state) != 0)
		return -1;
	e = open_complete_db();
	return 0;
}

static int
tear_down(void **state)
{
	engine_close(&e);
	testfiles_free();
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_found),
		cmocka_unit_test(test_good_is_clean),
		cmocka_unit_test(test_empty_is_clean),
		cmocka_unit_test(test_cut_by_streams),
		cmocka_unit_test(test_odd_zips),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_archives_off),
		cmocka_unit_test(test_ole2_stream),
		cmocka_unit_test(test_media),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
