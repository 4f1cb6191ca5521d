/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * aws-chunked (S3 uploads): hexsize[;chunk-signature=...] CRLF data CRLF ...,
 * ended by a chunk of size 0 and, perhaps, trailer lines.
 */
#include <string.h>

#include "base/str.h"
#include "engine/unpack/grow.h"

static enum decode_rc
append(struct grow *g, const unsigned char *from, size_t len)
{
	enum decode_rc rc = DECODE_OK;
	unsigned char *p;
	size_t room;

	while (len > 0 && rc == DECODE_OK) {
		if ((rc = grow_room(g, &p, &room)) != DECODE_OK)
			return rc;
		if (room > len)
			room = len;
		memcpy(p, from, room);
		from += room;
		len -= room;
		rc = grow_wrote(g, room);
	}
	return rc;
}

/* Reads "size[;...] CRLF" and moves behind it. False when there is none. */
static bool
take_size(struct slice *in, uint64_t *size)
{
	ptrdiff_t end = slice_find(*in, '\n'), semi;
	struct slice line;

	if (end < 1 || in->p[end - 1] != '\r')
		return false;
	line = (struct slice){ in->p, (size_t)end - 1 };
	in->p += end + 1;
	in->len -= (size_t)end + 1;
	if ((semi = slice_find(line, ';')) >= 0)
		line.len = (size_t)semi;
	return str_hex_to_u64(line, size) == 0;
}

enum decode_rc
decode_aws_chunked(struct grow *g, const unsigned char *in, size_t len)
{
	struct slice s = { (const char *)in, len };
	enum decode_rc rc;
	uint64_t size;

	for (;;) {
		if (!take_size(&s, &size))
			return DECODE_BROKEN;
		if (size == 0)
			return DECODE_OK;
		if (s.len < 2 || size > s.len - 2)
			return DECODE_BROKEN;
		rc = append(g, (const unsigned char *)s.p, (size_t)size);
		if (rc != DECODE_OK)
			return rc;
		s.p += size;
		s.len -= (size_t)size;
		if (s.p[0] != '\r' || s.p[1] != '\n')
			return DECODE_BROKEN;
		s.p += 2;
		s.len -= 2;
	}
}
