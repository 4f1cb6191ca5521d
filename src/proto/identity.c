/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/identity.h"

#include <arpa/inet.h>
#include <string.h>

/* A plain name of so few letters may well be base64 of something. */
#define SURE_WITHOUT_PADDING 8

void
identity_init(struct identity *id, size_t max)
{
	buf_init(&id->client, INET6_ADDRSTRLEN);
	buf_init(&id->user, max);
	buf_init(&id->groups, max);
}

void
identity_free(struct identity *id)
{
	buf_free(&id->client);
	buf_free(&id->user);
	buf_free(&id->groups);
}

static void
read_client(struct identity *id, struct slice v)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	if (v.len == 0 || v.len >= sizeof(text))
		return;
	(void)str_copy(text, sizeof(text), v);
	if (inet_pton(AF_INET, text, addr) == 1 ||
	    inet_pton(AF_INET6, text, addr) == 1)
		(void)buf_append_slice(&id->client, v);
}

static int
base64_value(char c)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(set, c) : NULL;

	return at != NULL ? (int)(at - set) : -1;
}

/* 0, or -1 when it is not base64 as a whole or does not fit. */
static int
decode(struct buf *out, struct slice v)
{
	unsigned int bits = 0, nbits = 0;
	char c;
	int digit;

	while (v.len > 0 && v.p[v.len - 1] == '=')
		v.len--;
	for (size_t i = 0; i < v.len; i++) {
		if ((digit = base64_value(v.p[i])) == -1)
			return -1;
		bits = (bits << 6 | (unsigned int)digit) & 0xffffffu;
		if ((nbits += 6) < 8)
			continue;
		nbits -= 8;
		c = (char)(bits >> nbits & 0xff);
		if (buf_append(out, &c, 1) == -1)
			return -1;
	}
	return 0;
}

/* Text, of which some may be UTF-8; '\n' stands between groups. */
static bool
is_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n' &&
			s.p[i] != '\r') ||
		    s.p[i] == 0x7f)
			return false;
	return s.len > 0;
}

static bool
is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/*
 * The draft's values are base64 of "Scheme://name"; Squid sends names plain or
 * as base64, as its administrator likes, and does not say which. Taken for
 * base64: what decodes to text that is sure to be meant.
 */
static bool
meant_so(struct slice coded, struct slice text)
{
	if (!is_text(text))
		return false;
	if (memmem(text.p, text.len, "://", 3) != NULL)
		return true;
	if (coded.len % 4 != 0 || !is_ascii(text))
		return false;
	return coded.p[coded.len - 1] == '=' ||
	       coded.len >= SURE_WITHOUT_PADDING;
}

static void
read_name(struct buf *out, struct slice v)
{
	if (v.len == 0)
		return;
	if (decode(out, v) == 0 && meant_so(v, buf_slice(out)))
		return;
	buf_reset(out);
	(void)buf_append_slice(out, v);
}

void
identity_read(struct identity *id, const struct icap_head *h)
{
	struct slice user = icap_head_get(h, "X-Authenticated-User");

	if (user.len == 0)
		user = icap_head_get(h, "X-Client-Username");
	read_client(id, icap_head_get(h, "X-Client-IP"));
	read_name(&id->user, user);
	read_name(&id->groups, icap_head_get(h, "X-Authenticated-Groups"));
}
