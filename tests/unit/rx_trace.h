/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_UNIT_RX_TRACE_H
#define TESTS_UNIT_RX_TRACE_H
/*
 * What icap_rx makes of an input, as text that does not depend on how the
 * input was cut (FR-19): the unit tests and the fuzzer compare such texts.
 */
#include <stdbool.h>

#include "proto/icap_rx.h"

struct rx_trace {
	struct icap_rx rx;
	bool finish_preview; /* answer at PREVIEW_END instead of going on */
	bool direct;         /* store body bytes past the decoder */
	bool over;           /* ICAP_RX_ERROR came */
	struct buf body;     /* BODY bytes since the last other event */
	/* "HEAD BODY(abcd) PREVIEW_END BODY_END(ieof) ERROR(BAD_CHUNK)" */
	struct buf events;
	struct buf detail; /* everything that was parsed, a line each */
};

extern const struct icap_rx_limits rx_trace_limits; /* the defaults */

void rx_trace_init(struct rx_trace *t, const struct icap_rx_limits *limits);
void rx_trace_free(struct rx_trace *t);
/* One read of the connection; len may be 0. */
void rx_trace_feed(struct rx_trace *t, const char *p, size_t len);
/* No more input: what is left of the trace, e.g. " +head" or " +body". */
void rx_trace_end(struct rx_trace *t);
/* Same events and same details. */
bool rx_trace_same(const struct rx_trace *a, const struct rx_trace *b);
#endif
