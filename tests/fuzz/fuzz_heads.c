/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any bytes as an ICAP head, as the value of Encapsulated, and as an HTTP
 * head: what was understood lies inside the input and keeps its promises.
 */
#include <string.h>

#include "base/check.h"
#include "proto/encap.h"
#include "proto/http_head.h"
#include "proto/icap_head.h"
#include "tests/fuzz/fuzz.h"

/* SE-02: a slice that points elsewhere would read or write elsewhere. */
static void
is_inside(struct slice part, struct slice whole)
{
	CHECK(part.len == 0 ||
	      (part.p >= whole.p && part.p + part.len <= whole.p + whole.len));
}

static void
encapsulated(const struct encap *e)
{
	CHECK(e->heads_len == e->req_hdr_len + e->res_hdr_len);
	CHECK(e->heads_len <= UINT64_C(9999999999));
}

static void
as_icap_head(struct slice in)
{
	static struct icap_head h;

	if (icap_head_parse(&h, in) != PROTO_OK)
		return;
	CHECK(h.method != 0 && h.nfields <= ICAP_MAX_FIELDS);
	is_inside(h.uri, in);
	is_inside(h.service, h.uri);
	is_inside(h.query, h.uri);
	is_inside(h.host, h.uri);
	is_inside(h.trailer, in);
	for (size_t i = 0; i < h.nfields; i++) {
		is_inside(h.fields[i].name, in);
		is_inside(h.fields[i].value, in);
		CHECK(memchr(h.fields[i].value.p, '\n',
			  h.fields[i].value.len) == NULL);
	}
	if (h.has_encap)
		encapsulated(&h.encap);
	CHECK(h.method == ICAP_OPTIONS || h.has_encap); /* EN-01 */
}

static void
as_http_head(struct slice in, bool is_response)
{
	struct slice pos, name, value;
	struct http_head h;
	uint64_t len;

	http_head_parse(&h, in, is_response);
	is_inside(h.first, in);
	is_inside(h.method, in);
	is_inside(h.target, in);
	is_inside(h.reason, in);
	CHECK(h.status >= 0 && h.status <= 999);
	for (pos = h.fields; http_head_next(&pos, &name, &value);) {
		is_inside(name, in);
		is_inside(value, in);
		CHECK(name.len > 0);
	}
	if (http_head_content_length(&h, &len) == 1)
		CHECK(len <= INT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct encap e;

	as_icap_head(in);
	if (encap_parse(&e, in) == PROTO_OK)
		encapsulated(&e);
	as_http_head(in, false);
	as_http_head(in, true);
	return 0;
}
