/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Every setting of a scan reaches libclamav: where a small object shows it, by
 * what is found with and without it; all of them by what the library is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/engine_flags.h"
#include "tests/unit/cfb_util.h"
#include "tests/unit/engine_util.h"

#define TESTFILES "/usr/share/clamav-testfiles"
#define ALL_OFF ((uint64_t)0)

static struct engine *e;

/* The signatures of all tests: what they look for is made below. */
static int
open_engine(void **state)
{
	const char *dir;
	char row[8192];

	if (make_root(state) != 0)
		return -1;
	dir = marker_db("options", "*");
	put(dir, "clam.hdb",
	    "aa15bcf478d165efd2065190eb473bcb:544:Unit.Clam\n");
	(void)snprintf(row, sizeof(row), "Unit.Html:3:*:%s\n",
	    hex_of("<unit-tag>hidden", 16));
	put(dir, "html.ndb", row);
	(void)snprintf(row, sizeof(row), "Unit.NoTags:3:*:%s\n",
	    hex_of("joined without tags", 19));
	put(dir, "notags.ndb", row);
	(void)snprintf(row, sizeof(row), "Unit.Text:7:*:%s\n",
	    hex_of("text in lower case", 18));
	put(dir, "text.ndb", row);
	(void)snprintf(row, sizeof(row),
	    "Unit.Pcre;Engine:81-255,Target:0;0&1;%s;0/unit-[0-9]{4}-pcre/\n",
	    hex_of("pcre-trigger", 12));
	put(dir, "pcre.ldb", row);
	put(dir, "phish.pdb", "H:bank.example\n");
	e = must_open(dir);
	return 0;
}

static int
close_engine(void **state)
{
	engine_close(&e);
	return remove_root(state);
}

/* ---- objects ---- */

static struct buf
object(const void *p, size_t len)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	assert_int_equal(buf_append(&b, p, len), 0);
	return b;
}

static struct buf
text(const char *s)
{
	return object(s, strlen(s));
}

static void
add(struct buf *b, const void *p, size_t len)
{
	assert_int_equal(buf_append(b, p, len), 0);
}

static void
add_zeros(struct buf *b, size_t len)
{
	while (len-- > 0)
		add(b, "", 1);
}

static struct buf
testfile(const char *name, size_t cut)
{
	static char data[2 << 20];
	char path[160];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", TESTFILES, name);
	f = fopen(path, "r");
	if (f == NULL) {
		print_message("skipped: no %s\n", path);
		skip();
	}
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	return object(data, cut != 0 && cut < n ? cut : n);
}

static struct buf
zipped(void)
{
	struct buf b;

	make_zip(&b, MARKER, strlen(MARKER), ZIP_DEFLATED, 1);
	return b;
}

static struct buf
encrypted_zip(void)
{
	struct buf b;

	make_zip(&b, "0123456789abcdef", 16, ZIP_ENCRYPTED, 1);
	return b;
}

static struct buf
html(void)
{
	return text("<html><body><UNIT-TAG>hid&#100;en</body></html>\n");
}

static struct buf
html_tags(void)
{
	return text("<html><body>joined <b>without</b> tags</body></html>\n");
}

static struct buf
script(void)
{
	return text("some TEXT   in\tLOWER    case, and more of it\n");
}

static struct buf
mail(void)
{
	return text("From: a@example.org\r\nTo: b@example.org\r\n"
		    "Subject: x\r\nMIME-Version: 1.0\r\n"
		    "Content-Type: application/octet-stream\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n"
		    "dW5pdC10ZXN0LW1hcmtlci00NzEx\r\n");
}

static struct buf
xml_document(void)
{
	return text(
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<?mso-application progid=\"Word.Document\"?>\n"
	    "<w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/"
	    "word/2003/wordml\"><w:body><w:binData w:name=\"x.bin\">"
	    "dW5pdC10ZXN0LW1hcmtlci00NzEx\n</w:binData></w:body>"
	    "</w:wordDocument>\n");
}

static struct buf
flash(void)
{
	char movie[256] = "";
	unsigned char packed[512];
	uLongf n = sizeof(packed);
	struct buf b = object("CWS\x06", 4);
	uint32_t len = 8 + sizeof(movie);

	memcpy(movie + 100, MARKER, strlen(MARKER));
	assert_int_equal(
	    compress(packed, &n, (const Bytef *)movie, sizeof(movie)), Z_OK);
	add(&b, &len, 4); /* little endian, as the tests' machines are */
	add(&b, packed, n);
	return b;
}

static struct buf
cut_elf(void)
{
	static char data[4096];
	FILE *f = fopen("/bin/sh", "r");
	size_t n;

	assert_non_null(f);
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	return object(data, n);
}

static struct buf
cut_pe(void)
{
	return testfile("clam-upx.exe", 700);
}

static struct buf
cut_png(void)
{
	static const unsigned char png[] =
	    "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\0\0\0\0"
	    "\x3a\x98\xa0\xbd\0\0\x10\0IDATxxxxxxxx";

	return object(png, sizeof(png) - 1);
}

/* An animated cursor whose header has the wrong size (MS05-002). */
static struct buf
cursor(void)
{
	struct buf b = object("RIFF\x80\0\0\0ACONanih\x40\0\0\0", 20);

	add_zeros(&b, 0x80);
	return b;
}

static struct buf
cards(void)
{
	return text("name, number\na, 4111 1111 1111 1111\n"
		    "b, 5500 0000 0000 0004\nc, 4012 8888 8888 1881\n"
		    "d, 5555 5555 5555 4444\n");
}

static struct buf
numbers(void)
{
	return text("name, number\na, 123-45-6789\nb, 234-56-7891\n"
		    "c, 345-67-8912\nd, 456-78-9123\n");
}

static struct buf
stripped(void)
{
	return text("name, number\na, 123456789\nb, 234567891\n"
		    "c, 345678912\nd, 456789123\n");
}

static struct buf
embedded_pe(void)
{
	struct buf exe = testfile("clam.exe", 0), b;

	buf_init(&b, 4096);
	add_zeros(&b, 512);
	add(&b, exe.p, exe.len);
	buf_free(&exe);
	return b;
}

static struct buf
pcre(void)
{
	struct buf b = text("unit-1234-pcre and a pcre-trigger");

	add_zeros(&b, 2000);
	return b;
}

static struct buf
cloaked(void)
{
	return text(
	    "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
	    "<html><body><a href=\"http://www.shop.example%01@evil.example/\">"
	    "http://www.shop.example</a></body></html>\r\n");
}

static struct buf
mismatch(void)
{
	return text("From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n"
		    "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
		    "<html><body><a href=\"http://www.shop.example/\">"
		    "https://www.shop.example</a></body></html>\r\n");
}

static struct buf
macros(void)
{
	/* BOF of a workbook, a sheet of macros, EOF */
	static const char book[] = "\x09\x08\x10\0\0\x06\x05\0\0\0\0\0\0\0"
				   "\0\0\0\0\0\0"
				   "\x85\0\x0c\0\0\x10\0\0\0\x01\x04\0Mac1"
				   "\x0a\0\0\0";
	struct cfb_stream s = { "Workbook", book, sizeof(book) - 1 };
	struct buf b;

	make_cfb(&b, &s, 1);
	return b;
}

static struct buf
ole2(void)
{
	return testfile("clam.ole.doc", 0);
}

static struct buf
pdf(void)
{
	return testfile("clam.pdf", 0);
}

/* A boot sector with two partitions over each other. */
static struct buf
disk(void)
{
	unsigned char s[512] = "\xeb\x3c\x90", *p = s + 446;
	struct buf b;

	for (size_t i = 0; i < 2; i++, p += 16) {
		p[4] = 0x0b;
		p[8] = (unsigned char)(1 + i);
		p[12] = 8;
	}
	s[510] = 0x55;
	s[511] = 0xaa;
	b = object(s, sizeof(s));
	add_zeros(&b, (size_t)40 * 512);
	return b;
}

/* ---- switches ---- */

/* With the bits of `with`, and that of the row, the name is found. */
static const struct row {
	const char *what;
	uint64_t bit, with;
	struct buf (*make)(void);
	enum outcome outcome;
	const char *name;
} rows[] = {
	{ "HeuristicAlerts", SCAN_BIT(heuristic_alerts), ALL_OFF, cursor,
	    OUTCOME_INFECTED, "Heuristics.Exploit.W32.MS05-002" },
	{ "ScanArchive", SCAN_BIT(scan_archive), ALL_OFF, zipped,
	    OUTCOME_INFECTED, "Unit.Marker" },
	{ "ScanHTML", SCAN_BIT(scan_html), ALL_OFF, html, OUTCOME_INFECTED,
	    "Unit.Html" },
	{ "ScanMail", SCAN_BIT(scan_mail), ALL_OFF, mail, OUTCOME_INFECTED,
	    "Unit.Marker" },
	{ "ScanXMLDOCS", SCAN_BIT(scan_xmldocs), ALL_OFF, xml_document,
	    OUTCOME_INFECTED, "Unit.Marker" },
	{ "ScanSWF", SCAN_BIT(scan_swf), ALL_OFF, flash, OUTCOME_INFECTED,
	    "Unit.Marker" },
	{ "ScanPDF", SCAN_BIT(scan_pdf), ALL_OFF, pdf, OUTCOME_INFECTED,
	    "Unit.Clam" },
	{ "ScanOLE2", SCAN_BIT(scan_ole2), ALL_OFF, ole2, OUTCOME_INFECTED,
	    "Unit.Clam" },
	{ "ScanELF", SCAN_BIT(scan_elf), SCAN_BIT(alert_broken_executables),
	    cut_elf, OUTCOME_SUSPICIOUS, "Heuristics.Broken.Executable" },
	{ "ScanPE", SCAN_BIT(scan_pe), SCAN_BIT(alert_broken_executables),
	    cut_pe, OUTCOME_SUSPICIOUS, "Heuristics.Broken.Executable" },
	{ "ScanImage", SCAN_BIT(scan_image),
	    SCAN_BIT(alert_broken_media) | SCAN_BIT(heuristic_alerts), cut_png,
	    OUTCOME_SUSPICIOUS, "Heuristics.Broken.Media.PNG" },
	{ "AlertBrokenExecutables", SCAN_BIT(alert_broken_executables),
	    SCAN_BIT(scan_pe), cut_pe, OUTCOME_SUSPICIOUS,
	    "Heuristics.Broken.Executable" },
	{ "AlertBrokenMedia", SCAN_BIT(alert_broken_media),
	    SCAN_BIT(scan_image) | SCAN_BIT(heuristic_alerts), cut_png,
	    OUTCOME_SUSPICIOUS, "Heuristics.Broken.Media.PNG" },
	{ "AlertEncrypted", SCAN_BIT(alert_encrypted), SCAN_BIT(scan_archive),
	    encrypted_zip, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.Zip" },
	{ "AlertEncryptedArchive", SCAN_BIT(alert_encrypted_archive),
	    SCAN_BIT(scan_archive), encrypted_zip, OUTCOME_ENCRYPTED,
	    "Heuristics.Encrypted.Zip" },
	{ "AlertOLE2Macros", SCAN_BIT(alert_ole2_macros), SCAN_BIT(scan_ole2),
	    macros, OUTCOME_SUSPICIOUS, "Heuristics.OLE2.ContainsMacros" },
	{ "AlertPartitionIntersection", SCAN_BIT(alert_partition_intersection),
	    SCAN_BIT(scan_archive), disk, OUTCOME_SUSPICIOUS,
	    "Heuristics.MBRPartition" },
	{ "AlertPhishingCloak", SCAN_BIT(alert_phishing_cloak),
	    SCAN_BIT(scan_mail) | SCAN_BIT(scan_html) |
		SCAN_BIT(heuristic_alerts),
	    cloaked, OUTCOME_SUSPICIOUS, "Heuristics.Phishing.Email.Cloaked" },
	{ "AlertPhishingSSLMismatch", SCAN_BIT(alert_phishing_ssl_mismatch),
	    SCAN_BIT(scan_mail) | SCAN_BIT(scan_html) |
		SCAN_BIT(heuristic_alerts),
	    mismatch, OUTCOME_SUSPICIOUS, "Heuristics.Phishing.Email.SSL" },
	{ "StructuredDataDetection", SCAN_BIT(structured_data_detection),
	    SCAN_BIT(heuristic_alerts), cards, OUTCOME_SUSPICIOUS,
	    "Heuristics.Structured.CreditCardNumber" },
	{ "StructuredSSNFormatNormal", SCAN_BIT(structured_ssn_normal),
	    SCAN_BIT(structured_data_detection) | SCAN_BIT(heuristic_alerts),
	    numbers, OUTCOME_SUSPICIOUS, "Heuristics.Structured.SSN" },
	{ "StructuredSSNFormatStripped", SCAN_BIT(structured_ssn_stripped),
	    SCAN_BIT(structured_data_detection) | SCAN_BIT(heuristic_alerts),
	    stripped, OUTCOME_SUSPICIOUS, "Heuristics.Structured.SSN" },
};

static bool
finds(const struct row *r, uint64_t switches)
{
	struct buf b = r->make();
	struct scan_opts o = default_opts();
	struct scan_answer a;
	bool found;

	o.switches = switches;
	o.numbers[SCAN_NUMBER_structured_min_cc_count] = 3;
	o.numbers[SCAN_NUMBER_structured_min_ssn_count] = 3;
	a = scan_kind(e, SCAN_WHOLE, b.p, b.len, &o);
	found = has(&a, r->outcome, r->name);
	if (a.complete != 1)
		fail_msg("%s: %s", r->what, a.text);
	buf_free(&b);
	return found;
}

static void
test_switches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct row *r = &rows[i];

		if (!finds(r, r->with | r->bit))
			fail_msg("%s yes: nothing found", r->what);
		if (finds(r, r->with))
			fail_msg("%s no: found all the same", r->what);
		if (r->bit != SCAN_BIT(alert_encrypted) &&
		    r->bit != SCAN_BIT(alert_encrypted_archive) &&
		    finds(r, ~r->bit))
			fail_msg("%s no, all else yes: found", r->what);
	}
}

/* ---- numbers ---- */

/* With the number at its largest the name is found, with `small` not. */
static const struct {
	const char *what;
	enum scan_number number;
	uint64_t small;
	struct buf (*make)(void);
	const char *name;
	bool limit; /* with `small` it is not complete */
} number_rows[] = {
	{ "MaxHTMLNormalize", SCAN_NUMBER_max_html_normalize, 30, html,
	    "Unit.Html", true },
	{ "MaxHTMLNoTags", SCAN_NUMBER_max_html_notags, 10, html_tags,
	    "Unit.NoTags", true },
	{ "MaxScriptNormalize", SCAN_NUMBER_max_script_normalize, 30, script,
	    "Unit.Text", true },
	{ "MaxEmbeddedPE", SCAN_NUMBER_max_embedded_pe, 100, embedded_pe,
	    "Unit.Clam", false },
	{ "PCREMaxFileSize", SCAN_NUMBER_pcre_max_file_size, 1000, pcre,
	    "Unit.Pcre", false },
};

static void
test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(number_rows); i++) {
		struct scan_opts o = default_opts();
		struct buf b = number_rows[i].make();
		struct scan_answer a;

		a = scan_kind(e, SCAN_WHOLE, b.p, b.len, &o);
		if (!has(&a, OUTCOME_INFECTED, number_rows[i].name))
			fail_msg("%s large: not found", number_rows[i].what);
		assert_int_equal(a.complete, 1);
		o.numbers[number_rows[i].number] = number_rows[i].small;
		a = scan_kind(e, SCAN_WHOLE, b.p, b.len, &o);
		if (has(&a, OUTCOME_INFECTED, number_rows[i].name))
			fail_msg("%s small: found", number_rows[i].what);
		assert_int_equal(a.complete, !number_rows[i].limit);
		if (number_rows[i].limit)
			assert_int_equal(a.reason, OUTCOME_LIMIT);
		buf_free(&b);
	}
}

static void
test_counts(void **state)
{
	struct buf b = cards(), n = numbers();
	struct scan_opts o = default_opts();
	struct scan_answer a;

	(void)state;
	o.switches |= SCAN_BIT(structured_data_detection) |
		      SCAN_BIT(structured_ssn_normal);
	for (uint64_t count = 4; count <= 5; count++) {
		o.numbers[SCAN_NUMBER_structured_min_cc_count] = count;
		o.numbers[SCAN_NUMBER_structured_min_ssn_count] = count;
		a = scan_kind(e, SCAN_WHOLE, b.p, b.len, &o);
		assert_int_equal(has(&a, OUTCOME_SUSPICIOUS,
				     "Heuristics.Structured.CreditCard"),
		    count == 4);
		a = scan_kind(e, SCAN_WHOLE, n.p, n.len, &o);
		assert_int_equal(
		    has(&a, OUTCOME_SUSPICIOUS, "Heuristics.Structured.SSN"),
		    count == 4);
	}
	buf_free(&b);
	buf_free(&n);
}

/* ---- what the library is told ---- */

static struct cl_scan_options
options_of(uint64_t switches, enum scan_kind kind)
{
	struct scan_opts o = { .switches = switches };
	struct cl_scan_options out;

	engine_flags_options(&o, kind, &out);
	return out;
}

/* Each switch turns on its own flags and no others. */
static void
test_flags(void **state)
{
	struct cl_scan_options none = options_of(0, SCAN_WHOLE), o;

	(void)state;
	assert_int_equal(none.general, CL_SCAN_GENERAL_ALLMATCHES);
	assert_int_equal(none.parse, 0);
	assert_int_equal(none.heuristic, CL_SCAN_HEURISTIC_EXCEEDS_MAX);
	assert_int_equal(none.mail, 0);
	assert_int_equal(none.dev, 0);
#define SCAN_SWITCH(field, word, flags) \
	o = options_of(SCAN_BIT(field), SCAN_WHOLE); \
	assert_int_equal(o.word, none.word | (flags)); \
	assert_true((none.word & (flags)) == 0); \
	o.word = none.word; \
	assert_memory_equal(&o, &none, sizeof(o));
#include "base/scan_opts.def"
	/* every way in which the library can look into something is offered */
	o = options_of(~(uint64_t)0, SCAN_WHOLE);
	assert_int_equal(o.parse, 0x1fff);
	assert_int_equal(o.heuristic, 0x3ffe);
	assert_int_equal(o.general & CL_SCAN_GENERAL_COLLECT_METADATA, 0);
}

static void
test_prefix_flags(void **state)
{
	struct cl_scan_options whole = options_of(~(uint64_t)0, SCAN_WHOLE);
	struct cl_scan_options o = options_of(~(uint64_t)0, SCAN_PREFIX);

	(void)state;
	assert_int_equal(o.general, whole.general);
	assert_int_equal(o.parse, whole.parse);
	assert_int_equal(o.heuristic,
	    CL_SCAN_HEURISTIC_MACROS | CL_SCAN_HEURISTIC_PHISHING_CLOAK |
		CL_SCAN_HEURISTIC_PHISHING_SSL_MISMATCH);
}

/* What is set is read back; 0 and too much are the largest. */
static void
test_settings(void **state)
{
	struct cl_engine *cl = cl_engine_new();
	struct scan_opts o = { 0 }, have = { 0 };
	int err;

	(void)state;
	assert_non_null(cl);
	for (uint64_t base = 1; base < 40; base += 13) {
		for (size_t i = 0; i < SCAN_NNUMBERS; i++)
			o.numbers[i] = base + i;
		assert_int_equal(engine_flags_numbers(cl, &o, &have), 0);
#define SCAN_NUMBER(field, setting, max) \
	assert_int_equal(cl_engine_get_num(cl, CL_ENGINE_##setting, &err), \
	    base + SCAN_NUMBER_##field);
#include "base/scan_opts.def"
	}
	for (size_t i = 0; i < SCAN_NNUMBERS; i++)
		o.numbers[i] = i % 2 == 0 ? 0 : UINT64_MAX;
	assert_int_equal(engine_flags_numbers(cl, &o, &have), 0);
#define SCAN_NUMBER(field, setting, max) \
	assert_int_equal(cl_engine_get_num(cl, CL_ENGINE_##setting, &err), max);
#include "base/scan_opts.def"
	assert_int_equal(cl_engine_free(cl), CL_SUCCESS);
}

/* ---- what is decided when signatures are loaded ---- */

static uint32_t
count(const struct engine_load *with)
{
	struct engine_load load = *with;
	char err[512] = "";
	struct engine *x;
	uint32_t n;

	load.database = folder("loading");
	load.temp_dir = folder("load");
	x = engine_open(&load, err, sizeof(err));
	if (x == NULL)
		fail_msg("%s", err);
	n = engine_info(x)->signatures;
	engine_close(&x);
	return n;
}

static void
test_loading(void **state)
{
	const char *dir = folder("loading");

	(void)state;
	put(dir, "a.ndb", "Unit.A:0:*:4142434445464748\n");
	put(dir, "b.ndu",
	    "PUA.Win.Tool-1:0:*:4142434445464749\n"
	    "PUA.Win.Tool-2:0:*:414243444546474a\n"
	    "PUA.Andr.Tool-3:0:*:414243444546474b\n");
	put(dir, "c.ndb",
	    "HTML.Phishing.Unit-1:3:*:414243444546474c\n"
	    "Email.Phishing.Unit-2:4:*:414243444546474d\n");
	assert_int_equal(count(&(struct engine_load){ 0 }), 3);
	assert_int_equal(count(&(struct engine_load){ .pua = true }), 6);
	assert_int_equal(
	    count(&(struct engine_load){ .pua = true, .pua_include = ".Win." }),
	    5);
	assert_int_equal(
	    count(&(struct engine_load){ .pua = true, .pua_exclude = ".Win." }),
	    4);
	assert_int_equal(
	    count(&(struct engine_load){ .pua_include = ".Win." }), 3);
	assert_int_equal(
	    count(&(struct engine_load){ .no_phishing_signatures = true }), 1);
	/* settings that show only in the library's own messages */
	assert_int_equal(count(&(struct engine_load){ .no_bytecode = true,
			     .bytecode_unsigned = true,
			     .no_phishing_urls = true,
			     .no_cert_check = true,
			     .pcre_match_limit = 5,
			     .pcre_recmatch_limit = 5,
			     .bytecode_timeout_ms = 5 }),
	    3);
	assert_int_equal(
	    count(&(struct engine_load){ .bytecode_paranoid = true }), 3);
}

static bool
phished(bool no_urls)
{
	struct engine_load load = { .database = folder("options"),
		.temp_dir = folder("load"),
		.no_phishing_urls = no_urls };
	struct scan_opts o = default_opts();
	struct buf b =
	    text("From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n"
		 "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
		 "<html><body><a href=\"http://evil.example/\">"
		 "http://www.bank.example</a></body></html>\r\n");
	char err[512] = "";
	struct engine *x = engine_open(&load, err, sizeof(err));
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = b.p,
		.len = b.len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	assert_non_null(x);
	engine_scan(x, &job, &a);
	buf_free(&b);
	engine_close(&x);
	return has(&a, OUTCOME_SUSPICIOUS, "Heuristics.Phishing.");
}

static void
test_phishing_urls(void **state)
{
	(void)state;
	assert_true(phished(false));
	assert_false(phished(true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_prefix_flags),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_loading),
		cmocka_unit_test(test_phishing_urls),
	};

	return cmocka_run_group_tests(tests, open_engine, close_engine);
}
