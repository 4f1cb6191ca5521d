/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The content scanner: every body is scanned whole, its content codings
 * undone. Requests are edited so that responses can be scanned; responses
 * without an end are released in scanned windows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "conf/conf.h" /* enum conf_type */
#include "proto/http_range.h"
#include "service/service.h"

#define ADD_MAX 512
#define TYPES_MAX ((size_t)64)
#define IGNORED_MAX ((size_t)1024)

enum strip { STRIP_OFF, STRIP_LARGE, STRIP_ON };

struct instance {
	bool limit_codings;
	enum strip strip_range;
	uint64_t strip_above;
	char *types[TYPES_MAX];
	size_t ntypes;
	char *ignored[IGNORED_MAX]; /* signatures */
	size_t nignored;
};

/* Of one transaction. */
struct state {
	char add[ADD_MAX]; /* the new Accept-Encoding line */
	const char *drop[3];
	char declared[SCAN_DECLARED_MAX - 1];
};

/* ---- configuration ---- */

static const struct svc_directive directives[] = {
#define VERDICT true
#define NEUTRAL false
#define SVC_DIRECTIVE(type, name, def, min, max, verdict, text) \
	{ #name, CONF_##type, def, min, max, verdict, text },
#include "clamav_scan.def"
#undef VERDICT
#undef NEUTRAL
};

static void
unconfigure(void *instance)
{
	struct instance *in = instance;

	for (size_t i = 0; i < in->ntypes; i++)
		free(in->types[i]);
	for (size_t i = 0; i < in->nignored; i++)
		free(in->ignored[i]);
	free(in);
}

static int
add_types(struct instance *in, const char *value, char *err, size_t errlen)
{
	struct slice rest = slice_of(value), word;

	while (slice_next(&rest, ' ', &word)) {
		if (word.len == 0 || slice_case_eq(word, SLICE_LIT("none")))
			continue;
		if (in->ntypes == TYPES_MAX || slice_find(word, '/') < 1) {
			(void)snprintf(err, errlen, "StreamTypes %.*s: %s",
			    SLICE_FMT(word),
			    in->ntypes == TYPES_MAX
				? "too many types"
				: "is not a type like text/event-stream");
			return -1;
		}
		in->types[in->ntypes] = strndup(word.p, word.len);
		if (in->types[in->ntypes] == NULL)
			return -1;
		in->ntypes++;
	}
	return 0;
}

static int
add_ignored(struct instance *in, const char *value, char *err, size_t errlen)
{
	struct slice rest = slice_of(value), word;

	while (slice_next(&rest, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (in->nignored == IGNORED_MAX || word.len < 4) {
			(void)snprintf(err, errlen, "IgnoreSignature %.*s: %s",
			    SLICE_FMT(word),
			    in->nignored == IGNORED_MAX
				? "more than 1024 names"
				: "too short for the name of a signature");
			return -1;
		}
		in->ignored[in->nignored] = strndup(word.p, word.len);
		if (in->ignored[in->nignored] == NULL)
			return -1;
		in->nignored++;
	}
	return 0;
}

static enum strip
strip_of(struct slice v)
{
	if (slice_case_eq(v, SLICE_LIT("large")))
		return STRIP_LARGE;
	return slice_case_eq(v, SLICE_LIT("on")) ? STRIP_ON : STRIP_OFF;
}

/* A SIZE; the value has been checked. */
static uint64_t
size_of(struct slice v)
{
	static const char units[] = "KMGkmg";
	const char *unit = v.len > 0 ? strchr(units, v.p[v.len - 1]) : NULL;
	uint64_t n = 0;

	if (unit != NULL && *unit != '\0')
		v.len--;
	if (str_to_u64(v, (uint64_t)1 << 50, &n) != 0)
		return 0;
	return unit != NULL ? n << (10 * ((unit - units) % 3 + 1)) : n;
}

static int
set(struct instance *in, const struct svc_setting *s, char *err, size_t errlen)
{
	if (strcmp(s->name, "AcceptEncoding") == 0)
		in->limit_codings =
		    slice_case_eq(slice_of(s->value), SLICE_LIT("limit"));
	else if (strcmp(s->name, "StripRange") == 0)
		in->strip_range = strip_of(slice_of(s->value));
	else if (strcmp(s->name, "StripRangeAbove") == 0)
		in->strip_above = size_of(slice_of(s->value));
	else if (strcmp(s->name, "IgnoreSignature") == 0)
		return add_ignored(in, s->value, err, errlen);
	else if (strcmp(s->name, "StreamTypes") == 0)
		return add_types(in, s->value, err, errlen);
	return 0;
}

static void *
configure(
    const struct svc_setting *settings, size_t n, char *err, size_t errlen)
{
	struct instance *in = calloc(1, sizeof(*in));

	(void)snprintf(err, errlen, "out of memory");
	for (size_t i = 0; in != NULL && i < n; i++)
		if (set(in, &settings[i], err, errlen) == -1) {
			unconfigure(in);
			return NULL;
		}
	return in;
}

/* ---- the head of a message ---- */

/* Steps through the elements of all fields of a name (a comma list). */
struct elements {
	const char *name;
	struct slice fields, value;
};

static void
elements_begin(struct elements *e, const struct http_head *h, const char *name)
{
	*e = (struct elements){ name, h->fields, SLICE_NONE };
}

/* Empty elements are passed over. */
static bool
elements_next(struct elements *e, struct slice *element)
{
	struct slice name, value;

	for (;;) {
		while (slice_next(&e->value, ',', element)) {
			*element = slice_trim_folded(*element);
			if (element->len > 0)
				return true;
		}
		if (!http_head_next(&e->fields, &name, &value))
			return false;
		if (slice_case_eq(name, slice_of(e->name)))
			e->value = value;
	}
}

/* "gzip;q=0.5" gives "gzip". */
static struct slice
without_params(struct slice s)
{
	struct slice first = SLICE_NONE;

	(void)slice_next(&s, ';', &first);
	return first;
}

/* "*;q=0" and such: the element excludes what it names. */
static bool
is_exclusion(struct slice element)
{
	struct slice name, value;
	bool zero = false;

	while (slice_next_param(&element, &name, &value))
		if (slice_case_eq(name, SLICE_LIT("q")) && value.len > 0)
			for (size_t i = 0; i < value.len; i++) {
				zero = value.p[i] == '0' || value.p[i] == '.';
				if (!zero)
					return false;
			}
	return zero;
}

/* S3 clients name the framing of an upload there, and often only there. */
static bool
is_aws_stream(const struct http_head *h)
{
	return slice_has_prefix(
	    http_head_get(h, "x-amz-content-sha256"), SLICE_LIT("STREAMING-"));
}

/*
 * The codings in the order in which they were applied. aws-chunked is the
 * framing of the transfer, so the last, wherever it is named.
 */
static void
find_codings(const struct http_head *h, struct svc_decision *d)
{
	struct elements e;
	struct slice element;
	bool aws = is_aws_stream(h), too_many = false;

	elements_begin(&e, h, "Content-Encoding");
	while (elements_next(&e, &element)) {
		enum scan_coding c = scan_coding_of(without_params(element));

		if (c == SCAN_CODING_NONE)
			continue;
		if (c == SCAN_CODING_AWS_CHUNKED)
			aws = true;
		else if (d->ncodings < SCAN_MAX_CODINGS)
			d->codings[d->ncodings++] = c;
		else
			too_many = true;
	}
	if (aws && d->ncodings < SCAN_MAX_CODINGS)
		d->codings[d->ncodings++] = SCAN_CODING_AWS_CHUNKED;
	else if (aws)
		too_many = true;
	if (too_many) {
		d->ncodings = 1;
		d->codings[0] = SCAN_CODING_UNKNOWN;
	}
}

/* ---- what else is said of the body ---- */

/* All of them: two readers may go by different ones. */
static void
find_types(const struct http_head *h, struct state *st, struct svc_decision *d)
{
	struct slice rest = h->fields, name, value;
	size_t n = 0;

	while (http_head_next(&rest, &name, &value)) {
		if (!slice_case_eq(name, SLICE_LIT("Content-Type")) ||
		    value.len + 1 > sizeof(st->declared) - n)
			continue;
		for (size_t i = 0; i < value.len; i++)
			st->declared[n++] =
			    memchr("\r\n", value.p[i], 3) != NULL ? ' '
								  : value.p[i];
		st->declared[n++] = '\n';
	}
	d->declared = (struct slice){ st->declared, n };
}

static bool
accepts(const struct http_head *req, enum scan_coding coding)
{
	struct elements e;
	struct slice element;

	elements_begin(&e, req, "Accept-Encoding");
	while (elements_next(&e, &element))
		if (scan_coding_of(without_params(element)) == coding &&
		    !is_exclusion(element))
			return true;
	return false;
}

/*
 * Servers often store uploads as they come; and a client that has not asked
 * for a coding saves what it gets.
 */
static bool
is_kept(const struct svc_request *rq, const struct svc_decision *d)
{
	if (rq->method == SVC_REQMOD || rq->req->raw.p == NULL)
		return true;
	for (uint32_t i = 0; i < d->ncodings; i++)
		if (!accepts(rq->req, (enum scan_coding)d->codings[i]))
			return true;
	return false;
}

static void
find_forms(const struct svc_request *rq, const struct http_head *h,
    struct svc_decision *d)
{
	struct elements e;
	struct slice element;

	if (is_kept(rq, d))
		d->forms |= SCAN_FORM_KEPT;
	elements_begin(&e, h, "Transfer-Encoding");
	while (elements_next(&e, &element))
		if (slice_case_eq(
			without_params(element), SLICE_LIT("chunked")))
			d->forms |= SCAN_FORM_CHUNKED;
}

/* ---- endless types ---- */

static bool
matches(const char *pattern, struct slice text)
{
	struct slice p = slice_of(pattern);

	if (p.len > 0 && p.p[p.len - 1] == '*')
		return slice_case_has_prefix(
		    text, (struct slice){ p.p, p.len - 1 });
	return slice_case_eq(p, text);
}

static bool
is_stream_type(const struct instance *in, struct slice type)
{
	for (size_t i = 0; i < in->ntypes; i++)
		if (matches(in->types[i], type))
			return true;
	return false;
}

/* What has a length has an end; what is coded cannot be scanned in windows. */
static bool
is_endless(const struct instance *in, const struct svc_request *rq,
    const struct svc_decision *d)
{
	struct slice type;

	if (rq->method != SVC_RESPMOD || d->ncodings > 0 ||
	    http_head_count(rq->resp, "Content-Length") > 0)
		return false;
	type = without_params(http_head_get(rq->resp, "Content-Type"));
	return is_stream_type(in, type);
}

/* ---- edits of a request ---- */

/* Accept names exactly a type that is streamed (an EventSource does). */
static bool
asks_for_stream(const struct instance *in, const struct http_head *h)
{
	struct elements e;
	struct slice element;

	elements_begin(&e, h, "Accept");
	while (elements_next(&e, &element)) {
		struct slice type = without_params(element);

		if (slice_find(type, '*') == -1 && is_stream_type(in, type))
			return true;
	}
	return false;
}

/* SE-10: nothing but clean text is written into a head. */
static bool
is_clean(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

static bool
may_stay(struct slice element, bool coded)
{
	enum scan_coding c = scan_coding_of(without_params(element));

	if (!is_clean(element))
		return false;
	if (is_exclusion(element))
		return true;
	return c == SCAN_CODING_NONE || (coded && c != SCAN_CODING_UNKNOWN &&
					    c != SCAN_CODING_AWS_CHUNKED);
}

/*
 * What the client accepts and we decode. True when that is less than it
 * listed: then *add is the new line.
 */
static bool
limit_codings(const struct instance *in, const struct http_head *h,
    struct state *st, struct slice *add)
{
	static const char begin[] = "Accept-Encoding: ";
	static const char none[] = "Accept-Encoding: identity\r\n";
	bool coded = !asks_for_stream(in, h), less = false, usable = false;
	size_t n = sizeof(begin) - 1;
	struct elements e;
	struct slice element;

	memcpy(st->add, begin, n);
	elements_begin(&e, h, "Accept-Encoding");
	while (elements_next(&e, &element)) {
		/* with its ", ", of which the last becomes CRLF */
		if (!may_stay(element, coded) ||
		    element.len > sizeof(st->add) - n ||
		    n + element.len + 2 > sizeof(st->add)) {
			less = true;
			continue;
		}
		memcpy(st->add + n, element.p, element.len);
		n += element.len;
		memcpy(st->add + n, ", ", 2);
		n += 2;
		usable = usable || !is_exclusion(element);
	}
	memcpy(st->add + n - 2, "\r\n", 2); /* for the last ", " */
	*add = usable ? (struct slice){ st->add, n } : SLICE_LIT(none);
	return less;
}

/* "Name", "Name.UNOFFICIAL", or "Begin*". */
static bool
is_ignored(const struct instance *in, struct slice name)
{
	static const struct slice unofficial = SLICE_LIT(".UNOFFICIAL");
	struct slice plain = name;

	if (slice_case_has_suffix(name, unofficial))
		plain.len -= unofficial.len;
	for (size_t i = 0; i < in->nignored; i++)
		if (matches(in->ignored[i], name) ||
		    matches(in->ignored[i], plain))
			return true;
	return false;
}

static bool
strips_range(const struct instance *in, const struct http_head *h)
{
	struct http_range r;

	if (in->strip_range == STRIP_OFF || http_head_count(h, "Range") == 0)
		return false;
	if (in->strip_range == STRIP_ON || http_head_count(h, "Range") > 1)
		return true;
	http_range_parse(&r, http_head_get(h, "Range"));
	if (!r.understood || r.open)
		return true;
	return !r.whole && r.bytes > in->strip_above;
}

static void
edit_request(const struct instance *in, const struct svc_request *rq,
    struct state *st, struct svc_decision *d)
{
	size_t n = 0;

	if (rq->method != SVC_REQMOD || rq->req->raw.p == NULL)
		return;
	if (strips_range(in, rq->req)) {
		st->drop[n++] = "Range";
		st->drop[n++] = "If-Range";
	}
	if (in->limit_codings && limit_codings(in, rq->req, st, &d->add_fields))
		st->drop[n++] = "Accept-Encoding";
	else
		d->add_fields = SLICE_NONE;
	d->drop_fields = st->drop;
	d->ndrop = n;
}

/* ---- the service ---- */

static void
inspect(void *instance, enum svc_stage stage, const struct svc_request *rq,
    struct svc_decision *d)
{
	const struct http_head *h =
	    rq->method == SVC_REQMOD ? rq->req : rq->resp;
	struct state *st = rq->state;

	edit_request(instance, rq, st, d);
	if (!rq->has_body) {
		/* nothing was scanned, so it is not clean */
		d->action = SVC_PASS;
		d->outcome = OUTCOME_EXEMPT;
		d->reason = "no-body";
		return;
	}
	if (h->raw.p != NULL) {
		find_codings(h, d);
		find_types(h, st, d);
		find_forms(rq, h, d);
	}
	if (stage == SVC_AT_PREVIEW)
		d->action = SVC_SCAN;
	else if (h->raw.p != NULL && is_endless(instance, rq, d))
		d->action = SVC_STREAM;
	else
		d->action = SVC_MORE;
}

static void
verdict(
    void *instance, const struct svc_request *rq, struct scan_answer *answer)
{
	const struct instance *in = instance;

	(void)rq;
	for (uint32_t i = 0; i < answer->nfindings; i++)
		if (is_ignored(in, slice_of(answer->findings[i].name)))
			answer->findings[i].outcome = OUTCOME_NONE;
}

static void
release(void *instance, const struct svc_request *rq)
{
	(void)instance;
	(void)rq;
}

const struct service_module tolsey_module = {
	.name = "clamav_scan",
	.abi = SERVICE_ABI,
	.state_size = sizeof(struct state),
	.scans = true,
	.directives = directives,
	.ndirectives = COUNTOF(directives),
	.configure = configure,
	.unconfigure = unconfigure,
	.inspect = inspect,
	.verdict = verdict,
	.release = release,
};
