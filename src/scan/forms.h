/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_FORMS_H
#define SCAN_FORMS_H
/*
 * The forms of one object: what its codings, parts and texts give. Each
 * sequence of bytes that comes out is scanned by object_scan(). Shared by the
 * files that find them:
 *   views.c     the whole: framing, codings, raw
 *   coded.c     content codings
 *   content.c   multipart, forms, or a single file
 *   embedded.c  files that a text carries along
 */
#include "engine/unpack/decode.h"
#include "engine/unpack/mime.h"
#include "ipc/msg.h"
#include "scan/object.h"
#include "scan/stash.h"

struct forms {
	struct viewing v; /* what is left of its budget, and the answer */
	const struct msg_scan_request *rq;
	struct stash_space space;
	uint64_t work; /* bytes that may still be gone through by parsers */
};
/* Bytes, and what their sender says of them. */
struct content {
	struct slice data;
	const struct mime_head *head;
	const char *part;   /* its name in findings, "" for the object */
	unsigned int depth; /* of parts and codings around it */
};
extern const struct mime_head forms_nothing_said;
/* Scans c in all its forms. */
void content_scan(struct forms *f, const struct content *c);
/*
 * The same with codings to be undone first; and as it is, where decoding is
 * not the whole truth. The rc is that of decoding. What is no fault of the
 * coding itself (a limit, no memory) is in the answer already.
 */
enum decode_rc coded_scan(struct forms *f, const struct content *c,
    const uint32_t codings[], size_t ncodings);
/* Puts a failed decoding into the answer. Of a prefix a cut is no failure. */
void coded_note(struct forms *f, enum decode_rc rc);
/* The files inside a text. */
void embedded_scan(struct forms *f, const struct content *c);

/* A sink for decoders; ctx is a struct stash. */
enum decode_rc forms_sink(void *ctx, const void *p, size_t len);
/*
 * So many bytes are about to be gone through. False when that is too much;
 * then the answer is incomplete.
 */
bool forms_work(struct forms *f, uint64_t bytes);
/*
 * Asked before something more is scanned. True when files or time are used up:
 * then the answer is incomplete, and nothing more is to be begun.
 */
bool forms_stop(struct forms *f);
/* "outer/inner" */
void forms_join(char name[SCAN_PART_MAX], const char *outer, const char *inner);
#endif
