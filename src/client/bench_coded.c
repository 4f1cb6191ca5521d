/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Coded objects whose stamp can be changed without coding them anew: what
 * stands up to and just behind the stamp (the lead) goes into a block that is
 * stored as it is, which every coding has, and the rest is compressed without
 * knowing of it.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_BROTLIENC
#include <brotli/encode.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "client/bench_object.h"

#define LARGEST ((size_t)1 << 31)

static const char *const names[] = { "", "gzip", "br", "zstd" };

const char *
bench_coding_name(enum bench_coding coding)
{
	return names[coding];
}

int
bench_coding_parse(const char *word)
{
	if (strcmp(word, "identity") == 0)
		return BENCH_IDENTITY;
	if (strcmp(word, "gzip") == 0)
		return BENCH_GZIP;
#ifdef HAVE_BROTLIENC
	if (strcmp(word, "br") == 0)
		return BENCH_BR;
#endif
#ifdef HAVE_ZSTD
	if (strcmp(word, "zstd") == 0)
		return BENCH_ZSTD;
#endif
	return -1;
}

/* What is stored: the stamp, what is before it, and two bytes behind it. */
static struct slice
lead_of(const struct bench_plain *p)
{
	size_t len = p->stamp_at + BENCH_STAMP + 2;

	return (struct slice){ p->data.p, p->stamp_at == SIZE_MAX ? 0
					  : len < p->data.len     ? len
							      : p->data.len };
}

static struct slice
rest_of(const struct bench_plain *p)
{
	size_t lead = lead_of(p).len;

	return (struct slice){ p->data.p + lead, p->data.len - lead };
}

/* p == NULL: a stamp. Marks are made in ascending order. */
static void
mark(struct bench_object *o, size_t at, const struct bench_plain *p)
{
	struct bench_mark *m;

	CHECK(o->nmarks < COUNTOF(o->marks));
	m = &o->marks[o->nmarks++];
	m->at = at;
	m->is_crc = p != NULL;
	if (p == NULL)
		return;
	CHECK(lead_of(p).len <= sizeof(m->lead));
	m->lead_len = lead_of(p).len;
	memcpy(m->lead, p->data.p, m->lead_len);
	m->stamp_at = p->stamp_at;
	m->crc = (uint32_t)crc32(
	    0, (const Bytef *)rest_of(p).p, (uInt)rest_of(p).len);
	m->op = (uint32_t)crc32_combine_gen((z_off_t)rest_of(p).len);
}

static void
put_le(struct buf *b, uint64_t v, size_t bytes)
{
	for (; bytes > 0; bytes--, v >>= 8) {
		char c = (char)v;

		(void)buf_append(b, &c, 1);
	}
}

/* Appends what deflate makes of s, as the last blocks of a stream. */
static int
put_deflated(struct buf *b, struct slice s)
{
	z_stream z = { 0 };
	uLong bound;
	int rc = -1;

	if (deflateInit2(&z, 6, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	bound = deflateBound(&z, (uLong)s.len);
	if (buf_reserve(b, bound) == 0) {
		z.next_in = (Bytef *)(uintptr_t)s.p;
		z.avail_in = (uInt)s.len;
		z.next_out = (Bytef *)b->p + b->len;
		z.avail_out = (uInt)bound;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
			b->len += z.total_out;
			rc = 0;
		}
	}
	(void)deflateEnd(&z);
	return rc;
}

/* The raw deflate stream of p; marks the stamp. */
static int
put_stream(struct bench_object *o, struct buf *b, const struct bench_plain *p)
{
	struct slice lead = lead_of(p);

	put_le(b, 0, 1); /* stored, not the last */
	put_le(b, lead.len, 2);
	put_le(b, ~lead.len, 2);
	if (lead.len > 0)
		mark(o, b->len + p->stamp_at, NULL);
	(void)buf_append_slice(b, lead);
	return put_deflated(b, rest_of(p));
}

static int
code_gzip(struct bench_object *o, struct buf *b, const struct bench_plain *p)
{
	(void)buf_append(b, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	if (put_stream(o, b, p) != 0)
		return -1;
	if (lead_of(p).len > 0)
		mark(o, b->len, p);
	put_le(b, crc32(0, (const Bytef *)p->data.p, (uInt)p->data.len), 4);
	put_le(b, p->data.len, 4);
	return 0;
}

#ifdef HAVE_ZSTD
/* RFC 8878: magic, descriptor, window, blocks. */
static int
code_zstd(struct bench_object *o, struct buf *b, const struct bench_plain *p)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	struct slice lead = lead_of(p), rest = rest_of(p);
	size_t bound = ZSTD_compressBound(rest.len), n = 0, head = 6;
	char *out = malloc(bound);
	int rc = -1;

	if (c == NULL || out == NULL)
		goto out;
	(void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
	n = ZSTD_compress2(c, out, bound, rest.p, rest.len);
	if (ZSTD_isError(n) || n < head)
		goto out;
	(void)buf_append(b, out, head);
	put_le(b, lead.len << 3, 3); /* raw, not the last */
	if (lead.len > 0)
		mark(o, b->len + p->stamp_at, NULL);
	(void)buf_append_slice(b, lead);
	(void)buf_append(b, out + head, n - head);
	rc = 0;
out:
	free(out);
	ZSTD_freeCCtx(c);
	return rc;
}
#endif

#ifdef HAVE_BROTLIENC
/* One step of the encoder; what comes out is appended to b. */
static int
br_step(BrotliEncoderState *e, BrotliEncoderOperation op, struct slice in,
    struct buf *b)
{
	const uint8_t *next = (const uint8_t *)in.p;

	do {
		size_t room = 0, n = 0;
		const uint8_t *out;

		if (!BrotliEncoderCompressStream(
			e, op, &in.len, &next, &room, NULL, NULL))
			return -1;
		out = BrotliEncoderTakeOutput(e, &n);
		(void)buf_append(b, out, n);
	} while (in.len > 0 || BrotliEncoderHasMoreOutput(e));
	return b->failed ? -1 : 0;
}

/*
 * RFC 7932. The encoder is shown a lead in which nothing repeats, and what it
 * made of that is replaced by a meta-block that is not compressed. Only the
 * last two bytes must be the real ones: they are the context of what follows.
 */
static int
code_br(struct bench_object *o, struct buf *b, const struct bench_plain *p)
{
	enum { WINDOW = 22 };
	BrotliEncoderState *e = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	struct bench_dice d = { 7 };
	struct slice lead = lead_of(p);
	char shown[sizeof(o->marks[0].lead)];
	struct buf dropped;
	int rc = -1;

	buf_init(&dropped, LARGEST);
	if (e == NULL)
		goto out;
	(void)BrotliEncoderSetParameter(e, BROTLI_PARAM_QUALITY, 5);
	(void)BrotliEncoderSetParameter(e, BROTLI_PARAM_LGWIN, WINDOW);
	if (lead.len > 0) {
		for (size_t i = 0; i < lead.len; i++)
			shown[i] = (char)(bench_dice_next(&d) | 0x80);
		memcpy(shown + lead.len - 2, lead.p + lead.len - 2, 2);
		if (br_step(e, BROTLI_OPERATION_FLUSH,
			(struct slice){ shown, lead.len }, &dropped) != 0)
			goto out;
		/* 4 bits of the window; not last; 4 nibbles; stored */
		put_le(b,
		    ((WINDOW - 17) << 1 | 1) | (uint64_t)(lead.len - 1) << 7 |
			1U << 23,
		    3);
		mark(o, b->len + p->stamp_at, NULL);
		(void)buf_append_slice(b, lead);
	}
	rc = br_step(e, BROTLI_OPERATION_FINISH, rest_of(p), b);
out:
	buf_free(&dropped);
	if (e != NULL)
		BrotliEncoderDestroyInstance(e);
	return rc;
}
#endif

/* The object gets what b holds. */
static int
take(struct bench_object *o, struct buf *b, int rc)
{
	if (rc == 0 && !b->failed && b->p != NULL) {
		o->bytes = b->p;
		o->len = b->len;
		*b = (struct buf){ 0 };
		return 0;
	}
	buf_free(b);
	return -1;
}

int
bench_code(struct bench_object *o, const struct bench_plain *p,
    enum bench_coding coding)
{
	struct buf b;
	int rc = 0;

	buf_init(&b, LARGEST);
	o->coding = names[coding];
	switch (coding) {
	case BENCH_GZIP:
		rc = code_gzip(o, &b, p);
		break;
#ifdef HAVE_BROTLIENC
	case BENCH_BR:
		rc = code_br(o, &b, p);
		break;
#endif
#ifdef HAVE_ZSTD
	case BENCH_ZSTD:
		rc = code_zstd(o, &b, p);
		break;
#endif
	default:
		if (p->stamp_at != SIZE_MAX)
			mark(o, p->stamp_at, NULL);
		rc = buf_append(&b, p->data.p, p->data.len);
	}
	return take(o, &b, rc);
}

/* ---- zip (APPNOTE 4.3.7, 4.3.12, 4.3.16) ---- */
struct member {
	size_t at, packed;
	const struct bench_plain *plain;
	char name[16];
};

/* What local and central header have in common, from the version on; the
 * CRC's place is marked. */
static void
put_common(struct bench_object *o, struct buf *b, const struct member *m)
{
	const struct bench_plain *p = m->plain;

	put_le(b, 20, 2);
	put_le(b, 0, 2);
	put_le(b, 8, 2); /* deflated */
	put_le(b, 0x58210000, 4);
	mark(o, b->len, p);
	put_le(b, crc32(0, (const Bytef *)p->data.p, (uInt)p->data.len), 4);
	put_le(b, m->packed, 4);
	put_le(b, p->data.len, 4);
	put_le(b, strlen(m->name), 2);
	put_le(b, 0, 2);
}

static int
put_member(struct bench_object *o, struct buf *b, struct member *m)
{
	size_t start;

	m->at = b->len;
	put_le(b, 0x04034b50, 4);
	put_common(o, b, m);
	(void)buf_append_str(b, m->name);
	start = b->len;
	if (put_stream(o, b, m->plain) != 0)
		return -1;
	m->packed = b->len - start;
	for (size_t i = 0; i < 4; i++)
		b->p[m->at + 18 + i] = (char)(m->packed >> (8 * i));
	return 0;
}

static void
put_central(struct bench_object *o, struct buf *b, const struct member *m)
{
	put_le(b, 0x02014b50, 4);
	put_le(b, 20, 2);
	put_common(o, b, m);
	put_le(b, 0, 6); /* comment, disk, internal attributes */
	put_le(b, 0, 4);
	put_le(b, m->at, 4);
	(void)buf_append_str(b, m->name);
}

int
bench_zip(
    struct bench_object *o, const struct bench_plain *plains, size_t count)
{
	struct member members[BENCH_MARKS / 3];
	struct buf b;
	size_t central;
	int rc = 0;

	CHECK(count <= COUNTOF(members));
	buf_init(&b, LARGEST);
	o->coding = "";
	for (size_t i = 0; i < count && rc == 0; i++) {
		members[i] = (struct member){ .plain = &plains[i],
			.name = "object-0.data" };
		members[i].name[7] = (char)('0' + i);
		rc = put_member(o, &b, &members[i]);
	}
	central = b.len;
	for (size_t i = 0; i < count && rc == 0; i++)
		put_central(o, &b, &members[i]);
	put_le(&b, 0x06054b50, 4);
	put_le(&b, 0, 4);
	put_le(&b, count, 2);
	put_le(&b, count, 2);
	put_le(&b, b.len - 12 - central, 4);
	put_le(&b, central, 4);
	put_le(&b, 0, 2);
	return take(o, &b, rc);
}
