/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/container.h"

#include <string.h>

#include <zlib.h>

#include "engine/unpack/bytes.h"

/* APPNOTE.TXT 4.3.7: a local header of a sane version and name. */
static bool
is_zip(struct slice d)
{
	return d.len >= 30 && d.p[5] == 0 && le16(d.p + 26) > 0;
}

/* A header block whose checksum is right (POSIX.1 ustar, v7 and GNU alike). */
static bool
is_tar(struct slice d)
{
	const unsigned char *p = (const unsigned char *)d.p;
	uint32_t sum = 8 * ' ', said = 0;
	size_t i = 148;

	if (d.len < 512 || p[0] == 0)
		return false;
	for (size_t k = 0; k < 512; k++)
		sum += k < 148 || k >= 156 ? p[k] : 0;
	while (i < 156 && p[i] == ' ')
		i++;
	if (i == 156 || p[i] < '0' || p[i] > '7')
		return false;
	for (; i < 156 && p[i] >= '0' && p[i] <= '7'; i++)
		said = said * 8 + (p[i] - '0');
	return sum == said;
}

/* The old binary header: a mode and the length of a name that ends in NUL. */
static bool
is_cpio_old(struct slice d)
{
	bool big = d.len >= 2 && (unsigned char)d.p[0] == 0x71;
	uint32_t mode, len;

	if (d.len < 28)
		return false;
	mode = big ? be16(d.p + 6) : le16(d.p + 6);
	len = big ? be16(d.p + 20) : le16(d.p + 20);
	return len > 1 && len <= 1024 && 26 + len <= d.len &&
	       d.p[26 + len - 1] == 0 && mode >> 12 != 0;
}

static bool
is_cpio_text(struct slice d)
{
	for (size_t i = 6; i < 76; i++)
		if (i >= d.len ||
		    strchr("0123456789abcdefABCDEF", d.p[i]) == NULL)
			return false;
	return true;
}

/* -lh0- to -lh7-, -lhd-, -lzs-, -lz4-, -lz5-, -pm0- ... */
static bool
is_lha(struct slice d)
{
	return d.len >= 22 && d.p[6] == '-' &&
	       (memcmp(d.p + 2, "-lh", 3) == 0 ||
		   memcmp(d.p + 2, "-lz", 3) == 0 ||
		   memcmp(d.p + 2, "-pm", 3) == 0);
}

/* A main header of a possible size, and not the end right behind it. */
static bool
is_arj(struct slice d)
{
	size_t len;

	if (d.len < 40)
		return false;
	len = le16(d.p + 2);
	return len >= 30 && len <= 2600 && len + 14 <= d.len &&
	       crc32(0, (const Bytef *)d.p + 4, (uInt)len) ==
		   le32(d.p + 4 + len) &&
	       memcmp(d.p + len + 10, "\x60\xea\0\0", 4) != 0;
}

#define LZMA_DICT_MAX ((uint32_t)256 << 20) /* memory that a reader needs */

/* No magic: properties, a size of dictionary as encoders write it, a size of
 * the contents, and the first byte of the range coder, which is 0. */
static bool
is_any_lzma(struct slice d)
{
	uint32_t dict;
	uint64_t size;

	/* lc + lp of at most 4: what the usual decoders take */
	if (d.len < 18 || (unsigned char)d.p[0] >= 225 || d.p[13] != 0 ||
	    (unsigned char)d.p[0] % 9 + (unsigned char)d.p[0] / 9 % 5 > 4)
		return false;
	dict = le32(d.p + 1);
	size = le64(d.p + 5);
	if (dict < 4096 || size == 0 ||
	    (size > (uint64_t)1 << 38 && size != UINT64_MAX))
		return false;
	while ((dict & 1) == 0)
		dict >>= 1;
	return dict == 1 || dict == 3 || dict == UINT32_MAX;
}

static bool
is_lzma(struct slice d)
{
	return is_any_lzma(d) && le32(d.p + 1) <= LZMA_DICT_MAX;
}

/* The usual properties: that is no accident. */
static bool
is_large_lzma(struct slice d)
{
	return is_any_lzma(d) && d.p[0] == 0x5d &&
	       le32(d.p + 1) > LZMA_DICT_MAX;
}

/* compress(1): 9 to 16 bits, no reserved flag. */
static bool
is_compress(struct slice d)
{
	unsigned char c = d.len >= 5 ? (unsigned char)d.p[2] : 0;

	return (c & 0x1f) >= 9 && (c & 0x1f) <= 16 && (c & 0x60) == 0;
}

/* A skippable frame of zstd and lz4 before the real one. */
static bool
is_skippable(struct slice d)
{
	return d.len >= 8 && ((unsigned char)d.p[0] & 0xf0) == 0x50;
}

static bool
is_warc(struct slice d)
{
	return d.len >= 10 && d.p[5] >= '0' && d.p[5] <= '9' && d.p[6] == '.';
}

static bool
is_lzip(struct slice d)
{
	return d.len >= 26 && (d.p[4] == 0 || d.p[4] == 1);
}

static bool
is_xar(struct slice d)
{
	return d.len >= 28 && be16(d.p + 4) >= 28;
}

static bool
is_zoo(struct slice d)
{
	return d.len >= 24 && memcmp(d.p + 20, "\xdc\xa7\xc4\xfd", 4) == 0;
}

static bool
is_stuffit(struct slice d)
{
	return d.len >= 22 && memcmp(d.p + 10, "rLau", 4) == 0;
}

static bool
is_squashfs(struct slice d)
{
	return d.len >= 96 && le16(d.p + 28) <= 4 && le16(d.p + 28) > 0;
}

#define M(text) \
	{ \
		(text), sizeof(text) - 1 \
	}
/* The first match counts. */
static const struct container rows[] = {
	{ "ZIP", CONTAINER_ZIP, READER_ZIP_DIRECTORY, false, 0, M("PK\3\4"),
	    is_zip },
	{ "RAR", CONTAINER_LISTED, READER_RAR, false, 0, M("Rar!\x1a\x07"),
	    NULL },
	{ "7Z", CONTAINER_LISTED, READER_7Z, false, 0, M("7z\xbc\xaf\x27\x1c"),
	    NULL },
	{ "CAB", CONTAINER_LISTED, READER_CAB, false, 0, M("MSCF\0\0\0\0"),
	    NULL },
	{ "XAR", CONTAINER_LISTED, READER_XAR, false, 0, M("xar!"), is_xar },
	{ "ISO9660", CONTAINER_LISTED, READER_ISO, false, 32768, M("\1CD001\1"),
	    NULL },
	{ "LHA", CONTAINER_LISTED, READER_LHA, true, 2, M("-"), is_lha },
	{ "CPIO", CONTAINER_LISTED, READER_CPIO, false, 0, M("070701"),
	    is_cpio_text },
	{ "CPIO", CONTAINER_LISTED, READER_CPIO, false, 0, M("070702"),
	    is_cpio_text },
	{ "CPIO", CONTAINER_LISTED, READER_CPIO, false, 0, M("070707"),
	    is_cpio_text },
	{ "CPIO", CONTAINER_LISTED, READER_CPIO, true, 0, M("\xc7\x71"),
	    is_cpio_old },
	{ "CPIO", CONTAINER_LISTED, READER_CPIO, true, 0, M("\x71\xc7"),
	    is_cpio_old },
	{ "BZIP2", CONTAINER_BZIP2, READER_BZIP2, false, 0, M("BZh"), NULL },
	{ "AR", CONTAINER_READER, READER_AR, false, 0, M("!<arch>\n"), NULL },
	{ "ZSTD", CONTAINER_READER, READER_ZSTD, false, 0,
	    M("\x28\xb5\x2f\xfd"), NULL },
	{ "ZSTD", CONTAINER_READER, READER_ZSTD, true, 1, M("\x2a\x4d\x18"),
	    is_skippable },
	{ "LZ4", CONTAINER_READER, READER_LZ4, false, 0, M("\x04\x22\x4d\x18"),
	    NULL },
	{ "LZ4", CONTAINER_READER, READER_LZ4, true, 0, M("\x02\x21\x4c\x18"),
	    NULL },
	{ "LZIP", CONTAINER_READER, READER_LZIP, false, 0, M("LZIP"), is_lzip },
	{ "COMPRESS", CONTAINER_READER, READER_COMPRESS, true, 0, M("\x1f\x9d"),
	    is_compress },
	{ "RPM", CONTAINER_READER, READER_RPM, false, 0, M("\xed\xab\xee\xdb"),
	    NULL },
	{ "WARC", CONTAINER_READER, READER_WARC, false, 0, M("WARC/"),
	    is_warc },
	{ "ARJ", CONTAINER_ENGINE, READER_NONE, false, 0, M("\x60\xea"),
	    is_arj },
	{ "EGG", CONTAINER_ENGINE, READER_NONE, false, 0, M("EGGA"), NULL },
	{ "ALZ", CONTAINER_ENGINE, READER_NONE, false, 0, M("ALZ\1"), NULL },
	{ "ACE", CONTAINER_OPAQUE, READER_NONE, false, 7, M("**ACE**"), NULL },
	{ "ZOO", CONTAINER_OPAQUE, READER_NONE, false, 0, M("ZOO "), is_zoo },
	{ "SIT", CONTAINER_OPAQUE, READER_NONE, false, 0, M("SIT!"),
	    is_stuffit },
	{ "SIT", CONTAINER_OPAQUE, READER_NONE, false, 0, M("StuffIt (c)"),
	    NULL },
	{ "SITX", CONTAINER_OPAQUE, READER_NONE, false, 0, M("StuffIt!"),
	    NULL },
	{ "SQX", CONTAINER_OPAQUE, READER_NONE, false, 7, M("-sqx-"), NULL },
	{ "RAR1", CONTAINER_OPAQUE, READER_NONE, false, 0, M("RE~^"), NULL },
	{ "ZPAQ", CONTAINER_OPAQUE, READER_NONE, false, 0, M("7kSt"), NULL },
	{ "ZPAQ", CONTAINER_OPAQUE, READER_NONE, false, 0, M("zPQ\1"), NULL },
	{ "ZPAQ", CONTAINER_OPAQUE, READER_NONE, false, 0, M("zPQ\2"), NULL },
	{ "FREEARC", CONTAINER_OPAQUE, READER_NONE, false, 0, M("ArC\1"),
	    NULL },
	{ "KGB", CONTAINER_OPAQUE, READER_NONE, false, 0, M("KGB_arch -"),
	    NULL },
	{ "PPMD", CONTAINER_OPAQUE, READER_NONE, false, 0,
	    M("\x8f\xaf\xac\x84"), NULL },
	{ "BZIP3", CONTAINER_OPAQUE, READER_NONE, false, 0, M("BZ3v1"), NULL },
	{ "LRZIP", CONTAINER_OPAQUE, READER_NONE, false, 0, M("LRZI\0"), NULL },
	{ "LZOP", CONTAINER_OPAQUE, READER_NONE, false, 0,
	    M("\x89LZO\0\r\n\x1a\n"), NULL },
	{ "KWAJ", CONTAINER_OPAQUE, READER_NONE, false, 0,
	    M("KWAJ\x88\xf0\x27\xd1"), NULL },
	{ "SZ", CONTAINER_OPAQUE, READER_NONE, false, 0,
	    M("SZ \x88\xf0\x27\x33\xd1"), NULL },
	{ "WIM", CONTAINER_OPAQUE, READER_NONE, false, 0, M("MSWIM\0\0\0"),
	    NULL },
	{ "SQUASHFS", CONTAINER_OPAQUE, READER_NONE, false, 0, M("hsqs"),
	    is_squashfs },
	{ "CRAMFS", CONTAINER_OPAQUE, READER_NONE, false, 16,
	    M("Compressed ROMFS"), NULL },
	/* no fixed bytes at all: behind everything that has some */
	{ "TAR", CONTAINER_LISTED, READER_TAR, false, 0, M(""), is_tar },
	{ "LZMA", CONTAINER_READER, READER_LZMA, true, 0, M(""), is_lzma },
	{ "LZMA", CONTAINER_OPAQUE, READER_NONE, false, 0, M(""),
	    is_large_lzma },
};
#undef M

static bool
matches(const struct container *c, struct slice d)
{
	return d.len >= c->at && d.len - c->at >= c->magic.len &&
	       memcmp(d.p + c->at, c->magic.p, c->magic.len) == 0 &&
	       (c->is == NULL || c->is(d));
}

const struct container *
container_look(struct slice data)
{
	for (size_t i = 0; data.len > 0 && i < COUNTOF(rows); i++)
		if (matches(&rows[i], data))
			return &rows[i];
	return NULL;
}

/* The archive header behind the signature carries its own checksum. */
static bool
is_rar4(struct slice d)
{
	size_t len;

	if (d.len < 20 || d.p[6] != 0 || d.p[9] != 0x73)
		return false;
	len = le16(d.p + 12);
	return len >= 13 && len + 7 <= d.len &&
	       (crc32(0, (const Bytef *)d.p + 9, (uInt)len - 2) & 0xffff) ==
		   le16(d.p + 7);
}

static bool
is_rar5(struct slice d)
{
	size_t len;

	if (d.len < 16 || d.p[6] != 1 || d.p[7] != 0 || (d.p[12] & 0x80) != 0)
		return false;
	len = (size_t)d.p[12] + 1;
	return len > 1 && len + 12 <= d.len &&
	       crc32(0, (const Bytef *)d.p + 12, (uInt)len) == le32(d.p + 8);
}

static bool
is_7z(struct slice d)
{
	return d.len >= 32 &&
	       crc32(0, (const Bytef *)d.p + 12, 20) == le32(d.p + 8);
}

static bool
is_rar(struct slice d)
{
	return is_rar4(d) || is_rar5(d);
}

/* A zip's member that the engine cannot read without a directory. */
static bool
is_zip_stream(struct slice d)
{
	uint32_t method;

	if (!is_zip(d) || le16(d.p + 26) > 1024)
		return false;
	method = le16(d.p + 8);
	return (le16(d.p + 6) & 0x0008) != 0 || le32(d.p + 18) == UINT32_MAX ||
	       method == 14 || method == 93 || method == 95 || method == 98;
}

static const struct container zip_stream = { "ZIP", CONTAINER_READER,
	READER_ZIP_STREAM, true, 0, { "PK\3\4", 4 }, NULL };
static const struct {
	const struct container *row;
	bool (*is)(struct slice);
	size_t anchor;
} embedded[] = {
	{ &rows[1], is_rar, 4 },
	{ &rows[2], is_7z, 2 },
	{ &zip_stream, is_zip_stream, 1 },
};

const struct container *
container_embedded(struct slice data, bool zips, size_t *at)
{
	for (size_t i = 0; i < COUNTOF(embedded); i++) {
		const struct container *c = embedded[i].row;

		if (c == &zip_stream && !zips)
			continue;

		*at = 0;
		while ((*at = bytes_find(data, *at + 1, c->magic,
			    embedded[i].anchor)) < data.len)
			if (embedded[i].is(
				(struct slice){ data.p + *at, data.len - *at }))
				return c;
	}
	return NULL;
}
