/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/bytes.h"

#include <string.h>

size_t
bytes_find(struct slice d, size_t from, struct slice magic, size_t anchor)
{
	const char *p, *end, *hit;

	if (from > d.len || magic.len > d.len - from)
		return d.len;
	p = d.p + from + anchor;
	end = d.p + d.len - magic.len + anchor + 1;
	while (p < end &&
	       (hit = memchr(p, magic.p[anchor], (size_t)(end - p))) != NULL) {
		if (memcmp(hit - anchor, magic.p, magic.len) == 0)
			return (size_t)(hit - anchor - d.p);
		p = hit + 1;
	}
	return d.len;
}
