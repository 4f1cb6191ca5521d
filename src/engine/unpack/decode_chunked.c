/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * hexsize[;extension] CRLF data CRLF ..., ended by a chunk of size 0, trailer
 * lines, and an empty line: chunked (RFC 9112 7.1), and aws-chunked of S3
 * uploads, whose extension is a signature. Line ends may be LF alone.
 */
#include <string.h>

#include "base/str.h"
#include "engine/unpack/stage.h"

#define LINE_MAX_LEN ((size_t)1024)
#define TRAILER_MAX_LEN ((size_t)16384)

enum where { SIZE, DATA, DATA_END, TRAILER, BEHIND };
struct chunked_state {
	enum where where;
	uint64_t left;
	size_t nline, trailer;
	char line[LINE_MAX_LEN];
};

static enum decode_rc
open_chunked(struct stage *s)
{
	(void)s;
	return DECODE_OK;
}

static void
close_chunked(struct stage *s)
{
	(void)s;
}

/* Collects a line without its end. 1 when it is complete, 0 not yet, -1. */
static int
collect(struct chunked_state *st, const unsigned char **p, size_t *len)
{
	for (; *len > 0 && **p != '\n'; (*p)++, (*len)--) {
		if (st->nline == LINE_MAX_LEN)
			return -1;
		st->line[st->nline++] = (char)**p;
	}
	if (*len == 0)
		return 0;
	(*p)++;
	(*len)--;
	if (st->nline > 0 && st->line[st->nline - 1] == '\r')
		st->nline--;
	return 1;
}

/* "size[;...]" */
static bool
take_size(struct chunked_state *st)
{
	struct slice line = { st->line, st->nline };
	ptrdiff_t semi = slice_find(line, ';');

	if (semi >= 0)
		line.len = (size_t)semi;
	if (str_hex_to_u64(slice_trim(line), &st->left) != 0)
		return false;
	st->where = st->left > 0 ? DATA : TRAILER;
	return true;
}

static bool
take_trailer(struct chunked_state *st)
{
	struct slice line = { st->line, st->nline };

	st->trailer += line.len;
	if (line.len == 0)
		st->where = BEHIND;
	return line.len == 0 ||
	       (slice_find(line, ':') > 0 && st->trailer <= TRAILER_MAX_LEN);
}

static bool
take_line(struct chunked_state *st)
{
	if (st->where == SIZE)
		return take_size(st);
	if (st->where == TRAILER)
		return take_trailer(st);
	st->where = SIZE; /* what ends a chunk's data is an empty line */
	return st->nline == 0;
}

static enum decode_rc
pass_data(struct stage *s, const unsigned char **p, size_t *len)
{
	struct chunked_state *st = s->state;
	size_t n = *len < st->left ? *len : (size_t)st->left;
	enum decode_rc rc = stage_put(s, *p, n);

	*p += n;
	*len -= n;
	st->left -= n;
	if (st->left == 0)
		st->where = DATA_END;
	return rc;
}

static enum decode_rc
feed_chunked(struct stage *s, const unsigned char *p, size_t len)
{
	struct chunked_state *st = s->state;
	enum decode_rc rc = DECODE_OK;
	int got;

	while (len > 0 && rc == DECODE_OK && st->where != BEHIND) {
		if (st->where == DATA) {
			rc = pass_data(s, &p, &len);
			continue;
		}
		got = collect(st, &p, &len);
		if (got == 0)
			return DECODE_OK;
		if (got < 0 || !take_line(st))
			return DECODE_BROKEN;
		st->nline = 0;
	}
	if (rc == DECODE_OK)
		stage_over(s, p, len);
	return rc;
}

/* Some clients leave the last empty line out. */
static enum decode_rc
end_chunked(struct stage *s)
{
	const struct chunked_state *st = s->state;

	return st->where == BEHIND || (st->where == TRAILER && st->nline == 0)
		   ? DECODE_OK
		   : DECODE_CUT;
}

const struct stage_ops stage_chunked = { sizeof(struct chunked_state),
	open_chunked, feed_chunked, end_chunked, close_chunked };
