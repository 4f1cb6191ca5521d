/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/offer.h"

#include <string.h>

#include "client/text.h"

#define NUMBER_MAX UINT64_C(1000000000000)

static bool
number(const struct icap_answer *a, const char *name, uint64_t *n)
{
	return str_to_u64(icap_answer_get(a, name), NUMBER_MAX, n) == 0;
}

/* One that is too long is as if it were not there: more is sent, not less. */
static void
keep_list(
    char out[OFFER_LIST_MAX], const struct icap_answer *a, const char *name)
{
	struct slice list = icap_answer_get(a, name);

	if (list.len >= OFFER_LIST_MAX)
		list.len = 0;
	(void)str_copy(out, OFFER_LIST_MAX, list);
}

void
offer_read(struct offer *f, const struct icap_answer *a)
{
	struct slice methods = icap_answer_get(a, "Methods");
	struct slice allow = icap_answer_get(a, "Allow");

	memset(f, 0, sizeof(*f));
	f->known = a->status == 200;
	f->reqmod = slice_list_has(methods, SLICE_LIT("REQMOD"));
	f->respmod = slice_list_has(methods, SLICE_LIT("RESPMOD"));
	f->has_preview = number(a, "Preview", &f->preview);
	f->allow_204 = slice_list_has(allow, SLICE_LIT("204"));
	f->allow_206 = slice_list_has(allow, SLICE_LIT("206"));
	f->allow_trailers = slice_list_has(allow, SLICE_LIT("trailers"));
	if (!number(a, "Max-Connections", &f->max_connections))
		f->max_connections = 0;
	keep_list(f->transfer_preview, a, "Transfer-Preview");
	keep_list(f->transfer_ignore, a, "Transfer-Ignore");
	keep_list(f->transfer_complete, a, "Transfer-Complete");
}

static struct slice
suffix_of(const char *file_name)
{
	const char *slash = strrchr(file_name, '/');
	const char *base = slash != NULL ? slash + 1 : file_name;
	const char *dot = strrchr(base, '.');

	return slice_of(dot != NULL && dot != base ? dot + 1 : "");
}

enum offer_transfer
offer_transfer_of(const struct offer *f, const char *file_name)
{
	const struct {
		const char *list;
		enum offer_transfer what;
	} lists[] = { { f->transfer_ignore, OFFER_IGNORE },
		{ f->transfer_complete, OFFER_COMPLETE },
		{ f->transfer_preview, OFFER_PREVIEW } };
	struct slice tokens[] = { suffix_of(file_name), SLICE_LIT("*") };

	for (size_t t = 0; t < COUNTOF(tokens); t++)
		for (size_t i = 0; i < COUNTOF(lists); i++)
			if (tokens[t].len > 0 &&
			    slice_list_has(slice_of(lists[i].list), tokens[t]))
				return lists[i].what;
	return OFFER_PREVIEW;
}

/* What the table shows in words of its own is not repeated below it. */
static bool
is_shown(struct slice name)
{
	static const char *const shown[] = { "Methods", "Allow", "Preview",
		"Max-Connections", "Options-TTL", "ISTag", "Service",
		"Service-ID", "Server", "Encapsulated", "Connection", "Date" };

	for (size_t i = 0; i < COUNTOF(shown); i++)
		if (slice_case_eq(name, slice_of(shown[i])))
			return true;
	return false;
}

static int
row(struct buf *out, const char *name, struct slice value)
{
	int rc;

	if (value.p == NULL)
		return 0;
	rc = buf_printf(out, "  %-17s ", name);
	rc |= text_plain(out, value);
	return rc | buf_append_str(out, "\n");
}

static int
rest(struct buf *out, const struct icap_answer *a)
{
	char name[64];
	int rc = 0;

	for (size_t i = 0; i < a->nfields; i++) {
		if (is_shown(a->fields[i].name))
			continue;
		(void)str_copy_clean(name, sizeof(name), a->fields[i].name, "");
		rc |= row(out, name, a->fields[i].value);
	}
	return rc;
}

int
offer_print(struct buf *out, const struct offer *f, const struct icap_answer *a,
    const char *url)
{
	int rc = buf_printf(out, "%s\n", url);

	rc |= row(out, "Service", icap_answer_get(a, "Service"));
	rc |= row(out, "Service-ID", icap_answer_get(a, "Service-ID"));
	rc |= row(out, "Server", icap_answer_get(a, "Server"));
	rc |= row(out, "ISTag", icap_answer_get(a, "ISTag"));
	rc |= row(out, "Methods", icap_answer_get(a, "Methods"));
	if (f->has_preview)
		rc |= buf_printf(out, "  %-17s %llu bytes\n", "Preview",
		    (unsigned long long)f->preview);
	else
		rc |= buf_printf(out, "  %-17s none\n", "Preview");
	rc |= buf_printf(out, "  %-17s 204: %s, 206: %s, trailers: %s\n",
	    "Allow", f->allow_204 ? "yes" : "no", f->allow_206 ? "yes" : "no",
	    f->allow_trailers ? "yes" : "no");
	rc |=
	    row(out, "Max-Connections", icap_answer_get(a, "Max-Connections"));
	rc |= row(out, "Options-TTL", icap_answer_get(a, "Options-TTL"));
	return rc | rest(out, a);
}

static int
json_headers(struct buf *out, const struct icap_answer *a)
{
	int rc = buf_append_str(out, ",\"headers\":{");

	for (size_t i = 0; i < a->nfields; i++) {
		if (i > 0)
			rc |= buf_append_str(out, ",");
		rc |= text_json(out, a->fields[i].name);
		rc |= buf_append_str(out, ":");
		rc |= text_json(out, a->fields[i].value);
	}
	return rc | buf_append_str(out, "}");
}

int
offer_print_json(struct buf *out, const struct offer *f,
    const struct icap_answer *a, const char *url)
{
	int rc = buf_append_str(out, "{\"url\":");

	rc |= text_json(out, slice_of(url));
	rc |= buf_printf(out,
	    ",\"icap_status\":%d,\"reqmod\":%s,\"respmod\":%s,\"preview\":",
	    a->status, f->reqmod ? "true" : "false",
	    f->respmod ? "true" : "false");
	rc |= f->has_preview
		  ? buf_printf(out, "%llu", (unsigned long long)f->preview)
		  : buf_append_str(out, "null");
	rc |= buf_printf(out,
	    ",\"allow_204\":%s,\"allow_206\":%s,\"allow_trailers\":%s",
	    f->allow_204 ? "true" : "false", f->allow_206 ? "true" : "false",
	    f->allow_trailers ? "true" : "false");
	rc |= json_headers(out, a);
	return rc | buf_append_str(out, "}\n");
}
