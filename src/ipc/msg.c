/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "ipc/msg.h"

#include <string.h>

/* The short names that msg.def uses. */
enum {
	PARENT = ROLE_PARENT,
	NET = ROLE_NET,
	SCAN = ROLE_SCAN,
	WORKER = ROLE_WORKER,
	CTL = ROLE_CTL,
	CHECK = ROLE_CHECK
};

static const struct msg_row {
	uint16_t type;
	const char *name;
	unsigned int from, to;
	size_t size, tail;
	size_t minfd, maxfd;
} table[] = {
#define MSG(id, name, from, to, payload, tail, minfd, maxfd) \
	{ id, #name, from, to, sizeof(struct payload), tail, minfd, maxfd },
#include "ipc/msg.def"
};

static const struct msg_row *
find(uint16_t type)
{
	for (size_t i = 0; i < COUNTOF(table); i++)
		if (table[i].type == type)
			return &table[i];
	return NULL;
}

const char *
msg_violation(const struct msg_hdr *h, size_t len, size_t nfds, enum role from,
    enum role to)
{
	const struct msg_row *r = find(h->type);

	if (r == NULL)
		return "unknown type";
	if ((r->from & from) == 0 || (r->to & to) == 0)
		return "not allowed in this direction";
	if (h->len != len || len < r->size || len - r->size > r->tail)
		return "wrong length";
	if (h->nfds != nfds || nfds < r->minfd || nfds > r->maxfd)
		return "wrong number of descriptors";
	return NULL;
}

const char *
msg_name(uint16_t type)
{
	const struct msg_row *r = find(type);

	return r != NULL ? r->name : "?";
}

size_t
msg_payload_size(uint16_t type)
{
	const struct msg_row *r = find(type);

	return r != NULL ? r->size : 0;
}

const char *
role_name(enum role r)
{
	switch (r) {
	case ROLE_PARENT:
		return "parent";
	case ROLE_NET:
		return "net";
	case ROLE_SCAN:
		return "scan";
	case ROLE_WORKER:
		return "worker";
	case ROLE_CTL:
		return "ctl";
	case ROLE_CHECK:
		break;
	}
	return "check";
}

/* Terminated within its field, printable ASCII only. */
static bool
clean_text(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n == size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	return true;
}

static bool
is_outcome(uint32_t o)
{
	return o > OUTCOME_NONE && o < NOUTCOMES;
}

static bool
clean_finding(const struct scan_finding *f)
{
	return is_outcome(f->outcome) && f->outcome != OUTCOME_CLEAN &&
	       clean_text(f->name, sizeof(f->name)) &&
	       strnlen(f->part, sizeof(f->part)) < sizeof(f->part) &&
	       str_is_text(slice_of(f->part));
}

int
msg_scan_result_check(
    const struct msg_scan_result *r, struct slice tail, struct scan_answer *out)
{
	memset(out, 0, sizeof(*out));
	if (r->nfindings > SCAN_MAX_FINDINGS ||
	    tail.len != r->nfindings * sizeof(struct scan_finding) ||
	    r->complete > 1 || r->final > 1 ||
	    !clean_text(r->text, sizeof(r->text)) ||
	    !clean_text(r->type, sizeof(r->type)))
		return -1;
	/* incomplete for a reason that is a real one, and only then */
	if (r->complete ? r->reason != OUTCOME_NONE
			: !is_outcome(r->reason) || r->reason == OUTCOME_CLEAN)
		return -1;
	if (tail.len > 0)
		memcpy(out->findings, tail.p, tail.len);
	for (uint32_t i = 0; i < r->nfindings; i++)
		if (!clean_finding(&out->findings[i]))
			return -1;
	out->complete = r->complete;
	out->reason = r->reason;
	out->nfindings = r->nfindings;
	out->dropped = r->dropped;
	out->final = r->final;
	out->wall_us = r->wall_us;
	out->cpu_us = r->cpu_us;
	(void)str_copy(out->text, sizeof(out->text), slice_of(r->text));
	(void)str_copy(out->type, sizeof(out->type), slice_of(r->type));
	return 0;
}
