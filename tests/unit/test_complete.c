/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What libclamav does not look into is looked into here, or is not clean:
 * ClamAV's test files behind bytes that hide them and in containers that it
 * does not open, members that are too long, and good archives, in which
 * nothing is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/complete_util.h"
#include "tests/unit/pack_util.h"

static struct engine *e;

typedef void (*pack)(struct buf *b, struct slice data);

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
ARCHIVE(in_tar_gz, "ustar", "gzip", NULL)
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
behind_program(struct buf *b, struct slice d, pack inner)
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
in_tar(struct buf *b, struct slice d, pack inner)
{
	struct buf a;

	inner(&a, d);
	in_tar_gz(b, buf_slice(&a));
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

/* The large test files take a quarter of a second each: only in the first. */
#define LARGE (1u << 20)
#define NFOR_LARGE 5
#define ROW(f) \
	{ \
#f, f \
	}
static const struct variant {
	const char *name;
	pack pack;
} variants[] = {
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
};

/*
 * The one that is nested so deeply that any further container is one too many;
 * it is `limit`.
 */
static bool
too_deep(const char *name)
{
	return strcmp(name, "clam_cache_emax.tgz") == 0;
}

static void
try_file(const struct variant *v, const struct testfile *f)
{
	struct scan_answer a;
	struct buf b;

	v->pack(&b, f->data);
	a = view(e, buf_slice(&b), NULL);
	buf_free(&b);
	if (is_clean(&a))
		fail_msg("%s %s is clean", f->name, v->name);
	if (too_deep(f->name))
		assert_true(a.complete == 0 && a.reason == OUTCOME_LIMIT);
	else if (!is_infected(&a))
		fail_msg("%s %s: %s", f->name, v->name, describe(&a));
}

static void
test_files_are_found(void **state)
{
	size_t n;
	const struct testfile *f = testfiles(&n);

	(void)state;
	if (n == 0) {
		print_message("skipped: no clamav-testfiles\n");
		skip();
	}
	for (size_t v = 0; v < COUNTOF(variants); v++)
		for (size_t i = 0; i < n; i++)
			if (f[i].data.len < LARGE || v < NFOR_LARGE)
				try_file(&variants[v], &f[i]);
}

static const struct slice harmless = {
	"Goods were held and judged before they came in.\n", 48
};

/* In the same containers there is nothing to be found in what is good. */
static void
test_good_is_clean(void **state)
{
	static const char tiny[] = "abc";

	(void)state;
	for (size_t v = 0; v < COUNTOF(variants); v++)
		for (int i = 0; i < 2; i++) {
			struct scan_answer a;
			struct buf b;

			variants[v].pack(
			    &b, i == 0 ? harmless : (struct slice){ tiny, 3 });
			a = view(e, buf_slice(&b), NULL);
			buf_free(&b);
			if (!is_clean(&a))
				fail_msg("good %s (%d): %s", variants[v].name,
				    i, describe(&a));
		}
}

/* Nothing at all in it, or folders only. */
static void
test_empty_is_clean(void **state)
{
	static const char *const formats[] = { "zip", "7zip", "ustar", "pax",
		"newc", "ar", "xar", "iso" };
	static const char *const filters[] = { "gzip", "bzip2", "xz", "zstd",
		"lzip", "lzma", "compress" };
	struct pack_member empty[] = { { "empty", SLICE_NONE, 0 } };
	struct pack_member folders[] = { { "a/", SLICE_NONE, PACK_STORED },
		{ "a/b/", SLICE_NONE, PACK_STORED } };
	struct scan_answer a;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(formats) * 2; i++) {
		pack_archive(&b, formats[i / 2], NULL, NULL, empty, i % 2);
		a = view(e, buf_slice(&b), NULL);
		if (!is_clean(&a))
			fail_msg(
			    "an empty %s: %s", formats[i / 2], describe(&a));
		buf_free(&b);
	}
	for (size_t i = 0; i < COUNTOF(filters); i++) {
		pack_archive(&b, NULL, filters[i], NULL, empty, 1);
		a = view(e, buf_slice(&b), NULL);
		if (!is_clean(&a))
			fail_msg("an empty %s: %s", filters[i], describe(&a));
		buf_free(&b);
	}
	pack_zip(&b, SLICE_NONE, folders, 2, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(is_clean(&a));
	buf_free(&b);
}

/* ---- what nobody opens ---- */

static void
test_opaque(void **state)
{
	static const struct slice none[] = {
		{ "\x8f\x31\x31\0\0\x10\x02**ACE**\x14\x14..............", 30 },
		{ "ZOO 2.10 Archive.\x1a..\xdc\xa7\xc4\xfd........", 32 },
		{ "SIT!\0\1\0\0\1\0rLau.....................", 35 },
		{ "MSWIM\0\0\0\xd0\0\0\0...................", 31 },
		{ "\x89LZO\0\r\n\x1a\n....................", 29 },
		{ "EGGA\0\1...............................", 37 },
		{ "!<arch>\nand no member as it should be, but a text that is "
		  "as long as one",
		    71 },
		{ "7z\xbc\xaf\x27\x1c\0\4........................", 32 },
		{ "MSCF\0\0\0\0..................................", 42 },
		{ "\x28\xb5\x2f\xfd....................", 24 },
	};
	struct scan_answer a;
	struct buf b, tar;

	(void)state;
	for (size_t i = 0; i < COUNTOF(none); i++) {
		a = view(e, none[i], NULL);
		if (!has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive."))
			fail_msg("%zu: %s", i, describe(&a));
		/* and the name says where */
		in_tar_gz(&tar, none[i]);
		a = view(e, buf_slice(&tar), NULL);
		assert_true(has(&a, OUTCOME_OPAQUE_ARCHIVE, ""));
		assert_string_equal(a.findings[0].part, "member.bin");
		buf_free(&tar);
	}
	pack_zip_one(&b, harmless, PACK_UNKNOWN, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.ZIP"));
	buf_free(&b);
	/* directory and header name two methods */
	pack_zip_one(&b, harmless, PACK_LIES, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.ZIP"));
	buf_free(&b);
	pack_rar(&b, 5, harmless, PACK_UNKNOWN);
	a = view(e, buf_slice(&b), NULL);
	assert_true(
	    has(&a, OUTCOME_OPAQUE_ARCHIVE, "Tolsey.OpaqueArchive.RAR"));
	buf_free(&b);
}

static void
test_encrypted(void **state)
{
	struct scan_answer a;
	struct buf b;

	(void)state;
	for (int v = 4; v <= 5; v++) {
		pack_rar(&b, v, harmless, PACK_ENCRYPTED);
		a = view(e, buf_slice(&b), NULL);
		assert_true(has(&a, OUTCOME_ENCRYPTED, "Tolsey.Encrypted.RAR"));
		assert_false(has(&a, OUTCOME_OPAQUE_ARCHIVE, ""));
		buf_free(&b);
	}
	pack_zip_one(&b, harmless, PACK_ENCRYPTED | PACK_ZIP64, 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(has(&a, OUTCOME_ENCRYPTED, ""));
	buf_free(&b);
}

/* ---- audio ---- */

static void
add_frames(struct buf *b, unsigned int n)
{
	char frame[417] = "\xff\xfb\x90\x64";

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(buf_append(b, frame, sizeof(frame)), 0);
}

static void
test_media(void **state)
{
	struct scan_answer a;
	struct buf b, zip, both;

	(void)state;
	pack_behind(&b, SLICE_LIT("ID3\3\0\0\0\0\0\4TIT2"), SLICE_NONE);
	add_frames(&b, 6);
	a = view(e, buf_slice(&b), NULL);
	assert_int_equal(a.complete, 1);
	assert_int_equal(a.nfindings, 1);
	assert_true(has(&a, OUTCOME_OPAQUE_MEDIA, "Tolsey.OpaqueMedia.MP3"));
	assert_string_equal(a.type, "IGNORED");
	/* a pattern in it is found all the same */
	assert_int_equal(buf_append(&b, MARKER, strlen(MARKER)), 0);
	a = view(e, buf_slice(&b), NULL);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	assert_true(has(&a, OUTCOME_OPAQUE_MEDIA, ""));
	/* and so is what is in an archive behind it */
	pack_zip_one(&zip, SLICE_LIT(MARKER), 0, 0);
	b.len -= strlen(MARKER);
	pack_behind(&both, buf_slice(&b), buf_slice(&zip));
	a = view(e, buf_slice(&both), NULL);
	assert_true(has(&a, OUTCOME_INFECTED, "Unit.Marker"));
	buf_free(&both);
	buf_free(&zip);
	buf_free(&b);
}

/* ---- names, budgets ---- */

static void
test_names(void **state)
{
	struct pack_member m = { "folder/bad.bin", SLICE_LIT(MARKER), 0 };
	struct scan_answer a;
	struct buf b, outer;

	(void)state;
	pack_archive(&b, "ar", NULL, NULL, &m, 1);
	m = (struct pack_member){ "a.ar", buf_slice(&b), 0 };
	pack_zip(&outer, SLICE_NONE, &m, 1, 0);
	a = view(e, buf_slice(&outer), NULL);
	assert_true(is_infected(&a));
	for (uint32_t i = 0; i < a.nfindings; i++)
		if (strcmp(a.findings[i].part, "a.ar/bad.bin") == 0)
			break;
		else if (i + 1 == a.nfindings)
			fail_msg("%s", describe(&a));
	buf_free(&b);
	buf_free(&outer);
}

/* The second reader's members count like those of the engine. */
static void
test_budget(void **state)
{
	struct pack_member m[30];
	struct scan_opts o = default_opts();
	struct scan_answer a;
	struct buf b, deeper;

	(void)state;
	for (size_t i = 0; i < COUNTOF(m); i++)
		m[i] = (struct pack_member){ "m", harmless, 0 };
	pack_archive(&b, "ar", NULL, NULL, m, COUNTOF(m));
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	o.max_files = 30; /* the archive itself is one, too */
	a = view(e, buf_slice(&b), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	o = default_opts();
	o.max_scan_size = b.len + 29 * harmless.len;
	a = view(e, buf_slice(&b), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	o.max_scan_size += harmless.len;
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	o = default_opts();
	o.max_recursion = 5;
	for (int i = 0; i < 3; i++) {
		in_zst(&deeper, buf_slice(&b));
		buf_free(&b);
		b = deeper;
	}
	a = view(e, buf_slice(&b), &o);
	assert_true(is_clean(&a));
	in_zst(&deeper, buf_slice(&b));
	a = view(e, buf_slice(&deeper), &o);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	buf_free(&deeper);
	a = view_for(e, buf_slice(&b), NULL, 1);
	assert_int_equal(a.reason, OUTCOME_TIMEOUT);
	buf_free(&b);
}

/* ---- members that are too long ---- */

#define MAX_FILE 1000001u /* no multiple of any buffer */
#define TOO_LONG (MAX_FILE + (1u << 20))

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

static const struct variant long_ones[] = {
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
	ROW(in_tar_gz),
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
};

/* Text that compresses, but not to nothing; the marker is its last bytes. */
static struct slice
long_text(size_t len)
{
	char *p = malloc(len);
	uint32_t x = 1;

	assert_non_null(p);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)('a' + (x >> 28));
	}
	memcpy(p + len - strlen(MARKER), MARKER, strlen(MARKER));
	return (struct slice){ p, len };
}

static void
test_long_members(void **state)
{
	struct slice too_long = long_text(TOO_LONG);
	struct scan_opts o = default_opts();

	(void)state;
	o.max_file_size = MAX_FILE;
	for (size_t i = 0; i < COUNTOF(long_ones); i++) {
		struct scan_opts large = default_opts();
		struct scan_answer a;
		struct buf b;

		long_ones[i].pack(&b, too_long);
		/* the container alone is not what is too long */
		if (b.len > MAX_FILE)
			o.max_file_size = b.len;
		if (o.max_file_size >= too_long.len)
			o.max_file_size = MAX_FILE;
		a = view(e, buf_slice(&b), &o);
		if (is_clean(&a))
			fail_msg("%s is clean", long_ones[i].name);
		/* without the limit it is found, where its size is true */
		a = view(e, buf_slice(&b), &large);
		if (is_clean(&a))
			fail_msg("%s is clean unlimited", long_ones[i].name);
		buf_free(&b);
		o.max_file_size = MAX_FILE;
	}
	free((void *)(uintptr_t)too_long.p);
}

/* One that is just as long as it may be is no alarm. */
static void
test_longest_member(void **state)
{
	struct slice longest = long_text(MAX_FILE);
	struct scan_opts o = default_opts();

	(void)state;
	o.max_file_size = MAX_FILE;
	for (size_t i = 0; i < COUNTOF(long_ones); i++) {
		const char *name = long_ones[i].name;
		struct scan_answer a;
		struct buf b;

		if (strstr(name, "_less") != NULL ||
		    strstr(name, "_none") != NULL ||
		    strcmp(name, "second_bz2") == 0)
			continue;
		long_ones[i].pack(&b, longest);
		/* what is between it and the limit must fit as well */
		o.max_file_size = MAX_FILE +
				  (b.len > MAX_FILE ? b.len - MAX_FILE : 0) +
				  (strncmp(name, "in_tar", 6) == 0 ||
					      strcmp(name, "id3_in_tar") == 0
					  ? 10240
					  : 0);
		a = view(e, buf_slice(&b), &o);
		if (a.complete != 1 || !has(&a, OUTCOME_INFECTED, "Unit."))
			fail_msg("%s: %s", name, describe(&a));
		buf_free(&b);
	}
	free((void *)(uintptr_t)longest.p);
}

static int
set_up(void **state)
{
	if (make_root(state) != 0)
		return -1;
	e = open_complete_db();
	return 0;
}

static int
tear_down(void **state)
{
	engine_close(&e);
	testfiles_free();
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_found),
		cmocka_unit_test(test_good_is_clean),
		cmocka_unit_test(test_empty_is_clean),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_media),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_long_members),
		cmocka_unit_test(test_longest_member),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
