/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A member that is longer than MaxFileSize is never clean, whatever the
 * container says of its size; one that is just as long is no alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/complete_util.h"
#include "tests/unit/ways.h"

static struct engine *e;

#define MAX_FILE 200003u /* no multiple of any buffer */
#define TOO_LONG (MAX_FILE + (1u << 20))

/* Text that compresses, but not to nothing; the marker is its last bytes. */
static struct slice
long_text(size_t len)
{
	char *p = malloc(len);
	uint32_t x = 1;

	assert_non_null(p);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)('a' + (x >> 28));
	}
	memcpy(p + len - strlen(MARKER), MARKER, strlen(MARKER));
	return (struct slice){ p, len };
}

static void
test_long_members(void **state)
{
	struct slice too_long = long_text(TOO_LONG);
	struct scan_opts o = default_opts();

	(void)state;
	o.max_file_size = MAX_FILE;
	for (const struct way *w = ways_long; w->name != NULL; w++) {
		struct scan_opts large = default_opts();
		struct scan_answer a;
		struct buf b;

		w->pack(&b, too_long);
		/* the container alone is not what is too long */
		if (b.len > MAX_FILE)
			o.max_file_size = b.len;
		if (o.max_file_size >= too_long.len)
			o.max_file_size = MAX_FILE;
		a = view(e, buf_slice(&b), &o);
		if (is_clean(&a))
			fail_msg("%s is clean", w->name);
		/* without the limit it is found, where its size is true */
		a = view(e, buf_slice(&b), &large);
		if (is_clean(&a))
			fail_msg("%s is clean unlimited", w->name);
		buf_free(&b);
		o.max_file_size = MAX_FILE;
	}
	free((void *)(uintptr_t)too_long.p);
}

/* One that is just as long as it may be is no alarm. */
static void
test_longest_member(void **state)
{
	struct slice longest = long_text(MAX_FILE);
	struct scan_opts o = default_opts();

	(void)state;
	o.max_file_size = MAX_FILE;
	for (const struct way *w = ways_long; w->name != NULL; w++) {
		const char *name = w->name;
		struct scan_answer a;
		struct buf b;

		if (strstr(name, "_less") != NULL ||
		    strstr(name, "_none") != NULL ||
		    strcmp(name, "second_bz2") == 0)
			continue;
		w->pack(&b, longest);
		/* what is between it and the limit must fit as well */
		o.max_file_size = MAX_FILE +
				  (b.len > MAX_FILE ? b.len - MAX_FILE : 0) +
				  (strstr(name, "in_tar") != NULL ? 10240 : 0);
		a = view(e, buf_slice(&b), &o);
		if (a.complete != 1 || !has(&a, OUTCOME_INFECTED, "Unit."))
			fail_msg("%s: %s", name, describe(&a));
		buf_free(&b);
	}
	free((void *)(uintptr_t)longest.p);
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
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_members),
		cmocka_unit_test(test_longest_member),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
