/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *word, *shown;
	int status;
	const char *count;
} verdicts[] = {
#define VERDICT(id, word, shown, status, count) { word, shown, status, count },
#include "client/verdicts.def"
#undef VERDICT
};

const char *
verdict_word(enum verdict v)
{
	return verdicts[v].word;
}

const char *
verdict_shown(enum verdict v)
{
	return verdicts[v].shown;
}

const char *
verdict_count(enum verdict v)
{
	return verdicts[v].count;
}

int
verdict_exit(const uint64_t counts[NVERDICTS])
{
	int status = 0;

	/* what was found counts more than what could not be looked at */
	for (size_t i = 0; i < NVERDICTS; i++)
		if (counts[i] > 0 && verdicts[i].status > 0 && status != 1)
			status = verdicts[i].status;
	return status;
}

void
verdict_error(struct result *r, const char *fmt, ...)
{
	va_list ap;

	/* what was found stays found, whatever came after it */
	if (r->verdict != VERDICT_INFECTED && r->threat[0] == '\0')
		r->verdict = VERDICT_ERROR;
	va_start(ap, fmt);
	(void)vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
	va_end(ap);
}

const char *
verdict_advice(int icap_status)
{
	switch (icap_status) {
	case 400:
		return "the server does not understand the request; are the "
		       "further header lines right?";
	case 403:
		return "may this address ask? (tolsey: AllowClients)";
	case 404:
		return "is the service's name right? (--service)";
	case 405:
	case 501:
		return "the service does not do this; try --reqmod, or without "
		       "it";
	case 407:
		return "the server wants a password: --icap-header "
		       "'Proxy-Authorization: ...'";
	case 408:
		return "the server did not get the request in time";
	case 500:
		return "the server's log tells more";
	case 503:
		return "it is starting or has too much to do; try again";
	}
	return "";
}

/* ---- what was found ---- */

/* The value of a parameter: "Threat=NAME;" */
static struct slice
parameter(struct slice value, struct slice name)
{
	struct slice elem;

	while (slice_next(&value, ';', &elem))
		if (slice_case_has_prefix(elem, name))
			return (struct slice){ elem.p + name.len,
				elem.len - name.len };
	return SLICE_NONE;
}

/* Type 1 is a policy and 2 a container that cannot be looked into (XH-04). */
static void
set_threat(struct result *r, struct slice name, struct slice type)
{
	if (slice_eq(type, SLICE_LIT("1")) || slice_eq(type, SLICE_LIT("2")))
		r->verdict = VERDICT_BLOCKED;
	else
		r->verdict = VERDICT_INFECTED;
	if (r->threat[0] == '\0')
		(void)str_copy_text(r->threat, sizeof(r->threat), name);
}

/* The second line of X-Violations-Found's four is the threat (XH-07). */
static struct slice
violation(struct slice value)
{
	struct slice line;

	for (int i = 0; i < 3; i++)
		if (!slice_next(&value, '\n', &line))
			return SLICE_NONE;
	return slice_trim(line);
}

static struct slice
cut_cr(struct slice s)
{
	while (s.len > 0 && (s.p[s.len - 1] == '\r' || s.p[s.len - 1] == '\n'))
		s.len--;
	return s;
}

/*
 * The presence of one of them means an infection (protocol.md 0, decision 7 of
 * the field): also inside the page, as squidclamav does it.
 */
static void
look_for_threat(struct result *r,
    struct slice (*get)(const void *from, const char *name), const void *from)
{
	struct slice found = get(from, "X-Infection-Found");
	struct slice id = get(from, "X-Virus-ID");
	struct slice many = get(from, "X-Violations-Found");
	struct slice threat = parameter(found, SLICE_LIT("Threat="));

	if (found.p == NULL && id.p == NULL && many.p == NULL)
		return;
	if (many.p != NULL && slice_eq(many, SLICE_LIT("0")) &&
	    found.p == NULL && id.p == NULL)
		return;
	if (threat.len == 0)
		threat = id;
	if (threat.len == 0)
		threat = cut_cr(violation(many));
	set_threat(r, threat.len > 0 ? threat : SLICE_LIT("unknown"),
	    parameter(found, SLICE_LIT("Type=")));
}

static struct slice
from_icap(const void *from, const char *name)
{
	return icap_answer_get(from, name);
}

static struct slice
from_http(const void *from, const char *name)
{
	const struct http_head *h = from;

	return h->raw.p != NULL ? http_head_get(h, name) : SLICE_NONE;
}

/* Raw lines, as trailers are. */
static struct slice
from_lines(const void *from, const char *name)
{
	struct http_head h;

	http_head_parse(&h, *(const struct slice *)from, true);
	return http_head_get(&h, name);
}

/* A response that is not the one that was sent stands in for it. */
static bool
is_blocked(const struct icap_answer *a, const struct client_options *o)
{
	if (a->res.raw.p == NULL)
		return false;
	return o->reqmod || a->res.status >= 300;
}

static void
set_blocked(struct result *r, const struct icap_answer *a)
{
	char reason[64];

	r->verdict = VERDICT_BLOCKED;
	(void)str_copy_text(reason, sizeof(reason), a->res.reason);
	(void)snprintf(
	    r->detail, sizeof(r->detail), "HTTP %d %s", a->res.status, reason);
}

static bool
same_head(const struct icap_answer *a, const struct request *q,
    const struct client_options *o)
{
	if (o->reqmod)
		return slice_eq(a->req.raw, q->req);
	return slice_eq(a->res.raw, q->res);
}

/* 200, 201 and 206: something came back. */
static void
on_content(struct result *r, const struct icap_answer *a,
    const struct request *q, const struct client_options *o)
{
	if (!a->has_encap) {
		verdict_error(
		    r, "the server's %d has no Encapsulated", a->status);
		return;
	}
	if (a->status == 206 && !o->allow_206) {
		verdict_error(
		    r, "the server answered 206, which was not permitted");
		return;
	}
	r->http_status = a->res.status;
	look_for_threat(r, from_icap, a);
	look_for_threat(r, from_http, &a->res);
	if (r->threat[0] != '\0')
		return;
	if (is_blocked(a, o) ||
	    slice_case_has_prefix(
		icap_answer_get(a, "X-Response-Info"), SLICE_LIT("blocked"))) {
		set_blocked(r, a);
		return;
	}
	r->head_same = same_head(a, q, o) ? SAME_YES : SAME_NO;
}

/* Without its quotes. */
static void
set_istag(struct result *r, struct slice tag)
{
	if (tag.len >= 2 && tag.p[0] == '"' && tag.p[tag.len - 1] == '"')
		tag = (struct slice){ tag.p + 1, tag.len - 2 };
	(void)str_copy_clean(r->istag, sizeof(r->istag), tag, "");
}

void
verdict_head(struct result *r, const struct icap_answer *a,
    const struct request *q, const struct client_options *o, bool allow_204)
{
	char reason[80];

	r->verdict = VERDICT_CLEAN;
	r->detail[0] = '\0';
	r->icap_status = a->status;
	set_istag(r, icap_answer_get(a, "ISTag"));
	if (a->status == 200 || a->status == 201 || a->status == 206) {
		on_content(r, a, q, o);
		return;
	}
	if (a->status == 204 && allow_204) {
		look_for_threat(r, from_icap, a);
		return;
	}
	if (a->status == 204) {
		verdict_error(r, "the server answered 204, which was not "
				 "permitted (RFC 3507 4.6)");
		return;
	}
	(void)str_copy_text(reason, sizeof(reason), a->reason);
	verdict_error(r, "the server answers %d %s%s%s%s", a->status, reason,
	    verdict_advice(a->status)[0] != '\0' ? " (" : "",
	    verdict_advice(a->status),
	    verdict_advice(a->status)[0] != '\0' ? ")" : "");
}

void
verdict_end(struct result *r, const struct icap_answer *a,
    const struct client_options *o)
{
	struct slice lines = buf_slice(&a->trailer.trailer);

	if (a->has_trailer && r->verdict != VERDICT_ERROR)
		look_for_threat(r, from_lines, &lines);
	if (r->verdict != VERDICT_CLEAN)
		r->body_same = SAME_UNKNOWN; /* another object was sent */
	else if (a->status != 204 && r->body_same != SAME_YES)
		r->verdict = VERDICT_MODIFIED;
	if (o->verify && r->verdict == VERDICT_MODIFIED)
		verdict_error(r,
		    "what came back is not the object (%llu "
		    "bytes of %llu)",
		    (unsigned long long)r->received,
		    (unsigned long long)r->size);
}
