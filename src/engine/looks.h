/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_LOOKS_H
#define ENGINE_LOOKS_H
/*
 * What libclamav 1.4 does not say of a file that it looks into: that a
 * document is encrypted, so that nothing in it was scanned. Pure and bounded;
 * the bytes are hostile.
 */
#include "base/str.h"

/*
 * type as the library calls it (CL_TYPE_...), name of the file in its archive
 * or "". The name of the finding, or NULL: it does not look encrypted.
 *   Heuristics.Encrypted.OLE2  Microsoft Office: OOXML in a compound file,
 *                              doc, xls, ppt, and what a rights server locks
 *   Heuristics.Encrypted.ODF   OpenDocument
 *   Heuristics.Limits.Exceeded.OLE2  too tangled to tell
 */
const char *looks_encrypted(
    struct slice type, struct slice name, struct slice data);
#endif
