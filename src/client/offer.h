/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_OFFER_H
#define CLIENT_OFFER_H
/* What a service says of itself: the answer to OPTIONS. Pure. */
#include "base/buf.h"
#include "proto/icap_answer.h"

#define OFFER_LIST_MAX 2048

/* What is to be done with an object (RFC 3507 4.10.2). */
enum offer_transfer {
	OFFER_PREVIEW,  /* preview first, as with all that is not named */
	OFFER_COMPLETE, /* without a preview */
	OFFER_IGNORE    /* not to be sent at all */
};

struct offer {
	bool known; /* OPTIONS were asked for and answered with 200 */
	bool reqmod, respmod;
	bool has_preview;
	uint64_t preview;
	bool allow_204, allow_206, allow_trailers;
	uint64_t max_connections; /* 0: not said */
	/* lists of suffixes, of which one may have "*" */
	char transfer_preview[OFFER_LIST_MAX];
	char transfer_ignore[OFFER_LIST_MAX];
	char transfer_complete[OFFER_LIST_MAX];
};

void offer_read(struct offer *f, const struct icap_answer *a);
/* By the suffix of the file's name; one that is named comes before "*". */
enum offer_transfer offer_transfer_of(
    const struct offer *f, const char *file_name);
/* For people, and as one JSON object in a line; url: what was asked. */
int offer_print(struct buf *out, const struct offer *f,
    const struct icap_answer *a, const char *url);
int offer_print_json(struct buf *out, const struct offer *f,
    const struct icap_answer *a, const char *url);
#endif
