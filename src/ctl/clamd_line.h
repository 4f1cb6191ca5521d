/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CTL_CLAMD_LINE_H
#define CTL_CLAMD_LINE_H
/*
 * The commands of clamd(8), as far as they concern signatures. A command is
 * nCOMMAND<newline>, zCOMMAND<NUL>, or the word alone, with either of these
 * behind it or, as old clients send it, nothing at all.
 */
#include <stddef.h>

#include "base/str.h"

enum clamd_command {
	CLAMD_MORE, /* the end of the command is not there yet */
	CLAMD_UNKNOWN,
	CLAMD_PING,
	CLAMD_VERSION,
	CLAMD_VERSIONCOMMANDS,
	CLAMD_RELOAD,
	CLAMD_STATS,
	CLAMD_IDSESSION,
	CLAMD_END
};
#define CLAMD_COMMANDS "PING VERSION VERSIONCOMMANDS RELOAD STATS IDSESSION END"
/* A longer command is none of these. */
#define CLAMD_LINE_MAX 64

struct clamd_line {
	enum clamd_command command;
	char end;    /* of the answer: newline or NUL */
	size_t used; /* bytes that belong to the command */
};

/* The first command in what has arrived so far. */
struct clamd_line clamd_line(struct slice in);
#endif
