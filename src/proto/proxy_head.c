/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/proxy_head.h"

#include <string.h>

#define V1_MAX ((size_t)107) /* with its CRLF */
#define V1_WORDS 6
#define V2_FIXED ((size_t)16)
#define V2_LEN_TCP4 ((size_t)12)
#define V2_LEN_TCP6 ((size_t)36)
#define V2_LEN_UNIX ((size_t)216)

static const char v1_begin[] = "PROXY ";
static const unsigned char v2_begin[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
	0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

/* Whether `in` begins as `want` does, as far as it goes. */
static bool
agrees(struct slice in, const void *want, size_t len)
{
	return memcmp(in.p, want, in.len < len ? in.len : len) == 0;
}

/* ---- version 1: "PROXY TCP4 SOURCE DESTINATION PORT PORT\r\n" ---- */

static bool
port_of(struct slice s, uint16_t *port)
{
	uint64_t v;

	if (s.len == 0 || (s.len > 1 && s.p[0] == '0') ||
	    str_to_u64(s, UINT16_MAX, &v) == -1)
		return false;
	*port = (uint16_t)v;
	return true;
}

/* Words are separated by exactly one blank. */
static size_t
split(struct slice line, struct slice words[V1_WORDS])
{
	size_t n = 0;
	ptrdiff_t at;

	while (n < V1_WORDS && (at = slice_find(line, ' ')) >= 0) {
		words[n++] = (struct slice){ line.p, (size_t)at };
		line.p += at + 1;
		line.len -= (size_t)at + 1;
	}
	if (n == V1_WORDS)
		return n + 1;
	words[n++] = line;
	return n;
}

static enum proxy_rc
v1_line(struct slice line, struct proxy_head *out)
{
	struct slice words[V1_WORDS];
	struct addr to;
	size_t n = split(line, words);

	if (n >= 2 && slice_eq(words[1], SLICE_LIT("UNKNOWN")))
		return PROXY_DONE;
	if (n != V1_WORDS || addr_parse(&out->client, words[2]) == -1 ||
	    addr_parse(&to, words[3]) == -1 || !port_of(words[5], &to.port) ||
	    !port_of(words[4], &out->client.port))
		return PROXY_BAD;
	/* mapped addresses come as TCP6 */
	if (slice_eq(words[1], SLICE_LIT("TCP4")))
		return slice_find(words[2], ':') < 0 &&
			       slice_find(words[3], ':') < 0
			   ? PROXY_DONE
			   : PROXY_BAD;
	if (slice_eq(words[1], SLICE_LIT("TCP6")))
		return slice_find(words[2], ':') >= 0 &&
			       slice_find(words[3], ':') >= 0
			   ? PROXY_DONE
			   : PROXY_BAD;
	return PROXY_BAD;
}

static enum proxy_rc
parse_v1(struct slice in, struct proxy_head *out)
{
	ptrdiff_t end = slice_find(in, '\n');

	if (end < 0)
		return in.len < V1_MAX ? PROXY_MORE : PROXY_BAD;
	if ((size_t)end >= V1_MAX || in.p[end - 1] != '\r')
		return PROXY_BAD;
	out->len = (size_t)end + 1;
	return v1_line((struct slice){ in.p, (size_t)end - 1 }, out);
}

/* ---- version 2 ---- */

static uint16_t
be16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The family and its addresses, which are at the start of the rest. */
static enum proxy_rc
v2_addresses(
    unsigned char family, const unsigned char *p, size_t len, struct addr *a)
{
	char mapped[16] = { 0 };

	switch (family) {
	case 0x00: /* unspecified */
		return PROXY_DONE;
	case 0x11: /* TCP over IPv4 */
		if (len < V2_LEN_TCP4)
			return PROXY_BAD;
		a->family = ADDR_V4;
		memcpy(a->ip, p, 4);
		a->port = be16(p + 8);
		return PROXY_DONE;
	case 0x21: /* TCP over IPv6 */
		if (len < V2_LEN_TCP6)
			return PROXY_BAD;
		mapped[10] = mapped[11] = (char)0xff;
		a->family = memcmp(p, mapped, 12) == 0 ? ADDR_V4 : ADDR_V6;
		memcpy(a->ip, a->family == ADDR_V4 ? p + 12 : p,
		    a->family == ADDR_V4 ? 4 : 16);
		a->port = be16(p + 32);
		return PROXY_DONE;
	case 0x31: /* a unix stream socket */
		if (len < V2_LEN_UNIX)
			return PROXY_BAD;
		a->family = ADDR_UNIX;
		return PROXY_DONE;
	default:
		return PROXY_BAD;
	}
}

static enum proxy_rc
parse_v2(struct slice in, struct proxy_head *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t len;

	if (in.len < V2_FIXED)
		return PROXY_MORE;
	len = be16(p + 14);
	if ((p[12] != 0x20 && p[12] != 0x21) || V2_FIXED + len > PROXY_HEAD_MAX)
		return PROXY_BAD;
	if (in.len < V2_FIXED + len)
		return PROXY_MORE;
	out->len = V2_FIXED + len;
	if (p[12] == 0x20) /* LOCAL: whatever the family, it is ignored */
		return PROXY_DONE;
	return v2_addresses(p[13], p + V2_FIXED, len, &out->client);
}

enum proxy_rc
proxy_head_parse(struct slice in, struct proxy_head *out)
{
	memset(out, 0, sizeof(*out));
	if (in.len == 0)
		return PROXY_MORE;
	if (agrees(in, v1_begin, sizeof(v1_begin) - 1))
		return in.len < sizeof(v1_begin) - 1 ? PROXY_MORE
						     : parse_v1(in, out);
	if (agrees(in, v2_begin, sizeof(v2_begin)))
		return parse_v2(in, out);
	return PROXY_BAD;
}
