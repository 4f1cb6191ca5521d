/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Any text: what is found in it lies in it, in order, and decodes to less. */
#include <string.h>

#include "engine/unpack/embedded.h"
#include "engine/unpack/transfer.h"
#include "tests/fuzz/fuzz.h"

static enum decode_rc
count(void *ctx, const void *p, size_t len)
{
	(void)p;
	*(size_t *)ctx += len;
	return DECODE_OK;
}

static void
decode(struct slice s)
{
	size_t n = 0;

	CHECK(transfer_base64(s, count, &n) == DECODE_OK && n <= s.len);
	n = 0;
	CHECK(
	    transfer_quoted_printable(s, count, &n) == DECODE_OK && n <= s.len);
	n = 0;
	CHECK(transfer_percent(s, true, count, &n) == DECODE_OK && n <= s.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size }, name, value;
	struct embedded_item it;
	struct embedded e;

	embedded_begin(&e, text);
	for (size_t at = 0; embedded_next(&e, &it); at = e.at) {
		CHECK(it.raw.p >= text.p && it.raw.len <= text.len);
		CHECK((size_t)(it.raw.p - text.p) + it.raw.len <= text.len);
		CHECK(e.at > at);
		CHECK(strnlen(it.name, sizeof(it.name)) < sizeof(it.name));
		if (it.how == EMBEDDED_BASE64)
			decode(it.raw);
	}
	decode(text);
	(void)embedded_is_form(text);
	(void)embedded_is_text(text);
	while (embedded_next_field(&text, &name, &value))
		CHECK(name.len + value.len <= size);
	return 0;
}
