/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/embedded.h"

#include <string.h>

#include "engine/unpack/transfer.h"
#include "scan/forms.h"

/*
 * Texts are full of hashes, signatures and tokens in base64, thousands in some
 * JSON, and pages of little pictures. What has a length of theirs and no look
 * of a file that does harm is scanned together with its like, at the cost of
 * one file.
 */
#define SMALL ((size_t)72) /* a signature of ECDSA */
#define SMALL_PICTURE ((size_t)16384)
#define GATHER_MAX ((size_t)1 << 20)

struct finding {
	struct forms *f;
	const struct content *outer;
	struct stash one, small;
};

static bool
has_length_of_hash(size_t len)
{
	return len <= SMALL || len == 96 || len == 128 || len == 256 ||
	       len == 384 || len == 512;
}

/* Text, or the magic bytes of what does harm while it is small. */
static bool
looks_like_file(struct slice s)
{
	static const struct slice magics[] = { { "MZ", 2 }, { "PK", 2 },
		{ "\x7f"
		  "ELF",
		    4 },
		{ "%PDF", 4 }, { "\x1f\x8b", 2 }, { "BZh", 3 }, { "Rar!", 4 },
		{ "7z\xbc\xaf", 4 }, { "\xd0\xcf\x11\xe0", 4 },
		{ "\x4c\0\0\0\x01\x14\x02", 7 }, { "\xca\xfe\xba\xbe", 4 },
		{ "\x28\xb5\x2f\xfd", 4 },
		{ "\xfd"
		  "7zXZ",
		    5 },
		{ "MSCF", 4 }, { "!<arch>", 7 }, { "SZDD", 4 },
		{ "\x60\xea", 2 } };
	size_t printable = 0;

	for (size_t i = 0; i < COUNTOF(magics); i++)
		if (slice_has_prefix(s, magics[i]))
			return true;
	for (size_t i = 0; i < s.len; i++)
		printable += (s.p[i] >= 0x20 && s.p[i] < 0x7f) ||
			     (s.p[i] >= '\t' && s.p[i] <= '\r');
	return printable * 10 >= s.len * 9;
}

static bool
is_small_picture(struct slice s)
{
	static const struct slice magics[] = { { "\x89PNG\r\n", 6 },
		{ "\xff\xd8\xff", 3 }, { "GIF8", 4 }, { "RIFF", 4 },
		{ "\0\0\1\0", 4 } };

	if (s.len > SMALL_PICTURE)
		return false;
	for (size_t i = 0; i < COUNTOF(magics); i++)
		if (slice_has_prefix(s, magics[i]))
			return true;
	return slice_case_has_prefix(s, SLICE_LIT("<svg")) &&
	       memmem(s.p, s.len, "cript", 5) == NULL;
}

/* Its key, else what it lies in, else what it is. */
static void
name_item(char name[SCAN_PART_MAX], const char *outer, const char *key)
{
	bool nameless = outer[0] == '\0' && key[0] == '\0';

	forms_join(name, outer, nameless ? "base64" : key);
}

static void
scan_gathered(struct finding *g)
{
	char name[SCAN_PART_MAX];
	struct slice data;

	name_item(name, g->outer->part, "");
	if (g->small.len > 0 && stash_data(&g->small, &data) == 0)
		object_scan(&g->f->v, data, name);
	stash_reset(&g->small);
}

/* It begins like text, so that the first one's magic bytes are not its own. */
static bool
gather(struct finding *g, struct slice data)
{
	static const struct slice begin = SLICE_LIT("gathered:\n");

	if (g->small.len + data.len > GATHER_MAX)
		scan_gathered(g);
	if (g->small.len == 0 &&
	    stash_append(&g->small, begin.p, begin.len) != 0)
		return false;
	return stash_append(&g->small, data.p, data.len) == 0 &&
	       stash_append(&g->small, "\n", 1) == 0;
}

static bool
scan_item(struct finding *g, const struct embedded_item *it)
{
	char name[SCAN_PART_MAX];
	struct content c = { .head = &forms_nothing_said,
		.part = name,
		.depth = g->outer->depth + 1 };
	enum decode_rc rc;

	stash_reset(&g->one);
	rc = it->how == EMBEDDED_BASE64
		 ? transfer_base64(it->raw, forms_sink, &g->one)
		 : transfer_percent(it->raw, false, forms_sink, &g->one);
	if (rc != DECODE_OK || stash_data(&g->one, &c.data) != 0)
		return false;
	if ((has_length_of_hash(c.data.len) && !looks_like_file(c.data)) ||
	    is_small_picture(c.data))
		return gather(g, c.data);
	name_item(name, g->outer->part, it->name);
	content_scan(g->f, &c);
	return true;
}

void
embedded_scan(struct forms *f, const struct content *c)
{
	struct finding g = { .f = f, .outer = c };
	struct embedded_item it;
	struct embedded e;
	bool ok = true;

	if (!forms_work(f, c->data.len))
		return;
	stash_init(&g.one, &f->space);
	stash_init(&g.small, &f->space);
	embedded_begin(&e, c->data);
	while (ok && embedded_next(&e, &it) && !forms_stop(f))
		ok = scan_item(&g, &it);
	if (!ok)
		coded_note(f, DECODE_SYSTEM);
	scan_gathered(&g);
	stash_free(&g.one);
	stash_free(&g.small);
}
