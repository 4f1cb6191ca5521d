/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H
/* The command line: client/options.def as a struct. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

#define CLIENT_UNSET UINT64_MAX /* a number that was not given */
#define CLIENT_DEFAULT_URL "icap://127.0.0.1:1344/avscan"

struct client_list {
	const char **v;
	size_t n;
};
struct client_options {
#define HEADING(title, text)
#define OPTION(type, field, c, name, also, arg, def, min, max, text) \
	CLIENT_FIELD_##type field;
#define CLIENT_FIELD_FLAG bool
#define CLIENT_FIELD_COUNT unsigned int
#define CLIENT_FIELD_TEXT const char *
#define CLIENT_FIELD_LIST struct client_list
#define CLIENT_FIELD_NUMBER uint64_t
#define CLIENT_FIELD_SIZE uint64_t
#define CLIENT_FIELD_TIME uint64_t
#include "client/options.def"
	struct client_list names; /* arguments, and those of --file */
};

/*
 * 0, or -1 with a line in err that says what to write instead. Texts stay
 * argv's; free with client_options_free(). argv is reordered.
 */
int client_options_parse(
    struct client_options *o, int argc, char *argv[], struct buf *err);
void client_options_free(struct client_options *o);
/* Adds a name to a list. 0, or -1 without memory. */
int client_list_add(struct client_list *l, const char *text) MUST_CHECK;
/* What --help prints. */
void client_options_help(FILE *f);
/* The options of the manual page, as mdoc. */
void client_options_man(FILE *f);
#endif
