/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H
/* sd_notify(3)'s protocol, without libsystemd. */

/* State lines, e.g. "READY=1\nSTATUS=..."; nothing without NOTIFY_SOCKET. */
void notify(const char *state);
#endif
