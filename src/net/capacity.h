/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CAPACITY_H
#define NET_CAPACITY_H
/*
 * How many connections and bodies a net serves with the descriptors that it
 * may open. Most connections are idle or at small bodies and have no more than
 * their socket, so bodies draw from a share of their own; when that is used up
 * they wait as they do for memory (spool.h).
 */
#include <stdint.h>

/* A file to write, the same to read, and one of these lent while it grows. */
#define CAPACITY_FILES_OF_BODY 3
#define CAPACITY_REFUSED 256

struct capacity {
	uint64_t connections; /* served at once */
	uint64_t refused;     /* beside them, until they have their answer */
	uint64_t bodies;      /* too large for a buffer, at once */
};
/* files: the limit of the process; wanted: connections. */
struct capacity capacity_of(
    uint64_t files, uint64_t workers_max, uint64_t wanted);
#endif
