/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_LAYERS_H
#define ENGINE_LAYERS_H
/*
 * The layers that the library is in while it scans: the object, what it found
 * in it, what it found in that. Tells the job's watch of each of them.
 */
#include "engine/engine.h"

/* Members of at most so many bytes are never scanned as layers. */
#define LAYER_MIN 5

struct layers;

/* What goes wrong makes *answer incomplete. NULL without memory. */
struct layers *layers_new(
    const struct engine_job *job, struct scan_answer *answer);
/* Ends the layers that are still open. */
void layers_free(struct layers **ls);
/*
 * A layer of that level begins; its data is readable now. fd is where it is
 * backed by a file, -1 where it is memory that stays.
 */
void layers_begin(struct layers *ls, int fd, const char *type, const char *name,
    struct slice data, uint32_t level);
/* The library speaks of a member of the layer that it is in. */
void layers_member(struct layers *ls, uint64_t size, bool encrypted);
/* Whether the innermost layer is of that type, in the library's words. */
bool layers_in(const struct layers *ls, const char *type);
/* The layer that began last has ended. */
void layers_end(struct layers *ls);
/* The path of the layer that the library is in, as findings name it. */
void layers_part(const struct layers *ls, char part[SCAN_PART_MAX]);
#endif
