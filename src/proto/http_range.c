/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/http_range.h"

#include <stdio.h>

#define BOTH_ENDS (SCAN_NO_START | SCAN_NO_END)

/* Cuts "bytes", in any case, and the separator off. */
static bool
is_bytes(struct slice *value, char separator)
{
	static const struct slice unit = SLICE_LIT("bytes");
	struct slice v = slice_trim(*value);

	if (!slice_case_has_prefix(v, unit))
		return false;
	v = slice_trim((struct slice){ v.p + unit.len, v.len - unit.len });
	if (separator != ' ') {
		if (v.len == 0 || v.p[0] != separator)
			return false;
		v = slice_trim((struct slice){ v.p + 1, v.len - 1 });
	}
	*value = v;
	return true;
}

/* "first-last", "first-" or "-length"; false when it is none of these. */
static bool
add_range(struct http_range *r, struct slice spec)
{
	struct slice a, b;
	uint64_t first, last, n;

	if (!slice_next(&spec, '-', &a) || !slice_next(&spec, '-', &b))
		b = SLICE_NONE;
	if (a.len == 0) {
		if (str_to_u64(b, UINT64_MAX, &n) != 0)
			return false;
	} else if (str_to_u64(a, UINT64_MAX, &first) != 0) {
		return false;
	} else if (b.len == 0) {
		r->whole = first == 0;
		r->open = r->open || first != 0;
		n = 0;
	} else {
		if (str_to_u64(b, UINT64_MAX - 1, &last) != 0 || last < first)
			return false;
		n = last - first + 1;
	}
	if (__builtin_add_overflow(r->bytes, n, &r->bytes))
		r->bytes = UINT64_MAX;
	r->count++;
	return true;
}

void
http_range_parse(struct http_range *r, struct slice value)
{
	struct slice spec;

	*r = (struct http_range){ .understood = is_bytes(&value, '=') };
	while (r->understood && slice_next(&value, ',', &spec)) {
		if (spec.len == 0)
			continue;
		/* "-" must be there: a bare number is no range */
		if (slice_find(spec, '-') < 0 || !add_range(r, spec))
			*r = (struct http_range){ .understood = false };
	}
	if (r->count == 0)
		r->understood = false;
	if (r->count > 1) {
		r->open = r->open || r->whole;
		r->whole = false;
	}
}

/* ---- what a body is ---- */

struct part {
	uint64_t first, last, total;
	bool total_known;
};

/* "bytes first-last/total" with total a number or *. */
static bool
parse_content_range(struct part *p, struct slice v)
{
	struct slice range, total, first, last;

	*p = (struct part){ .total_known = true };
	if (!is_bytes(&v, ' ') || !slice_next(&v, '/', &range) ||
	    !slice_next(&v, '/', &total) || v.len != 0 ||
	    !slice_next(&range, '-', &first) ||
	    !slice_next(&range, '-', &last) || range.len != 0)
		return false;
	if (slice_eq(total, SLICE_LIT("*")))
		p->total_known = false;
	else if (str_to_u64(total, UINT64_MAX, &p->total) != 0)
		return false;
	return str_to_u64(first, UINT64_MAX - 1, &p->first) == 0 &&
	       str_to_u64(last, UINT64_MAX - 1, &p->last) == 0 &&
	       p->first <= p->last;
}

static unsigned int
part_of_range(struct slice value, uint64_t size, char *text, size_t textlen)
{
	struct part p;

	if (!parse_content_range(&p, value)) {
		(void)snprintf(text, textlen, "a range that is not understood");
		return BOTH_ENDS;
	}
	if (p.first == 0 && p.total_known && p.last == p.total - 1 &&
	    size == p.total)
		return 0;
	if (p.total_known)
		(void)snprintf(text, textlen, "bytes %llu to %llu of %llu",
		    (unsigned long long)p.first, (unsigned long long)p.last,
		    (unsigned long long)p.total);
	else
		(void)snprintf(text, textlen, "bytes %llu to %llu",
		    (unsigned long long)p.first, (unsigned long long)p.last);
	if (p.first > 0)
		return p.total_known && p.last == p.total - 1 ? SCAN_NO_START
							      : BOTH_ENDS;
	return SCAN_NO_END;
}

/* tus and resumable uploads: a piece of an object at an offset. */
static unsigned int
part_of_upload(
    const struct http_head *h, uint64_t size, char *text, size_t textlen)
{
	struct slice at = http_head_get(h, "Upload-Offset");
	struct slice length = http_head_get(h, "Upload-Length");
	struct slice complete = http_head_get(h, "Upload-Complete");
	uint64_t offset = 0, total;

	if (at.p == NULL && complete.p == NULL)
		return 0;
	if (at.p != NULL && str_to_u64(at, UINT64_MAX, &offset) != 0)
		offset = 1;
	if (offset == 0 &&
	    ((str_to_u64(length, UINT64_MAX, &total) == 0 && total == size) ||
		slice_eq(complete, SLICE_LIT("?1"))))
		return 0;
	(void)snprintf(text, textlen, "a piece of an upload");
	if (offset == 0)
		return SCAN_NO_END;
	return slice_eq(complete, SLICE_LIT("?1")) ? SCAN_NO_START : BOTH_ENDS;
}

unsigned int
http_part_of(const struct http_head *h, bool response, uint64_t size,
    char *text, size_t textlen)
{
	struct slice range, type;

	text[0] = '\0';
	if (h->raw.p == NULL)
		return 0;
	type = http_head_get(h, "Content-Type");
	if (slice_case_has_prefix(type, SLICE_LIT("multipart/byteranges"))) {
		(void)snprintf(text, textlen, "several ranges");
		return BOTH_ENDS;
	}
	range = http_head_get(h, "Content-Range");
	if (response && h->status != 206)
		return 0;
	if (!response && range.p == NULL)
		return part_of_upload(h, size, text, textlen);
	if (range.p == NULL || http_head_count(h, "Content-Range") > 1) {
		(void)snprintf(
		    text, textlen, "a range that does not say which");
		return BOTH_ENDS;
	}
	return part_of_range(range, size, text, textlen);
}
