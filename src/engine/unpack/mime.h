/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_MIME_H
#define ENGINE_UNPACK_MIME_H
/*
 * Fields and parameters of the heads of parts, and of a Content-Type (RFC
 * 2045, 2183, 2231, 7578, 8187). They are whatever a sender wrote, and readers
 * differ in what they make of it: nothing here fails.
 */
#include <stdbool.h>

#include "base/scan.h"
#include "base/str.h"

#define MIME_NAME_MAX ((size_t)256)
#define MIME_BOUNDARY_MAX ((size_t)255)
#define MIME_MAX_BOUNDARIES ((size_t)8)

/* The next line without its end (CRLF, LF or CR). False when *rest is empty. */
bool mime_line(struct slice *rest, struct slice *line);
/*
 * The next field of a head; folded lines belong to the value, blanks before
 * the colon to nothing. Lines that are no field are passed over.
 */
bool mime_next_field(
    struct slice *rest, struct slice *name, struct slice *value);
/* "Text/HTML; charset=x" gives "Text/HTML". */
struct slice mime_token(struct slice value);
/* A value without quotes and the backslashes before quotes. Returns its length,
 * cut to max. */
size_t mime_unquote(struct slice value, char *out, size_t max);
/*
 * The parameter of that name, also as name*=charset'lang'%41 and in pieces
 * name*0=...; name*1=.... Its length, 0 when there is none; cut to max.
 */
size_t mime_param(struct slice value, const char *name, char *out, size_t max);

struct mime_boundaries {
	size_t n;
	size_t len[MIME_MAX_BOUNDARIES];
	char text[MIME_MAX_BOUNDARIES][MIME_BOUNDARY_MAX + 1];
};
/* What a reader may go by, of a part or of a whole body. */
struct mime_head {
	bool is_head; /* every line looks like a field */
	bool base64, quoted_printable, unknown_transfer;
	uint32_t ncodings; /* Content-Encoding */
	uint32_t codings[SCAN_MAX_CODINGS];
	/* of any Content-Type, if there are several */
	bool is_multipart, is_form, is_text, is_packed;
	struct mime_boundaries boundaries;
	char name[MIME_NAME_MAX + 1]; /* file name, else name, else "" */
};
/* Of the raw head of a part. */
void mime_head_parse(struct mime_head *h, struct slice raw);
/* Of a body whose Content-Type fields have these values, one a line. */
void mime_head_declared(struct mime_head *h, struct slice types);
/* Adds the codings of one Content-Encoding, too many are one unknown. */
void mime_add_codings(
    struct slice value, uint32_t codings[SCAN_MAX_CODINGS], uint32_t *n);

/*
 * Everything in a Content-Type that some reader takes for the boundary: each
 * parameter of that name, quoted or not, in pieces, with and without blanks at
 * its end, cut at a comma, or merely something that ends in "boundary=".
 */
void mime_boundaries(struct mime_boundaries *b, struct slice type);
/*
 * The one that a body itself shows: a line "--boundary" that a head follows.
 * Where no multipart is declared only its first line counts.
 */
void mime_body_boundary(
    struct mime_boundaries *b, struct slice body, bool declared);
#endif
