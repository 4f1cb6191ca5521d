/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What bytes are by their magic numbers: containers, and audio and video. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/unpack/container.h"
#include "engine/unpack/media.h"
#include "tests/unit/pack_util.h"

static const struct pack_member member = { "member.txt",
	{ "some text that is long enough to be looked at", 45 }, 0 };

static void
is(struct buf *b, const char *name)
{
	const struct container *c = container_look(buf_slice(b));

	if (c == NULL || strcmp(c->name, name) != 0)
		fail_msg("%s is %s", name, c != NULL ? c->name : "none");
	/* cut, it is read no further */
	for (size_t n = 0; n < b->len && n < 600; n++)
		(void)container_look((struct slice){ b->p, n });
	buf_free(b);
}

static void
test_formats(void **state)
{
	static const struct {
		const char *format, *filter, *name;
	} rows[] = { { "7zip", NULL, "7Z" }, { "ar", NULL, "AR" },
		{ "bsdtar", NULL, "TAR" }, { "v7tar", NULL, "TAR" },
		{ "ustar", NULL, "TAR" }, { "pax", NULL, "TAR" },
		{ "newc", NULL, "CPIO" }, { "odc", NULL, "CPIO" },
		{ "bin", NULL, "CPIO" }, { "xar", NULL, "XAR" },
		{ "warc", NULL, "WARC" }, { "iso", NULL, "ISO9660" },
		{ NULL, "zstd", "ZSTD" }, { NULL, "lz4", "LZ4" },
		{ NULL, "lzip", "LZIP" }, { NULL, "lzma", "LZMA" },
		{ NULL, "compress", "COMPRESS" }, { NULL, "bzip2", "BZIP2" } };
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		pack_archive(
		    &b, rows[i].format, rows[i].filter, NULL, &member, 1);
		is(&b, rows[i].name);
	}
	pack_rar(&b, 4, member.data, 0);
	is(&b, "RAR");
	pack_rar(&b, 5, member.data, 0);
	is(&b, "RAR");
	pack_zip_one(&b, member.data, 0, 0);
	is(&b, "ZIP");
}

static void
test_no_containers(void **state)
{
	static const struct slice none[] = { { "", 0 }, { "P", 1 },
		{ "PK\3\4", 4 }, { "BZ", 2 }, { "\x1f\x9d\xff.........", 12 },
		{ "#!/bin/sh\necho some script here\n", 32 },
		{ "-lh5- is not at the right place", 31 },
		{ "070701 is a number, not an archive, even in a text of "
		  "this length, is it not, or is it?",
		    87 },
		{ "\x60\xea and not the header of an arj archive..........",
		    50 } };
	char zeros[1024] = "";

	(void)state;
	for (size_t i = 0; i < COUNTOF(none); i++)
		assert_null(container_look(none[i]));
	assert_null(container_look((struct slice){ zeros, sizeof(zeros) }));
}

static void
embedded(struct buf *archive, const char *name, size_t want)
{
	static const char before[] = "\x7f"
				     "ELF Rar!\x1a\x07 7z\xbc\xaf\x27\x1c....";
	const struct container *c;
	struct buf b;
	size_t at = 0;

	pack_behind(&b, (struct slice){ before, sizeof(before) - 1 },
	    buf_slice(archive));
	c = container_embedded(buf_slice(&b), true, &at);
	if (name == NULL) {
		assert_null(c);
	} else {
		assert_non_null(c);
		assert_string_equal(c->name, name);
		assert_int_equal(at, sizeof(before) - 1 + want);
	}
	for (size_t n = 0; n < b.len; n++)
		(void)container_embedded((struct slice){ b.p, n }, true, &at);
	buf_free(&b);
	buf_free(archive);
}

static void
test_embedded(void **state)
{
	struct buf b;

	(void)state;
	pack_rar(&b, 4, member.data, 0);
	embedded(&b, "RAR", 0);
	pack_rar(&b, 5, member.data, 0);
	embedded(&b, "RAR", 0);
	pack_archive(&b, "7zip", NULL, NULL, &member, 1);
	embedded(&b, "7Z", 0);
	pack_zip_one(&b, member.data, PACK_DESCRIPTOR, PACK_NO_DIRECTORY);
	embedded(&b, "ZIP", 0);
	/* what the engine reads by itself */
	pack_zip_one(&b, member.data, 0, PACK_NO_DIRECTORY);
	embedded(&b, NULL, 0);
	/* a checksum is wrong */
	pack_rar(&b, 5, member.data, 0);
	b.p[8] ^= 1;
	embedded(&b, NULL, 0);
}

/* n frames of MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes each. */
static void
add_mp3(struct buf *b, unsigned int n)
{
	char frame[417] = "\xff\xfb\x90\x64";

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(buf_append(b, frame, sizeof(frame)), 0);
}

static void
add_ogg(struct buf *b, unsigned int n)
{
	char page[27 + 1 + 30] = "OggS";

	page[26] = 1;
	page[27] = 30;
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(buf_append(b, page, sizeof(page)), 0);
}

static void
media(struct buf *b, const char *name)
{
	const char *is = media_is(buf_slice(b));

	if (name == NULL ? is != NULL : is == NULL || strcmp(is, name) != 0)
		fail_msg("%s is %s", name != NULL ? name : "nothing",
		    is != NULL ? is : "nothing");
	for (size_t n = 0; n < b->len; n++)
		(void)media_is((struct slice){ b->p, n });
	buf_free(b);
}

static void
test_media(void **state)
{
	static const char tag[] = "ID3\3\0\0\0\0\0\x14"
				  "TIT2\0\0\0\5\0\0\0name.....";
	struct buf b;

	(void)state;
	pack_behind(&b, SLICE_NONE, SLICE_NONE);
	add_mp3(&b, 5);
	media(&b, "MP3");
	pack_behind(&b, (struct slice){ tag, 30 }, SLICE_LIT("\0\0\0\0"));
	add_mp3(&b, 5);
	media(&b, "MP3");
	pack_behind(&b, SLICE_NONE, SLICE_NONE);
	add_ogg(&b, 5);
	media(&b, "OGG");
	pack_behind(&b, SLICE_NONE, SLICE_NONE);
	add_ogg(&b, 2); /* as short as they come */
	media(&b, "OGG");
	pack_behind(&b, (struct slice){ tag, 30 },
	    SLICE_LIT("fLaC\0\0\0\x22..................................."));
	media(&b, "FLAC");
	pack_behind(&b,
	    SLICE_LIT("\xff\xf1\x50\x80\1\x20\xfc..\xff\xf1\x50\x80\1\x20\xfc.."
		      "\xff\xf1\x50\x80\1\x20\xfc..\xff\xf1\x50\x80\1\x20\xfc"),
	    SLICE_LIT(".."));
	media(&b, "AAC");
	pack_behind(&b, SLICE_LIT(".RMF\0\0\0\x12\0\0........"),
	    SLICE_LIT("PROP\0\0\0\x0c\0\0.."));
	media(&b, "RM");
}

static void
test_no_media(void **state)
{
	static const char tag[] = "ID3\3\0\0\0\0\0\x14"
				  "TIT2\0\0\0\5\0\0\0name.....";
	struct buf b;

	(void)state;
	pack_behind(&b, SLICE_LIT("ID3"), SLICE_LIT("MZ and no sound"));
	media(&b, NULL);
	pack_behind(
	    &b, (struct slice){ tag, 30 }, SLICE_LIT("PK\3\4 no sound"));
	media(&b, NULL);
	pack_behind(&b, SLICE_LIT("OggS"), SLICE_LIT("MZ and no sound......."));
	media(&b, NULL);
	pack_behind(&b, SLICE_NONE, SLICE_NONE);
	add_mp3(&b, 3);
	assert_int_equal(buf_append(&b, "then something else", 19), 0);
	media(&b, NULL);
	pack_behind(&b, SLICE_NONE, SLICE_NONE);
	media(&b, NULL);
}

static void
test_magic(void **state)
{
	char late[200];

	(void)state;
	assert_int_equal(media_magic_len(SLICE_LIT("ID3MZ")), 3);
	assert_int_equal(media_magic_len(SLICE_LIT("ID3OggSID3MZ")), 10);
	assert_int_equal(media_magic_len(SLICE_LIT("SQLite format 3\0.")), 16);
	assert_int_equal(media_magic_len(SLICE_LIT("ID3")), 3);
	assert_int_equal(media_magic_len(SLICE_LIT("MZ ID3")), 0);
	assert_int_equal(media_magic_len(SLICE_NONE), 0);
	/* the one that need not be at the start */
	memset(late, 'x', sizeof(late));
	memcpy(late + 100, "/SGB\nIJ\n", 8);
	memset(late + 108, 0xff, 25);
	assert_int_equal(media_magic_len((struct slice){ late, 200 }), 133);
	assert_int_equal(media_magic_len((struct slice){ late, 130 }), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_no_containers),
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_media),
		cmocka_unit_test(test_no_media),
		cmocka_unit_test(test_magic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
