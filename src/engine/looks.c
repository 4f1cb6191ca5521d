/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/looks.h"

#include <string.h>

#include "engine/cfb.h"

#define STREAM_START ((size_t)4096) /* so much of a stream is looked at */
#define ENTRIES_MAX 65536
#define MANIFEST_MAX ((size_t)1 << 20)

static unsigned int
le16(const unsigned char *p)
{
	return (unsigned int)p[0] | (unsigned int)p[1] << 8;
}

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

/* MS-DOC 2.5.2: the bit fEncrypted of the FIB; Word 6 and 95 have it there too.
 */
static bool
word_encrypted(const unsigned char *p, size_t len)
{
	if (len < 12)
		return false;
	return (le16(p) == 0xa5ec || le16(p) == 0xa5dc) &&
	       (le16(p + 10) & 0x0100) != 0;
}

/*
 * MS-XLS 2.4.117: a FilePass record, before anything that would be encrypted.
 * The same in the BIFF 2 to 5 of older versions.
 */
static bool
excel_encrypted(const unsigned char *p, size_t len)
{
	size_t at = 0;

	if (len < 4 || (le16(p) & 0xff) != 0x09)
		return false; /* no BOF */
	for (unsigned int i = 0; i < 64 && len - at >= 4; i++) {
		unsigned int type = le16(p + at);
		size_t size = le16(p + at + 2);

		if (type == 0x002f)
			return true;
		/* end of the globals, or a sheet */
		if (type == 0x000a || type == 0x0085 || size > len - at - 4)
			return false;
		at += 4 + size;
	}
	return false;
}

/* MS-PPT 2.3.2: headerToken of the CurrentUserAtom. */
static bool
powerpoint_encrypted(const unsigned char *p, size_t len)
{
	return len >= 16 && le16(p + 2) == 0x0ff6 &&
	       le32(p + 12) == 0xf3d1c4dfu;
}

/*
 * Streams that tell: by being there (MS-OFFCRYPTO 2.3: the encrypted package,
 * what a rights server locked), or by how they begin.
 */
static const struct {
	const char *name;
	bool (*begins)(const unsigned char *p, size_t len); /* NULL: is there */
} streams[] = {
	{ "EncryptedPackage", NULL },
	{ "EncryptedSummary", NULL },
	{ "\x09"
	  "DRMContent",
	    NULL },
	{ "WordDocument", word_encrypted },
	{ "Workbook", excel_encrypted },
	{ "Book", excel_encrypted },
	{ "Current User", powerpoint_encrypted },
};

static bool
stream_tells(struct cfb *c, const struct cfb_entry *e)
{
	unsigned char start[STREAM_START];

	for (size_t i = 0; i < COUNTOF(streams); i++) {
		if (!cfb_is(e, streams[i].name))
			continue;
		if (streams[i].begins == NULL)
			return true;
		return streams[i].begins(
		    start, cfb_read(c, e, start, sizeof(start)));
	}
	return false;
}

static const char *
ole2_encrypted(struct slice data)
{
	struct cfb_walk w = { .begun = false };
	struct cfb_entry e;
	unsigned int n = 0;
	struct cfb c;

	if (!cfb_open(&c, data))
		return NULL;
	for (; n < ENTRIES_MAX && cfb_next(&c, &w, &e); n++)
		if (e.type == CFB_STREAM && stream_tells(&c, &e))
			return "Heuristics.Encrypted.OLE2";
	return n == ENTRIES_MAX || c.steps > CFB_STEPS
		   ? "Heuristics.Limits.Exceeded.OLE2"
		   : NULL;
}

/* OpenDocument 1.2 part 3, 4.4: the manifest says how each file is encrypted.
 */
static bool
manifest_encrypted(struct slice name, struct slice data)
{
	static const char element[] = ":encryption-data";
	static const char namespace[] =
	    "urn:oasis:names:tc:opendocument:xmlns:manifest";

	if (!slice_case_has_suffix(name, SLICE_LIT("manifest.xml")))
		return false;
	if (data.len > MANIFEST_MAX)
		data.len = MANIFEST_MAX;
	return data.len > 0 &&
	       memmem(data.p, data.len, namespace, sizeof(namespace) - 1) !=
		   NULL &&
	       memmem(data.p, data.len, element, sizeof(element) - 1) != NULL;
}

const char *
looks_encrypted(struct slice type, struct slice name, struct slice data)
{
	if (slice_eq(type, SLICE_LIT("CL_TYPE_MSOLE2")))
		return ole2_encrypted(data);
	if (manifest_encrypted(name, data))
		return "Heuristics.Encrypted.ODF";
	return NULL;
}
