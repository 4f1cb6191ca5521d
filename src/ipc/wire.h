/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H
/* One message to or from a SEQPACKET socket: what chan's two halves share. */
#include "ipc/chan.h"

enum wire_rc { WIRE_OK, WIRE_AGAIN, WIRE_EOF, WIRE_VIOLATION, WIRE_FAILED };

/*
 * Receives into buf (MSG_MAX_LEN bytes) and checks against the allow-list;
 * *why tells what was wrong. Descriptors of a refused message are closed.
 */
enum wire_rc wire_recv(int fd, char *buf, enum role from, enum role to,
    struct chan_msg *m, const char **why, bool wait) MUST_CHECK;
enum wire_rc wire_send(int fd, enum role from, enum role to, uint16_t type,
    const void *payload, struct slice tail, int pass, bool wait) MUST_CHECK;
#endif
