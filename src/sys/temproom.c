/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/temproom.h"

#include <stdio.h>
#include <sys/statvfs.h>

#define MIB ((uint64_t)1 << 20)
#define LEAST (512 * MIB)
#define MOST (2048 * MIB)

static uint64_t
share(uint64_t room, unsigned int workers)
{
	uint64_t each = room / (workers > 0 ? workers : 1) / MIB * MIB;

	if (each < LEAST)
		return LEAST;
	return each > MOST ? MOST : each;
}

static void
compare(uint64_t each, unsigned int workers, uint64_t room, const char *what,
    char *why, size_t len)
{
	uint64_t all;

	why[0] = '\0';
	if (__builtin_mul_overflow(each, (uint64_t)workers, &all))
		all = UINT64_MAX;
	if (all <= room)
		return;
	(void)snprintf(why, len,
	    "the temporary files of %u workers may take %juM (WorkerTempSize "
	    "%juM each), but %s is %juM: a scan that finds no room fails, and "
	    "when memory runs out workers are killed; set WorkerTempSize to "
	    "%juM, or lower ScanWorkersMax",
	    workers, (uintmax_t)(all / MIB), (uintmax_t)(each / MIB), what,
	    (uintmax_t)(room / MIB),
	    (uintmax_t)(room / MIB / (workers > 0 ? workers : 1)));
}

uint64_t
temproom_each(
    const struct memroom_source *s, const struct conf *c, char *why, size_t len)
{
	unsigned int workers = conf_worker_max(c);
	uint64_t each = c->worker_temp_size;
	struct memroom room;

	memroom_now(s, &room);
	if (each == 0)
		each = share(room.bytes, workers);
	compare(each, workers, room.bytes, room.what, why, len);
	return each;
}

void
temproom_of_folder(const char *folder, uint64_t each, unsigned int workers,
    char *why, size_t len)
{
	struct statvfs fs;
	char what[320];

	why[0] = '\0';
	if (statvfs(folder, &fs) != 0)
		return;
	(void)snprintf(what, sizeof(what), "the free space of %s", folder);
	compare(each, workers, (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize,
	    what, why, len);
}
