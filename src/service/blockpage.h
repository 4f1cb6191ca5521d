/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SERVICE_BLOCKPAGE_H
#define SERVICE_BLOCKPAGE_H
/*
 * The HTTP answer of a block: head from scratch (protocol.md 12: nothing of
 * the original), and a self-contained page with every value escaped.
 */
#include "base/buf.h"
#include "base/outcome.h"
#include "base/str.h"

#define BLOCKPAGE_MAX 65536

struct blockpage {
	enum outcome outcome;
	struct slice threat; /* may be "" */
	struct slice url, part, filename, user, groups, client;
	const char *service, *contact, *id;
	uint64_t wall_us;
	bool head_only; /* HEAD: no page (BP-06) */
};
/*
 * head: status line and fields with the blank line; page: the body ("" when
 * head_only). template: NULL = built in. 0, or -1 when a buffer is full.
 */
int blockpage_make(struct buf *head, struct buf *page,
    const struct blockpage *b, struct slice template);
/* Checks a template: known %{names}, nothing that BP-07 forbids, size. */
int blockpage_check_template(
    struct slice template, char *err, size_t errlen) MUST_CHECK;
/* The built-in page, also installed as etc/templates/block.html. */
struct slice blockpage_builtin(void);
#endif
