/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What keeps a signature set out of service, with which words; and what the
 * digest of one that was loaded depends on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_db.h"
#include "engine/engine_samples.h"
#include "tests/unit/engine_util.h"

#define NOBODY 65534
#define EICAR_ROW "44d88612fea8a8f36de82e1278abb02f:68:Win.Test.EICAR_HDB-1\n"
#define OTHER_ROW "00000000000000000000000000000001:68:Win.Test.EICAR_HDB-1\n"

static struct engine *
open_with(const char *database, bool pua, bool official, char *err, size_t len)
{
	struct engine_load load = { .database = database,
		.temp_dir = folder("load"),
		.min_signatures = 1,
		.pua = pua,
		.official_only = official };

	err[0] = '\0';
	return engine_open(&load, err, len);
}

/* The reason must have all of these words. */
static void
refused(const char *database, bool official, const char *const words[],
    size_t nwords)
{
	char err[512];
	struct engine *e =
	    open_with(database, false, official, err, sizeof(err));

	if (e != NULL && engine_self_test(e, err, sizeof(err)) == 0)
		fail_msg("%s went into service", database);
	engine_close(&e);
	for (size_t i = 0; i < nwords; i++)
		if (strstr(err, words[i]) == NULL)
			fail_msg("\"%s\" does not say %s", err, words[i]);
}

#define REFUSED(database, official, ...) \
	do { \
		static const char *const w[] = { __VA_ARGS__ }; \
		refused(database, official, w, COUNTOF(w)); \
	} while (0)

static void
digest(const char *database, unsigned char out[32])
{
	struct engine *e = must_open(database);

	memcpy(out, engine_info(e)->digest, 32);
	engine_close(&e);
}

static void
test_eicar_is_demanded(void **state)
{
	struct engine *e;

	(void)state;
	put(folder("eicar"), "unit.hdb", EICAR_ROW);
	e = must_open(folder("eicar"));
	assert_true(engine_info(e)->has_eicar);
	engine_close(&e);
	/* the usual name, but it does not find it */
	put(folder("noeicar"), "unit.hdb", OTHER_ROW);
	REFUSED(folder("noeicar"), false, "self-test", "EICAR");
	/* a name of one's own promises nothing */
	put(folder("own"), "unit.hdb",
	    "00000000000000000000000000000001:68:Unit.MyEicar\n");
	e = must_open(folder("own"));
	assert_false(engine_info(e)->has_eicar);
	engine_close(&e);
}

/* The operator's exception, or silencing, may be for just that file. */
static void
test_eicar_excepted(void **state)
{
	struct engine *e;

	(void)state;
	put(folder("fp"), "unit.hdb", EICAR_ROW);
	put(folder("fp"), "local.fp",
	    "44d88612fea8a8f36de82e1278abb02f:68:eicar\n");
	e = must_open(folder("fp"));
	assert_false(engine_info(e)->has_eicar);
	engine_close(&e);
	put(folder("ign"), "unit.hdb",
	    EICAR_ROW "00000000000000000000000000000001:7:Unit.Other\n");
	put(folder("ign"), "local.ign2", "Win.Test.EICAR_HDB-1\n");
	e = must_open(folder("ign"));
	assert_false(engine_info(e)->has_eicar);
	engine_close(&e);
}

/* A set that finds something in what is harmless. */
static void
test_false_alarms(void **state)
{
	static const struct {
		const char *row, *what;
	} rows[] = {
		{ "Bad.Any:0:0:7f454c46\n", "a Linux program" },
		{ "Bad.Pe:1:128:50450000\n", "a Windows program" },
		{ "Bad.Html:3:*:3c7469746c65\n", "a page" },
		{ "Bad.Png:0:1:504e47\n", "a PNG" },
		{ "Bad.Gif:0:0:47494638\n", "a GIF" },
		{ "Bad.Pdf:0:0:25504446\n", "a PDF" },
		{ "Bad.Word:0:*:746f776e\n", "a page" },
		{ "Bad.Member:0:0:476f6f647320776572652068656c64\n", "a text" },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		char err[512];
		struct engine *e;

		put(folder("alarm"), "unit.ndb", rows[i].row);
		e = open_with(folder("alarm"), false, false, err, sizeof(err));
		if (e == NULL)
			fail_msg("%s: %s", rows[i].row, err);
		assert_int_equal(engine_self_test(e, err, sizeof(err)), -1);
		if (strstr(err, rows[i].what) == NULL ||
		    strstr(err, "was not clean") == NULL ||
		    strstr(err, "Bad.") == NULL)
			fail_msg("%s: %s", rows[i].what, err);
		engine_close(&e);
	}
}

/* Each sample is what it claims to be, to the engine. */
static void
test_samples(void **state)
{
	struct engine_sample s[ENGINE_SAMPLES_MAX];
	struct engine *e = must_open("embedded");
	static const struct {
		const char *what, *type;
	} types[] = { { "a PNG", "PNG" }, { "a GIF", "GIF" },
		{ "a PDF", "PDF" }, { "a zip", "ZIP" }, { "a gzip", "GZ" },
		{ "a Windows program", "MSEXE" }, { "a Linux program", "ELF" },
		{ "a page", "HTML" }, { "an RTF", "RTF" } };
	size_t n = engine_samples(s), seen = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < COUNTOF(types); k++) {
			struct scan_answer a;

			if (strcmp(s[i].what, types[k].what) != 0)
				continue;
			a = scan(e, s[i].data, s[i].len);
			assert_true(is_clean(&a));
			assert_string_equal(a.type, types[k].type);
			seen++;
		}
	assert_int_equal(seen, COUNTOF(types));
	engine_close(&e);
}

static void
test_words(void **state)
{
	char head[1025];

	(void)state;
	REFUSED("/nonexistent/db", false, "/nonexistent/db", "No such file");
	REFUSED(folder("empty"), false, "empty", "No supported database");
	put(folder("broken"), "unit.ndb", "this is: no signature\n");
	REFUSED(folder("broken"), false, "unit.ndb", "Malformed database");
	put(folder("junk"), "main.cvd", "junk");
	REFUSED(folder("junk"), false, "junk");
	/* a right head, no signature below it */
	(void)snprintf(head, sizeof(head), "%-512s%512s",
	    "ClamAV-VDB:18 Nov 2025 10-00 +0000:27780:1234:90:"
	    "0123456789abcdef0123456789abcdef:dsig:me:1763460000",
	    "");
	put(folder("unsigned"), "daily.cvd", head);
	REFUSED(folder("unsigned"), false, "daily.cvd");
	/* a file that is none of the engine's */
	(void)marker_db("official", "*");
	REFUSED(folder("official"), true, "official", "No supported database");
}

/* libclamav loads a broken YARA file with success and without a signature. */
static void
test_nothing_loaded(void **state)
{
	(void)state;
	put(folder("yara"), "unit.yar",
	    "rule broken { condition: nonsense }\n");
	REFUSED(folder("yara"), false, "0 signatures", "MinSignatures");
}

/* As an account that may not read the files; who it is must be said. */
static void
test_unreadable(void **state)
{
	char err[512] = "", secret[160];
	int fds[2];
	pid_t pid;
	ssize_t n;

	(void)state;
	if (geteuid() != 0)
		skip();
	(void)marker_db("secret", "*");
	(void)snprintf(secret, sizeof(secret), "%s", folder("secret"));
	assert_int_equal(chmod(root, 0755), 0);
	assert_int_equal(chmod(secret, 0700), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct dbset *s = NULL;

		if (setgid(NOBODY) == 0 && setuid(NOBODY) == 0) {
			db_remember_account();
			s = dbset_open(secret, err, sizeof(err));
		}
		if (s == NULL && write(fds[1], err, strlen(err)) > 0)
			_exit(0);
		_exit(1);
	}
	assert_int_equal(close(fds[1]), 0);
	n = read(fds[0], err, sizeof(err) - 1);
	assert_true(n > 0);
	err[n] = '\0';
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(chmod(root, 0700), 0);
	if (strstr(err, secret) == NULL || strstr(err, "nobody") == NULL ||
	    strstr(err, "Permission denied") == NULL)
		fail_msg("%s", err);
}

/* libclamav loads them, so they count. */
static void
test_hidden_file(void **state)
{
	unsigned char a[32], b[32];

	(void)state;
	(void)marker_db("hidden", "*");
	digest(folder("hidden"), a);
	put(folder("hidden"), ".more.hdb",
	    "00000000000000000000000000000001:7:Unit.Other\n");
	digest(folder("hidden"), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* The settings that a set is loaded with are part of what was loaded. */
static void
test_digest_of_settings(void **state)
{
	unsigned char d[3][32];
	char err[512];
	static const bool pua[] = { false, true, false };
	static const bool official[] = { false, false, true };

	(void)state;
	(void)marker_db("settings", "*");
	for (size_t i = 0; i < 2; i++) {
		struct engine *e = open_with(
		    folder("settings"), pua[i], official[i], err, sizeof(err));

		assert_non_null(e);
		memcpy(d[i], engine_info(e)->digest, 32);
		engine_close(&e);
	}
	assert_memory_not_equal(d[0], d[1], 32);
	/* tolsey's own set is loaded whatever the setting says */
	for (size_t i = 0; i < 3; i++) {
		struct engine *e = open_with(
		    "embedded", pua[i], official[i], err, sizeof(err));

		assert_non_null(e);
		memcpy(d[i], engine_info(e)->digest, 32);
		assert_int_equal(engine_info(e)->built_wall_us, 0);
		engine_close(&e);
	}
	assert_memory_equal(d[0], d[2], 32);
}

/* Two machines: other folder, other order, other times. */
static void
test_digest_is_canonical(void **state)
{
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	unsigned char a[32], b[32];
	char path[256];

	(void)state;
	put(folder("m1"), "b.hdb", EICAR_ROW);
	(void)marker_db("m1", "*");
	(void)marker_db("m2", "*");
	put(folder("m2"), "b.hdb", EICAR_ROW);
	(void)snprintf(path, sizeof(path), "%s/b.hdb", folder("m2"));
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	digest(folder("m1"), a);
	digest(folder("m2"), b);
	assert_memory_equal(a, b, sizeof(a));
	put(folder("m2"), "b.hdb", OTHER_ROW);
	put(folder("m2"), "b.fp", "00000000000000000000000000000009:9:x\n");
	digest(folder("m2"), b);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* A row that is replaced again and again until `end`, by rename. */
static void
keep_changing(const char *dir, double seconds)
{
	char from[200], to[200], text[200];
	struct timespec pause = { 0, 20000000 };

	(void)snprintf(from, sizeof(from), "%s/new", dir);
	(void)snprintf(to, sizeof(to), "%s/unit.hdb", dir);
	for (int i = 0; i < seconds * 50; i++) {
		FILE *f = fopen(from, "w");

		(void)snprintf(
		    text, sizeof(text), "%032x:68:Unit.Row%d\n", i + 2, i);
		if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 ||
		    rename(from, to) != 0)
			_exit(1);
		(void)nanosleep(&pause, NULL);
	}
	_exit(0);
}

/* What was loaded is what the digest is of, though files came and went. */
static void
test_changed_meanwhile(void **state)
{
	unsigned char during[32], after[32];
	char dir[160];
	int status;
	pid_t pid;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s", marker_db("busy", "*"));
	/* enough to load that something changes in the meantime */
	{
		char path[200];
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/many.hdb", dir);
		f = fopen(path, "w");
		assert_non_null(f);
		for (unsigned int i = 0; i < 60000; i++)
			assert_true(fprintf(f, "%032x:%u:Unit.Many%u\n",
					i + 1000, i % 1000 + 10, i) > 0);
		assert_int_equal(fclose(f), 0);
	}
	pid = fork();
	if (pid == 0)
		keep_changing(dir, 1.2);
	digest(dir, during);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	digest(dir, after);
	assert_memory_equal(during, after, sizeof(after));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eicar_is_demanded),
		cmocka_unit_test(test_eicar_excepted),
		cmocka_unit_test(test_false_alarms),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nothing_loaded),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_hidden_file),
		cmocka_unit_test(test_digest_of_settings),
		cmocka_unit_test(test_digest_is_canonical),
		cmocka_unit_test(test_changed_meanwhile),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
