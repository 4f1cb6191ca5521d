/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/spoilt.h"

#include <string.h>

#include "base/check.h"

/* What the engine takes for text or unknown bytes is hardly looked into. */
static bool
is_plain(const char *type)
{
	static const char *const plain[] = { "", "TEXT_ASCII", "TEXT_UTF8",
		"TEXT_UTF16LE", "TEXT_UTF16BE", "BINARY_DATA" };

	for (size_t i = 0; i < COUNTOF(plain); i++)
		if (strcmp(type, plain[i]) == 0)
			return true;
	return false;
}

bool
answer_spoils(const struct scan_answer *a, bool prefix)
{
	if (!a->complete && !prefix)
		return true;
	for (uint32_t i = 0; i < a->nfindings; i++)
		switch (a->findings[i].outcome) {
		case OUTCOME_INFECTED:
			if (a->findings[i].part[0] != '\0' ||
			    !is_plain(a->type))
				return true;
			break;
		case OUTCOME_LIMIT:
		case OUTCOME_TIMEOUT:
		case OUTCOME_FAILED:
			if (!prefix)
				return true;
			break;
		default:
			break;
		}
	return false;
}
