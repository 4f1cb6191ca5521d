/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_PREWARM_H
#define ENGINE_PREWARM_H
/*
 * Called once, before the process is confined. Keeps for the process's whole
 * life what libclamav asks the C library for in the middle of a scan: the
 * conversions of all character sets (modules that iconv loads from files) and
 * the time zone.
 */
void engine_prewarm(void);
/* How many of charsets.def this system's iconv knows, once prewarmed. */
unsigned int engine_prewarm_charsets(void);
#endif
