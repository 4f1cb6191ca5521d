/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/request.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/addr.h"
#include "client/exchange.h"

#define HEAD_MAX ((size_t)1 << 20)
#define USER_MAX 512

void
request_init(struct request *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->head, HEAD_MAX);
	buf_init(&r->http, HEAD_MAX);
	buf_init(&r->scratch, HEAD_MAX);
}

void
request_free(struct request *r)
{
	buf_free(&r->head);
	buf_free(&r->http);
	buf_free(&r->scratch);
}

/* ---- what the options may hold ---- */

static bool
has_control(const char *text, bool blanks_too)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') ||
		    *text == 0x7f || (blanks_too && *text == ' ') ||
		    (blanks_too && *text == '\t'))
			return true;
	return false;
}

static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' ||
		    (unsigned char)s.p[i] > '~' ||
		    strchr("()<>@,;:\\\"/[]?={}", s.p[i]) != NULL)
			return false;
	return s.len > 0;
}

static int
check_lines(const struct client_list *l, const char *option, struct buf *err)
{
	for (size_t i = 0; i < l->n; i++) {
		struct slice s = slice_of(l->v[i]);
		ptrdiff_t colon = slice_find(s, ':');

		if (colon > 0 &&
		    is_token((struct slice){ s.p, (size_t)colon }) &&
		    !has_control(l->v[i], false))
			continue;
		(void)buf_printf(err,
		    "--%s: not a header line; write it as "
		    "'NAME: VALUE'",
		    option);
		return -1;
	}
	return 0;
}

static int
check_framing(const struct client_options *o, struct buf *err)
{
	for (size_t i = 0; i < o->icap_header.n; i++) {
		struct slice s = slice_of(o->icap_header.v[i]);

		s.len = (size_t)slice_find(s, ':');
		if (slice_case_eq(s, SLICE_LIT("Encapsulated")) ||
		    slice_case_eq(s, SLICE_LIT("Preview"))) {
			(void)buf_printf(err,
			    "--icap-header: %.*s is counted, "
			    "it cannot be given (but see --preview)",
			    SLICE_FMT(s));
			return -1;
		}
	}
	return 0;
}

int
request_check(const struct client_options *o, struct buf *err)
{
	const struct {
		const char *option, *value;
	} words[] = { { "req", o->req_url }, { "resp", o->resp_url } };
	struct addr a;

	for (size_t i = 0; i < COUNTOF(words); i++) {
		if (words[i].value == NULL ||
		    (words[i].value[0] != '\0' &&
			!has_control(words[i].value, true)))
			continue;
		(void)buf_printf(err,
		    "--%s: a URL has no blanks (write %%20) "
		    "and is not empty",
		    words[i].option);
		return -1;
	}
	if (o->method != NULL && !is_token(slice_of(o->method))) {
		(void)buf_append_str(err, "--method: not the name of a method");
		return -1;
	}
	if (o->type != NULL && has_control(o->type, false)) {
		(void)buf_append_str(err, "--type: not a Content-Type");
		return -1;
	}
	if (o->client_ip != NULL &&
	    addr_parse(&a, slice_of(o->client_ip)) == -1) {
		(void)buf_append_str(err,
		    "--client-ip: not an address; to "
		    "send it nevertheless: --icap-header 'X-Client-IP: ...'");
		return -1;
	}
	if (o->user != NULL && strlen(o->user) > USER_MAX - 16) {
		(void)buf_append_str(err, "--user: too long");
		return -1;
	}
	return check_lines(&o->icap_header, "icap-header", err) |
	       check_lines(&o->request_header, "request-header", err) |
	       check_lines(&o->response_header, "response-header", err) |
	       check_framing(o, err);
}

/* ---- lines ---- */

static bool
is_given(const struct client_list *l, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < l->n; i++)
		if (slice_case_has_prefix(
			slice_of(l->v[i]), (struct slice){ name, n }) &&
		    l->v[i][n] == ':')
			return true;
	return false;
}

/* A line, unless the user has one of that name. */
static void
line(struct buf *out, const struct client_list *own, const char *name,
    const char *value)
{
	if (!is_given(own, name))
		(void)buf_printf(out, "%s: %s\r\n", name, value);
}

static void
own_lines(struct buf *out, const struct client_list *own)
{
	for (size_t i = 0; i < own->n; i++)
		(void)buf_printf(out, "%s\r\n", own->v[i]);
}

/* ---- the encapsulated heads ---- */

/* The last part of the name, as a part of a URL. */
static void
append_name(struct buf *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (strcmp(path, "-") == 0)
		path = "stdin";
	else if (slash != NULL)
		path = slash + 1;
	for (; *path != '\0'; path++) {
		bool plain = (*path >= 'a' && *path <= 'z') ||
			     (*path >= 'A' && *path <= 'Z') ||
			     (*path >= '0' && *path <= '9') ||
			     strchr("-._~", *path) != NULL;
		(void)buf_printf(
		    out, plain ? "%c" : "%%%02X", (unsigned char)*path);
	}
}

/* scheme://AUTHORITY of the URL is what Host says. */
static struct slice
authority_of(struct slice url)
{
	const char *p = memmem(url.p, url.len, "://", 3);
	size_t n = 0;

	if (p == NULL)
		return SLICE_LIT("localhost");
	url.len -= (size_t)(p + 3 - url.p);
	url.p = p + 3;
	while (n < url.len && strchr("/?#", url.p[n]) == NULL)
		n++;
	return (struct slice){ url.p, n };
}

/* What the body is, and how long where that is known. */
static void
entity_lines(struct buf *out, const struct client_list *own,
    const struct client_options *o, const struct source *s)
{
	char n[24];

	line(out, own, "Content-Type",
	    o->type != NULL ? o->type : "application/octet-stream");
	if (!s->has_size)
		return;
	(void)snprintf(n, sizeof(n), "%llu", (unsigned long long)s->size);
	line(out, own, "Content-Length", n);
}

static void
request_head(
    struct request *r, const struct client_options *o, const struct source *s)
{
	const struct client_list *own = &o->request_header;
	const char *url = o->reqmod ? o->req_url : o->resp_url;
	const char *method = o->method;
	struct slice host;

	if (method == NULL)
		method = o->reqmod ? "POST" : "GET";
	buf_reset(&r->scratch);
	if (url != NULL) {
		(void)buf_append_str(&r->scratch, url);
	} else {
		(void)buf_append_str(&r->scratch, "http://tolsey-client/");
		append_name(&r->scratch, s->name);
	}
	(void)buf_printf(
	    &r->http, "%s %s HTTP/1.1\r\n", method, buf_cstr(&r->scratch));
	host = authority_of(buf_slice(&r->scratch));
	if (!is_given(own, "Host"))
		(void)buf_printf(&r->http, "Host: %.*s\r\n", SLICE_FMT(host));
	line(&r->http, own, "User-Agent", "tolsey-client/" PACKAGE_VERSION);
	if (o->reqmod) {
		entity_lines(&r->http, own, o, s);
	}
	own_lines(&r->http, own);
	(void)buf_append_str(&r->http, "\r\n");
}

static void
response_head(
    struct request *r, const struct client_options *o, const struct source *s)
{
	const struct client_list *own = &o->response_header;

	(void)buf_append_str(&r->http, "HTTP/1.1 200 OK\r\n");
	entity_lines(&r->http, own, o, s);
	own_lines(&r->http, own);
	(void)buf_append_str(&r->http, "\r\n");
}

/* ---- the ICAP head ---- */

static void
user_line(struct buf *out, const struct client_options *o)
{
	char plain[USER_MAX], coded[USER_MAX * 2];
	int n;

	if (o->user == NULL)
		return;
	n = snprintf(plain, sizeof(plain), "%s%s",
	    strstr(o->user, "://") != NULL ? "" : "Local://", o->user);
	if (n < 0 || (size_t)n >= sizeof(plain))
		return; /* request_check() has refused it */
	(void)EVP_EncodeBlock(
	    (unsigned char *)coded, (const unsigned char *)plain, n);
	line(out, &o->icap_header, "X-Authenticated-User", coded);
}

static void
allow_line(struct buf *out, const struct client_options *o)
{
	const char *const token[] = { o->no_204 ? NULL : "204",
		o->allow_206 ? "206" : NULL,
		o->allow_trailers ? "trailers" : NULL };
	char value[32] = "";
	size_t n = 0;

	for (size_t i = 0; i < COUNTOF(token); i++)
		if (token[i] != NULL)
			n += (size_t)snprintf(value + n, sizeof(value) - n,
			    "%s%s", n > 0 ? ", " : "", token[i]);
	if (n > 0)
		line(out, &o->icap_header, "Allow", value);
}

static void
icap_head(struct request *r, const struct client_options *o,
    const struct target *t, const char *method)
{
	buf_reset(&r->head);
	(void)buf_printf(&r->head, "%s %.*s ICAP/1.0\r\n", method,
	    SLICE_FMT(buf_slice(&t->uri)));
	if (!is_given(&o->icap_header, "Host"))
		(void)buf_printf(&r->head, "Host: %.*s\r\n",
		    SLICE_FMT(buf_slice(&t->authority)));
	line(&r->head, &o->icap_header, "User-Agent",
	    "tolsey-client/" PACKAGE_VERSION);
	if (o->new_connection)
		line(&r->head, &o->icap_header, "Connection", "close");
	allow_line(&r->head, o);
	if (o->client_ip != NULL)
		line(&r->head, &o->icap_header, "X-Client-IP", o->client_ip);
	user_line(&r->head, o);
	own_lines(&r->head, &o->icap_header);
}

static int
finish(struct request *r)
{
	(void)buf_append_str(&r->head, "\r\n");
	(void)buf_append_slice(&r->head, buf_slice(&r->http));
	return r->head.failed || r->http.failed || r->scratch.failed ? -1 : 0;
}

int
request_options(
    struct request *r, const struct client_options *o, const struct target *t)
{
	buf_reset(&r->http);
	r->req = r->res = SLICE_NONE;
	icap_head(r, o, t, "OPTIONS");
	/* no body, as all clients of the field have it */
	(void)buf_append_str(&r->head, "Encapsulated: null-body=0\r\n");
	return finish(r);
}

int
request_object(struct request *r, const struct client_options *o,
    const struct target *t, const struct source *s, uint64_t preview)
{
	size_t req, all;

	buf_reset(&r->http);
	if (o->reqmod || !o->no_response_head || o->resp_url != NULL)
		request_head(r, o, s);
	req = r->http.len;
	if (!o->reqmod && !o->no_response_head)
		response_head(r, o, s);
	all = r->http.len;
	icap_head(r, o, t, o->reqmod ? "REQMOD" : "RESPMOD");
	if (preview != EXCHANGE_NO_PREVIEW)
		(void)buf_printf(
		    &r->head, "Preview: %llu\r\n", (unsigned long long)preview);
	(void)buf_append_str(&r->head, "Encapsulated: ");
	if (req > 0)
		(void)buf_append_str(&r->head, "req-hdr=0, ");
	if (all > req)
		(void)buf_printf(&r->head, "res-hdr=%zu, ", req);
	(void)buf_printf(
	    &r->head, "%s=%zu\r\n", o->reqmod ? "req-body" : "res-body", all);
	r->req = (struct slice){ r->http.p, req };
	r->res = (struct slice){ r->http.p + req, all - req };
	return finish(r);
}
