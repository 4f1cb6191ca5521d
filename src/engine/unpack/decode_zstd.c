/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* zstd (RFC 8878, 9659), if built with libzstd. */
#include "engine/unpack/grow.h"

#ifdef HAVE_ZSTD
#include <zstd.h>

#define WINDOW_LOG_MAX 27 /* 128 MiB; browsers take 8 MiB (RFC 9659) */

static enum decode_rc
decode_stream(struct grow *g, ZSTD_DCtx *d, const unsigned char *in, size_t len)
{
	ZSTD_inBuffer src = { in, len, 0 };
	ZSTD_outBuffer dst;
	unsigned char *p;
	enum decode_rc rc;
	size_t room, before, left = 1;

	/* several frames may follow each other */
	while (src.pos < src.size || left > 0) {
		if ((rc = grow_room(g, &p, &room)) != DECODE_OK)
			return rc;
		dst = (ZSTD_outBuffer){ p, room, 0 };
		before = src.pos;
		left = ZSTD_decompressStream(d, &dst, &src);
		if (ZSTD_isError(left))
			return DECODE_BROKEN;
		if ((rc = grow_wrote(g, dst.pos)) != DECODE_OK)
			return rc;
		if (src.pos == before && dst.pos == 0)
			return left == 0 ? DECODE_OK : DECODE_BROKEN;
	}
	return DECODE_OK;
}

enum decode_rc
decode_zstd(struct grow *g, const unsigned char *in, size_t len)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	enum decode_rc rc = DECODE_SYSTEM;

	if (len == 0)
		rc = DECODE_BROKEN;
	else if (d != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(
				  d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		rc = decode_stream(g, d, in, len);
	(void)ZSTD_freeDCtx(d);
	return rc;
}
#else
enum decode_rc
decode_zstd(struct grow *g, const unsigned char *in, size_t len)
{
	(void)g;
	(void)in;
	(void)len;
	return DECODE_UNKNOWN;
}
#endif
