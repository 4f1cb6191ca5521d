/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/unit/pack_util.h"

#define PACKED_MAX ((size_t)64 << 20)

static void
put(struct buf *b, const void *p, size_t len)
{
	assert_int_equal(buf_append(b, p, len), 0);
}

static void
le(struct buf *b, uint64_t v, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned char c = i < 8 ? (unsigned char)(v >> (8 * i)) : 0;

		put(b, &c, 1);
	}
}

void
pack_behind(struct buf *b, struct slice before, struct slice data)
{
	buf_init(b, PACKED_MAX);
	put(b, before.p, before.len);
	put(b, data.p, data.len);
}

static void
deflate_into(struct buf *b, struct slice data)
{
	z_stream z = { 0 };
	uLong cap;
	unsigned char *out;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 9, 0), Z_OK);
	cap = deflateBound(&z, data.len);
	out = malloc(cap);
	assert_non_null(out);
	z.next_in = (Bytef *)(uintptr_t)data.p;
	z.avail_in = (uInt)data.len;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	put(b, out, z.total_out);
	(void)deflateEnd(&z);
	free(out);
}

/* What the headers of one member say. */
struct said {
	uint32_t crc, method, flags;
	uint64_t packed, size, at;
	size_t name_len;
};

/* The fields that both headers share, from the version needed on. */
static void
shared_fields(struct buf *b, const struct said *s, unsigned int extra_len,
    bool sizes, bool zip64)
{
	le(b, zip64 ? 45 : 20, 2);
	le(b, s->flags, 2);
	le(b, s->method, 2);
	le(b, 0, 4);
	le(b, sizes ? s->crc : 0, 4);
	le(b, zip64 ? UINT32_MAX : sizes ? s->packed : 0, 4);
	le(b, zip64 ? UINT32_MAX : sizes ? s->size : 0, 4);
	le(b, s->name_len, 2);
	le(b, extra_len, 2);
}

static void
zip64_extra(struct buf *b, const struct said *s, bool with_place)
{
	le(b, 1, 2);
	le(b, with_place ? 24 : 16, 2);
	le(b, s->size, 8);
	le(b, s->packed, 8);
	if (with_place)
		le(b, s->at, 8);
}

static void
central_header(
    struct buf *dir, struct said s, const char *name, unsigned int flags)
{
	bool zip64 = (flags & PACK_ZIP64) != 0;

	if ((flags & PACK_LIES) != 0)
		s.method = s.method == 0 ? 8 : 0;
	le(dir, 0x02014b50, 4);
	le(dir, 45, 2);
	shared_fields(dir, &s, zip64 ? 28 : 0, true, zip64);
	le(dir, 0, 2); /* comment */
	le(dir, 0, 2); /* disk */
	le(dir, 0, 6); /* attributes */
	le(dir, zip64 ? UINT32_MAX : s.at, 4);
	put(dir, name, s.name_len);
	if (zip64)
		zip64_extra(dir, &s, true);
}

static uint64_t
announced(size_t len, unsigned int flags)
{
	if ((flags & PACK_SAY_NONE) != 0)
		return 0;
	return (flags & PACK_SAY_LESS) != 0 ? len / 2 : len;
}

static void
zip_member(
    struct buf *b, struct buf *dir, const struct pack_member *m, uint64_t shift)
{
	bool zip64 = (m->flags & PACK_ZIP64) != 0;
	bool later = (m->flags & PACK_DESCRIPTOR) != 0;
	struct buf packed;
	struct said s = { .crc = (uint32_t)crc32(
			      0, (const Bytef *)m->data.p, (uInt)m->data.len),
		.method = (m->flags & PACK_UNKNOWN) != 0  ? 97
			  : (m->flags & PACK_STORED) != 0 ? 0
							  : 8,
		.flags = ((m->flags & PACK_ENCRYPTED) != 0 ? 1u : 0) |
			 (later ? 8u : 0),
		.size = announced(m->data.len, m->flags),
		.at = b->len - shift,
		.name_len = strlen(m->name) };

	buf_init(&packed, PACKED_MAX);
	if ((m->flags & PACK_STORED) != 0)
		put(&packed, m->data.p, m->data.len);
	else
		deflate_into(&packed, m->data);
	s.packed = packed.len;
	le(b, 0x04034b50, 4);
	shared_fields(b, &s, zip64 ? 20 : 0, !later, zip64);
	put(b, m->name, s.name_len);
	if (zip64)
		zip64_extra(b, &s, false);
	put(b, packed.p, packed.len);
	if (later) {
		le(b, 0x08074b50, 4);
		le(b, s.crc, 4);
		le(b, s.packed, zip64 ? 8 : 4);
		le(b, s.size, zip64 ? 8 : 4);
	}
	if ((m->flags & PACK_HIDDEN) == 0)
		central_header(dir, s, m->name, m->flags);
	buf_free(&packed);
}

void
pack_zip(struct buf *b, struct slice prefix, const struct pack_member members[],
    size_t n, unsigned int flags)
{
	uint64_t shift = (flags & PACK_SHIFTED) != 0 ? prefix.len : 0;
	size_t shown = 0, at;
	struct buf dir;

	pack_behind(b, prefix, SLICE_NONE);
	buf_init(&dir, PACKED_MAX);
	for (size_t i = 0; i < n; i++) {
		zip_member(b, &dir, &members[i], shift);
		shown += (members[i].flags & PACK_HIDDEN) == 0;
	}
	at = b->len;
	if ((flags & PACK_NO_DIRECTORY) == 0) {
		put(b, dir.p, dir.len);
		le(b, 0x06054b50, 4);
		le(b, 0, 4);
		le(b, shown, 2);
		le(b, shown, 2);
		le(b, dir.len, 4);
		le(b, at - shift, 4);
		le(b, 0, 2);
	}
	buf_free(&dir);
}

void
pack_zip_one(struct buf *b, struct slice data, unsigned int member_flags,
    unsigned int archive_flags)
{
	struct pack_member m = { "member.bin", data, member_flags };

	pack_zip(b, SLICE_NONE, &m, 1, archive_flags);
}

static la_ssize_t
to_buf(struct archive *a, void *ctx, const void *p, size_t len)
{
	(void)a;
	put(ctx, p, len);
	return (la_ssize_t)len;
}

static void
write_member(struct archive *a, const struct pack_member *m)
{
	struct archive_entry *e = archive_entry_new();

	assert_non_null(e);
	archive_entry_set_pathname(e, m->name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)m->data.len);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	assert_int_equal(archive_write_data(a, m->data.p, m->data.len),
	    (la_ssize_t)m->data.len);
	archive_entry_free(e);
}

void
pack_archive(struct buf *b, const char *format, const char *filter,
    const char *options, const struct pack_member members[], size_t n)
{
	struct archive *a = archive_write_new();

	assert_non_null(a);
	buf_init(b, PACKED_MAX);
	assert_int_equal(archive_write_set_format_by_name(
			     a, format != NULL ? format : "raw"),
	    ARCHIVE_OK);
	if (filter != NULL)
		assert_int_equal(
		    archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	if (options != NULL)
		assert_int_equal(
		    archive_write_set_options(a, options), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), 0);
	assert_int_equal(
	    archive_write_open(a, b, NULL, to_buf, NULL), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++)
		write_member(a, &members[i]);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static void
rar4_header(struct buf *b, const struct buf *h)
{
	le(b, crc32(0, (const Bytef *)h->p, (uInt)h->len) & 0xffff, 2);
	put(b, h->p, h->len);
}

static void
pack_rar4(struct buf *b, struct slice data, unsigned int flags)
{
	struct buf h;

	put(b, "Rar!\x1a\x07\0", 7);
	buf_init(&h, 1024);
	put(&h, "\x73\0\0\x0d\0\0\0\0\0\0\0", 11);
	rar4_header(b, &h);
	buf_free(&h);
	buf_init(&h, 1024);
	le(&h, 0x74, 1);
	le(&h, 0x8000u | ((flags & PACK_ENCRYPTED) != 0 ? 4u : 0), 2);
	le(&h, 32 + 10, 2);
	le(&h, data.len, 4);
	le(&h, data.len, 4);
	le(&h, 2, 1);
	le(&h, crc32(0, (const Bytef *)data.p, (uInt)data.len), 4);
	le(&h, 0x50000000, 4);
	le(&h, 29, 1);
	le(&h, (flags & PACK_UNKNOWN) != 0 ? 0x39 : 0x30, 1);
	le(&h, 10, 2);
	le(&h, 0x20, 4);
	put(&h, "member.bin", 10);
	rar4_header(b, &h);
	buf_free(&h);
	put(b, data.p, data.len);
	put(b, "\xc4\x3d\x7b\0\x40\x07\0", 7);
}

/* A header of RAR 5: its checksum, its length, what it says. */
static void
rar5_header(struct buf *b, const struct buf *h)
{
	unsigned char len = (unsigned char)h->len;
	uLong crc;

	assert_true(h->len < 128);
	crc = crc32(0, &len, 1);
	le(b, crc32(crc, (const Bytef *)h->p, (uInt)h->len), 4);
	put(b, &len, 1);
	put(b, h->p, h->len);
}

static void
vint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		le(b, (v & 127) | 128, 1);
	le(b, v, 1);
}

static void
pack_rar5(struct buf *b, struct slice data, unsigned int flags)
{
	bool encrypted = (flags & PACK_ENCRYPTED) != 0;
	struct buf h;

	put(b, "Rar!\x1a\x07\1\0", 8);
	buf_init(&h, 1024);
	put(&h, "\1\0\0", 3); /* main header */
	rar5_header(b, &h);
	buf_free(&h);
	buf_init(&h, 1024);
	vint(&h, 2); /* file header */
	vint(&h, encrypted ? 3 : 2);
	if (encrypted)
		vint(&h, 3);
	vint(&h, data.len);
	vint(&h, 4); /* CRC is there */
	vint(&h, data.len);
	vint(&h, 0644);
	le(&h, crc32(0, (const Bytef *)data.p, (uInt)data.len), 4);
	vint(&h, (flags & PACK_UNKNOWN) != 0 ? 6 << 7 : 0); /* the method */
	vint(&h, 1);
	vint(&h, 10);
	put(&h, "member.bin", 10);
	if (encrypted)
		put(&h, "\2\1\0", 3); /* a record of type 1 */
	rar5_header(b, &h);
	buf_free(&h);
	put(b, data.p, data.len);
	buf_init(&h, 1024);
	put(&h, "\5\0\0", 3); /* end of archive */
	rar5_header(b, &h);
	buf_free(&h);
}

void
pack_rar(
    struct buf *b, int version, struct slice data, unsigned int member_flags)
{
	buf_init(b, PACKED_MAX);
	if (version == 4)
		pack_rar4(b, data, member_flags);
	else
		pack_rar5(b, data, member_flags);
}

#define CAB_BLOCK 32768u

void
pack_cab(struct buf *b, struct slice data, unsigned int member_flags)
{
	uint64_t blocks = (data.len + CAB_BLOCK - 1) / CAB_BLOCK;

	buf_init(b, PACKED_MAX);
	put(b, "MSCF\0\0\0\0", 8);
	le(b, 71 + blocks * 8 + data.len, 4);
	le(b, 0, 4);
	le(b, 44, 4); /* first file */
	le(b, 0, 4);
	put(b, "\3\1\1\0\1\0\0\0\0\0\0\0", 12);
	le(b, 71, 4); /* first block */
	le(b, blocks, 2);
	le(b, 0, 2); /* stored */
	le(b, announced(data.len, member_flags), 4);
	le(b, 0, 4);
	le(b, 0, 2);
	le(b, 0x22, 2);
	le(b, 0x5a21, 2);
	le(b, 0x20, 2);
	put(b, "member.bin", 11);
	for (size_t at = 0; at < data.len; at += CAB_BLOCK) {
		size_t n =
		    data.len - at < CAB_BLOCK ? data.len - at : CAB_BLOCK;

		le(b, 0, 4); /* no checksum */
		le(b, n, 2);
		le(b, n, 2);
		put(b, data.p + at, n);
	}
}

static void
arj_header(struct buf *b, const struct buf *h)
{
	put(b, "\x60\xea", 2);
	le(b, h->len, 2);
	put(b, h->p, h->len);
	le(b, crc32(0, (const Bytef *)h->p, (uInt)h->len), 4);
	le(b, 0, 2);
}

void
pack_arj(struct buf *b, struct slice data, unsigned int member_flags)
{
	struct buf h;

	buf_init(b, PACKED_MAX);
	buf_init(&h, 1024);
	put(&h, "\x1e\x0b\1\2\0\0\2\0", 8);
	le(&h, 0, 22 - 8);
	le(&h, 0, 8);
	put(&h, "a.arj\0", 7);
	arj_header(b, &h);
	buf_reset(&h);
	put(&h, "\x1e\x0b\1\2\0\0\0\0", 8);
	le(&h, 0x5a210000, 4);
	le(&h, data.len, 4);
	le(&h, announced(data.len, member_flags), 4);
	le(&h, crc32(0, (const Bytef *)data.p, (uInt)data.len), 4);
	le(&h, 0, 6);
	put(&h, "member.bin\0", 12);
	arj_header(b, &h);
	buf_free(&h);
	put(b, data.p, data.len);
	put(b, "\x60\xea\0\0", 4);
}

/* CRC-16 of the ARC program, polynomial 0x8005 reflected. */
static uint32_t
crc16(struct slice s)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int k = 0; k < 8; k++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return crc;
}

void
pack_lha(struct buf *b, struct slice data, unsigned int member_flags)
{
	struct buf h;
	unsigned int sum = 0;

	buf_init(b, PACKED_MAX);
	buf_init(&h, 1024);
	put(&h, "-lh0-", 5);
	le(&h, data.len, 4);
	le(&h, announced(data.len, member_flags), 4);
	le(&h, 0x5a210000, 4);
	le(&h, 0x20, 1);
	le(&h, 0, 1);
	le(&h, 10, 1);
	put(&h, "member.bin", 10);
	le(&h, crc16(data), 2);
	for (size_t i = 0; i < h.len; i++)
		sum += (unsigned char)h.p[i];
	le(b, h.len, 1);
	le(b, sum & 0xff, 1);
	put(b, h.p, h.len);
	put(b, data.p, data.len);
	le(b, 0, 1);
	buf_free(&h);
}

void
pack_mail(struct buf *b, struct slice data)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char head[] =
	    "From: a@example.org\r\nTo: b@example.org\r\nSubject: toll\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
	    "boundary=\"cut\"\r\n\r\n--cut\r\nContent-Type: text/plain\r\n"
	    "\r\nHello.\r\n--cut\r\nContent-Type: "
	    "application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"member.bin\"\r\n\r\n";
	const unsigned char *p = (const unsigned char *)data.p;

	buf_init(b, PACKED_MAX);
	put(b, head, sizeof(head) - 1);
	for (size_t i = 0; i < data.len; i += 3) {
		size_t n = data.len - i;
		uint32_t v = (uint32_t)p[i] << 16 |
			     (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (n > 2 ? p[i + 2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63],
			n > 1 ? digits[v >> 6 & 63] : '=',
			n > 2 ? digits[v & 63] : '=' };

		put(b, four, 4);
		if (i % 57 == 54 || n <= 3)
			put(b, "\r\n", 2);
	}
	put(b, "--cut--\r\n", 9);
}
