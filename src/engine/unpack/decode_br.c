/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* br (RFC 7932), if built with libbrotlidec. */
#include "engine/unpack/stage.h"

#ifdef HAVE_BROTLI
#include <brotli/decode.h>

struct br_state {
	BrotliDecoderState *d;
	bool ended;
};

static enum decode_rc
open_br(struct stage *s)
{
	struct br_state *st = s->state;

	st->d = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	return st->d != NULL ? DECODE_OK : DECODE_SYSTEM;
}

static void
close_br(struct stage *s)
{
	struct br_state *st = s->state;

	if (st->d != NULL)
		BrotliDecoderDestroyInstance(st->d);
}

static enum decode_rc
failure(const struct br_state *st)
{
	BrotliDecoderErrorCode e = BrotliDecoderGetErrorCode(st->d);

	return e <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
		       e >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
		   ? DECODE_SYSTEM
		   : DECODE_BROKEN;
}

static enum decode_rc
feed_br(struct stage *s, const unsigned char *p, size_t len)
{
	BrotliDecoderResult brc = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
	struct br_state *st = s->state;
	enum decode_rc rc;
	unsigned char *out;
	size_t room;

	while (!st->ended && brc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
		out = s->room;
		room = STAGE_ROOM;
		brc = BrotliDecoderDecompressStream(
		    st->d, &len, &p, &room, &out, NULL);
		rc = stage_put(s, s->room, STAGE_ROOM - room);
		if (rc != DECODE_OK)
			return rc;
		if (brc == BROTLI_DECODER_RESULT_ERROR)
			return failure(st);
		st->ended = brc == BROTLI_DECODER_RESULT_SUCCESS;
	}
	stage_over(s, p, len);
	return DECODE_OK;
}

static enum decode_rc
end_br(struct stage *s)
{
	const struct br_state *st = s->state;

	return st->ended ? DECODE_OK : DECODE_CUT;
}

const struct stage_ops stage_br = { sizeof(struct br_state), open_br, feed_br,
	end_br, close_br };
#endif
