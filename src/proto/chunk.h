/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_CHUNK_H
#define PROTO_CHUNK_H
/* Incremental decoder of chunked bodies (RFC 9112 7.1; rules CH-*). */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "proto/errors.h"

#define CHUNK_MAX_LINE 1024 /* usual limits, in bytes */
#define CHUNK_MAX_TRAILER 16384

enum chunk_event {
	CHUNK_MORE, /* everything was consumed, more input is needed */
	CHUNK_DATA, /* *data holds body bytes, pointing into the input */
	CHUNK_END,  /* last-chunk, trailer and blank line were read */
	CHUNK_ERROR
};
struct chunk_rx {
	int state;
	uint64_t left; /* of the present chunk: may be read past the decoder */
	bool ieof, use_original_body;
	uint64_t
	    original_at; /* of use-original-body: UINT64_MAX is no number */
	struct buf line;
	struct buf trailer; /* raw trailer lines with their CRLF */
	enum proto_err err;
	size_t max_line, max_trailer;
};
/* With the usual limits. */
void chunk_rx_init(struct chunk_rx *c);
/* Before the first byte: other limits. 0: the usual one. */
void chunk_rx_limits(struct chunk_rx *c, size_t max_line, size_t max_trailer);
void chunk_rx_free(struct chunk_rx *c);
/* Starts over for the next body, keeping memory. */
void chunk_rx_reset(struct chunk_rx *c);
/* The same, but what comes is only trailer lines and a blank line. */
void chunk_rx_reset_trailer(struct chunk_rx *c);
/* Consumes from *in (moving it forward) until there is an event. */
enum chunk_event chunk_rx_feed(
    struct chunk_rx *c, struct slice *in, struct slice *data);
/*
 * For bytes read straight into their place: n body bytes (n <= left) came and
 * were stored by the caller.
 */
void chunk_rx_skip(struct chunk_rx *c, uint64_t n);
#endif
