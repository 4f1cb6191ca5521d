/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/decode.h"

#include <string.h>
#include <sys/mman.h>

#include "engine/unpack/grow.h"

#define FIRST_MAP ((size_t)1 << 18)
#define RATIO_FREE ((uint64_t)16 << 20) /* output that no ratio is asked of */

typedef enum decode_rc (*decoder)(
    struct grow *g, const unsigned char *in, size_t len);

static const decoder decoders[SCAN_NCODINGS] = {
	[SCAN_CODING_GZIP] = decode_gzip,
	[SCAN_CODING_DEFLATE] = decode_deflate,
	[SCAN_CODING_BR] = decode_br,
	[SCAN_CODING_ZSTD] = decode_zstd,
	[SCAN_CODING_AWS_CHUNKED] = decode_aws_chunked,
};

static enum decode_rc
remap(struct decoded *d, size_t want)
{
	void *p;

	if (d->mapped == 0)
		p = mmap(NULL, want, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		p = mremap(d->data, d->mapped, want, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return DECODE_SYSTEM;
	d->data = p;
	d->mapped = want;
	return DECODE_OK;
}

enum decode_rc
grow_room(struct grow *g, unsigned char **p, size_t *room)
{
	struct decoded *d = g->out;
	size_t want = d->mapped > 0 ? d->mapped : FIRST_MAP;

	if (d->len == d->mapped) {
		if (d->mapped > 0 && __builtin_mul_overflow(want, 2, &want))
			return DECODE_SYSTEM;
		if (remap(d, want) != DECODE_OK)
			return DECODE_SYSTEM;
	}
	*p = d->data + d->len;
	*room = d->mapped - d->len;
	return DECODE_OK;
}

enum decode_rc
grow_wrote(struct grow *g, size_t n)
{
	uint64_t len;

	g->out->len += n;
	len = g->out->len;
	if (len > g->limits->max_size)
		return DECODE_LIMIT;
	if (len > RATIO_FREE &&
	    (len - RATIO_FREE) / (g->in_len + 1) > g->limits->max_ratio)
		return DECODE_LIMIT;
	return DECODE_OK;
}

void
decode_free(struct decoded *d)
{
	if (d->mapped > 0)
		(void)munmap(d->data, d->mapped);
	memset(d, 0, sizeof(*d));
}

static enum decode_rc
decode_one(uint32_t coding, const unsigned char *in, size_t len,
    const struct decode_limits *l, struct decoded *out)
{
	struct grow g = { out, l, len };
	enum decode_rc rc;

	memset(out, 0, sizeof(*out));
	if (coding >= SCAN_NCODINGS || decoders[coding] == NULL)
		return DECODE_UNKNOWN;
	rc = decoders[coding](&g, in, len);
	return rc == DECODE_OK && out->left_over > 0 ? DECODE_BROKEN : rc;
}

enum decode_rc
decode_body(const unsigned char *in, size_t len, const uint32_t codings[],
    size_t ncodings, const struct decode_limits *l, struct decoded *out)
{
	struct decoded before = { 0 };
	enum decode_rc rc = DECODE_OK, one = DECODE_OK;

	memset(out, 0, sizeof(*out));
	for (size_t i = ncodings; i > 0; i--) {
		/* what came before a fault is decoded further */
		if (one != DECODE_OK && (one != DECODE_BROKEN || len == 0))
			break;
		decode_free(&before);
		before = *out;
		one = decode_one(codings[i - 1], in, len, l, out);
		if (rc == DECODE_OK)
			rc = one;
		in = out->data;
		len = out->len;
	}
	decode_free(&before);
	return rc;
}
