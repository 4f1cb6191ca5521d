/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tolsey_cicap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HEADS_MAX ((size_t)(192 << 10)) /* all in one message */
#define LINE_MAX_BYTES 4096

/* Bytes that are filled from the front. */
struct space {
	char *p;
	size_t used, size;
	bool full;
};

static void
put(struct space *s, const char *p, size_t len)
{
	if (len > s->size - s->used) {
		s->full = true;
		return;
	}
	memcpy(s->p + s->used, p, len);
	s->used += len;
}

/* Of the ICAP head: what says who asks. */
static void
put_identity(void *data, const char *name, const char *value)
{
	struct space *s = data;

	if (strncasecmp(name, "X-", 2) != 0 || strpbrk(name, " \t:") != NULL ||
	    strpbrk(value, "\r\n") != NULL)
		return;
	put(s, name, strlen(name));
	put(s, ": ", 2);
	put(s, value, strlen(value));
	put(s, "\r\n", 2);
}

static struct tolsey_scan_bytes
put_head(struct space *s, ci_headers_list_t *h)
{
	struct tolsey_scan_bytes out = { NULL, 0 };
	size_t n;

	if (h == NULL || ci_headers_is_empty(h))
		return out;
	n = ci_headers_pack_to_buffer(h, s->p + s->used, s->size - s->used);
	if (n == 0) {
		s->full = true;
		return out;
	}
	out.p = s->p + s->used;
	out.len = n;
	s->used += n;
	return out;
}

bool
cicap_heads_fill(ci_request_t *req, struct tolsey_scan_request *rq, char **mem)
{
	struct space s = { .size = HEADS_MAX };

	if ((*mem = s.p = malloc(HEADS_MAX)) == NULL)
		return false;
	if (req->request_header != NULL)
		(void)ci_headers_iterate(req->request_header, &s, put_identity);
	rq->identity.p = s.p;
	rq->identity.len = s.used;
	rq->request_head = put_head(&s, ci_http_request_headers(req));
	if (ci_req_type(req) == ICAP_RESPMOD)
		rq->response_head = put_head(&s, ci_http_response_headers(req));
	return !s.full;
}

/* Calls f for each line of a head, without its end, up to the blank one. */
static bool
each_line(struct tolsey_scan_bytes head,
    const char *(*f)(ci_request_t *, const char *), ci_request_t *req)
{
	const char *p = head.p, *end = p + head.len, *nl;
	char line[LINE_MAX_BYTES];
	size_t len;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		len = (size_t)(nl - p);
		if (len > 0 && p[len - 1] == '\r')
			len--;
		if (len == 0)
			return true;
		if (len >= sizeof(line))
			return false;
		memcpy(line, p, len);
		line[len] = '\0';
		if (f(req, line) == NULL)
			return false;
		p = nl + 1;
	}
	return true;
}

bool
cicap_put_page(struct cicap_tx *tx)
{
	const struct tolsey_scan_verdict *v = tx->verdict;

	tx->page = v->page;
	return ci_http_response_create(tx->req, 1, v->page.len > 0) != 0 &&
	       each_line(v->page_head, ci_http_response_add_header, tx->req) &&
	       each_line(v->headers, ci_icap_add_xheader, tx->req);
}

bool
cicap_put_edited_head(struct cicap_tx *tx)
{
	return ci_http_request_reset_headers(tx->req) != 0 &&
	       each_line(tx->verdict->edited_head, ci_http_request_add_header,
		   tx->req);
}

/* What is said where there is no verdict. */
static const char *
word_of(const struct cicap_tx *tx)
{
	return tx->busy ? "overload" : "not-scanned";
}

static void
compare_length(void *data, const char *name, const char *value)
{
	struct cicap_tx *tx = data;
	char *end = NULL;
	unsigned long long n;

	if (strcasecmp(name, "Content-Length") != 0)
		return;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno != 0 || end == value || end[strspn(end, " \t")] != '\0' ||
	    n != tx->body.size)
		tx->wrong_length = true;
}

void
cicap_check_length(struct cicap_tx *tx)
{
	ci_headers_list_t *h = ci_req_type(tx->req) == ICAP_RESPMOD
				   ? ci_http_response_headers(tx->req)
				   : ci_http_request_headers(tx->req);

	if (h == NULL || tx->woken || !ci_req_hasbody(tx->req))
		return;
	(void)ci_headers_iterate(h, tx, compare_length);
	while (tx->wrong_length && ci_headers_remove(h, "Content-Length") != 0)
		;
}

static const char own_page[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<title>Not available at the moment</title><style>body{font-family:"
    "sans-serif;max-width:40em;margin:4em auto;padding:0 1em;line-height:1.5}"
    "</style></head><body><h1>Not available at the moment</h1>"
    "<p>It could not be checked for malware, because the scanner does not "
    "answer. Please try again in a minute.</p><p>If this goes on, tell your "
    "administrator: <code>tolseyd</code> is not reached, %s.</p></body>"
    "</html>\n";

bool
cicap_put_own_page(struct cicap_tx *tx)
{
	const char *word = word_of(tx);
	static const char *const http[] = { "HTTP/1.1 503 Service Unavailable",
		"Content-Type: text/html; charset=utf-8",
		"Cache-Control: no-store", "Retry-After: 60",
		"X-Content-Type-Options: nosniff", "Connection: close" };
	char when[32], length[48], found[96], id[48];
	size_t size = sizeof(own_page) + sizeof(when);
	time_t now = time(NULL);
	struct tm tm;
	bool ok;
	int n;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0 ||
	    (tx->own_page = malloc(size)) == NULL)
		return false;
	n = snprintf(tx->own_page, size, own_page, when);
	tx->page.p = tx->own_page;
	tx->page.len = n > 0 ? (size_t)n : 0;
	(void)snprintf(
	    length, sizeof(length), "Content-Length: %zu", tx->page.len);
	ok = ci_http_response_create(tx->req, 1, 1) != 0;
	for (size_t i = 0; ok && i < sizeof(http) / sizeof(http[0]); i++)
		ok = ci_http_response_add_header(tx->req, http[i]) != NULL;
	ok = ok && ci_http_response_add_header(tx->req, length) != NULL;
	(void)snprintf(found, sizeof(found),
	    "X-Infection-Found: Type=2; Resolution=2; Threat=%s;", word);
	(void)snprintf(id, sizeof(id), "X-Virus-ID: %s", word);
	return ok && ci_icap_add_xheader(tx->req, found) != NULL &&
	       ci_icap_add_xheader(tx->req, id) != NULL;
}

void
cicap_note_verdict(struct cicap_tx *tx)
{
	static const char *const actions[] = { "", "pass", "block", "error" };
	const struct tolsey_scan_verdict *v = tx->verdict;

	(void)ci_request_set_str_attribute(
	    tx->req, "tolsey:outcome", v != NULL ? v->outcome : word_of(tx));
	(void)ci_request_set_str_attribute(
	    tx->req, "tolsey:id", v != NULL ? v->id : "-");
	(void)ci_request_set_str_attribute(tx->req, "tolsey:action",
	    v != NULL ? actions[v->action]
		      : actions[cicap_conf.on_error == CICAP_PASS    ? 1
				: cicap_conf.on_error == CICAP_BLOCK ? 2
								     : 3]);
	if (v != NULL && v->nnames > 0)
		(void)ci_request_set_str_attribute(
		    tx->req, "tolsey:threat", v->names[0]);
}
