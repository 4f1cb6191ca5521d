/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The engine with the real libclamav and signatures made here: what it finds,
 * and above all that nothing which it could not look into comes out clean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine_db.h"
#include "tests/unit/engine_util.h"

#define TESTFILES "/usr/share/clamav-testfiles"

static void
test_embedded(void **state)
{
	struct engine *e = must_open("embedded");
	unsigned char eicar[DB_EICAR_LEN], other[DB_EICAR_LEN + 10];
	struct scan_answer a;

	(void)state;
	assert_true(engine_info(e)->embedded);
	assert_true(engine_info(e)->has_eicar);
	assert_string_equal(engine_info(e)->database, "embedded");
	db_eicar_bytes(eicar);
	a = scan(e, eicar, sizeof(eicar));
	assert_true(has(&a, OUTCOME_INFECTED, "Eicar-Signature"));
	assert_true(has(&a, OUTCOME_INFECTED, "Win.Test.EICAR_HDB-1"));
	/* not at the start: not EICAR */
	memset(other, 'x', sizeof(other));
	memcpy(other + 10, eicar, sizeof(eicar));
	a = scan(e, other, sizeof(other));
	assert_true(is_clean(&a));
	a = scan(e, "", 0);
	assert_true(is_clean(&a));
	a = scan(e, "abc", 3);
	assert_true(is_clean(&a));
	engine_close(&e);
	assert_null(e);
}

static void
test_eicar_in_zip(void **state)
{
	struct engine *e = must_open("embedded");
	unsigned char eicar[DB_EICAR_LEN];
	struct scan_answer a;
	struct buf zip;

	(void)state;
	db_eicar_bytes(eicar);
	make_zip(&zip, eicar, sizeof(eicar), ZIP_DEFLATED, 1);
	a = scan(e, zip.p, zip.len);
	assert_true(has(&a, OUTCOME_INFECTED, "Eicar-Signature"));
	assert_string_equal(a.type, "ZIP");
	buf_free(&zip);
	engine_close(&e);
}

static void
test_marker_anywhere(void **state)
{
	struct engine *e = must_open(marker_db("any", "*"));
	size_t len = 5 << 20, at[] = { 0, 4096, 100000, 0 };
	char *p = malloc(len);

	(void)state;
	assert_non_null(p);
	assert_false(engine_info(e)->has_eicar);
	assert_string_equal(engine_info(e)->database, "1 file");
	at[3] = len - strlen(MARKER);
	for (size_t i = 0; i < COUNTOF(at); i++) {
		struct scan_answer a;

		memset(p, 'a', len);
		memcpy(p + at[i], MARKER, strlen(MARKER));
		a = scan(e, p, len);
		assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
		assert_int_equal(a.complete, 1);
	}
	free(p);
	engine_close(&e);
}

/* What the operator's .fp row excepts is clean, and only that. */
static void
test_allow_row(void **state)
{
	static const char text[] = "some text, then " MARKER " and the rest\n";
	char row[160];
	struct engine *e;
	struct scan_answer a;

	(void)state;
	(void)marker_db("allow", "*");
	/* a row by SHA-256 goes into an .sfp file */
	{
		unsigned char digest[HASH_LEN];
		char hex[HASH_HEX_LEN];

		assert_int_equal(hash_once(text, sizeof(text) - 1, digest), 0);
		hash_hex(digest, hex);
		(void)snprintf(row, sizeof(row), "%s:%zu:excepted\n", hex,
		    sizeof(text) - 1);
	}
	put(folder("allow"), "unit.sfp", row);
	e = must_open(folder("allow"));
	a = scan(e, text, sizeof(text) - 1);
	assert_true(is_clean(&a));
	a = scan(e, text, sizeof(text) - 2);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	engine_close(&e);
}

/* More than the library can count: never handed over, never clean. */
static void
test_over_2_gib(void **state)
{
	struct engine *e = must_open(marker_db("huge", "*"));
	struct scan_opts o = default_opts();
	size_t len = ((size_t)1 << 31) + 1000;
	char *p = mmap(NULL, len, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct scan_answer a;

	(void)state;
	assert_true(p != MAP_FAILED);
	o.max_file_size = o.max_scan_size = 0; /* no limit of the operator's */
	for (size_t less = 0; less < 3000; less += 999) {
		a = scan_kind(e, SCAN_WHOLE, p, len - less, &o);
		assert_int_equal(a.complete, 0);
		assert_int_equal(a.reason, OUTCOME_TOO_LARGE);
		if (less == 999)
			break;
	}
	/* with one, that counts */
	o.max_file_size = o.max_scan_size = (uint64_t)1 << 30;
	a = scan_kind(e, SCAN_WHOLE, p, (size_t)1 << 30 | 1, &o);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	(void)munmap(p, len);
	engine_close(&e);
}

static void
test_digest(void **state)
{
	struct engine *a = must_open(marker_db("d1", "*"));
	struct engine *b = must_open(marker_db("d2", "*"));
	struct engine *c = must_open(marker_db("d3", "0"));

	(void)state;
	assert_memory_equal(
	    engine_info(a)->digest, engine_info(b)->digest, HASH_LEN);
	assert_memory_not_equal(
	    engine_info(a)->digest, engine_info(c)->digest, HASH_LEN);
	engine_close(&a);
	engine_close(&b);
	engine_close(&c);
}

static void
refused(const char *database, uint64_t min, const char *word)
{
	char err[512] = "";
	struct engine *e = open_db(database, min, err, sizeof(err));

	assert_null(e);
	if (strstr(err, word) == NULL)
		fail_msg("'%s' is not in: %s", word, err);
}

static void
test_refused(void **state)
{
	(void)state;
	refused("/nonexistent/database", 1, "No such file");
	refused(folder("empty"), 1, "No supported database files");
	put(folder("yara"), "bad.yar", "rule x { strings: $a = condition }\n");
	refused(folder("yara"), 1, "0 signatures");
	put(folder("bad"), "bad.ndb", "this is no signature\n");
	refused(folder("bad"), 1, "do not load");
	refused(marker_db("few", "*"), 2, "gave 1 signatures");
	refused("embedded", 1000, "fewer than MinSignatures");
}

/* Objects that make libclamav write temporary files. */
static void
never_clean(struct engine *e, const char *why)
{
	unsigned char eicar[DB_EICAR_LEN];
	char *big = malloc(1 << 20);
	struct scan_answer a;
	struct buf zip;

	assert_non_null(big);
	memset(big, 'a', 1 << 20);
	db_eicar_bytes(eicar);
	make_zip(&zip, eicar, sizeof(eicar), 0, 1);
	a = scan(e, zip.p, zip.len);
	if (is_clean(&a))
		fail_msg("zip is clean: %s", why);
	buf_free(&zip);
	memcpy(big + (1 << 20) - strlen(MARKER), MARKER, strlen(MARKER));
	make_zip(&zip, big, 1 << 20, ZIP_DEFLATED, 1);
	a = scan(e, zip.p, zip.len);
	if (is_clean(&a))
		fail_msg("deflated zip is clean: %s", why);
	buf_free(&zip);
	free(big);
}

static void
test_temp_dir_unusable(void **state)
{
	struct engine *e = must_open(marker_db("td", "*"));
	char gone[128], file[128];

	(void)state;
	(void)snprintf(gone, sizeof(gone), "%s/gone", root);
	assert_int_equal(engine_enter_worker(e, gone, TEMP_MAX), 0);
	never_clean(e, "no temporary folder");
	put(root, "a-file", "");
	(void)snprintf(file, sizeof(file), "%s/a-file", root);
	assert_int_equal(engine_enter_worker(e, file, TEMP_MAX), 0);
	never_clean(e, "the temporary folder is a file");
	if (geteuid() != 0) {
		assert_int_equal(chmod(folder("ro"), 0500), 0);
		assert_int_equal(
		    engine_enter_worker(e, folder("ro"), TEMP_MAX), 0);
		never_clean(e, "unwritable");
	}
	/* and it works again where it can */
	assert_int_equal(engine_enter_worker(e, folder("work"), TEMP_MAX), 0);
	{
		struct scan_answer a = scan(e, "harmless", 8);

		assert_true(is_clean(&a));
	}
	engine_close(&e);
}

static struct timespec
changed(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	return st.st_mtim;
}

static int
entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	assert_int_equal(closedir(d), 0);
	return n;
}

/* A folder for each scan, where there is something to put into it. */
static void
test_temp_folder_when_needed(void **state)
{
	static const char page[] = "<html><head><title>x</title></head>"
				   "<body><p>some text</p></body></html>";
	struct engine *e = must_open(marker_db("tn", "*"));
	struct timespec before, after;
	struct scan_answer a;
	int had;

	(void)state;
	had = entries(folder("work"));
	before = changed(folder("work"));
	a = scan(e, "harmless", 8);
	assert_true(is_clean(&a));
	after = changed(folder("work"));
	assert_memory_equal(&before, &after, sizeof(before));
	a = scan(e, page, sizeof(page) - 1);
	assert_true(is_clean(&a));
	after = changed(folder("work"));
	assert_memory_not_equal(&before, &after, sizeof(before));
	assert_int_equal(entries(folder("work")), had);
	engine_close(&e);
}

static void
test_temp_dir_full(void **state)
{
	struct engine *e;
	const char *dir = folder("full");
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", dir);
	if (mount("tmpfs", path, "tmpfs", 0, "size=64k") != 0) {
		print_message("skipped: cannot mount a tmpfs\n");
		skip();
	}
	e = must_open(marker_db("tf", "*"));
	assert_int_equal(engine_enter_worker(e, path, TEMP_MAX), 0);
	{
		char *big = malloc(1 << 20);
		struct scan_answer a;
		struct buf zip;

		assert_non_null(big);
		memset(big, 'a', 1 << 20);
		make_zip(&zip, big, 1 << 20, ZIP_DEFLATED, 1);
		a = scan(e, zip.p, zip.len);
		assert_int_equal(a.complete, 0);
		assert_int_equal(a.reason, OUTCOME_FAILED);
		buf_free(&zip);
		free(big);
	}
	engine_close(&e);
	assert_int_equal(umount(path), 0);
}

static void
limit_is(struct scan_answer a, enum outcome reason, const char *what)
{
	if (a.complete != 0 || a.reason != (uint32_t)reason)
		fail_msg("%s: complete=%u reason=%u text=%s", what, a.complete,
		    a.reason, a.text);
}

static void
test_limits(void **state)
{
	struct engine *e = must_open("embedded");
	struct scan_opts o = default_opts();
	char *big = calloc(1, 3 << 20);
	struct buf zip, nested;

	(void)state;
	assert_non_null(big);
	o.max_file_size = 1 << 20;
	limit_is(scan_kind(e, SCAN_WHOLE, big, 3 << 20, &o), OUTCOME_LIMIT,
	    "object over MaxFileSize");
	make_zip(&zip, big, 3 << 20, ZIP_DEFLATED, 1);
	limit_is(scan_kind(e, SCAN_WHOLE, zip.p, zip.len, &o), OUTCOME_LIMIT,
	    "member over MaxFileSize");
	o = default_opts();
	o.max_scan_size = 2 << 20;
	limit_is(scan_kind(e, SCAN_WHOLE, zip.p, zip.len, &o), OUTCOME_LIMIT,
	    "member over MaxScanSize");
	buf_free(&zip);
	make_zip(&zip, "some text in it\n", 16, 0, 50);
	o = default_opts();
	o.max_files = 20;
	limit_is(scan_kind(e, SCAN_WHOLE, zip.p, zip.len, &o), OUTCOME_LIMIT,
	    "MaxFiles");
	o = default_opts();
	o.max_recursion = 3;
	for (int i = 0; i < 5; i++) {
		make_zip(&nested, zip.p, zip.len, 0, 1);
		buf_free(&zip);
		zip = nested;
	}
	limit_is(scan_kind(e, SCAN_WHOLE, zip.p, zip.len, &o), OUTCOME_LIMIT,
	    "MaxRecursion");
	{
		/* the limits of one scan are gone in the next */
		struct scan_answer a = scan(e, zip.p, zip.len);

		assert_true(is_clean(&a));
	}
	buf_free(&zip);
	free(big);
	engine_close(&e);
}

static void
test_timeout(void **state)
{
	struct engine *e = must_open("embedded");
	struct scan_opts o = default_opts();
	struct scan_answer a = { .complete = 1 };
	size_t len = 64 << 20;
	char *p = malloc(len);
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = p,
		.len = len,
		.opts = &o,
		.budget_us = 2000,
		.part = "" };

	(void)state;
	assert_non_null(p);
	memset(p, 'q', len);
	engine_scan(e, &job, &a);
	limit_is(a, OUTCOME_TIMEOUT, "MaxScanTime");
	free(p);
	engine_close(&e);
}

static void
test_encrypted(void **state)
{
	struct engine *e = must_open("embedded");
	char noise[100];
	struct scan_answer a;
	struct buf zip;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 37 + 11);
	make_zip(&zip, noise, sizeof(noise), ZIP_ENCRYPTED, 1);
	a = scan(e, zip.p, zip.len);
	assert_true(has(&a, OUTCOME_ENCRYPTED, "Heuristics.Encrypted.Zip"));
	buf_free(&zip);
	engine_close(&e);
}

static char *
slurp(const char *dir, const char *name, size_t *len)
{
	char path[512], *p;
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	p = malloc(*len + 1);
	assert_non_null(p);
	assert_int_equal(read(fd, p, *len), st.st_size);
	assert_int_equal(close(fd), 0);
	return p;
}

static struct engine *
open_clam_db(void)
{
	put(folder("clam"), "clam.hdb",
	    "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n");
	return must_open(folder("clam"));
}

/* Calls one for every test file of ClamAV; how many it said yes to. */
static unsigned int
each_testfile(struct engine *e, bool (*one)(const struct scan_answer *a),
    unsigned int *seen)
{
	DIR *d = opendir(TESTFILES);
	struct dirent *entry;
	unsigned int yes = 0;

	*seen = 0;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		size_t len = 0;
		struct scan_answer a;
		char *p;

		if (entry->d_name[0] == '.')
			continue;
		p = slurp(TESTFILES, entry->d_name, &len);
		assert_non_null(p);
		a = scan(e, p, len);
		(*seen)++;
		if (one(&a))
			yes++;
		else
			print_message("%s: type=%s complete=%u %s\n",
			    entry->d_name, a.type, a.complete, a.text);
		free(p);
	}
	if (d != NULL)
		(void)closedir(d);
	return yes;
}

static bool
is_found(const struct scan_answer *a)
{
	return has(a, OUTCOME_INFECTED, "ClamAV-Test-File");
}

static bool
is_not_clean(const struct scan_answer *a)
{
	return !is_clean(a);
}

static bool
is_whole(const struct scan_answer *a)
{
	return a->complete == 1 || a->reason == OUTCOME_LIMIT;
}

static void
test_testfiles(void **state)
{
	struct engine *e = open_clam_db();
	unsigned int seen, n = each_testfile(e, is_found, &seen);

	(void)state;
	engine_close(&e);
	if (seen == 0) {
		print_message("skipped: no clamav-testfiles\n");
		skip();
	}
	assert_int_equal(n, seen);
	/* no false alarm of ours where nothing is found */
	e = must_open("embedded");
	n = each_testfile(e, is_whole, &seen);
	assert_int_equal(n, seen);
	engine_close(&e);
}

static void
none_is_clean(struct engine *e, const char *dir)
{
	unsigned int seen, n;

	assert_int_equal(engine_enter_worker(e, dir, TEMP_MAX), 0);
	n = each_testfile(e, is_not_clean, &seen);
	assert_int_equal(n, seen);
}

/* A temporary folder with hardly any room, and one that is not there. */
static void
test_testfiles_without_space(void **state)
{
	static const char *const sizes[] = { "size=4k", "size=8k", "size=16k",
		"size=64k", "nr_inodes=3" };
	struct engine *e = open_clam_db();
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/gone", root);
	none_is_clean(e, path);
	(void)snprintf(path, sizeof(path), "%s", folder("small"));
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		if (mount("tmpfs", path, "tmpfs", 0, sizes[i]) != 0) {
			print_message("skipped: cannot mount a tmpfs\n");
			break;
		}
		none_is_clean(e, path);
		assert_int_equal(umount(path), 0);
	}
	engine_close(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_eicar_in_zip),
		cmocka_unit_test(test_marker_anywhere),
		cmocka_unit_test(test_allow_row),
		cmocka_unit_test(test_over_2_gib),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_temp_dir_unusable),
		cmocka_unit_test(test_temp_folder_when_needed),
		cmocka_unit_test(test_temp_dir_full),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_testfiles),
		cmocka_unit_test(test_testfiles_without_space),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
