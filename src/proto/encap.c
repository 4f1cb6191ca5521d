/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/encap.h"

#include <string.h>

#define OFFSET_DIGITS 10 /* EN-02 */
#define OFFSET_MAX UINT64_C(9999999999)

/* Order of the sections in a message (RFC 3507 4.4.1). */
enum section { REQ_HDR, RES_HDR, BODY };

static const struct token {
	struct slice name;
	enum section section;
	enum encap_body body;
} tokens[] = {
	{ SLICE_LIT("req-hdr"), REQ_HDR, ENCAP_NULL_BODY },
	{ SLICE_LIT("res-hdr"), RES_HDR, ENCAP_NULL_BODY },
	{ SLICE_LIT("req-body"), BODY, ENCAP_REQ_BODY },
	{ SLICE_LIT("res-body"), BODY, ENCAP_RES_BODY },
	{ SLICE_LIT("opt-body"), BODY, ENCAP_OPT_BODY },
	{ SLICE_LIT("null-body"), BODY, ENCAP_NULL_BODY },
};

static const struct token *
find_token(struct slice name)
{
	for (size_t i = 0; i < COUNTOF(tokens); i++)
		if (slice_case_eq(tokens[i].name, name))
			return &tokens[i];
	return NULL;
}

static bool
is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

/* The next element between separators (EN-03); false at the end. */
static bool
next_element(struct slice *rest, struct slice *elem)
{
	while (rest->len > 0 && is_separator(*rest->p)) {
		rest->p++;
		rest->len--;
	}
	*elem = (struct slice){ rest->p, 0 };
	while (rest->len > 0 && !is_separator(*rest->p)) {
		rest->p++;
		rest->len--;
		elem->len++;
	}
	return elem->len > 0;
}

static const struct token *
parse_element(struct slice elem, uint64_t *offset)
{
	ptrdiff_t eq = slice_find(elem, '=');
	struct slice digits;

	if (eq <= 0)
		return NULL;
	digits = (struct slice){ elem.p + eq + 1, elem.len - (size_t)eq - 1 };
	if (digits.len > OFFSET_DIGITS ||
	    str_to_u64(digits, OFFSET_MAX, offset) == -1)
		return NULL;
	return find_token((struct slice){ elem.p, (size_t)eq });
}

enum proto_err
encap_parse(struct encap *e, struct slice value)
{
	uint64_t at[3] = { 0, 0, 0 }, offset, last = 0;
	bool seen[3] = { false, false, false };
	const struct token *t;
	struct slice elem;

	memset(e, 0, sizeof(*e));
	while (next_element(&value, &elem)) {
		if ((t = parse_element(elem, &offset)) == NULL)
			return PROTO_ERR_BAD_ENCAPSULATED;
		/* EN-04: order fixed, one body, last; offsets grow from 0 */
		for (int s = (int)t->section; s <= BODY; s++)
			if (seen[s])
				return PROTO_ERR_BAD_ENCAPSULATED;
		if (offset < last ||
		    (!seen[REQ_HDR] && !seen[RES_HDR] && offset != 0))
			return PROTO_ERR_BAD_ENCAPSULATED;
		seen[t->section] = true;
		at[t->section] = last = offset;
		if (t->section == BODY)
			e->body = t->body;
	}
	if (!seen[BODY])
		return PROTO_ERR_BAD_ENCAPSULATED;
	e->heads_len = at[BODY];
	if (seen[RES_HDR])
		e->res_hdr_len = at[BODY] - at[RES_HDR];
	if (seen[REQ_HDR])
		e->req_hdr_len =
		    (seen[RES_HDR] ? at[RES_HDR] : at[BODY]) - at[REQ_HDR];
	return PROTO_OK;
}
