/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* gzip (RFC 1952, several members) and deflate (RFC 1950, else raw RFC 1951).
 */
#include <limits.h>
#include <string.h>

#include <zlib.h>

#include "engine/unpack/stage.h"

#define BITS_GZIP (MAX_WBITS + 16)
#define BITS_ZLIB MAX_WBITS
#define BITS_RAW (-MAX_WBITS)

enum where { AT_HEAD, INSIDE, BEHIND };
struct zlib_state {
	z_stream z;
	bool open, whole; /* one member or stream has ended */
	enum where where;
	unsigned char head[2];
	unsigned int nhead;
};

/* Inflates up to the end of the stream; *p and *len move with it. */
static enum decode_rc
inflate_some(struct stage *s, const unsigned char **p, size_t *len, bool *ended)
{
	struct zlib_state *st = s->state;
	enum decode_rc rc;
	size_t took;
	int zrc;

	*ended = false;
	do {
		st->z.next_in = (unsigned char *)(uintptr_t)*p;
		st->z.avail_in =
		    (uInt)(*len < UINT_MAX / 2 ? *len : UINT_MAX / 2);
		st->z.next_out = s->room;
		st->z.avail_out = STAGE_ROOM;
		zrc = inflate(&st->z, Z_NO_FLUSH);
		took = (size_t)(st->z.next_in - *p);
		*p += took;
		*len -= took;
		rc = stage_put(s, s->room, STAGE_ROOM - st->z.avail_out);
		if (rc != DECODE_OK)
			return rc;
		if (zrc == Z_STREAM_END) {
			*ended = true;
			return DECODE_OK;
		}
		if (zrc == Z_MEM_ERROR)
			return DECODE_SYSTEM;
		/* BUF_ERROR: there was nothing to do */
		if (zrc != Z_OK && zrc != Z_BUF_ERROR)
			return DECODE_BROKEN;
	} while (*len > 0 || st->z.avail_out == 0);
	return DECODE_OK;
}

static enum decode_rc
open_zlib(struct stage *s)
{
	(void)s;
	return DECODE_OK;
}

static void
close_zlib(struct stage *s)
{
	struct zlib_state *st = s->state;

	if (st->open)
		(void)inflateEnd(&st->z);
}

/* Begins a member or stream, of which the first two bytes are in st->head. */
static enum decode_rc
begin(struct stage *s, int bits)
{
	struct zlib_state *st = s->state;
	const unsigned char *p = st->head;
	size_t len = st->nhead;
	bool ended;
	int zrc;

	zrc =
	    st->open ? inflateReset2(&st->z, bits) : inflateInit2(&st->z, bits);
	if (zrc != Z_OK)
		return DECODE_SYSTEM;
	st->open = true;
	st->where = INSIDE;
	st->nhead = 0;
	return inflate_some(s, &p, &len, &ended);
}

/* Collects the two bytes that say what begins here. True when they are there.
 */
static bool
collect(struct zlib_state *st, const unsigned char **p, size_t *len)
{
	while (st->nhead < sizeof(st->head) && *len > 0) {
		st->head[st->nhead++] = **p;
		(*p)++;
		(*len)--;
	}
	return st->nhead == sizeof(st->head);
}

static void
put_head_over(struct stage *s)
{
	struct zlib_state *st = s->state;

	stage_over(s, st->head, st->nhead);
	st->nhead = 0;
	st->where = BEHIND;
}

static enum decode_rc
end_zlib(struct stage *s)
{
	struct zlib_state *st = s->state;

	if (!st->whole || st->where == INSIDE)
		return DECODE_CUT;
	put_head_over(s);
	return DECODE_OK;
}

static enum decode_rc
gzip_head(struct stage *s)
{
	struct zlib_state *st = s->state;

	if (st->head[0] == 0x1f && st->head[1] == 0x8b)
		return begin(s, BITS_GZIP);
	if (!st->whole)
		return DECODE_BROKEN;
	put_head_over(s); /* what follows is no member */
	return DECODE_OK;
}

static enum decode_rc
feed_gzip(struct stage *s, const unsigned char *p, size_t len)
{
	struct zlib_state *st = s->state;
	enum decode_rc rc = DECODE_OK;
	bool ended;

	while (len > 0 && rc == DECODE_OK && st->where != BEHIND) {
		if (st->where == AT_HEAD) {
			if (collect(st, &p, &len))
				rc = gzip_head(s);
			continue;
		}
		rc = inflate_some(s, &p, &len, &ended);
		if (rc == DECODE_OK && ended) {
			st->where = AT_HEAD;
			st->whole = true;
			stage_member_ends(s);
		}
	}
	if (rc == DECODE_OK)
		stage_over(s, p, len);
	return rc;
}

/*
 * Clients take it for zlib's when it has zlib's head. No encoder begins a raw
 * stream like that: it would be a stored block with dirty padding.
 */
static bool
has_zlib_head(const unsigned char h[2])
{
	return (h[0] & 0x0f) == 8 && h[0] >> 4 <= 7 &&
	       (h[0] * 256 + h[1]) % 31 == 0;
}

static enum decode_rc
feed_deflate(struct stage *s, const unsigned char *p, size_t len)
{
	struct zlib_state *st = s->state;
	enum decode_rc rc = DECODE_OK;
	bool ended, raw;

	if (st->where == AT_HEAD) {
		if (!collect(st, &p, &len))
			return DECODE_OK;
		raw = stage_wants_raw_deflate(s) || !has_zlib_head(st->head);
		rc = begin(s, raw ? BITS_RAW : BITS_ZLIB);
	}
	if (st->where == INSIDE && rc == DECODE_OK && len > 0) {
		rc = inflate_some(s, &p, &len, &ended);
		if (rc == DECODE_OK && ended) {
			st->where = BEHIND;
			st->whole = true;
		}
	}
	if (rc == DECODE_OK)
		stage_over(s, p, len);
	return rc;
}

const struct stage_ops stage_gzip = { sizeof(struct zlib_state), open_zlib,
	feed_gzip, end_zlib, close_zlib };
const struct stage_ops stage_deflate = { sizeof(struct zlib_state), open_zlib,
	feed_deflate, end_zlib, close_zlib };
