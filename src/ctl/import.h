/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H
/*
 * tolseyctl import: configurations of c-icap, its modules, squidclamav and
 * clamd become a tolsey.conf, and a report of what differs. Every line of the
 * input is in the report with exactly one end: translated, the same as our
 * default, or reported with its reason.
 */
#include <stdbool.h>

#include "base/buf.h"

struct import;

struct import *import_new(void); /* NULL without memory */
void import_free(struct import **im);
/* Reads a file and what it includes. 0, or -1 with a line in err. */
int import_file(struct import *im, const char *path, struct buf *err);
/* The same of a text; name: for the report, and to tell its kind. 0 or -1. */
int import_text(struct import *im, const char *name, struct slice text);
/*
 * After the last: the configuration, which has passed the daemon's check, and
 * the report. 0, or -1 with err.
 */
int import_finish(
    struct import *im, struct buf *conf, struct buf *report, struct buf *err);
/* The command: 0 or an exit status. */
int import_main(int argc, char *argv[]);
#endif
