/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Which files make up a signature set, and when two sets are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
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

static void
test_changes(void **state)
{
	struct dbset *s;
	char path[128];

	(void)state;
	put(folder("e"), "own.ndb", "x\n");
	s = must_open_set(folder("e"));
	assert_true(dbset_same(s));
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
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_one_file),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
