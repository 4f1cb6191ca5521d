/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any datagram between any two roles: what the allow-list lets through has the
 * size that its row says, and a worker's result that passes the check has no
 * string without an end and no outcome that does not exist.
 */
#include <string.h>

#include "base/check.h"
#include "ipc/msg.h"
#include "tests/fuzz/fuzz.h"

static void
is_text(const char *s, size_t max)
{
	CHECK(memchr(s, '\0', max) != NULL);
	for (; *s != '\0'; s++)
		CHECK((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f);
}

static void
result(const struct msg_scan_result *r, struct slice tail)
{
	struct scan_answer a;

	memset(&a, 0, sizeof(a));
	if (msg_scan_result_check(r, tail, &a) == -1)
		return;
	CHECK(a.nfindings <= SCAN_MAX_FINDINGS && a.complete <= 1);
	CHECK(a.reason < NOUTCOMES);
	is_text(a.text, sizeof(a.text));
	is_text(a.type, sizeof(a.type));
	for (uint32_t i = 0; i < a.nfindings; i++) {
		CHECK(a.findings[i].outcome < NOUTCOMES);
		is_text(a.findings[i].name, sizeof(a.findings[i].name));
		is_text(a.findings[i].part, sizeof(a.findings[i].part));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t start = 3; /* from, to, descriptors */
	struct msg_scan_result r;
	struct msg_hdr h;
	size_t len, payload;

	if (size < start + sizeof(h))
		return 0;
	memcpy(&h, data + start, sizeof(h));
	len = size - start - sizeof(h);
	if (msg_violation(&h, len, data[2] % 4, (enum role)(1u << data[0] % 6),
		(enum role)(1u << data[1] % 6)) != NULL)
		return 0;
	payload = msg_payload_size(h.type);
	CHECK(payload <= len && h.len == len);
	if (h.type != MSG_SCAN_RESULT)
		return 0;
	memcpy(&r, data + start + sizeof(h), sizeof(r));
	result(&r,
	    (struct slice){ (const char *)data + start + sizeof(h) + payload,
		len - payload });
	return 0;
}
