/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_MEDIA_H
#define ENGINE_UNPACK_MEDIA_H
/*
 * Types that libclamav passes over because of a few bytes at their start, and
 * which of them are audio or video indeed. Pure.
 */
#include "base/str.h"

/*
 * How many bytes at the start make libclamav pass over it: all such magic
 * numbers that follow each other. 0 when none is known.
 */
size_t media_magic_len(struct slice data);
/*
 * "MP3", "AAC", "FLAC", "OGG", "RM" when data is audio or video from its start
 * on: its magic number and several whole frames behind it. Else NULL.
 */
const char *media_is(struct slice data);
/* Length of the ID3 tag at the start, 0 when there is none or it is cut. */
size_t media_id3_len(struct slice data);
#endif
