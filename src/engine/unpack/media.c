/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/media.h"

#include <string.h>

#include "engine/unpack/bytes.h"

#define FRAMES_WANTED 4 /* one after the other: chance makes no such chain */
#define PADDING_MAX 65536
#define PDF_IMAGE_SEARCH 160

#define M(text) \
	{ \
		(text), sizeof(text) - 1 \
	}
/* Rows of libclamav's table of types with CL_TYPE_IGNORED. */
static const struct slice ignored[] = {
	M("ID3"),
	M("OggS"),
	M("\xff\xfb\x90"),
	M(".RMF"),
	M("SIP-HIT (SIP/H"),
	M("SYM\1\0"),
	M("\x37\x7f\x06\x82\x00\x2d\xe2\x18"),
	M("\x37\x7f\x06\x83\x00\x2d\xe2\x18"),
	M("SQLite format 3\0"),
	M("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),
};
/* This one may stand up to 128 bytes behind the start. */
static const struct slice pdf_image = M(
    "/SGB\nIJ\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff");
#undef M

static size_t
one_magic(struct slice d)
{
	const char *hit;

	for (size_t i = 0; i < COUNTOF(ignored); i++)
		if (slice_has_prefix(d, ignored[i]))
			return ignored[i].len;
	hit = memmem(d.p, d.len < PDF_IMAGE_SEARCH ? d.len : PDF_IMAGE_SEARCH,
	    pdf_image.p, pdf_image.len);
	return hit != NULL ? (size_t)(hit - d.p) + pdf_image.len : 0;
}

size_t
media_magic_len(struct slice data)
{
	struct slice rest = data;
	size_t n;

	while (rest.len > 0 && (n = one_magic(rest)) > 0) {
		rest.p += n;
		rest.len -= n;
	}
	return data.len - rest.len;
}

/* ID3v2 (id3.org, 3.1): ten bytes, the length with 7 bits in each. */
size_t
media_id3_len(struct slice d)
{
	const unsigned char *p = (const unsigned char *)d.p;
	size_t len;

	if (d.len < 10 || memcmp(p, "ID3", 3) != 0 || p[3] < 2 || p[3] > 4 ||
	    p[4] == 0xff || (p[5] & 0x0f) != 0 ||
	    ((p[6] | p[7] | p[8] | p[9]) & 0x80) != 0)
		return 0;
	len =
	    (size_t)p[6] << 21 | (size_t)p[7] << 14 | (size_t)p[8] << 7 | p[9];
	len += (p[5] & 0x10) != 0 ? 20 : 10; /* a footer */
	return len <= d.len ? len : 0;
}

/* Kilobits a second: MPEG 1 layers I, II, III; MPEG 2 layer I; II and III. */
static const unsigned short bit_rates[5][16] = {
	{ 0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416,
	    448 },
	{ 0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384 },
	{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 },
	{ 0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256 },
	{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 },
};
static const unsigned short sample_rates[3] = { 44100, 48000, 32000 };

/* Length of the MPEG audio frame (ISO 11172-3 2.4.1) at p, 0 for none. */
static size_t
mpeg_frame(const unsigned char *p, size_t len)
{
	unsigned int version, layer, rate, hz, row, pad;

	if (len < 4 || p[0] != 0xff || (p[1] & 0xe0) != 0xe0)
		return 0;
	version = p[1] >> 3 & 3; /* 3: MPEG 1, 2: MPEG 2, 0: 2.5 */
	layer = 4 - (p[1] >> 1 & 3);
	if (version == 1 || layer == 4 || (p[2] >> 2 & 3) == 3)
		return 0;
	row = version == 3 ? layer - 1 : layer == 1 ? 3 : 4;
	rate = bit_rates[row][p[2] >> 4];
	hz = sample_rates[p[2] >> 2 & 3] >> (version == 3      ? 0
						: version == 2 ? 1
							       : 2);
	pad = p[2] >> 1 & 1;
	if (rate == 0)
		return 0;
	if (layer == 1)
		return (12000u * rate / hz + pad) * 4;
	return (layer == 3 && version != 3 ? 72000u : 144000u) * rate / hz +
	       pad;
}

/* Length of the ADTS frame (ISO 13818-7 6.2) at p, 0 for none. */
static size_t
adts_frame(const unsigned char *p, size_t len)
{
	size_t n;

	if (len < 7 || p[0] != 0xff || (p[1] & 0xf6) != 0xf0 ||
	    (p[2] >> 2 & 15) > 12)
		return 0;
	n = (size_t)(p[3] & 3) << 11 | (size_t)p[4] << 3 | p[5] >> 5;
	return n > 7 ? n : 0;
}

/* Length of the Ogg page (RFC 3533 6) at p, 0 for none. */
static size_t
ogg_page(const unsigned char *p, size_t len)
{
	size_t n = 27;

	if (len < 27 || memcmp(p, "OggS", 4) != 0 || p[4] != 0 || p[5] > 7 ||
	    len < n + p[26])
		return 0;
	n += p[26];
	for (size_t i = 0; i < p[26]; i++)
		n += p[27 + i];
	return n;
}

/* Length of the chunk of a RealMedia file at p, 0 for none. */
static size_t
real_chunk(const unsigned char *p, size_t len)
{
	static const char *const names[] = { ".RMF", "PROP", "MDPR", "CONT",
		"DATA", "INDX", "RMMD" };

	for (size_t i = 0; len >= 10 && i < COUNTOF(names); i++)
		if (memcmp(p, names[i], 4) == 0)
			return be32((const char *)p + 4);
	return 0;
}

typedef size_t (*frame_len)(const unsigned char *p, size_t len);

/* Frames from the start on: enough of them, or one at least and all there is.
 */
static bool
is_chain(struct slice d, frame_len frame)
{
	const unsigned char *p = (const unsigned char *)d.p;
	size_t at = 0, n, count = 0;

	while (count < FRAMES_WANTED && at < d.len &&
	       (n = frame(p + at, d.len - at)) > 0) {
		count++;
		at += n;
	}
	return count == FRAMES_WANTED || (count >= 2 && at >= d.len);
}

/* What may follow a tag: zeros, then the frames. */
static struct slice
behind_padding(struct slice d)
{
	size_t n = 0;

	while (n < d.len && n < PADDING_MAX && d.p[n] == 0)
		n++;
	return (struct slice){ d.p + n, d.len - n };
}

const char *
media_is(struct slice data)
{
	struct slice d = data;
	size_t tag;

	while ((tag = media_id3_len(d)) > 0)
		d = (struct slice){ d.p + tag, d.len - tag };
	if (d.p != data.p)
		d = behind_padding(d);
	if (is_chain(d, mpeg_frame))
		return "MP3";
	if (is_chain(d, adts_frame))
		return "AAC";
	if (is_chain(d, ogg_page))
		return "OGG";
	if (is_chain(d, real_chunk))
		return "RM";
	if (d.len >= 42 && memcmp(d.p, "fLaC\0\0\0\x22", 8) == 0)
		return "FLAC";
	return NULL;
}
