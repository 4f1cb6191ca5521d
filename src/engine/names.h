/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_NAMES_H
#define ENGINE_NAMES_H
/* What a signature's name says. */
#include <stdbool.h>

#include "base/outcome.h"
#include "base/str.h"

/* The outcome that a finding of this name has. */
enum outcome names_outcome(struct slice name);

/*
 * The names that only plain content signatures bear. A prefix scan's hit can
 * be final only under such a name: hashes, logical signatures, bytecode and
 * the rest depend on the whole object. Errs towards "not plain".
 */
struct names;
struct names *names_new(void);
void names_free(struct names **n);
/* One signature as it is loaded; plain: of a pattern database. 0 or -1. */
int names_add(struct names *n, struct slice name, bool plain) MUST_CHECK;
/* All have been added: gives back what only adding needed. */
void names_done(struct names *n);
bool names_plain(const struct names *n, struct slice name);
#endif
