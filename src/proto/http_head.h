/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_HTTP_HEAD_H
#define PROTO_HTTP_HEAD_H
/*
 * An encapsulated HTTP head, which is untrusted and may be anything (EN-08,
 * EN-09, SE-09): the parser never fails, it fills in what it understands. The
 * raw bytes are what is echoed.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

struct http_head {
	struct slice raw;   /* the section as received; p NULL when absent */
	struct slice first; /* first line without its line end */
	/* of a request line; else empty */
	struct slice method, target;
	/* of a status line; status 0 when there is none */
	int status;
	struct slice reason;
	struct slice fields; /* what follows the first line */
	bool has_first_line; /* first is a request or status line */
};

/* is_response: which kind of first line is looked for. */
void http_head_parse(struct http_head *h, struct slice raw, bool is_response);
/*
 * Steps through the fields of the first head in the section (up to its blank
 * line). *pos starts as h->fields. Lines may end in CRLF or LF; folded lines
 * belong to the value; lines without colon are skipped. False at the end.
 */
bool http_head_next(struct slice *pos, struct slice *name, struct slice *value);
/* The first field of the name in any case; p NULL when absent. */
struct slice http_head_get(const struct http_head *h, const char *name);
/* Number of fields of that name. */
size_t http_head_count(const struct http_head *h, const char *name);
/* Content-Length: 1 and *len when there is a valid one, 0 none, -1 bad or
 * contradictory. */
int http_head_content_length(const struct http_head *h, uint64_t *len);
/* The raw section has its blank line at the end (else EN-09 appends it). */
bool http_head_complete(const struct http_head *h);
/*
 * Copies the raw head to out without the fields whose name is in drop[] (any
 * case), with the lines in add (each ending in CRLF) before the blank line,
 * and ends it properly. All other bytes stay as they are. 0 or -1 (too large).
 */
int http_head_edit(struct buf *out, const struct http_head *h,
    const char *const drop[], size_t ndrop, struct slice add);
/*
 * The object's URL for logs and pages: the target when absolute, else
 * http://Host/target; out is cleaned of nothing: quote before printing.
 */
int http_head_url(struct buf *out, const struct http_head *req);
/* File name: Content-Disposition's, else the last segment of the path. */
struct slice http_head_filename(
    const struct http_head *req, const struct http_head *resp);
#endif
