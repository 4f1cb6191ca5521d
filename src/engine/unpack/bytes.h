/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_BYTES_H
#define ENGINE_UNPACK_BYTES_H
/* Numbers in file formats; the caller has checked that the bytes are there. */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Place of the first magic at or behind from, d.len when there is none. The
 * byte at anchor should be the rarest: it is what is looked for, and much
 * faster than memmem() is on few bytes.
 */
size_t bytes_find(
    struct slice d, size_t from, struct slice magic, size_t anchor);

static inline uint32_t
le16(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] | (uint32_t)u[1] << 8;
}

static inline uint32_t
le32(const char *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static inline uint64_t
le64(const char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline uint32_t
be16(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 8 | (uint32_t)u[1];
}

static inline uint32_t
be32(const char *p)
{
	return be16(p) << 16 | be16(p + 2);
}
#endif
