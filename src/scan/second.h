/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_SECOND_H
#define SCAN_SECOND_H
/*
 * The second look: at what the engine passes over by its type, and into
 * containers that it does not open, or not completely. For every layer of an
 * object, not only for the object itself.
 */
#include "engine/engine.h"

/* Of struct engine_watch; ctx is a struct viewing. */
uint32_t second_begins(void *ctx, const struct engine_layer *l);
void second_ends(void *ctx, const struct engine_layer *l);
#endif
