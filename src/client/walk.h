/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_WALK_H
#define CLIENT_WALK_H
/* The names of all objects, one after the other: arguments, lines of a file,
 * and what is in folders. */
#include <fts.h>
#include <stdio.h>

#include "client/options.h"

enum walk_kind {
	WALK_END,
	WALK_FILE,
	WALK_EICAR,
	WALK_SKIPPED, /* neither file nor folder; why says what */
	WALK_ERROR    /* why says what */
};
struct walk {
	const struct client_options *options;
	size_t next; /* of options->names */
	bool eicar_done;
	FTS *folder; /* NULL: not in one */
	FILE *list;  /* --files-from; NULL: none, or at its end */
	char *line;
	size_t line_size;
	uint64_t size; /* of the present file, as far as it is known */
	const char *why;
};

/* 0, or -1 with a line in err. */
int walk_init(
    struct walk *w, const struct client_options *o, struct buf *err) MUST_CHECK;
void walk_free(struct walk *w);
/* The next name, which is malloced, NULL at the end. */
enum walk_kind walk_next(struct walk *w, char **name);
#endif
