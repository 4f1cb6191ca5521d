/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_TEMPROOM_H
#define SYS_TEMPROOM_H
/* How much temporary space each worker gets, and whether it is there. */
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "sys/memroom.h"

/*
 * WorkerTempSize; where it is not set, an equal share of the memory that is
 * free now, between 512M and 2G. why: a sentence when all workers together
 * could take more than is free, else "".
 */
uint64_t temproom_each(const struct memroom_source *s, const struct conf *c,
    char *why, size_t len);
/* The same question of a folder that they share. */
void temproom_of_folder(const char *folder, uint64_t each, unsigned int workers,
    char *why, size_t len);
#endif
