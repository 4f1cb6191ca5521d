/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ICAP_OUT_H
#define PROTO_ICAP_OUT_H
/* What the server says, as bytes appended to a buf (protocol.md 0, 4, 13a). */
#include <stdbool.h>

#include "base/buf.h"
#include "proto/encap.h"
#include "proto/errors.h"

/* What every answer but 100 carries. */
struct icap_out_common {
	struct slice istag;  /* without quotes, [A-Za-z0-9._-]{1,32} */
	uint64_t wall_us;    /* for Date; 0 leaves Date out */
	bool close;          /* Connection: close, else keep-alive */
	struct slice server; /* "tolsey/0.1.0" */
};
struct icap_out_options {
	const char *service;    /* text of Service: */
	const char *service_id; /* Service-ID */
	bool reqmod, respmod;
	uint64_t max_connections, ttl_s;
	bool preview; /* Preview and Transfer-Preview are sent */
	uint64_t preview_size;
	bool offer_206, offer_trailers; /* only when asked for, OP-09 */
};
/* X-Infection-Found and X-Virus-ID (XH-04 to XH-08). */
struct icap_out_threat {
	int type;          /* 0 virus, 1 policy, 2 container */
	int resolution;    /* 0 not repaired, 2 blocked */
	struct slice name; /* cleaned while it is written */
};

/* All return 0, or -1 when the buffer does not take it. */
int icap_out_continue(struct buf *out);
int icap_out_options(struct buf *out, const struct icap_out_common *c,
    const struct icap_out_options *o);
/* status from errors.def; closes; no body. */
int icap_out_error(
    struct buf *out, const struct icap_out_common *c, enum proto_err e);
int icap_out_204(struct buf *out, const struct icap_out_common *c);
/*
 * ICAP head of a 200 and the encapsulated heads; the body (if any) follows as
 * chunks. Exactly one of req_hdr and res_hdr is given (EN-12), but for a body
 * without any head (EN-06). no_store: RQ-08. threat: NULL when none.
 */
struct icap_out_200 {
	struct slice req_hdr, res_hdr;
	enum encap_body body;
	bool no_store;
	bool partial; /* 206: icap_out_original_body() ends it */
	const struct icap_out_threat *threat;
	struct slice extra; /* further ICAP header lines, each with CRLF */
};
int icap_out_200(struct buf *out, const struct icap_out_common *c,
    const struct icap_out_200 *a);
/* "size CRLF"; the data and CRLF follow. */
#define ICAP_OUT_CHUNK_HEAD_MAX 18
size_t icap_out_chunk_head(
    char out[ICAP_OUT_CHUNK_HEAD_MAX + 1], uint64_t size);
/* Last-chunk with the trailer lines (raw, "" when none) and the blank line. */
int icap_out_last_chunk(struct buf *out, struct slice trailer);
/* The end of a 206 whose body is all of the original (PC-02). */
int icap_out_original_body(struct buf *out);
#endif
