/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ICAP_HEAD_H
#define PROTO_ICAP_HEAD_H
/*
 * The head of an ICAP request (RFC 3507 4.3). Pure: the caller hands over the
 * whole head, up to and including its blank line; all slices point into it.
 */
#include <stdbool.h>

#include "base/str.h"
#include "proto/encap.h"
#include "proto/errors.h"

#define ICAP_MAX_FIELDS 500 /* that can be configured */
#define ICAP_USUAL_FIELDS 100
#define ICAP_MAX_REQUEST_LINE 8192 /* usually */

enum icap_method { ICAP_OPTIONS = 1, ICAP_REQMOD, ICAP_RESPMOD };

struct icap_field {
	struct slice name, value; /* value trimmed, may be empty */
};
struct icap_head {
	enum icap_method method;
	struct slice uri;
	struct slice host;    /* of the URI, without userinfo, with port */
	struct slice service; /* path without slashes around it, "" = default */
	struct slice query;   /* behind '?', "" when absent */
	bool has_preview;
	uint64_t preview;
	bool allow_204, allow_206,
	    allow_trailers; /* tokens compared whole, FR-15 */
	bool close;         /* Connection has close */
	bool has_encap;
	struct encap encap;
	struct slice trailer; /* Trailer field, "" when absent */
	struct icap_field fields[ICAP_MAX_FIELDS];
	size_t nfields;
};

/* PROTO_OK, or the first error. Leading blank lines are the caller's. */
enum proto_err icap_head_parse(struct icap_head *h, struct slice text);
/* The same with another limit than ICAP_USUAL_FIELDS. */
enum proto_err icap_head_parse_limited(
    struct icap_head *h, struct slice text, size_t max_fields);
/* Only the request line (without its line end), as soon as it is there. */
enum proto_err icap_head_check_line(struct slice line);
/* Value of the first field of that name (any case), SLICE_NONE if absent. */
struct slice icap_head_get(const struct icap_head *h, const char *name);
#endif
