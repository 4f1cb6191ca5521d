/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* br (RFC 7932), if built with libbrotlidec. */
#include "engine/unpack/grow.h"

#ifdef HAVE_BROTLI
#include <brotli/decode.h>

static enum decode_rc
decode_stream(
    struct grow *g, BrotliDecoderState *s, const unsigned char *in, size_t len)
{
	BrotliDecoderResult brc = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
	enum decode_rc rc;
	unsigned char *p;
	size_t room, had;

	while (brc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
		if ((rc = grow_room(g, &p, &room)) != DECODE_OK)
			return rc;
		had = room;
		brc = BrotliDecoderDecompressStream(
		    s, &len, &in, &room, &p, NULL);
		if ((rc = grow_wrote(g, had - room)) != DECODE_OK)
			return rc;
	}
	g->out->left_over = len;
	/* more input wanted: it was cut */
	return brc == BROTLI_DECODER_RESULT_SUCCESS ? DECODE_OK : DECODE_BROKEN;
}

enum decode_rc
decode_br(struct grow *g, const unsigned char *in, size_t len)
{
	BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	enum decode_rc rc;

	if (s == NULL)
		return DECODE_SYSTEM;
	rc = decode_stream(g, s, in, len);
	BrotliDecoderDestroyInstance(s);
	return rc;
}
#else
enum decode_rc
decode_br(struct grow *g, const unsigned char *in, size_t len)
{
	(void)g;
	(void)in;
	(void)len;
	return DECODE_UNKNOWN;
}
#endif
