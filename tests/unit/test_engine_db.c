/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Which files make up a signature set, and when two sets are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_db.h"
#include "tests/unit/engine_util.h"

struct described {
	char text[96];
	unsigned char digest[HASH_LEN];
};

static struct dbset *
must_open_set(const char *path)
{
	char err[256] = "";
	struct dbset *s = dbset_open(path, err, sizeof(err));

	if (s == NULL)
		fail_msg("%s", err);
	return s;
}

static struct described
describe(const char *path)
{
	struct dbset *s = must_open_set(path);
	struct described d;

	assert_int_equal(
	    dbset_describe(s, d.text, sizeof(d.text), d.digest), 0);
	dbset_free(&s);
	return d;
}

/* A head as of a .cvd, padded with blanks to its 512 bytes. */
static void
put_container(
    const char *dir, const char *name, unsigned int version, const char *rest)
{
	char head[600], text[2000];

	(void)snprintf(head, sizeof(head),
	    "ClamAV-VDB:18 Nov 2025 10-00 +0000:%u:1234:90:md5:dsig:me:1",
	    version);
	(void)snprintf(text, sizeof(text), "%-512s%s", head, rest);
	put(dir, name, text);
}

static void
differ(struct described a, struct described b)
{
	assert_memory_not_equal(a.digest, b.digest, HASH_LEN);
}

static void
same(struct described a, struct described b)
{
	assert_string_equal(a.text, b.text);
	assert_memory_equal(a.digest, b.digest, HASH_LEN);
}

static void
test_containers(void **state)
{
	struct described a;

	(void)state;
	put_container(folder("a"), "main.cvd", 62, "packed");
	put_container(folder("a"), "daily.cvd", 27780, "packed");
	put(folder("a"), "own.ndb", "x\n");
	put(folder("a"), "freshclam.dat", "no signatures\n");
	a = describe(folder("a"));
	assert_string_equal(a.text, "daily 27780, main 62, 1 other file");
	/* the same versions, differently packed */
	put_container(folder("b"), "main.cld", 62, "not packed at all");
	put_container(folder("b"), "daily.cvd", 27780, "packed");
	put(folder("b"), "own.ndb", "x\n");
	same(a, describe(folder("b")));
	/* an old file beside a newer one of its name does not count */
	put_container(folder("b"), "main.cvd", 61, "");
	same(a, describe(folder("b")));
	put_container(folder("b"), "main.cvd", 63, "");
	differ(a, describe(folder("b")));
	/* any other file counts by its content and name */
	put(folder("a"), "own.ndb", "y\n");
	differ(a, describe(folder("a")));
	put(folder("a"), "own.ndb", "x\n");
	same(a, describe(folder("a")));
	put(folder("a"), "more.hdb", "");
	differ(a, describe(folder("a")));
}

static void
test_broken_container(void **state)
{
	struct described a, b;

	(void)state;
	put(folder("c"), "main.cvd", "too short");
	a = describe(folder("c"));
	assert_string_equal(a.text, "1 file");
	put(folder("c"), "main.cvd", "other junk");
	b = describe(folder("c"));
	differ(a, b);
}

/* A container that nobody signs is known by its content alone. */
static void
test_unsigned_container(void **state)
{
	struct described a;

	(void)state;
	put_container(folder("u"), "own.cud", 7, "one");
	a = describe(folder("u"));
	assert_string_equal(a.text, "1 file");
	put_container(folder("u"), "own.cud", 7, "two");
	differ(a, describe(folder("u")));
}

static uint64_t
age(const char *path, uint32_t *daily)
{
	struct dbset *s = must_open_set(path);
	uint64_t us;

	dbset_age(s, &us, daily);
	dbset_free(&s);
	assert_int_equal(us % 1000000, 0);
	return us / 1000000;
}

static void
put_head(const char *dir, const char *name, const char *head)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "%-512s", head);
	put(dir, name, text);
}

static void
test_age(void **state)
{
	uint32_t daily = 99;
	uint64_t now = (uint64_t)time(NULL), made;

	(void)state;
	/* of plain files: when the newest was written */
	put(folder("age"), "own.ndb", "x\n");
	made = age(folder("age"), &daily);
	assert_true(made <= now + 1 && made + 60 > now);
	assert_int_equal(daily, 0);
	/* the head's own time in seconds */
	put_head(folder("age"), "main.cvd",
	    "ClamAV-VDB:18 Nov 2025 10-00 +0000:62:1:90:md5:dsig:me:1700000000");
	assert_int_equal(age(folder("age"), &daily), 1700000000);
	/* without it, the written one: 2025-11-18 10:30 in Berlin */
	put_head(folder("age"), "daily.cld",
	    "ClamAV-VDB:18 Nov 2025 10-30 +0100:27780:1:90:md5:dsig:me");
	assert_int_equal(age(folder("age"), &daily), 1763458200);
	assert_int_equal(daily, 27780);
	/* daily counts, though another is newer */
	put_head(folder("age"), "bytecode.cvd",
	    "ClamAV-VDB:18 Nov 2026 10-00 +0000:339:1:90:md5:dsig:me:1794996000");
	assert_int_equal(age(folder("age"), &daily), 1763458200);
	/* and of two dailies the newer */
	put_head(folder("age"), "daily.cvd",
	    "ClamAV-VDB:x:27781:1:90:md5:dsig:me:1763600000");
	assert_int_equal(age(folder("age"), &daily), 1763600000);
	assert_int_equal(daily, 27781);
}

static void
test_odd_entries(void **state)
{
	char path[160], err[256] = "";
	struct described a;

	(void)state;
	put(folder("o"), "own.ndb", "x\n");
	a = describe(folder("o"));
	/* what freshclam has beside its files */
	put(folder("o"), "freshclam.dat", "1");
	put(folder("o"), "daily.cvd.sign", "1");
	put(folder("o"), "own.ndb.lock", "1");
	(void)snprintf(path, sizeof(path), "%s/tmp.c0ffee", folder("o"));
	assert_int_equal(mkdir(path, 0700), 0);
	same(a, describe(folder("o")));
	/* a link is what it points at */
	(void)snprintf(path, sizeof(path), "%s/link.ndb", folder("p"));
	assert_int_equal(symlink("../o/own.ndb", path), 0);
	a = describe(folder("p"));
	assert_int_equal(unlink(path), 0);
	put(folder("p"), "link.ndb", "x\n");
	same(a, describe(folder("p")));
	/* one that points nowhere, a folder, a pipe: said by name */
	(void)snprintf(path, sizeof(path), "%s/odd.ndb", folder("p"));
	assert_int_equal(symlink("nowhere", path), 0);
	assert_null(dbset_open(folder("p"), err, sizeof(err)));
	assert_non_null(strstr(err, "odd.ndb: No such file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(dbset_open(folder("p"), err, sizeof(err)));
	assert_non_null(strstr(err, "odd.ndb"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(dbset_open(folder("p"), err, sizeof(err)));
	assert_non_null(strstr(err, "odd.ndb"));
	assert_int_equal(unlink(path), 0);
}

static void
test_changes(void **state)
{
	struct dbset *s;
	char path[128];

	(void)state;
	put(folder("e"), "own.ndb", "x\n");
	s = must_open_set(folder("e"));
	assert_true(dbset_same(s));
	/* its times set back do not hide a change */
	{
		struct timespec t[2] = { { 0, UTIME_OMIT }, { 0, 0 } };
		struct dbset *other = must_open_set(folder("e"));
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/own.ndb", folder("e"));
		assert_int_equal(stat(path, &st), 0);
		t[1] = st.st_mtim;
		(void)usleep(20000);
		put(folder("e"), "own.ndb", "y\n");
		assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
		assert_false(dbset_same(other));
		dbset_free(&other);
		dbset_free(&s);
		s = must_open_set(folder("e"));
	}
	put(folder("e"), "notes.txt", "nothing to do with it");
	assert_true(dbset_same(s));
	put(folder("e"), "own.hdb", "");
	assert_false(dbset_same(s));
	dbset_free(&s);
	s = must_open_set(folder("e"));
	put(folder("e"), "own.ndb", "xy\n"); /* rewritten in place */
	assert_false(dbset_same(s));
	dbset_free(&s);
	s = must_open_set(folder("e"));
	(void)snprintf(path, sizeof(path), "%s/own.hdb", folder("e"));
	assert_int_equal(unlink(path), 0);
	assert_false(dbset_same(s));
	dbset_free(&s);
}

static void
test_missing(void **state)
{
	char err[256] = "";

	(void)state;
	assert_null(dbset_open("/nonexistent/x", err, sizeof(err)));
	assert_non_null(strstr(err, "/nonexistent/x"));
}

static void
test_one_file(void **state)
{
	char path[128];

	(void)state;
	put(folder("f"), "own.ndb", "x\n");
	(void)snprintf(path, sizeof(path), "%s/own.ndb", folder("f"));
	same(describe(folder("f")), describe(path));
}

static void
test_own(void **state)
{
	unsigned char canary[DB_CANARY_LEN], eicar[DB_EICAR_LEN];
	char path[256];

	(void)state;
	db_canary_bytes(canary);
	assert_int_equal(canary[0], 0x23);
	assert_int_equal(canary[DB_CANARY_LEN - 1], 0x56);
	db_eicar_bytes(eicar);
	assert_memory_equal(eicar, "X5O!", 4);
	assert_int_equal(db_write_canary(root, path, sizeof(path)), 0);
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(db_write_embedded(root, path, sizeof(path)), 0);
	db_remove_own(root);
	assert_int_equal(access(path, R_OK), -1);
	assert_int_equal(
	    db_write_canary("/nonexistent", path, sizeof(path)), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_broken_container),
		cmocka_unit_test(test_unsigned_container),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_odd_entries),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_one_file),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
