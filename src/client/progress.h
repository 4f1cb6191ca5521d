/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H
/*
 * A bar on a terminal for long work. Its owner serialises all calls.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct progress {
	bool on;               /* there is a terminal, and it is wanted */
	bool drawn;            /* it stands on the terminal now */
	uint64_t files, bytes; /* of all; 0: not known */
	uint64_t done_files, done_bytes;
	uint64_t start_us, drawn_us;
};

void progress_init(struct progress *p, bool on, uint64_t files, uint64_t bytes);
/* More was done; draws when it is time for it. */
void progress_add(struct progress *p, uint64_t files, uint64_t bytes);
/* Takes the bar away, before a line is printed and at the end. */
void progress_clear(struct progress *p);
/* The bar as text of at most `columns` characters. Pure. 0 or -1. */
int progress_text(
    const struct progress *p, uint64_t now_us, size_t columns, struct buf *out);
#endif
