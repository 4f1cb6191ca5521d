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
#include "tests/unit/cvd_util.h"
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

/* ---- kinds of signatures and objects ---- */

#define TESTFILES "/usr/share/clamav-testfiles"

/* What is looked for stands only in what the library makes of the object. */
static bool only_in_a_copy;

static struct scan_answer
announced(struct engine *e, const void *p, size_t len, uint64_t whole_len)
{
	struct scan_opts o = default_opts();
	struct scan_answer a = { .complete = 1 }, glance = a;
	struct engine_job job = { .kind = SCAN_PREFIX,
		.data = p,
		.len = len,
		.whole_len = whole_len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	engine_scan(e, &job, &a);
	/* a glance comes to the same end, but for copies */
	o.glance = 1;
	engine_scan(e, &job, &glance);
	assert_int_equal(glance.complete, 1);
	assert_int_equal(glance.final, only_in_a_copy ? 0 : a.final);
	if (glance.final == 1)
		assert_string_equal(
		    glance.findings[0].name, a.findings[0].name);
	return a;
}

/*
 * The prefix is padded up to `at` bytes behind its beginning with lines of
 * text, then `text` follows, up to the cut; `rest` is what comes behind it,
 * NULL: what no text has.
 */
static const struct kind {
	/* the row is what comes before the pattern, it, and what comes after */
	const char *what, *file, *row, *pattern;
	size_t at;
	const char *text, *rest;
	bool hit, final, whole;
} kinds[] = {
	{ "anywhere", "a.ndb", "Kind.Any:0:*:%\n", "anywhere-4711", 100,
	    "anywhere-4711 and more", "rest", true, true, true },
	{ "at an offset from the start", "b.ndb", "Kind.Start:0:0:%\n",
	    "at-the-start-4711", 0, "at-the-start-4711 and more", "rest", true,
	    true, true },
	{ "within a range of offsets", "c.ndb", "Kind.Range:0:50,100:%\n",
	    "within-4711", 100, "within-4711 and more", "rest", true, true,
	    true },
	{ "an offset from the end", "d.ndb", "Kind.End:0:EOF-20:%\n",
	    "from-the-end-4711", 2000, "from-the-end-4711 xx", "rest", true,
	    false, false },
	{ "a range from the end", "e.ndb", "Kind.EndRange:0:EOF-100,90:%\n",
	    "range-at-end-4711", 2000, "range-at-end-4711 xx", "rest", true,
	    false, false },
	{ "a border behind it", "f.ndb", "Kind.Border:0:*:%(B)\n",
	    "border-4711", 2000, "border-4711", "7", true, false, false },
	{ "no border behind it", "g.ndb", "Kind.NoBorder:0:*:%!(B)\n",
	    "inside-4711", 2000, "inside-4711", " ", false, false, false },
	{ "a size", "h.ldb",
	    "Kind.Size;Engine:81-255,FileSize:1000-3000,Target:0;0;%\n",
	    "small-4711", 2000, "small-4711 xx", "rest", true, false, false },
	{ "a negation", "i.ldb",
	    "Kind.Not;Engine:81-255,Target:0;0&(1=0);%;"
	    "72657374206f66206974\n", /* rest of it */
	    "not-4711", 2000, "not-4711 xx", "rest of it", true, false, false },
	{ "a logical one that nothing undoes", "j.ldb",
	    "Kind.Logical;Engine:81-255,Target:0;0;%\n", "logical-4711", 2000,
	    "logical-4711 xx", "rest", true, false, true },
	{ "texts only, and it goes on as none", "k.ndb", "Kind.Text:7:*:%\n",
	    "text-only-4711", 100, "text-only-4711 and more", NULL, true, false,
	    false },
	{ "the same name of a hash", "l.ndb", "Kind.Hash:0:*:%\n",
	    "name-of-hash-4711", 100, "name-of-hash-4711 x", "rest", true,
	    false, true },
	{ "", "l.hdb", "00000000000000000000000000000001:99:Kind.Hash\n", "", 0,
	    NULL, NULL, false, false, false },
	{ "pages", "m.ndb", "Kind.Page:3:*:%\n", "page-4711", 0,
	    "<html><body>PAGE-4711</body>", "</html>", true, true, true },
};

/* The pattern, in hex, stands where the row has a %. */
static void
make_row(char *row, size_t len, const struct kind *k)
{
	const char *at = strchr(k->row, '%');

	if (at == NULL)
		(void)snprintf(row, len, "%s", k->row);
	else
		(void)snprintf(row, len, "%.*s%s%s", (int)(at - k->row), k->row,
		    hex_of(k->pattern, strlen(k->pattern)), at + 1);
}

static const char *
kinds_folder(const char *name)
{
	const char *dir = folder(name);
	char row[1024];

	for (size_t i = 0; i < COUNTOF(kinds); i++) {
		const struct kind *k = &kinds[i];

		make_row(row, sizeof(row), k);
		put(dir, k->file, row);
	}
	return dir;
}

static void
fill(struct buf *b, size_t len)
{
	static const char line[] = "a line of text as there are many\n";

	while (b->len < len)
		assert_int_equal(
		    buf_append(b, &line[b->len % (sizeof(line) - 1)], 1), 0);
}

static void
try_kind(struct engine *e, const struct kind *k)
{
	struct scan_answer a;
	struct buf b;
	size_t cut;

	buf_init(&b, 1 << 20);
	fill(&b, k->at);
	assert_int_equal(buf_append_str(&b, k->text), 0);
	cut = b.len;
	if (k->rest != NULL)
		assert_int_equal(buf_append_str(&b, k->rest), 0);
	while (k->rest == NULL && b.len < 5000)
		assert_int_equal(
		    buf_append(&b, &"\1\0\2\0\3\0\0"[b.len % 7], 1), 0);
	fill(&b, 20000);
	only_in_a_copy = strcmp(k->what, "pages") == 0;
	a = announced(e, b.p, cut, 0);
	only_in_a_copy = false;
	if ((a.nfindings > 0) != k->hit)
		fail_msg("%s: %u findings", k->what, a.nfindings);
	if (a.final != k->final)
		fail_msg("%s: final=%u", k->what, a.final);
	a = scan(e, b.p, b.len);
	assert_int_equal(a.complete, 1);
	if ((a.nfindings > 0) != k->whole)
		fail_msg("%s: %u findings in the whole", k->what, a.nfindings);
	buf_free(&b);
}

static void
test_kinds(void **state)
{
	struct engine *e = must_open(kinds_folder("kinds"));

	(void)state;
	for (size_t i = 0; i < COUNTOF(kinds); i++)
		if (kinds[i].text != NULL)
			try_kind(e, &kinds[i]);
	engine_close(&e);
}

/* ---- objects excepted by their hash ---- */

static void
sha256_row(char *row, size_t len, const void *p, size_t size)
{
	unsigned char digest[HASH_LEN];
	char hex[HASH_HEX_LEN];

	assert_int_equal(hash_once(p, size, digest), 0);
	hash_hex(digest, hex);
	(void)snprintf(row, len, "%s:%zu:excepted\n", hex, size);
}

/* A listed file is clean, so its prefix must not be found for good. */
static void
test_listed(void **state)
{
	char row[160];
	struct engine *e;
	struct scan_answer a;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	fill(&b, 200);
	assert_int_equal(buf_append_str(&b, MARKER), 0);
	fill(&b, 30000);
	(void)marker_db("listed", "*");
	sha256_row(row, sizeof(row), b.p, b.len);
	put(folder("listed"), "x.sfp", row);
	e = must_open(folder("listed"));
	a = scan(e, b.p, b.len);
	assert_true(is_clean(&a));
	/* its size, or none, is announced */
	a = announced(e, b.p, 4096, b.len);
	assert_int_equal(a.nfindings, 1);
	assert_int_equal(a.final, 0);
	a = announced(e, b.p, 4096, 0);
	assert_int_equal(a.final, 0);
	/* another size: it is another file */
	a = announced(e, b.p, 4096, b.len + 1);
	assert_int_equal(a.final, 1);
	engine_close(&e);
	/* a row without a size */
	put(folder("listed"), "y.sfp",
	    "0000000000000000000000000000000000000000000000000000000000000001:"
	    "*:any:73\n");
	e = must_open(folder("listed"));
	a = announced(e, b.p, 4096, b.len + 1);
	assert_int_equal(a.nfindings, 1);
	assert_int_equal(a.final, 0);
	engine_close(&e);
	buf_free(&b);
}

/* Rows inside of containers, as official sets have them. */
static void
test_listed_in_container(void **state)
{
	char ndb[256], path[160];
	struct cvd_file files[] = { { "COPYING", "x" }, { "x.ndb", ndb },
		{ "x.fp", "00000000000000000000000000000001:30000:a\n"
			  "00000000000000000000000000000001:700:b\n" } };
	static const char page[] = "<html><body>" MARKER "</body></html>";
	struct engine *e;
	struct scan_answer a;
	struct buf b;
	FILE *f;

	(void)state;
	(void)snprintf(ndb, sizeof(ndb), "Unit.Marker:0:*:%s\n",
	    hex_of(MARKER, strlen(MARKER)));
	make_cvd(&b, files, COUNTOF(files), true);
	(void)snprintf(path, sizeof(path), "%s/main.cud", folder("packed"));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.len, f), b.len);
	assert_int_equal(fclose(f), 0);
	buf_free(&b);
	e = must_open(folder("packed"));
	a = announced(e, PREFIX_TEXT, strlen(PREFIX_TEXT), 30000);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	a = announced(e, PREFIX_TEXT, strlen(PREFIX_TEXT), 29999);
	assert_int_equal(a.final, 1);
	a = announced(e, page, sizeof(page) - 1, 29999);
	assert_int_equal(a.final, 1);
	a = announced(e, page, sizeof(page) - 1, 0);
	assert_int_equal(a.final, 0);
	engine_close(&e);
	/* a row of the operator's may mean what the library makes of a page */
	put(folder("packed"), "local.fp",
	    "00000000000000000000000000000001:444:c\n");
	e = must_open(folder("packed"));
	a = announced(e, page, sizeof(page) - 1, 29999);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	a = announced(e, PREFIX_TEXT, strlen(PREFIX_TEXT), 29999);
	assert_int_equal(a.final, 1);
	engine_close(&e);
}

/* ---- executables, and objects inside of objects ---- */

static size_t
read_start(const char *path, unsigned char *p, size_t len)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	n = fread(p, 1, len, f);
	(void)fclose(f);
	return n;
}

/* The certificate of a Windows executable, at its end, may clear it. */
static void
test_windows(void **state)
{
	unsigned char p[4096];
	struct engine *e = must_open(marker_db("pe", "*"));
	struct scan_answer a;
	size_t n = read_start(TESTFILES "/clam-petite.exe", p, sizeof(p));

	(void)state;
	memcpy(p + n - 100, MARKER, strlen(MARKER));
	a = announced(e, p, n, 20000);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	engine_close(&e);
}

/* Places that are counted from sections or the entry point of an ELF file. */
static void
test_elf(void **state)
{
	static const char *const where[] = { "EP+0", "S0+0", "SL+0", "SE0" };
	unsigned char p[4096];
	size_t n = read_start("/bin/true", p, sizeof(p));
	struct scan_answer a;
	struct engine *e;
	char row[512];

	(void)state;
	/* its tables are behind the cut: nothing can be counted from them */
	memcpy(p + n - 100, MARKER, strlen(MARKER));
	for (size_t i = 0; i < COUNTOF(where); i++) {
		(void)snprintf(row, sizeof(row), "Unit.Elf:6:%s:%s\n", where[i],
		    hex_of(MARKER, strlen(MARKER)));
		put(folder("elf"), "x.ndb", row);
		e = must_open(folder("elf"));
		a = announced(e, p, n, 20000);
		if (a.final != 0)
			fail_msg("%s is final", where[i]);
		engine_close(&e);
	}
	/* what is found anywhere is there whatever follows */
	e = must_open(marker_db("elf-any", "*"));
	a = announced(e, p, n, 20000);
	assert_int_equal(a.final, 1);
	engine_close(&e);
}

/* The beginning of a gzip stream: one stored block that is not the last. */
static size_t
pack_stored(unsigned char *out, size_t cap, const void *p, size_t len)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0,
		3, 0 };
	size_t n = sizeof(head);

	assert_true(len < 65536 && n + 4 + len <= cap);
	memcpy(out, head, n);
	out[n++] = (unsigned char)(len & 0xff);
	out[n++] = (unsigned char)(len >> 8);
	out[n++] = (unsigned char)(~len & 0xff);
	out[n++] = (unsigned char)(~len >> 8 & 0xff);
	memcpy(out + n, p, len);
	return n + len;
}

/* The end of what was unpacked from a prefix is only where it was cut. */
static void
test_inside(void **state)
{
	struct engine *e = must_open(marker_db("inside", "EOF-900,890"));
	unsigned char packed[4096];
	struct scan_answer a;
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 1 << 20);
	fill(&b, 2000);
	assert_int_equal(buf_append_str(&b, MARKER), 0);
	fill(&b, 2500);
	n = pack_stored(packed, sizeof(packed), b.p, b.len);
	a = announced(e, packed, n, 20000);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_int_equal(a.final, 0);
	buf_free(&b);
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
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_listed_in_container),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_elf),
		cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
