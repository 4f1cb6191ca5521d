/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_READER_H
#define ENGINE_UNPACK_READER_H
/*
 * The second reader: containers that the engine does not open, read with
 * libarchive out of memory. It touches no file and starts no program; every
 * format is switched on by name.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum reader_format {
	READER_NONE,
	READER_ZIP_DIRECTORY, /* by the central directory */
	READER_ZIP_STREAM,    /* by the local headers, from the front */
	READER_RAR,
	READER_7Z,
	READER_CAB,
	READER_XAR,
	READER_ISO,
	READER_LHA,
	READER_CPIO,
	READER_TAR,
	READER_AR,
	READER_WARC,
	/* these hold one stream of bytes without a name */
	READER_BZIP2,
	READER_ZSTD,
	READER_LZ4,
	READER_LZIP,
	READER_LZMA,
	READER_COMPRESS,
	READER_RPM,
	READER_NFORMATS
};
enum reader_rc {
	READER_OK,     /* to its end, all members but encrypted ones */
	READER_FAILED, /* it, or a member of it, cannot be read */
	READER_TIME,   /* the deadline came */
	READER_MEMORY, /* no memory, no room for a member */
	READER_STOPPED /* a callback wanted no more */
};
struct reader_member {
	struct slice name; /* as in the archive, may be empty */
	uint64_t number;   /* from 1 */
	uint64_t len;      /* what could be read of it and was written */
	bool cut;          /* it is longer than max_member */
	bool encrypted;    /* then nothing was written */
};
struct reader {
	enum reader_format format;
	uint64_t max_member;  /* bytes of one member */
	uint64_t deadline_us; /* clock_mono_us() */
	/* More of the present member; p NULL: zeros. 0, or -1: no room. */
	int (*write)(void *ctx, const void *p, size_t len);
	/* It has ended: all that was written since the last. False: stop. */
	bool (*member)(void *ctx, const struct reader_member *m);
	void *ctx;
};
/*
 * Gives every member that has contents to the callbacks, broken ones too, as
 * far as they could be read.
 */
enum reader_rc reader_read(
    const struct reader *r, struct slice data) MUST_CHECK;

/* Sizes of the members that have contents, as the archive announces them. */
struct reader_list {
	uint64_t *sizes; /* ascending; only those above `above` */
	size_t n;
};
/* READER_OK only when the whole archive could be listed, else it is empty. */
enum reader_rc reader_list(enum reader_format f, struct slice data,
    uint64_t above, uint64_t deadline_us, struct reader_list *out) MUST_CHECK;
void reader_list_free(struct reader_list *l);
/* "libarchive 3.6.2", for -V. */
const char *reader_version(void);
#endif
