/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/icap_out.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define THREAT_MAX 257 /* XH-08, with NUL */

int
icap_out_continue(struct buf *out)
{
	return buf_append_str(out, "ICAP/1.0 100 Continue\r\n\r\n");
}

/* NAME, value, CRLF: printf would cost more than all the rest. */
static int
line(struct buf *out, const char *name, struct slice value)
{
	int rc = buf_append_str(out, name);

	rc |= buf_append_slice(out, value);
	rc |= buf_append(out, "\r\n", 2);
	return rc;
}

static int
number(struct buf *out, const char *name, uint64_t value)
{
	int rc = buf_append_str(out, name);

	rc |= buf_append_u64(out, value);
	rc |= buf_append(out, "\r\n", 2);
	return rc;
}

/* Status line and what every answer carries. */
static int
begin(struct buf *out, const struct icap_out_common *c, int status,
    const char *reason)
{
	char date[CLOCK_HTTP_DATE_LEN];
	int rc = buf_append_str(out, "ICAP/1.0 ");

	CHECK(status >= 100 && status <= 599);
	rc |= buf_append_u64(out, (uint64_t)status);
	rc |= line(out, " ", slice_of(reason));
	if (c->wall_us != 0) {
		clock_http_date(c->wall_us, date);
		rc |= line(out, "Date: ", slice_of(date));
	}
	if (c->server.len > 0)
		rc |= line(out, "Server: ", c->server);
	return rc;
}

static int
istag(struct buf *out, const struct icap_out_common *c)
{
	int rc = buf_append_str(out, "ISTag: \"");

	rc |= buf_append_slice(out, c->istag);
	rc |= buf_append_str(out, "\"\r\n");
	return rc;
}

static int
connection(struct buf *out, const struct icap_out_common *c)
{
	return buf_append_str(out,
	    c->close ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
}

static int
allow(struct buf *out, const struct icap_out_options *o)
{
	int rc = buf_append_str(out, "Allow: 204");

	if (o->offer_206)
		rc |= buf_append_str(out, ", 206");
	if (o->offer_trailers)
		rc |= buf_append_str(out, ", trailers");
	return rc | buf_append_str(out, "\r\n");
}

int
icap_out_options(struct buf *out, const struct icap_out_common *c,
    const struct icap_out_options *o)
{
	int rc = begin(out, c, 200, "OK");

	rc |= line(out, "Service: ", slice_of(o->service));
	rc |= line(out, "Service-ID: ", slice_of(o->service_id));
	rc |= istag(out, c);
	rc |= line(out, "Methods: ",
	    !o->reqmod   ? SLICE_LIT("RESPMOD")
	    : o->respmod ? SLICE_LIT("RESPMOD, REQMOD")
			 : SLICE_LIT("REQMOD"));
	rc |= number(out, "Max-Connections: ", o->max_connections);
	rc |= number(out, "Options-TTL: ", o->ttl_s);
	rc |= allow(out, o);
	/* OP-10: both or neither */
	if (o->preview) {
		rc |= number(out, "Preview: ", o->preview_size);
		rc |= buf_append_str(out, "Transfer-Preview: *\r\n");
	}
	rc |= buf_append_str(out,
	    "X-Include: X-Client-IP, X-Server-IP, X-Subscriber-ID, "
	    "X-Authenticated-User, X-Authenticated-Groups\r\n"
	    "X-Allow-Out: X-Infection-Found\r\n");
	rc |= connection(out, c);
	/* the last line: a client stops reading at 0 CRLF CRLF */
	rc |= buf_append_str(out, "Encapsulated: null-body=0\r\n\r\n");
	return rc == 0 ? 0 : -1;
}

int
icap_out_error(
    struct buf *out, const struct icap_out_common *c, enum proto_err e)
{
	const struct proto_err_info *info = proto_err_info(e);
	int rc = begin(out, c, info->status, info->reason);

	rc |= istag(out, c);
	rc |= buf_append_str(out, "Connection: close\r\n\r\n");
	return rc == 0 ? 0 : -1;
}

int
icap_out_204(struct buf *out, const struct icap_out_common *c)
{
	int rc = begin(out, c, 204, "No modifications needed");

	rc |= istag(out, c);
	rc |= connection(out, c);
	rc |= buf_append_str(out, "\r\n");
	return rc == 0 ? 0 : -1;
}

static int
threat(struct buf *out, const struct icap_out_threat *t)
{
	char name[THREAT_MAX];

	/* never empty: clients look for Threat=[^;]+; (XH-04) */
	(void)str_copy_clean(name, sizeof(name),
	    t->name.len > 0 ? t->name : SLICE_LIT("unknown"), ";");
	return buf_printf(out,
	    "X-Infection-Found: Type=%d; Resolution=%d; Threat=%s;\r\n"
	    "X-Virus-ID: %s\r\n",
	    t->type, t->resolution, name, name);
}

static const char *
body_name(enum encap_body b)
{
	switch (b) {
	case ENCAP_REQ_BODY:
		return "req-body";
	case ENCAP_RES_BODY:
		return "res-body";
	case ENCAP_OPT_BODY:
		return "opt-body";
	case ENCAP_NULL_BODY:
		break;
	}
	return "null-body";
}

static int
encapsulated(struct buf *out, const struct icap_out_200 *a)
{
	if (a->req_hdr.len + a->res_hdr.len == 0)
		return buf_printf(
		    out, "Encapsulated: %s=0\r\n\r\n", body_name(a->body));
	return buf_printf(out, "Encapsulated: %s=0, %s=%zu\r\n\r\n",
	    a->req_hdr.len > 0 ? "req-hdr" : "res-hdr", body_name(a->body),
	    a->req_hdr.len + a->res_hdr.len);
}

int
icap_out_200(struct buf *out, const struct icap_out_common *c,
    const struct icap_out_200 *a)
{
	int rc = begin(out, c, a->partial ? 206 : 200,
	    a->partial ? "Partial Content" : "OK");

	rc |= istag(out, c);
	rc |= connection(out, c);
	if (a->no_store)
		rc |= buf_append_str(out, "Cache-Control: no-store\r\n");
	if (a->threat != NULL)
		rc |= threat(out, a->threat);
	rc |= buf_append_slice(out, a->extra);
	rc |= encapsulated(out, a);
	rc |= buf_append_slice(out, a->req_hdr);
	rc |= buf_append_slice(out, a->res_hdr);
	return rc == 0 ? 0 : -1;
}

size_t
icap_out_chunk_head(char out[ICAP_OUT_CHUNK_HEAD_MAX + 1], uint64_t size)
{
	int n = snprintf(out, ICAP_OUT_CHUNK_HEAD_MAX + 1, "%llx\r\n",
	    (unsigned long long)size);

	return n > 0 ? (size_t)n : 0;
}

int
icap_out_last_chunk(struct buf *out, struct slice trailer)
{
	int rc = buf_append_str(out, "0\r\n");

	rc |= buf_append_slice(out, trailer);
	rc |= buf_append_str(out, "\r\n");
	return rc == 0 ? 0 : -1;
}

int
icap_out_original_body(struct buf *out)
{
	return buf_append_str(out, "0; use-original-body=0\r\n\r\n");
}
