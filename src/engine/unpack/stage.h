/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_STAGE_H
#define ENGINE_UNPACK_STAGE_H
/*
 * One coding being undone: takes its input in pieces of any size and hands
 * its output on. Between the files decode*.c only.
 */
#include "engine/unpack/decode.h"

#define STAGE_ROOM ((size_t)65536)

struct stage;
struct decoding;
struct stage_ops {
	size_t state_size;
	enum decode_rc (*open)(struct stage *s);
	/* Takes all of p, unless it fails. */
	enum decode_rc (*feed)(
	    struct stage *s, const unsigned char *p, size_t len);
	/* The input is over: DECODE_OK when that was its proper end. */
	enum decode_rc (*end)(struct stage *s);
	void (*close)(struct stage *s); /* also after a failed open */
};
struct stage {
	const struct stage_ops *ops;
	struct decoding *all;
	struct stage *next; /* NULL: the sink */
	void *state;        /* zeroed */
	unsigned char *room;
	uint64_t out, first_end;
	uint64_t left_over;
	bool dirt_left_over; /* more than NUL bytes */
};
/* n bytes of output, perhaps in s->room. */
enum decode_rc stage_put(struct stage *s, const void *p, size_t n) MUST_CHECK;
/* A member or frame ended here. */
void stage_member_ends(struct stage *s);
/* Input behind the end. */
void stage_over(struct stage *s, const unsigned char *p, size_t n);
bool stage_wants_raw_deflate(const struct stage *s);

extern const struct stage_ops stage_gzip, stage_deflate, stage_chunked;
#ifdef HAVE_BROTLI
extern const struct stage_ops stage_br;
#endif
#ifdef HAVE_ZSTD
extern const struct stage_ops stage_zstd;
#endif
#endif
