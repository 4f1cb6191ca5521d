/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What a load balancer sends first: the answer does not depend on what follows
 * the header, and every shorter part of a header asks for more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proto/proxy_head.h"
#include "tests/fuzz/fuzz.h"

/* A copy of its own, so that a sanitizer sees what reads too far. */
static enum proxy_rc
parse(const uint8_t *data, size_t size, struct proxy_head *out)
{
	char *copy = malloc(size > 0 ? size : 1);
	enum proxy_rc rc;

	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	rc = proxy_head_parse((struct slice){ copy, size }, out);
	free(copy);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_rc rc, before = PROXY_MORE;
	struct proxy_head whole, part;
	char text[ADDR_TEXT_LEN];
	size_t n;

	if (size > 2 * PROXY_HEAD_MAX)
		return 0;
	rc = parse(data, size, &whole);
	for (n = 0; n <= size && before == PROXY_MORE; n++)
		before = parse(data, n, &part);
	CHECK(before == rc);
	if (rc == PROXY_MORE) {
		CHECK(size < PROXY_HEAD_MAX);
		return 0;
	}
	if (rc == PROXY_DONE) {
		CHECK(whole.len == n - 1 && part.len == whole.len);
		CHECK(whole.len <= PROXY_HEAD_MAX);
		CHECK(addr_equal(&part.client, &whole.client));
		CHECK(addr_text(&whole.client, text)[0] != '\0');
	}
	return 0;
}
