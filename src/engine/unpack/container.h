/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_CONTAINER_H
#define ENGINE_UNPACK_CONTAINER_H
/*
 * Which container some bytes are, by their magic numbers, and who can open it:
 * the engine, the second reader (reader.h), or nobody here. Pure; no format is
 * unpacked.
 */
#include <stdbool.h>

#include "base/str.h"
#include "engine/unpack/reader.h"

enum container_how {
	/* the engine opens it; the second reader's list says whether all */
	CONTAINER_LISTED,
	/* only the engine opens it */
	CONTAINER_ENGINE,
	/* the engine does not know it */
	CONTAINER_READER,
	/* a zip: zip.h says what the engine would miss */
	CONTAINER_ZIP,
	/* a bzip2: the engine reads the first of several streams */
	CONTAINER_BZIP2,
	/* nobody here opens it */
	CONTAINER_OPAQUE
};

struct container {
	const char *name; /* as findings say it */
	enum container_how how;
	enum reader_format format;
	bool weak; /* few fixed bytes: what cannot be opened may be none */
	size_t at; /* of the magic */
	struct slice magic;
	bool (*is)(struct slice data); /* NULL: the magic is enough */
};

/* What data begins with, NULL when it is no container. */
const struct container *container_look(struct slice data);
/*
 * A RAR or 7z archive behind other bytes, as self-extracting programs have it,
 * or (zips) members of a zip without a directory; NULL when there is none. *at
 * is where it begins, above 0.
 */
const struct container *container_embedded(
    struct slice data, bool zips, size_t *at);
#endif
