/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/report.h"

#include "client/text.h"

void
totals_add(struct totals *t, const struct result *r)
{
	t->counts[r->verdict]++;
	t->bytes += r->sent;
	t->verified += r->body_same == SAME_YES;
}

bool
report_wanted(const struct result *r, const struct client_options *o)
{
	if (r->verdict == VERDICT_ERROR)
		return true;
	if (r->verdict == VERDICT_SKIPPED && o->verbose == 0 && !o->json)
		return false;
	if (o->quiet)
		return false;
	return !o->infected ||
	       (r->verdict != VERDICT_CLEAN && r->verdict != VERDICT_SKIPPED);
}

/* ---- text ---- */

static double
ms(uint64_t us)
{
	return (double)us / 1000;
}

static int
timing(struct buf *out, const struct result *r)
{
	int rc = buf_append_str(out, "  time:");

	if (r->connect_us > 0)
		rc |= buf_printf(out, " connect %.2f ms,", ms(r->connect_us));
	if (r->tls_us > 0)
		rc |= buf_printf(out, " TLS %.2f ms,", ms(r->tls_us));
	if (r->first_byte_us > 0)
		rc |= buf_printf(
		    out, " first byte %.2f ms,", ms(r->first_byte_us));
	return rc | buf_printf(out, " all %.2f ms\n", ms(r->total_us));
}

/* How it went over the wire. */
static int
course(struct buf *out, const struct result *r)
{
	int rc = buf_append_str(out, "  sent: ");

	rc |= text_bytes(out, r->sent);
	if (r->has_preview)
		rc |= buf_printf(out, ", preview %llu%s%s",
		    (unsigned long long)r->preview,
		    r->ieof ? " (held all of it)" : "",
		    r->got_100 ? ", 100 Continue" : "");
	rc |= buf_printf(out, "; received: %d, ", r->icap_status);
	rc |= text_bytes(out, r->received);
	if (r->body_same == SAME_YES)
		rc |= buf_append_str(out, ", the same");
	if (r->head_same == SAME_NO)
		rc |= buf_append_str(out, ", head changed");
	return rc |
	       buf_printf(out, "; %s connection\n", r->reused ? "same" : "new");
}

static int
heads(struct buf *out, const struct result *r)
{
	struct slice rest = buf_slice(&r->heads), line;
	int rc = 0;

	while (rest.len > 0 && slice_next(&rest, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		rc |= buf_append_str(out, "    ");
		rc |= text_plain(out, line);
		rc |= buf_append_str(out, "\n");
	}
	return rc;
}

int
report_text(
    struct buf *out, const struct result *r, const struct client_options *o)
{
	int rc = text_plain(out, slice_of(r->name));

	rc |= buf_append_str(out, ": ");
	if (r->threat[0] != '\0') {
		rc |= text_plain(out, slice_of(r->threat));
		rc |= buf_append_str(out, " ");
	} else if (r->detail[0] != '\0') {
		rc |= text_plain(out, slice_of(r->detail));
		rc |= buf_append_str(out, " ");
	}
	rc |= buf_printf(out, "%s\n", verdict_shown(r->verdict));
	if (r->threat[0] != '\0' && r->detail[0] != '\0') {
		rc |= buf_append_str(out, "  but: ");
		rc |= text_plain(out, slice_of(r->detail));
		rc |= buf_append_str(out, "\n");
	}
	if (o->verbose > 0 && r->icap_status != 0) {
		rc |= course(out, r);
		rc |= heads(out, r);
	}
	if ((o->timing || o->verbose > 0) && r->total_us > 0)
		rc |= timing(out, r);
	return rc == 0 ? 0 : -1;
}

/* ---- JSON ---- */

static int
number(struct buf *out, const char *name, uint64_t n)
{
	return buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static int
string(struct buf *out, const char *name, const char *text)
{
	int rc = buf_printf(out, ",\"%s\":", name);

	return rc | (text[0] != '\0' ? text_json(out, slice_of(text))
				     : buf_append_str(out, "null"));
}

static int
boolean(struct buf *out, const char *name, bool v)
{
	return buf_printf(out, ",\"%s\":%s", name, v ? "true" : "false");
}

static int
same(struct buf *out, const char *name, enum sameness s)
{
	return buf_printf(out, ",\"%s\":%s", name,
	    s == SAME_UNKNOWN ? "null"
	    : s == SAME_YES   ? "true"
			      : "false");
}

int
report_json(
    struct buf *out, const struct result *r, const struct client_options *o)
{
	int rc = buf_append_str(out, "{\"name\":");

	rc |= text_json(out, slice_of(r->name));
	rc |= string(out, "verdict", verdict_word(r->verdict));
	rc |= string(out, "threat", r->threat);
	rc |= string(out, "detail", r->detail);
	rc |= string(out, "method", o->reqmod ? "REQMOD" : "RESPMOD");
	rc |= number(out, "icap_status", (uint64_t)r->icap_status);
	rc |= number(out, "http_status", (uint64_t)r->http_status);
	rc |= string(out, "istag", r->istag);
	rc |= number(out, "size", r->size);
	rc |= number(out, "sent", r->sent);
	rc |= number(out, "received", r->received);
	rc |= r->has_preview ? number(out, "preview", r->preview)
			     : buf_append_str(out, ",\"preview\":null");
	rc |= boolean(out, "ieof", r->ieof);
	rc |= boolean(out, "continue", r->got_100);
	rc |= boolean(out, "reused", r->reused);
	rc |= boolean(out, "retried", r->retried);
	rc |= same(out, "body_same", r->body_same);
	rc |= same(out, "head_same", r->head_same);
	rc |= number(out, "connect_us", r->connect_us);
	rc |= number(out, "tls_us", r->tls_us);
	rc |= number(out, "first_byte_us", r->first_byte_us);
	rc |= number(out, "total_us", r->total_us);
	rc |= buf_append_str(out, "}\n");
	return rc == 0 ? 0 : -1;
}

/* ---- the end ---- */

int
report_summary(struct buf *out, const struct totals *t,
    const struct client_options *o, uint64_t elapsed_us)
{
	uint64_t scanned = 0, s = elapsed_us / 1000000;
	int rc = 0;

	for (size_t i = 0; i < NVERDICTS; i++)
		if (i != VERDICT_SKIPPED && i != VERDICT_ERROR)
			scanned += t->counts[i];
	rc |= buf_printf(out,
	    "\n----------- SCAN SUMMARY -----------\n"
	    "Scanned files: %llu\n",
	    (unsigned long long)scanned);
	for (size_t i = 0; i < NVERDICTS; i++)
		if (t->counts[i] > 0 || i == VERDICT_INFECTED)
			rc |= buf_printf(out, "%s%s: %llu\n",
			    verdict_count((enum verdict)i),
			    i == VERDICT_ERROR ? "" : " files",
			    (unsigned long long)t->counts[i]);
	if (o->verify)
		rc |= buf_printf(out, "Came back the same: %llu\n",
		    (unsigned long long)t->verified);
	rc |= buf_append_str(out, "Data sent: ");
	rc |= text_bytes(out, t->bytes);
	rc |= buf_printf(out, "\nTime: %.3f sec (%llu m %llu s)\n",
	    (double)elapsed_us / 1000000, (unsigned long long)(s / 60),
	    (unsigned long long)(s % 60));
	return rc == 0 ? 0 : -1;
}
