/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* gzip (RFC 1952, several members) and deflate (RFC 1950, else raw RFC 1951).
 */
#include <limits.h>
#include <string.h>

#include <zlib.h>

#include "engine/unpack/grow.h"

#define BITS_GZIP (MAX_WBITS + 16)
#define BITS_ZLIB MAX_WBITS
#define BITS_RAW (-MAX_WBITS)

static void
give_input(z_stream *z, const unsigned char **in, size_t *len)
{
	size_t n = *len < UINT_MAX / 2 ? *len : UINT_MAX / 2;

	z->next_in = (unsigned char *)(uintptr_t)*in;
	z->avail_in = (uInt)n;
}

/* One zlib stream; *in and *len move behind it. */
static enum decode_rc
inflate_stream(
    struct grow *g, z_stream *z, const unsigned char **in, size_t *len)
{
	enum decode_rc rc;
	unsigned char *p;
	size_t room, took;
	int zrc;

	for (;;) {
		if ((rc = grow_room(g, &p, &room)) != DECODE_OK)
			return rc;
		z->next_out = p;
		z->avail_out =
		    (uInt)(room < UINT_MAX / 2 ? room : UINT_MAX / 2);
		give_input(z, in, len);
		zrc = inflate(z, Z_NO_FLUSH);
		took = (size_t)(z->next_in - *in);
		*in += took;
		*len -= took;
		if ((rc = grow_wrote(g, (size_t)(z->next_out - p))) !=
		    DECODE_OK)
			return rc;
		if (zrc == Z_STREAM_END)
			return DECODE_OK;
		if (zrc == Z_MEM_ERROR)
			return DECODE_SYSTEM;
		if (zrc != Z_OK || (took == 0 && z->next_out == p))
			return DECODE_BROKEN;
	}
}

static enum decode_rc
inflate_all(struct grow *g, const unsigned char **in, size_t *len, int bits)
{
	enum decode_rc rc;
	z_stream z;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, bits) != Z_OK)
		return DECODE_SYSTEM;
	rc = inflate_stream(g, &z, in, len);
	(void)inflateEnd(&z);
	return rc;
}

enum decode_rc
decode_gzip(struct grow *g, const unsigned char *in, size_t len)
{
	enum decode_rc rc = DECODE_BROKEN;

	while (len > 0) {
		if (rc == DECODE_OK &&
		    (len < 2 || in[0] != 0x1f || in[1] != 0x8b))
			break; /* what follows is no member */
		if ((rc = inflate_all(g, &in, &len, BITS_GZIP)) != DECODE_OK)
			return rc;
	}
	g->out->left_over = len;
	return rc;
}

enum decode_rc
decode_deflate(struct grow *g, const unsigned char *in, size_t len)
{
	const unsigned char *from = in;
	size_t left = len;
	enum decode_rc rc = inflate_all(g, &from, &left, BITS_ZLIB);

	if (rc == DECODE_BROKEN && g->out->len == 0) {
		/* many send it without the zlib wrapper */
		from = in;
		left = len;
		rc = inflate_all(g, &from, &left, BITS_RAW);
	}
	g->out->left_over = left;
	return rc;
}
