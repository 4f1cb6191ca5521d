/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <stdlib.h>
#include <string.h>

#include "scanapi/scan_client.h"

/* A verdict, with what its pointers point to. */
struct verdict_block {
	struct tolsey_scan_verdict v;
	struct scanmsg_verdict x;
	char tail[];
};

void
scan_client_service(
    const struct scanmsg_service *x, struct tolsey_scan_service *out)
{
	memset(out, 0, sizeof(*out));
	out->found = x->found;
	out->ready = x->ready;
	out->draining = x->draining;
	out->reqmod = (x->methods & 1) != 0;
	out->respmod = (x->methods & 2) != 0;
	out->generation = x->generation;
	out->preview_size = x->preview && x->preview_size <= INT32_MAX
				? (int)x->preview_size
				: -1;
	out->options_ttl_s = x->options_ttl_s;
	out->max_object_size = x->max_object_size;
	out->trickle_max = x->trickle_max;
	out->hold_back = x->hold_back;
	out->stall_poke_ms =
	    x->stall_poke_ms <= INT32_MAX ? (int)x->stall_poke_ms : -1;
	memcpy(out->service, x->service, sizeof(out->service));
	memcpy(out->istag, x->istag, sizeof(out->istag));
	memcpy(out->daemon, x->daemon, sizeof(out->daemon));
}

struct tolsey_scan_verdict *
scan_client_verdict(const struct scanmsg *m)
{
	struct verdict_block *b = calloc(1, sizeof(*b) + m->tail_len + 1);
	struct tolsey_scan_verdict *v;
	const struct scanmsg_verdict *x;
	const char *head;

	if (b == NULL)
		return NULL;
	b->x = m->u.VERDICT;
	if (m->tail_len > 0)
		memcpy(b->tail, m->tail, m->tail_len);
	v = &b->v;
	x = &b->x;
	v->action = (enum tolsey_scan_action)x->action;
	v->outcome = x->outcome;
	v->id = x->id;
	v->istag = x->istag;
	v->reason = x->reason;
	v->part = x->part;
	v->nnames = x->nnames;
	for (unsigned int i = 0; i < x->nnames; i++)
		v->names[i] = x->names[i];
	v->generation = x->generation;
	v->early = x->early;
	v->icap_status = (int)x->icap_status;
	v->http_status = (int)x->http_status;
	v->size = x->size;
	v->queue_us = x->queue_us;
	v->scan_us = x->scan_us;
	head = b->tail + x->len_headers;
	v->headers = (struct tolsey_scan_bytes){ b->tail, x->len_headers };
	if (x->head_kind == SCANMSG_HEAD_PAGE)
		v->page_head = (struct tolsey_scan_bytes){ head, x->len_head };
	else if (x->head_kind == SCANMSG_HEAD_EDITED)
		v->edited_head =
		    (struct tolsey_scan_bytes){ head, x->len_head };
	v->page = (struct tolsey_scan_bytes){ head + x->len_head, x->len_page };
	return v;
}

__attribute__((visibility("default"))) void
tolsey_scan_verdict_free(struct tolsey_scan_verdict *v)
{
	free(v); /* the first member of its block */
}
