/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_ENGINE_UTIL_H
#define TESTS_ENGINE_UTIL_H
/* What the tests of the engine share: folders, signatures, archives. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "engine/engine.h"

#define MARKER "unit-test-marker-4711"
#define TEMP_MAX ((uint64_t)1 << 30)

extern char root[64]; /* of everything that is written */
int make_root(void **state);
int remove_root(void **state);
/* A folder below root, made where it is missing; good for two calls. */
const char *folder(const char *name);
void put(const char *dir, const char *name, const char *text);
/* A folder with one row that looks for the marker at `where`. */
const char *marker_db(const char *name, const char *where);
struct engine *open_db(
    const char *database, uint64_t min, char *err, size_t errlen);
struct engine *must_open(const char *database);

struct scan_opts default_opts(void);
struct scan_answer scan_kind(struct engine *e, enum scan_kind kind,
    const void *p, size_t len, const struct scan_opts *opts);
struct scan_answer scan(struct engine *e, const void *p, size_t len);
bool has(const struct scan_answer *a, enum outcome o, const char *prefix);
bool is_clean(const struct scan_answer *a);
char *hex_of(const void *p, size_t len);

#define ZIP_ENCRYPTED 1u
#define ZIP_DEFLATED 2u
/* A zip of count equal members. */
void make_zip(struct buf *b, const void *p, size_t len, unsigned int flags,
    unsigned int count);
#endif
