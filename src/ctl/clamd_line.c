/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "ctl/clamd_line.h"

#include <stdbool.h>
#include <string.h>

static const struct {
	const char *word;
	enum clamd_command command;
	bool bare; /* also without n or z in front */
} rows[] = {
	{ "PING", CLAMD_PING, true },
	{ "VERSION", CLAMD_VERSION, true },
	{ "VERSIONCOMMANDS", CLAMD_VERSIONCOMMANDS, true },
	{ "RELOAD", CLAMD_RELOAD, true },
	{ "STATS", CLAMD_STATS, true },
	{ "IDSESSION", CLAMD_IDSESSION, false },
	{ "END", CLAMD_END, false },
};

static enum clamd_command
find(struct slice word, bool bare)
{
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (slice_eq(word, slice_of(rows[i].word)) &&
		    (rows[i].bare || !bare))
			return rows[i].command;
	return CLAMD_UNKNOWN;
}

static bool
may_become_one(struct slice part)
{
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].bare &&
		    slice_has_prefix(slice_of(rows[i].word), part))
			return true;
	return false;
}

static struct slice
without_cr(struct slice s)
{
	if (s.len > 0 && s.p[s.len - 1] == '\r')
		s.len--;
	return s;
}

/* nCOMMAND or zCOMMAND. */
static struct clamd_line
prefixed(struct slice in)
{
	char end = in.p[0] == 'z' ? '\0' : '\n';
	ptrdiff_t at = slice_find(in, end);
	struct slice word;

	if (at == -1)
		return (struct clamd_line){
			in.len > CLAMD_LINE_MAX ? CLAMD_UNKNOWN : CLAMD_MORE,
			end, in.len > CLAMD_LINE_MAX ? in.len : 0
		};
	word = without_cr((struct slice){ in.p + 1, (size_t)at - 1 });
	return (struct clamd_line){ find(word, false), end, (size_t)at + 1 };
}

/* The word alone; it is complete when it is one of those that are known. */
static struct clamd_line
bare(struct slice in)
{
	size_t len = 0;
	enum clamd_command c;

	while (len < in.len && in.p[len] != '\n' && in.p[len] != '\0')
		len++;
	c = find(without_cr((struct slice){ in.p, len }), true);
	if (len < in.len)
		return (struct clamd_line){ c, '\n', len + 1 };
	if (c == CLAMD_UNKNOWN && may_become_one(in))
		return (struct clamd_line){ CLAMD_MORE, '\n', 0 };
	return (struct clamd_line){ c, '\n', len };
}

struct clamd_line
clamd_line(struct slice in)
{
	if (in.len == 0)
		return (struct clamd_line){ CLAMD_MORE, '\n', 0 };
	return in.p[0] == 'n' || in.p[0] == 'z' ? prefixed(in) : bare(in);
}
