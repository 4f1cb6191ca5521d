/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_IDENTITY_H
#define PROTO_IDENTITY_H
/*
 * Who the ICAP client says that it asks for (draft-stecher-icap-subid;
 * XH-01, XH-02). Only what a trusted client says is to be read (XH-03), and it
 * is for logs, pages and services: quote it before printing.
 */
#include "base/buf.h"
#include "proto/icap_head.h"

struct identity {
	struct buf client; /* X-Client-IP, if it is an address */
	struct buf user;   /* X-Authenticated-User, else X-Client-Username */
	struct buf groups; /* X-Authenticated-Groups, one a line */
};

/* max: bytes kept of each value; what is longer is as if it was not there. */
void identity_init(struct identity *id, size_t max);
void identity_free(struct identity *id);
/* Fills an empty identity; what cannot be understood is left out. */
void identity_read(struct identity *id, const struct icap_head *h);
#endif
