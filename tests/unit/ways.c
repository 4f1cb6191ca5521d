/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The ways themselves. */
#include "tests/unit/ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/pack_util.h"

static void
as_it_is(struct buf *b, struct slice d)
{
	pack_behind(b, SLICE_NONE, d);
}

static void
behind_id3(struct buf *b, struct slice d)
{
	pack_behind(b, SLICE_LIT("ID3"), d);
}

/* A tag that is right in itself, and no audio behind it. */
static void
behind_tag(struct buf *b, struct slice d)
{
	pack_behind(b, SLICE_LIT("ID3\3\0\0\0\0\0\4TIT2"), d);
}

static void
behind_ogg(struct buf *b, struct slice d)
{
	pack_behind(b, SLICE_LIT("OggS"), d);
}

static void
behind_many(struct buf *b, struct slice d)
{
	pack_behind(b, SLICE_LIT("ID3OggSID3.RMFSQLite format 3\0ID3"), d);
}

static void
no_directory(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, 0, PACK_NO_DIRECTORY);
}

static void
no_directory_stored(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, PACK_STORED, PACK_NO_DIRECTORY);
}

static void
no_directory_streamed(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, PACK_DESCRIPTOR, PACK_NO_DIRECTORY);
}

static void
zip64(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, PACK_ZIP64, 0);
}

static void
zip64_stored(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, PACK_ZIP64 | PACK_STORED, 0);
}

static void
prefixed(struct buf *b, struct slice d, unsigned int member_flags,
    unsigned int flags)
{
	struct pack_member m = { "member.bin", d, member_flags };

	pack_zip(b, SLICE_LIT("\xff\xd8\xff\xe0\0\x10JFIF\0 and an image"), &m,
	    1, flags);
}

static void
behind_image(struct buf *b, struct slice d)
{
	prefixed(b, d, PACK_DESCRIPTOR, 0);
}

static void
behind_image_shifted(struct buf *b, struct slice d)
{
	prefixed(b, d, PACK_DESCRIPTOR, PACK_SHIFTED);
}

static void
behind_image_zip64(struct buf *b, struct slice d)
{
	prefixed(b, d, PACK_ZIP64, 0);
}

/* What an unpacker that reads from the front finds, and only that. */
static void
hidden_in_zip(struct buf *b, struct slice d)
{
	struct pack_member m[] = { { "good.txt", SLICE_LIT("harmless text"),
				       0 },
		{ "bad.bin", d, PACK_HIDDEN },
		{ "more.txt", SLICE_LIT("harmless text"), 0 } };

	pack_zip(b, SLICE_NONE, m, 3, 0);
}

static void
before_zip(struct buf *b, struct slice d)
{
	struct buf second;

	pack_zip_one(b, d, 0, 0);
	pack_zip_one(&second, SLICE_LIT("harmless text"), 0, 0);
	assert_int_equal(buf_append(b, second.p, second.len), 0);
	buf_free(&second);
}

static void
with_archive(struct buf *b, struct slice d, const char *format,
    const char *filter, const char *options)
{
	struct pack_member m = { "member.bin", d, 0 };

	pack_archive(b, format, filter, options, &m, 1);
}

#define ARCHIVE(name, format, filter, options) \
	static void name(struct buf *b, struct slice d) \
	{ \
		with_archive(b, d, format, filter, options); \
	}
ARCHIVE(in_7z, "7zip", NULL, NULL)
ARCHIVE(in_7z_bzip2, "7zip", NULL, "compression=bzip2")
ARCHIVE(in_7z_deflate, "7zip", NULL, "compression=deflate")
ARCHIVE(in_7z_ppmd, "7zip", NULL, "compression=ppmd")
ARCHIVE(in_7z_stored, "7zip", NULL, "compression=store")
ARCHIVE(in_ar, "ar", NULL, NULL)
ARCHIVE(in_warc, "warc", NULL, NULL)
ARCHIVE(in_ustar, "ustar", NULL, NULL)
ARCHIVE(in_pax, "pax", NULL, NULL)
ARCHIVE(in_v7tar, "v7tar", NULL, NULL)
ARCHIVE(in_newc, "newc", NULL, NULL)
ARCHIVE(in_odc, "odc", NULL, NULL)
ARCHIVE(in_bin_cpio, "bin", NULL, NULL)
ARCHIVE(in_iso, "iso", NULL, NULL)
ARCHIVE(in_xar, "xar", NULL, NULL)
ARCHIVE(in_tar_xz, "ustar", "xz", NULL)
ARCHIVE(in_tar_zst, "ustar", "zstd", NULL)
ARCHIVE(in_gz, NULL, "gzip", NULL)
ARCHIVE(in_bz2, NULL, "bzip2", NULL)
ARCHIVE(in_xz, NULL, "xz", NULL)
ARCHIVE(in_zst, NULL, "zstd", NULL)
ARCHIVE(in_lz4, NULL, "lz4", NULL)
ARCHIVE(in_lzip, NULL, "lzip", NULL)
ARCHIVE(in_lzma, NULL, "lzma", NULL)
ARCHIVE(in_compress, NULL, "compress", NULL)
ARCHIVE(in_uu, NULL, "uuencode", NULL)

void
way_in_tar_gz(struct buf *b, struct slice d)
{
	with_archive(b, d, "ustar", "gzip", NULL);
}

/* The engine stops behind the first stream. */
static void
second_bz2(struct buf *b, struct slice d)
{
	struct buf more;

	in_bz2(b, SLICE_NONE);
	in_bz2(&more, d);
	assert_int_equal(buf_append(b, more.p, more.len), 0);
	buf_free(&more);
}

static void
in_rar4(struct buf *b, struct slice d)
{
	pack_rar(b, 4, d, 0);
}

static void
in_rar5(struct buf *b, struct slice d)
{
	pack_rar(b, 5, d, 0);
}

static void
behind_program(struct buf *b, struct slice d, way_pack inner)
{
	static const char elf[64] = "\x7f"
				    "ELF\2\1\1";
	struct buf a;

	inner(&a, d);
	pack_behind(b, (struct slice){ elf, sizeof(elf) }, buf_slice(&a));
	buf_free(&a);
}

static void
rar_sfx(struct buf *b, struct slice d)
{
	behind_program(b, d, in_rar5);
}

static void
sfx_7z_bzip2(struct buf *b, struct slice d)
{
	behind_program(b, d, in_7z_bzip2);
}

/* What hides it stands only in the second layer. */
static void
in_tar(struct buf *b, struct slice d, way_pack inner)
{
	struct buf a;

	inner(&a, d);
	way_in_tar_gz(b, buf_slice(&a));
	buf_free(&a);
}

static void
id3_in_tar(struct buf *b, struct slice d)
{
	in_tar(b, d, behind_id3);
}

static void
zip64_in_tar(struct buf *b, struct slice d)
{
	in_tar(b, d, zip64);
}

static void
rar_in_tar(struct buf *b, struct slice d)
{
	in_tar(b, d, in_rar5);
}

static void
as_cab(struct buf *b, struct slice d)
{
	pack_cab(b, d, 0);
}

static void
as_arj(struct buf *b, struct slice d)
{
	pack_arj(b, d, 0);
}

static void
as_lha(struct buf *b, struct slice d)
{
	pack_lha(b, d, 0);
}

static void
in_zip(struct buf *b, struct slice d)
{
	pack_zip_one(b, d, 0, 0);
}

#define SAYING(name, call) \
	static void name##_less(struct buf *b, struct slice d) \
	{ \
		unsigned int flags = PACK_SAY_LESS; \
		call; \
	} \
	static void name##_none(struct buf *b, struct slice d) \
	{ \
		unsigned int flags = PACK_SAY_NONE; \
		call; \
	}
SAYING(zip, pack_zip_one(b, d, flags, 0))
SAYING(zip_stored, pack_zip_one(b, d, flags | PACK_STORED, 0))
SAYING(zip_streamed, pack_zip_one(b, d, flags | PACK_DESCRIPTOR, 0))
SAYING(zip_front, pack_zip_one(b, d, flags, PACK_NO_DIRECTORY))
SAYING(zip_64, pack_zip_one(b, d, flags | PACK_ZIP64, 0))
SAYING(rar4, pack_rar(b, 4, d, flags))
SAYING(rar5, pack_rar(b, 5, d, flags))
SAYING(cab, pack_cab(b, d, flags))
SAYING(arj, pack_arj(b, d, flags))
SAYING(lha, pack_lha(b, d, flags))

/* The trailer of a gzip file is its length. */
static void
gz_less(struct buf *b, struct slice d)
{
	in_gz(b, d);
	memset(b->p + b->len - 4, 1, 2);
	memset(b->p + b->len - 2, 0, 2);
}

static void
gz_none(struct buf *b, struct slice d)
{
	in_gz(b, d);
	memset(b->p + b->len - 4, 0, 4);
}

#define ROW(f) \
	{ \
#f, f \
	}
const struct way ways_hidden[] = {
	ROW(as_it_is),
	ROW(behind_id3),
	ROW(behind_ogg),
	ROW(no_directory),
	ROW(zip64),
	ROW(behind_tag),
	ROW(behind_many),
	ROW(no_directory_stored),
	ROW(no_directory_streamed),
	ROW(zip64_stored),
	ROW(behind_image),
	ROW(behind_image_shifted),
	ROW(behind_image_zip64),
	ROW(hidden_in_zip),
	ROW(before_zip),
	ROW(in_7z),
	ROW(in_7z_bzip2),
	ROW(in_7z_deflate),
	ROW(in_7z_ppmd),
	ROW(in_ar),
	ROW(in_warc),
	ROW(in_xar),
	ROW(in_iso),
	ROW(in_tar_zst),
	ROW(in_zst),
	ROW(in_lz4),
	ROW(in_lzip),
	ROW(in_lzma),
	ROW(in_compress),
	ROW(second_bz2),
	ROW(in_rar4),
	ROW(in_rar5),
	ROW(rar_sfx),
	ROW(sfx_7z_bzip2),
	ROW(id3_in_tar),
	ROW(zip64_in_tar),
	ROW(rar_in_tar),
	ROW(as_cab),
	ROW(as_arj),
	ROW(as_lha),
	ROW(pack_mail),
	{ NULL, NULL },
};

const struct way ways_long[] = {
	ROW(in_zip),
	ROW(zip_less),
	ROW(zip_none),
	ROW(no_directory),
	ROW(zip_front_less),
	ROW(zip_front_none),
	ROW(no_directory_stored),
	ROW(no_directory_streamed),
	ROW(zip_stored_less),
	ROW(zip_stored_none),
	ROW(zip_streamed_less),
	ROW(zip_streamed_none),
	ROW(zip64),
	ROW(zip64_stored),
	ROW(zip_64_less),
	ROW(zip_64_none),
	ROW(behind_image),
	ROW(in_7z),
	ROW(in_7z_bzip2),
	ROW(in_7z_stored),
	ROW(in_ustar),
	ROW(in_pax),
	ROW(in_v7tar),
	ROW(way_in_tar_gz),
	ROW(in_tar_xz),
	ROW(in_tar_zst),
	ROW(in_newc),
	ROW(in_odc),
	ROW(in_bin_cpio),
	ROW(in_iso),
	ROW(in_xar),
	ROW(in_ar),
	ROW(in_warc),
	ROW(in_gz),
	ROW(gz_less),
	ROW(gz_none),
	ROW(in_bz2),
	ROW(second_bz2),
	ROW(in_xz),
	ROW(in_zst),
	ROW(in_lz4),
	ROW(in_lzip),
	ROW(in_lzma),
	ROW(in_compress),
	ROW(in_uu),
	ROW(in_rar4),
	ROW(rar4_less),
	ROW(rar4_none),
	ROW(in_rar5),
	ROW(rar5_less),
	ROW(rar5_none),
	ROW(as_cab),
	ROW(cab_less),
	ROW(cab_none),
	ROW(as_arj),
	ROW(arj_less),
	ROW(arj_none),
	ROW(as_lha),
	ROW(lha_less),
	ROW(lha_none),
	ROW(pack_mail),
	ROW(id3_in_tar),
	{ NULL, NULL },
};
