/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_REAL_H
#define ENGINE_REAL_H
/* For files that define functions of the C library anew. */

/* Seen by the libraries: the program is linked with -rdynamic. */
#define WRAPPER __attribute__((visibility("default")))

typedef void (*real_fn)(void);
/* The next one of that name behind ours; never NULL. */
real_fn real_lookup(const char *name);

/* Declares real: the C library's own function, looked up once per name. */
#define REAL(name) \
	static __typeof__(name) *real; \
	if (real == NULL) \
	real = (__typeof__(name) *)real_lookup(#name)
#endif
