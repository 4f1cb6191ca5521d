/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_PACK_UTIL_H
#define TESTS_PACK_UTIL_H
/* Containers for tests, right ones and others. */
#include "base/buf.h"
#include "base/str.h"

#define PACK_STORED 1u     /* else deflated */
#define PACK_DESCRIPTOR 2u /* sizes behind the data */
#define PACK_ZIP64 4u      /* sizes in the extra field */
#define PACK_ENCRYPTED 8u  /* says so; the data is as it is */
#define PACK_HIDDEN 16u    /* not in the directory */
#define PACK_LIES 32u      /* the directory has other flags and method */
#define PACK_UNKNOWN 64u   /* a method that nobody has */
#define PACK_SAY_LESS 128u /* announces half of the size */
#define PACK_SAY_NONE 256u /* announces 0 */

#define PACK_NO_DIRECTORY 1u /* the archive ends behind the last member */
#define PACK_SHIFTED 2u      /* offsets that do not know of the prefix */

struct pack_member {
	const char *name;
	struct slice data;
	unsigned int flags; /* PACK_STORED ... */
};
/* A zip of these members behind a prefix. *b is made here. */
void pack_zip(struct buf *b, struct slice prefix,
    const struct pack_member members[], size_t n, unsigned int flags);
/* One member, no prefix. */
void pack_zip_one(struct buf *b, struct slice data, unsigned int member_flags,
    unsigned int archive_flags);
/*
 * With libarchive: a format by its name ("7zip", "ar", ...; NULL: the bytes of
 * the first member alone) and a filter ("zstd"; NULL: none); options as
 * archive_write_set_options() takes them, or NULL.
 */
void pack_archive(struct buf *b, const char *format, const char *filter,
    const char *options, const struct pack_member members[], size_t n);
/* RAR, stored: version 4 or 5. */
void pack_rar(
    struct buf *b, int version, struct slice data, unsigned int member_flags);
/* One stored member; of the flags PACK_SAY_LESS and PACK_SAY_NONE count. */
void pack_cab(struct buf *b, struct slice data, unsigned int member_flags);
void pack_arj(struct buf *b, struct slice data, unsigned int member_flags);
void pack_lha(struct buf *b, struct slice data, unsigned int member_flags);
/* A mail with an attachment in base64. */
void pack_mail(struct buf *b, struct slice data);
/* data after other bytes. */
void pack_behind(struct buf *b, struct slice before, struct slice data);
#endif
