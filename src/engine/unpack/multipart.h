/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_MULTIPART_H
#define ENGINE_UNPACK_MULTIPART_H
/*
 * Splits a multipart body (RFC 2046 5.1, RFC 7578) without copying. Readers
 * differ in what they take for a delimiter line, so one body may have to be
 * split in several ways; none of them leaves a byte of the body out but
 * delimiter lines and heads.
 */
#include <stdbool.h>

#include "base/str.h"

/* Each way takes all delimiters of those before it, and perhaps more. */
enum multipart_way {
	MULTIPART_STRICT, /* behind CRLF or at the start; a whole line */
	MULTIPART_LF,     /* also behind LF alone */
	MULTIPART_LOOSE,  /* also behind CR, and whatever follows in the line */
	MULTIPART_NWAYS
};
struct multipart {
	struct slice body, boundary;
	enum multipart_way way;
	size_t at; /* of the next part */
	bool in_preamble, in_epilogue, over;
};
enum multipart_kind { MULTIPART_PREAMBLE, MULTIPART_PART, MULTIPART_EPILOGUE };
struct multipart_part {
	enum multipart_kind kind;
	struct slice whole; /* between two delimiters */
	struct slice head;  /* without its blank line */
	struct slice data;  /* behind it; all when there is none */
	bool has_blank_line;
	bool ended; /* by a delimiter, not by the end of the body */
};
/* Number of delimiters in each way. True when there is one in any. */
bool multipart_count(
    struct slice body, struct slice boundary, size_t counts[MULTIPART_NWAYS]);
void multipart_begin(struct multipart *m, struct slice body,
    struct slice boundary, enum multipart_way way);
/* Preamble and epilogue are given only where there is something in them. */
bool multipart_next(struct multipart *m, struct multipart_part *part);
#endif
