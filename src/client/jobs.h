/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_JOBS_H
#define CLIENT_JOBS_H
/* All objects, several at a time, and what is said of them. */
#include "client/link.h"
#include "client/offer.h"
#include "client/report.h"

struct jobs_params {
	const struct client_options *options;
	const struct target *target;
	const struct link_peer *peer;
	uint64_t preview; /* EXCHANGE_NO_PREVIEW for none */
	/* whose wishes as to names are honoured, or NULL */
	const struct offer *offer;
};

/*
 * Sends all that the options name, each with a line on stdout, and adds to the
 * totals. 0, or -1 with a line in err when it could not begin.
 */
int jobs_run(
    const struct jobs_params *p, struct totals *t, struct buf *err) MUST_CHECK;
#endif
