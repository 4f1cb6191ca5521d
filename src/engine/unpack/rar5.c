/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* After "RAR 5.0 archive format", https://www.rarlab.com/technote.htm */
#include "engine/unpack/rar5.h"

#define SIGNATURE_LEN 8
#define TYPE_FILE 2
#define TYPE_ENCRYPTION 4
#define HAS_EXTRA 1
#define HAS_DATA 2
#define EXTRA_ENCRYPTION 1

struct header {
	uint64_t type, flags, extra_len, data_len;
	struct slice extra;
};

/* A number of 7 bits a byte, the lowest first. False when it is cut. */
static bool
take_number(struct slice *s, uint64_t *out)
{
	*out = 0;
	for (unsigned int shift = 0; s->len > 0 && shift < 63; shift += 7) {
		unsigned char c = (unsigned char)*s->p;

		s->p++;
		s->len--;
		*out |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0)
			return true;
	}
	return false;
}

static bool
skip(struct slice *s, uint64_t n)
{
	if (n > s->len)
		return false;
	s->p += n;
	s->len -= (size_t)n;
	return true;
}

/* Reads one header and moves behind it and its data. */
static bool
take_header(struct slice *s, struct header *h)
{
	struct slice in;
	uint64_t len;

	*h = (struct header){ 0 };
	if (!skip(s, 4) || !take_number(s, &len) || len > s->len)
		return false;
	in = (struct slice){ s->p, (size_t)len };
	if (!skip(s, len) || !take_number(&in, &h->type) ||
	    !take_number(&in, &h->flags) ||
	    ((h->flags & HAS_EXTRA) != 0 && !take_number(&in, &h->extra_len)) ||
	    ((h->flags & HAS_DATA) != 0 && !take_number(&in, &h->data_len)) ||
	    h->extra_len > in.len)
		return false;
	h->extra = (struct slice){ in.p + in.len - h->extra_len,
		(size_t)h->extra_len };
	if (!skip(s, h->data_len))
		*s = SLICE_NONE;
	return true;
}

static bool
has_record(struct slice extra, uint64_t wanted)
{
	struct slice one;
	uint64_t len, type;

	while (take_number(&extra, &len) && len <= extra.len) {
		one = (struct slice){ extra.p, (size_t)len };
		if (take_number(&one, &type) && type == wanted)
			return true;
		if (!skip(&extra, len))
			break;
	}
	return false;
}

void
rar5_walk_start(struct rar5_walk *w, struct slice data)
{
	*w = (struct rar5_walk){ SLICE_NONE, false };
	if (data.len > SIGNATURE_LEN && data.p[6] == 1 && data.p[7] == 0)
		w->rest = (struct slice){ data.p + SIGNATURE_LEN,
			data.len - SIGNATURE_LEN };
}

bool
rar5_walk_next(struct rar5_walk *w)
{
	struct header h;

	while (w->rest.len > 0 && take_header(&w->rest, &h)) {
		if (h.type == TYPE_ENCRYPTION) {
			w->hidden = true;
			w->rest = SLICE_NONE;
			return true;
		}
		if (h.type == TYPE_FILE)
			return has_record(h.extra, EXTRA_ENCRYPTION);
	}
	w->rest = SLICE_NONE;
	return false;
}

bool
rar5_walk_hidden(struct rar5_walk *w)
{
	struct rar5_walk ahead = *w;

	while (!ahead.hidden && ahead.rest.len > 0)
		(void)rar5_walk_next(&ahead);
	return ahead.hidden;
}
