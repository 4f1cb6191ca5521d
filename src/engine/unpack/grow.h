/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_GROW_H
#define ENGINE_UNPACK_GROW_H
/* Output that grows by remapping, never by copying, up to the limits. */
#include "engine/unpack/decode.h"

struct grow {
	struct decoded *out;
	const struct decode_limits *limits;
	uint64_t in_len; /* of the coded form: for the ratio */
};
/* Room of at least 1 byte behind out->len; its size in *room. */
enum decode_rc grow_room(
    struct grow *g, unsigned char **p, size_t *room) MUST_CHECK;
/* n bytes were written there. DECODE_LIMIT when that was too much. */
enum decode_rc grow_wrote(struct grow *g, size_t n) MUST_CHECK;

/*
 * One coding each: decodes in[0, len) to the grow, sets out->left_over.
 * Codings that this build lacks give DECODE_UNKNOWN.
 */
enum decode_rc decode_gzip(struct grow *g, const unsigned char *in, size_t len);
enum decode_rc decode_deflate(
    struct grow *g, const unsigned char *in, size_t len);
enum decode_rc decode_br(struct grow *g, const unsigned char *in, size_t len);
enum decode_rc decode_zstd(struct grow *g, const unsigned char *in, size_t len);
enum decode_rc decode_aws_chunked(
    struct grow *g, const unsigned char *in, size_t len);
#endif
