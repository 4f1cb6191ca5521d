/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H
/*
 * What others named or said, made fit for a terminal and for JSON: nothing in
 * it can move a cursor or end a string.
 */
#include "base/buf.h"

/* UTF-8 stays; control characters and other bytes become \xNN. 0 or -1. */
int text_plain(struct buf *out, struct slice s);
/*
 * A JSON string in its quotes. Bytes that are not UTF-8 become \udcNN, as
 * Python's "surrogateescape" does it, so that every name of a file is there.
 */
int text_json(struct buf *out, struct slice s);
/* "512 B", "1.5 MB": bytes for people. */
int text_bytes(struct buf *out, uint64_t n);
#endif
