/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SERVICE_HTML_H
#define SERVICE_HTML_H
/* Text from anywhere as HTML that is safe in content and attributes. */
#include "base/buf.h"
#include "base/str.h"

/*
 * Appends the text in ASCII: everything but letters, digits and some harmless
 * marks as character references. Control bytes, what is not UTF-8, and
 * characters that are invisible or turn the direction of the text around
 * become '?'. Cut with "..." after max bytes of the source.
 */
void html_escape(struct buf *out, struct slice text, size_t max);
#endif
