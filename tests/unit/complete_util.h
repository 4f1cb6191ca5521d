/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_COMPLETE_UTIL_H
#define TESTS_COMPLETE_UTIL_H
/* What the tests share that ask whether a scan was complete. */
#include "scan/views.h"
#include "tests/unit/engine_util.h"

struct testfile {
	char name[64];
	struct slice data;
};
/* ClamAV's test files; *n is 0 where they are not installed. */
const struct testfile *testfiles(size_t *n);
void testfiles_free(void);

/* A set with what is in these files, and markers that are found anywhere. */
struct engine *open_complete_db(void);
#define PUA_MARKER "unit-test-unwanted-4712"
#define ODD_MARKER "unit-test-suspicious-4713"

/* Scans as a worker does; opts NULL: the usual ones. */
struct scan_answer view(
    struct engine *e, struct slice data, const struct scan_opts *opts);
struct scan_answer view_for(struct engine *e, struct slice data,
    const struct scan_opts *opts, uint64_t budget_us);
bool is_infected(const struct scan_answer *a);
/* "infected X in y, opaque-archive Z; failed: text", for messages. */
const char *describe(const struct scan_answer *a);
#endif
