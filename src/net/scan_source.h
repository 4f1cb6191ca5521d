/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SCAN_SOURCE_H
#define NET_SCAN_SOURCE_H
/*
 * The body that a peer of the scan socket hands over by descriptor. It is only
 * read from, with pread(2), into memory of our own: what the peer does to the
 * file meanwhile changes what is scanned, and harms nothing else.
 */
#include <stdint.h>

#include "scanapi/tolsey_scanmsg.h"

/*
 * Whether it is what the scan socket takes: a memfd sealed against writing,
 * shrinking and growing, or a regular file of a local file system that is open
 * for reading only; with at least so many bytes.
 */
enum scanmsg_err scan_source_check(int fd, uint64_t size);
#endif
