/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Scans of a prefix: a hit may block at once only when nothing in the rest of
 * the object could undo it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/engine_db.h"
#include "tests/unit/engine_util.h"

static struct scan_answer
prefix(struct engine *e, const char *text)
{
	return scan_kind(e, SCAN_PREFIX, text, strlen(text), NULL);
}

#define PREFIX_TEXT "some text, then " MARKER " and some more of the object\n"

static void
test_prefix_plain(void **state)
{
	struct engine *e = must_open(marker_db("pp", "*"));
	struct scan_answer a = prefix(e, PREFIX_TEXT);

	(void)state;
	assert_int_equal(a.final, 1);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	a = prefix(e, "nothing in here that anybody looks for\n");
	assert_int_equal(a.final, 0);
	assert_int_equal(a.nfindings, 0);
	engine_close(&e);
}

static void
test_prefix_end_of_file(void **state)
{
	/* the marker is within 60 bytes of the end of the prefix */
	struct engine *e = must_open(marker_db("pe", "EOF-60,55"));
	struct scan_answer a = prefix(e, PREFIX_TEXT);

	(void)state;
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
}

static void
test_prefix_allow_row(void **state)
{
	struct engine *e;
	struct scan_answer a;

	(void)state;
	(void)marker_db("pa", "*");
	put(folder("pa"), "unit.fp",
	    "00000000000000000000000000000000:12345:unit\n");
	e = must_open(folder("pa"));
	a = prefix(e, PREFIX_TEXT);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
}

static void
test_prefix_other_kind(void **state)
{
	struct engine *e;
	struct scan_answer a;
	char row[8192];

	(void)state;
	/* a hash row of the same name */
	(void)marker_db("ph", "*");
	put(folder("ph"), "unit.hdb",
	    "00000000000000000000000000000001:12345:Unit.Marker\n");
	e = must_open(folder("ph"));
	a = prefix(e, PREFIX_TEXT);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
	/* a logical row */
	(void)snprintf(row, sizeof(row),
	    "Unit.Logical;Engine:51-255,Target:0;0;%s\n",
	    hex_of(MARKER, strlen(MARKER)));
	put(folder("pl"), "unit.ldb", row);
	e = must_open(folder("pl"));
	a = prefix(e, PREFIX_TEXT);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Logical"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
}

/* EICAR by hash only: the preview that is cut elsewhere is no match. */
static void
test_prefix_hash(void **state)
{
	unsigned char eicar[DB_EICAR_LEN];
	struct scan_answer a;
	struct engine *e;

	(void)state;
	put(folder("px"), "unit.hdb",
	    "44d88612fea8a8f36de82e1278abb02f:68:Win.Test.EICAR_HDB-1\n");
	e = must_open(folder("px"));
	assert_true(engine_info(e)->has_eicar);
	db_eicar_bytes(eicar);
	a = scan_kind(e, SCAN_PREFIX, eicar, sizeof(eicar), NULL);
	assert_true(has(&a, OUTCOME_INFECTED, "Win.Test.EICAR_HDB-1"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
}

/* Some readers complain of a cut object: that is no failure of a prefix. */
static void
test_prefix_cut(void **state)
{
	static const unsigned char xz[] = { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00,
		0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
		0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00,
		0xc7, 0xf5, 0xb1, 0x65, 0x22, 0x4a, 0x58, 0xb7, 0x91, 0xdf,
		0x6a, 0xf1, 0xd8, 0x30, 0x3e, 0x61, 0xcd, 0xc4, 0xbb, 0x86,
		0xc3, 0xd1, 0xc4, 0x27, 0x10, 0x3c, 0x34, 0x4c, 0x41, 0x89,
		0xeb, 0x2f, 0x1e, 0x7b, 0xd5, 0xd4, 0x7e, 0x44, 0x6f, 0xce,
		0xc2, 0xa3, 0xd8, 0x11, 0x73, 0x61, 0x10, 0xe5, 0x78, 0x1b,
		0xcc, 0xce, 0xa6, 0x96, 0x76, 0x2e, 0x61, 0x16, 0xc6, 0xe9,
		0xc9, 0x2d, 0x99, 0xbf, 0x35, 0x8c, 0x2e, 0x07, 0x18, 0x82 };
	struct engine *e = must_open(marker_db("pc", "*"));
	struct scan_answer a;

	(void)state;
	a = scan_kind(e, SCAN_PREFIX, xz, sizeof(xz), NULL);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 0);
	a = scan_kind(e, SCAN_WHOLE, xz, sizeof(xz), NULL);
	assert_int_equal(a.complete, 0);
	engine_close(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix_plain),
		cmocka_unit_test(test_prefix_end_of_file),
		cmocka_unit_test(test_prefix_allow_row),
		cmocka_unit_test(test_prefix_other_kind),
		cmocka_unit_test(test_prefix_hash),
		cmocka_unit_test(test_prefix_cut),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
