/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_HTTP_RANGE_H
#define PROTO_HTTP_RANGE_H
/*
 * Ranges (RFC 9110 14): what a request asks for, and which part of its object
 * a body is. Also of uploads that come in pieces: Content-Range in a request
 * (RFC 9110 14.5), and the fields of tus and of resumable uploads.
 */
#include "base/scan.h"
#include "proto/http_head.h"

/* The value of Range. */
struct http_range {
	bool understood; /* else nothing below is set */
	unsigned int count;
	bool whole;     /* "bytes=0-" alone */
	bool open;      /* else one of them has no end */
	uint64_t bytes; /* of those with an end, together; saturates */
};
void http_range_parse(struct http_range *r, struct slice value);

/*
 * What is missing of the object when a message's body has `size` bytes: the
 * bits SCAN_NO_START and SCAN_NO_END, 0 when it is whole; why, for the log, in
 * `text` ("" when whole). response: its status counts too.
 */
unsigned int http_part_of(const struct http_head *h, bool response,
    uint64_t size, char *text, size_t textlen);
#endif
