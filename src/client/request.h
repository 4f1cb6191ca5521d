/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H
/* The heads of a request, as options want them. Pure. */
#include "client/options.h"
#include "client/source.h"
#include "client/target.h"

struct request {
	struct buf head;       /* everything before the body */
	struct buf http;       /* the encapsulated heads */
	struct slice req, res; /* parts of http; empty when absent */
	struct buf scratch;
};

void request_init(struct request *r);
void request_free(struct request *r);
/*
 * What is wrong with the options that end up in heads (bad header lines,
 * blanks in a URL, ...): 0, or -1 with a line in err.
 */
int request_check(const struct client_options *o, struct buf *err) MUST_CHECK;
/* OPTIONS. 0 or -1 (out of memory). */
int request_options(struct request *r, const struct client_options *o,
    const struct target *t) MUST_CHECK;
/* REQMOD or RESPMOD for an object. preview: EXCHANGE_NO_PREVIEW for none. */
int request_object(struct request *r, const struct client_options *o,
    const struct target *t, const struct source *s,
    uint64_t preview) MUST_CHECK;
#endif
