/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCAN_TEXT_H
#define NET_SCAN_TEXT_H
/*
 * Between the messages of the scan socket and ICAP: a request of the scan
 * socket is put as the ICAP request that it stands for, and the answer is taken
 * apart again. So one transaction serves both, and a policy, an outcome, a log
 * line exists once. Pure.
 */
#include "base/buf.h"
#include "proto/icap_head.h"
#include "scanapi/tolsey_scanmsg.h"

/* The heads of the ICAP request for a SCAN message. 0, or -1: too large. */
int scan_text_request(struct buf *out, const struct scanmsg *m);
/* Where the body begins in the tail of a SCAN message. */
struct slice scan_text_body(const struct scanmsg *m);

struct scan_text_answer {
	int status;
	struct buf headers; /* the X-...: lines of the ICAP head */
	struct slice head;  /* encapsulated, into the answer */
	enum encap_body body_kind;
	struct buf body; /* decoded; as far as it came */
};
void scan_text_answer_init(struct scan_text_answer *a);
void scan_text_answer_free(struct scan_text_answer *a);
/* 0, or -1 when it is no answer of ours, or too large. */
int scan_text_answer_parse(struct scan_text_answer *a, struct slice text);
#endif
