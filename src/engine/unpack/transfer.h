/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_TRANSFER_H
#define ENGINE_UNPACK_TRANSFER_H
/*
 * Encodings of bytes as text: base64, quoted-printable (RFC 2045 6), percent
 * (RFC 3986 2.1). As lenient as the most lenient reader: what is not of the
 * encoding is passed over or kept as it is. The output is never longer than
 * the input.
 */
#include "engine/unpack/decode.h"

/*
 * One digit of base64 at s.p, both alphabets, perhaps escaped for JSON, HTML
 * or a URL. What it is, and in *used how many bytes it takes.
 */
enum transfer_what {
	TRANSFER_DIGIT, /* *value is 0 to 63 */
	TRANSFER_PAD,
	TRANSFER_LINE_END,
	TRANSFER_BLANK,
	TRANSFER_OTHER
};
enum transfer_what transfer_digit(
    struct slice s, unsigned int *value, size_t *used);

/* The rc is the sink's, or DECODE_OK. */
enum decode_rc transfer_base64(
    struct slice in, decode_sink sink, void *ctx) MUST_CHECK;
enum decode_rc transfer_quoted_printable(
    struct slice in, decode_sink sink, void *ctx) MUST_CHECK;
/* plus_is_blank: as in forms. */
enum decode_rc transfer_percent(struct slice in, bool plus_is_blank,
    decode_sink sink, void *ctx) MUST_CHECK;
#endif
