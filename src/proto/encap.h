/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ENCAP_H
#define PROTO_ENCAP_H
/* The Encapsulated field (RFC 3507 4.4.1, errata E1 and E4; rules EN-*). */
#include <stdbool.h>

#include "base/str.h"
#include "proto/errors.h"

enum encap_body {
	ENCAP_NULL_BODY,
	ENCAP_REQ_BODY,
	ENCAP_RES_BODY,
	ENCAP_OPT_BODY
};
struct encap {
	uint64_t req_hdr_len, res_hdr_len; /* 0 = section absent (EN-05) */
	enum encap_body body;
	uint64_t heads_len; /* offset of the body: bytes before it */
};
/*
 * Grammar and order only; which body a method may have is checked by
 * icap_head_parse(). Separators may be comma, SP, HTAB in any mix (EN-03).
 */
enum proto_err encap_parse(struct encap *e, struct slice value);
#endif
