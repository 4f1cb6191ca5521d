/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_OFFER_H
#define CLIENT_OFFER_H
/* What a service says of itself: the answer to OPTIONS. Pure. */
#include "base/buf.h"
#include "proto/icap_answer.h"

struct offer {
	bool known; /* OPTIONS were asked for and answered with 200 */
	bool reqmod, respmod;
	bool has_preview;
	uint64_t preview;
	bool allow_204, allow_206, allow_trailers;
	uint64_t max_connections; /* 0: not said */
};

void offer_read(struct offer *f, const struct icap_answer *a);
/* For people, and as one JSON object in a line; url: what was asked. */
int offer_print(struct buf *out, const struct offer *f,
    const struct icap_answer *a, const char *url);
int offer_print_json(struct buf *out, const struct offer *f,
    const struct icap_answer *a, const char *url);
#endif
