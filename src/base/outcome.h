/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_OUTCOME_H
#define BASE_OUTCOME_H
#include <stdbool.h>
#include <stdint.h>

/* Strictness grows with the value. */
enum action { ACTION_PASS, ACTION_ERROR, ACTION_BLOCK };

/* NONE (0) is "nothing known yet": a zeroed struct is never clean. */
enum outcome {
	OUTCOME_NONE,
#define OUTCOME(id, word, camel, field, action, status, user_text, text) \
	OUTCOME_##id,
#include "base/outcome.def"
	NOUTCOMES
};

/* A set of outcomes, one bit each. */
typedef uint32_t outcome_set;
#define OUTCOME_BIT(o) ((outcome_set)1 << (o))

struct outcome_info {
	const char *word;
	enum action action; /* the default */
	int http_status;    /* of a block page */
	const char *user_text, *text;
};
/* The row of o; o must be a real outcome (not NONE). */
const struct outcome_info *outcome_info(enum outcome o);
/* The outcome of that word, OUTCOME_NONE when there is none. */
enum outcome outcome_by_word(const char *word);
const char *action_word(enum action a); /* "pass", "error", "block" */
/*
 * The one that counts of a set, given the action of each. An empty set and a
 * set with NONE only give OUTCOME_FAILED: nothing is clean by omission.
 */
enum outcome outcome_strictest(
    outcome_set set, const enum action actions[NOUTCOMES]);
#endif
