/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Encrypted documents, alone and by way of the engine, also inside archives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/looks.h"
#include "tests/unit/cfb_util.h"
#include "tests/unit/engine_util.h"

#define OLE2 SLICE_LIT("CL_TYPE_MSOLE2")

static const char *
look(struct slice type, const char *name, const struct buf *b)
{
	return looks_encrypted(
	    type, slice_of(name), (struct slice){ b->p, b->len });
}

static const char word[] = "\xec\xa5\xc1\0\0\0\0\0\0\0\0\x12\0\0";
static const char word_locked[] = "\xec\xa5\xc1\0\0\0\0\0\0\0\0\x13\0\0";
static const char word95_locked[] = "\xdc\xa5\x65\0\0\0\0\0\0\0\0\x01\0\0";
#define BOF "\x09\x08\x10\0\0\x06\x05\0\0\0\0\0\0\0\0\0\0\0\0\0"
static const char excel[] = BOF "\x42\0\x02\0\xb0\x04\x0a\0\0\0";
static const char excel_locked[] = BOF "\x2f\0\x06\0\0\0\x12\x34\x56\x78";
/* write protection comes first */
static const char excel_locked2[] =
    BOF "\x86\0\0\0\x2f\0\x06\0\0\0\x12\x34\x56\x78";
/* what looks like the record stands inside of another */
static const char excel_text[] = BOF "\xfc\0\x06\0\x2f\0\x06\0\0\0\x0a\0\0\0";
static const char excel95_locked[] =
    "\x09\x08\x08\0\0\x05\x05\0\0\0\0\0\x2f\0\x04\0\x12\x34\x56\x78";
static const char user[] = "\0\0\xf6\x0f\x20\0\0\0\x14\0\0\0\x5f\xc0\x91\xe3";
static const char user_locked[] =
    "\0\0\xf6\x0f\x20\0\0\0\x14\0\0\0\xdf\xc4\xd1\xf3";

static const struct {
	const char *stream;
	const char *data;
	size_t len;
	bool encrypted;
} rows[] = {
	{ "EncryptedPackage", "x", 1, true },
	{ "encryptedpackage", "x", 1, true },
	{ "EncryptedPackages", "x", 1, false },
	{ "\x09"
	  "DRMContent",
	    "x", 1, true },
	{ "EncryptedSummary", "x", 1, true },
	{ "WordDocument", word, sizeof(word) - 1, false },
	{ "WordDocument", word_locked, sizeof(word_locked) - 1, true },
	{ "WordDocument", word95_locked, sizeof(word95_locked) - 1, true },
	{ "WordDocument", word_locked, 3, false },
	{ "Other", word_locked, sizeof(word_locked) - 1, false },
	{ "Workbook", excel, sizeof(excel) - 1, false },
	{ "Workbook", excel_locked, sizeof(excel_locked) - 1, true },
	{ "Workbook", excel_locked2, sizeof(excel_locked2) - 1, true },
	{ "Workbook", excel_text, sizeof(excel_text) - 1, false },
	{ "Book", excel95_locked, sizeof(excel95_locked) - 1, true },
	{ "Current User", user, sizeof(user) - 1, false },
	{ "Current User", user_locked, sizeof(user_locked) - 1, true },
};

static void
compound_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct cfb_stream s[] = { { "Before", "abc", 3 },
			{ rows[i].stream, rows[i].data, rows[i].len },
			{ "After", "xyz", 3 } };
		struct buf b;

		make_cfb(&b, s, COUNTOF(s));
		if ((look(OLE2, "", &b) != NULL) != rows[i].encrypted)
			fail_msg("row %zu", i);
		assert_null(look(SLICE_LIT("CL_TYPE_BINARY_DATA"), "", &b));
		buf_free(&b);
		make_short_cfb(&b, s, COUNTOF(s));
		if ((look(OLE2, "", &b) != NULL) != rows[i].encrypted)
			fail_msg("row %zu, short", i);
		buf_free(&b);
	}
}

static void
not_compound(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_null(look(OLE2, "", &b));
	for (int i = 0; i < 600; i++)
		assert_int_equal(buf_append(&b, "\xd0", 1), 0);
	assert_null(look(OLE2, "", &b));
	buf_free(&b);
}

static void
manifests(void **state)
{
	static const char locked[] =
	    "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:"
	    "opendocument:xmlns:manifest:1.0\"><manifest:file-entry>"
	    "<manifest:encryption-data manifest:checksum=\"x\"/>";
	static const char open[] =
	    "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:"
	    "opendocument:xmlns:manifest:1.0\"><manifest:file-entry/>";
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(buf_append_str(&b, locked), 0);
	assert_string_equal(
	    look(SLICE_LIT("CL_TYPE_TEXT_ASCII"), "META-INF/manifest.xml", &b),
	    "Heuristics.Encrypted.ODF");
	assert_null(look(SLICE_LIT("CL_TYPE_TEXT_ASCII"), "content.xml", &b));
	buf_reset(&b);
	assert_int_equal(buf_append_str(&b, open), 0);
	assert_null(look(SLICE_LIT("CL_TYPE_TEXT_ASCII"), "manifest.xml", &b));
	buf_free(&b);
}

/* Chains that go round and round: an end is found, and soon. */
static void
loops(void **state)
{
	struct cfb_stream s[] = { { "Workbook", BOF, sizeof(BOF) - 1 },
		{ "Book", BOF, sizeof(BOF) - 1 } };
	uint64_t began = clock_mono_us();
	struct buf b;

	(void)state;
	make_short_cfb(&b, s, COUNTOF(s));
	/* the directory follows itself */
	b.p[512 + 4] = 1;
	b.p[512 + 5] = b.p[512 + 6] = b.p[512 + 7] = 0;
	(void)look(OLE2, "", &b);
	/* and the list of FAT sectors */
	memset(b.p + 76, 0, 4);
	memset(b.p + 68, 0, 4);
	b.p[68] = 1;
	(void)look(OLE2, "", &b);
	buf_free(&b);
	assert_true(clock_mono_us() - began < 2000000);
}

/*
 * A directory that follows itself, in a large file, so that it seems to have
 * very many streams: given up, which is not clean, and soon.
 */
static void
tangled(void **state)
{
	struct cfb_stream s[] = { { "Workbook", BOF, sizeof(BOF) - 1 },
		{ "Workbook", BOF, sizeof(BOF) - 1 },
		{ "Workbook", BOF, sizeof(BOF) - 1 } };
	static char zeros[65536];
	uint64_t began;
	struct buf b;

	(void)state;
	make_short_cfb(&b, s, COUNTOF(s));
	memcpy(b.p + 512 + 4, "\1\0\0", 4);
	/* each short stream goes round in its first piece */
	for (size_t i = 0; i < COUNTOF(s); i++) {
		memcpy(b.p + 1024 + 128 * (i + 1) + 116, "\0\0\0\0\0\x0f\0", 8);
		memcpy(b.p + 1536, "\0\0\0", 4);
	}
	while (b.len < 12 << 20)
		assert_int_equal(buf_append(&b, zeros, sizeof(zeros)), 0);
	began = clock_mono_us();
	assert_string_equal(
	    look(OLE2, "", &b), "Heuristics.Limits.Exceeded.OLE2");
	assert_true(clock_mono_us() - began < 5000000);
	buf_free(&b);
}

/* Any byte changed: no fault, no endless walk. */
static void
mutants(void **state)
{
	struct cfb_stream s[] = { { "Workbook", excel, sizeof(excel) - 1 },
		{ "WordDocument", word, sizeof(word) - 1 } };
	uint32_t x = 2463534242u;
	struct buf b, copy;

	(void)state;
	buf_init(&copy, 1 << 20);
	make_short_cfb(&b, s, COUNTOF(s));
	for (int i = 0; i < 20000; i++) {
		buf_reset(&copy);
		assert_int_equal(buf_append(&copy, b.p, b.len), 0);
		for (int k = 0; k < 3; k++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			copy.p[x % copy.len] = (char)(x >> 16);
		}
		copy.len -= x % 5 == 0 ? x % copy.len : 0;
		(void)look(OLE2, "", &copy);
	}
	buf_free(&copy);
	buf_free(&b);
}

static struct scan_answer
scan_switched(struct engine *e, const struct buf *b, uint64_t on)
{
	struct scan_opts o = default_opts();

	o.switches &=
	    ~(SCAN_BIT(alert_encrypted) | SCAN_BIT(alert_encrypted_archive) |
		SCAN_BIT(alert_encrypted_doc));
	o.switches |= on;
	return scan_kind(e, SCAN_WHOLE, b->p, b->len, &o);
}

/* By way of the engine: alone, in a zip, and as the settings say. */
static void
in_the_engine(void **state)
{
	static const uint64_t none = 0;
	struct engine *e = must_open(marker_db("looks", "*"));
	struct cfb_stream s = { "EncryptedPackage", "x", 1 };
	struct scan_answer a;
	struct buf b, zip;

	(void)state;
	make_cfb(&b, &s, 1);
	make_zip(&zip, b.p, b.len, ZIP_DEFLATED, 1);
	a = scan(e, b.p, b.len);
	assert_true(has(&a, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.OLE2"));
	assert_int_equal(a.complete, 1);
	a = scan(e, zip.p, zip.len);
	assert_true(has(&a, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.OLE2"));
	a = scan_switched(e, &zip, SCAN_BIT(alert_encrypted_doc));
	assert_true(has(&a, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.OLE2"));
	a = scan_switched(e, &zip, SCAN_BIT(alert_encrypted_archive));
	assert_true(is_clean(&a));
	a = scan_switched(e, &b, none);
	assert_true(is_clean(&a));
	a = scan_kind(e, SCAN_PREFIX, b.p, b.len, NULL);
	assert_int_equal(a.nfindings, 0);
	buf_free(&zip);
	buf_free(&b);
	engine_close(&e);
}

/* A member of an arj archive that is garbled: the library skips it. */
static void
archives(void **state)
{
	static const char path[] = "/usr/share/clamav-testfiles/clam.arj";
	struct engine *e = must_open(marker_db("arj", "*"));
	struct scan_answer a;
	char data[1024];
	struct buf b;
	FILE *f = fopen(path, "r");
	size_t n;

	(void)state;
	if (f == NULL) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	buf_init(&b, 4096);
	assert_int_equal(buf_append(&b, data, n), 0);
	a = scan(e, b.p, b.len);
	assert_true(is_clean(&a));
	/* flags of the second head: the main head is in front of it */
	{
		size_t at = 4 + (unsigned char)b.p[2] +
			    256 * (size_t)(unsigned char)b.p[3] + 4 + 2;

		assert_int_equal((unsigned char)b.p[at], 0x60);
		b.p[at + 4 + 4] |= 1;
	}
	a = scan(e, b.p, b.len);
	assert_true(has(&a, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.Archive"));
	a = scan_switched(e, &b, SCAN_BIT(alert_encrypted_doc));
	assert_false(has(&a, OUTCOME_ENCRYPTED, ""));
	buf_free(&b);
	engine_close(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compound_files),
		cmocka_unit_test(not_compound),
		cmocka_unit_test(manifests),
		cmocka_unit_test(loops),
		cmocka_unit_test(tangled),
		cmocka_unit_test(mutants),
		cmocka_unit_test(in_the_engine),
		cmocka_unit_test(archives),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
