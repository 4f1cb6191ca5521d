/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_EMBEDDED_H
#define ENGINE_UNPACK_EMBEDDED_H
/*
 * Finds files that text carries along: strings of base64 (members of JSON,
 * elements of XML, fields of forms, lines of mail), data: URLs; and the values
 * of forms. One pass over the text, nothing is copied or decoded here.
 */
#include "base/scan.h"
#include "base/str.h"

enum embedded_how { EMBEDDED_BASE64, EMBEDDED_PERCENT };
struct embedded_item {
	enum embedded_how how;
	struct slice raw;         /* to be decoded */
	char name[SCAN_PART_MAX]; /* its key, or "data:type"; "" if unknown */
};
struct embedded {
	struct slice text;
	size_t at;
	size_t stretch, url; /* where to look next, when not before at */
};
/* Fewer digits make no file, unless they are a data: URL. */
#define EMBEDDED_MIN_DIGITS ((size_t)64)

void embedded_begin(struct embedded *e, struct slice text);
bool embedded_next(struct embedded *e, struct embedded_item *item);

/* Is this the beginning of application/x-www-form-urlencoded? */
bool embedded_is_form(struct slice text);
/* The next "name=value" of a form; both still encoded. */
bool embedded_next_field(
    struct slice *rest, struct slice *name, struct slice *value);
/* No byte of the first few is one that text has not. */
bool embedded_is_text(struct slice data);
#endif
