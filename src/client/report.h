/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H
/* What is said of objects, as text. Pure. */
#include "client/verdict.h"

/* What is counted over all objects. */
struct totals {
	uint64_t counts[NVERDICTS];
	uint64_t bytes;    /* sent of objects */
	uint64_t verified; /* came back the same, byte for byte */
};

void totals_add(struct totals *t, const struct result *r);
/* A line, and with --verbose and --timing some more. 0 or -1. */
int report_text(
    struct buf *out, const struct result *r, const struct client_options *o);
/* One JSON object and a line end. 0 or -1. */
int report_json(
    struct buf *out, const struct result *r, const struct client_options *o);
/* Whether the options want to hear of it. */
bool report_wanted(const struct result *r, const struct client_options *o);
int report_summary(struct buf *out, const struct totals *t,
    const struct client_options *o, uint64_t elapsed_us);
#endif
