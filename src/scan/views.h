/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_VIEWS_H
#define SCAN_VIEWS_H
/*
 * One object, looked at in every form in which it could do harm: as its
 * content codings decode it, and as it travels.
 */
#include "engine/engine.h"
#include "ipc/msg.h"

/* Fills *a; the whole takes at most rq->budget_us. */
void views_scan(struct engine *e, const struct msg_scan_request *rq,
    struct slice body, struct scan_answer *a);
#endif
