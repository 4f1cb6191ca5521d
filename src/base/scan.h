/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H
/*
 * What a scan is asked and what it answers: the vocabulary that net, engine
 * and worker share. All structs are of fixed size and hold no pointers, since
 * they travel between processes as they are.
 */
#include <stdint.h>

#include "base/outcome.h"
#include "base/str.h"

enum scan_kind { SCAN_WHOLE = 1, SCAN_PREFIX = 2 };

/* Content codings, in the order in which they were applied. */
enum scan_coding {
	SCAN_CODING_NONE,
	SCAN_CODING_GZIP,
	SCAN_CODING_DEFLATE, /* zlib or raw: the decoder tries both */
	SCAN_CODING_BR,
	SCAN_CODING_ZSTD,
	SCAN_CODING_AWS_CHUNKED,
	SCAN_CODING_CHUNKED, /* a transfer coding that was left in the body */
	SCAN_CODING_UNKNOWN,
	SCAN_NCODINGS
};
#define SCAN_MAX_CODINGS 4
/* The body is a part of its object: what is missing, as bits. */
#define SCAN_NO_START 1u
#define SCAN_NO_END 2u
/*
 * The coding of a token of Content-Encoding, in any case: NONE for identity and
 * for what is no coding, UNKNOWN for what this build cannot undo.
 */
enum scan_coding scan_coding_of(struct slice token);

/* What else the sender says of a body, as bits. */
#define SCAN_FORM_CHUNKED 1u /* Transfer-Encoding: chunked, undone or not */
#define SCAN_FORM_KEPT 2u    /* its receiver may keep the coded form */
/* The values of its Content-Type fields, one a line. */
#define SCAN_DECLARED_MAX 512

#define SCAN_MAX_FINDINGS 16
#define SCAN_NAME_MAX 128
#define SCAN_PART_MAX 128
#define SCAN_TYPE_MAX 32

/* The rows of scan_opts.def by the fields of their directives. */
enum scan_switch {
#define SCAN_SWITCH(field, word, flags) SCAN_SWITCH_##field,
#include "base/scan_opts.def"
	SCAN_NSWITCHES
};
#define SCAN_BIT(field) ((uint64_t)1 << SCAN_SWITCH_##field)
enum scan_number {
#define SCAN_NUMBER(field, setting, max) SCAN_NUMBER_##field,
#include "base/scan_opts.def"
	SCAN_NNUMBERS
};

/* Per-scan engine options and limits; set by net from the configuration. */
struct scan_opts {
	uint64_t max_file_size, max_scan_size;
	uint32_t max_files, max_recursion;
	uint64_t max_decoded_size; /* of a content coding */
	uint32_t max_decode_ratio;
	/*
	 * 1: of a prefix, only what stands in its bytes as they are is looked
	 * for; and all that the switches say if something is there.
	 */
	uint32_t glance;
	uint64_t switches;               /* SCAN_BIT(heuristic_alerts) ... */
	uint64_t numbers[SCAN_NNUMBERS]; /* 0: as much as there may be */
};

struct scan_finding {
	uint32_t outcome;         /* enum outcome */
	char name[SCAN_NAME_MAX]; /* printable ASCII, NUL-terminated */
	/* member or part, UTF-8 without controls; "": the object itself */
	char part[SCAN_PART_MAX];
};

struct scan_answer {
	/*
	 * 1: the engine looked at everything and said so (every rule of a
	 * complete scan held). 0: see reason; nothing can be clean.
	 */
	uint32_t complete;
	uint32_t reason; /* enum outcome when not complete: FAILED, LIMIT ... */
	uint32_t nfindings;
	uint32_t dropped; /* findings beyond SCAN_MAX_FINDINGS */
	/*
	 * Prefix scans: 1 when the findings may block at once (a plain content
	 * pattern that does not depend on where the object was cut).
	 */
	uint32_t final;
	uint32_t wall_us, cpu_us;
	char text[96]; /* why it failed, for the log, "" if not */
	char
	    type[SCAN_TYPE_MAX]; /* what the engine took it for, "" = unknown */
	struct scan_finding findings[SCAN_MAX_FINDINGS];
};
#endif
