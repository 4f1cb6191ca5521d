/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* zstd (RFC 8878, 9659), if built with libzstd. */
#include "engine/unpack/stage.h"

#ifdef HAVE_ZSTD
#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

/*
 * 128 MiB, as the zstd command takes without being asked to. Browsers take
 * 8 MiB (RFC 9659), so what needs more reaches none of them.
 */
#define WINDOW_LOG_MAX 27
#define MAGIC_LEN ((size_t)4)

enum where { AT_HEAD, INSIDE, BEHIND };
struct zstd_state {
	ZSTD_DCtx *d;
	enum where where;
	bool whole; /* one frame has ended */
	unsigned char head[MAGIC_LEN];
	size_t nhead;
};

static enum decode_rc
open_zstd(struct stage *s)
{
	struct zstd_state *st = s->state;

	st->d = ZSTD_createDCtx();
	if (st->d == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(
				 st->d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return DECODE_SYSTEM;
	return DECODE_OK;
}

static void
close_zstd(struct stage *s)
{
	struct zstd_state *st = s->state;

	(void)ZSTD_freeDCtx(st->d);
}

static enum decode_rc
decompress(struct stage *s, const unsigned char **p, size_t *len)
{
	struct zstd_state *st = s->state;
	ZSTD_inBuffer src = { *p, *len, 0 };
	ZSTD_outBuffer dst;
	enum decode_rc rc;
	size_t left;

	do {
		dst = (ZSTD_outBuffer){ s->room, STAGE_ROOM, 0 };
		left = ZSTD_decompressStream(st->d, &dst, &src);
		rc = stage_put(s, s->room, dst.pos);
		if (rc != DECODE_OK)
			return rc;
		if (ZSTD_isError(left))
			return ZSTD_getErrorCode(left) ==
				       ZSTD_error_memory_allocation
				   ? DECODE_SYSTEM
				   : DECODE_BROKEN;
	} while (left > 0 && (src.pos < src.size || dst.pos == dst.size));
	*p += src.pos;
	*len -= src.pos;
	if (left == 0) {
		st->where = AT_HEAD;
		st->whole = true;
		stage_member_ends(s);
	}
	return DECODE_OK;
}

/* A frame, or a skippable one, begins with these four bytes. */
static bool
is_magic(const unsigned char h[MAGIC_LEN])
{
	return memcmp(h, "\x28\xb5\x2f\xfd", MAGIC_LEN) == 0 ||
	       (h[0] >> 4 == 5 && memcmp(h + 1, "\x2a\x4d\x18", 3) == 0);
}

static void
put_head_over(struct stage *s)
{
	struct zstd_state *st = s->state;

	stage_over(s, st->head, st->nhead);
	st->nhead = 0;
	st->where = BEHIND;
}

static enum decode_rc
take_head(struct stage *s, const unsigned char **p, size_t *len)
{
	struct zstd_state *st = s->state;
	const unsigned char *head = st->head;
	size_t n = MAGIC_LEN;

	for (; st->nhead<MAGIC_LEN && * len> 0; (*p)++, (*len)--)
		st->head[st->nhead++] = **p;
	if (st->nhead < MAGIC_LEN)
		return DECODE_OK;
	if (!is_magic(st->head)) {
		if (!st->whole)
			return DECODE_BROKEN;
		put_head_over(s);
		return DECODE_OK;
	}
	st->nhead = 0;
	st->where = INSIDE;
	return decompress(s, &head, &n);
}

static enum decode_rc
feed_zstd(struct stage *s, const unsigned char *p, size_t len)
{
	struct zstd_state *st = s->state;
	enum decode_rc rc = DECODE_OK;

	while (len > 0 && rc == DECODE_OK && st->where != BEHIND)
		rc = st->where == AT_HEAD ? take_head(s, &p, &len)
					  : decompress(s, &p, &len);
	if (rc == DECODE_OK)
		stage_over(s, p, len);
	return rc;
}

static enum decode_rc
end_zstd(struct stage *s)
{
	struct zstd_state *st = s->state;

	if (!st->whole || st->where == INSIDE)
		return DECODE_CUT;
	put_head_over(s);
	return DECODE_OK;
}

const struct stage_ops stage_zstd = { sizeof(struct zstd_state), open_zstd,
	feed_zstd, end_zstd, close_zstd };
#endif
