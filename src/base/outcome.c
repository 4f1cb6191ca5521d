/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/outcome.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

static const struct outcome_info infos[NOUTCOMES] = {
#define OUTCOME(id, word, camel, field, action, status, user_text, text) \
	[OUTCOME_##id] = { word, ACTION_##action, status, user_text, text },
#include "base/outcome.def"
};

const struct outcome_info *
outcome_info(enum outcome o)
{
	CHECK(o > OUTCOME_NONE && o < NOUTCOMES);
	return &infos[o];
}

enum outcome
outcome_by_word(const char *word)
{
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		if (strcmp(infos[o].word, word) == 0)
			return (enum outcome)o;
	return OUTCOME_NONE;
}

const char *
action_word(enum action a)
{
	switch (a) {
	case ACTION_PASS:
		return "pass";
	case ACTION_ERROR:
		return "error";
	case ACTION_BLOCK:
		break;
	}
	return "block";
}

enum outcome
outcome_strictest(outcome_set set, const enum action actions[NOUTCOMES])
{
	enum outcome best = OUTCOME_NONE;

	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++) {
		if ((set & OUTCOME_BIT(o)) == 0)
			continue;
		if (best == OUTCOME_NONE || actions[o] > actions[best])
			best = (enum outcome)o;
	}
	return best != OUTCOME_NONE ? best : OUTCOME_FAILED;
}
