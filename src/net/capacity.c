/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/capacity.h"

#define FILES_OF_PROCESS 64 /* listeners, logs, channels, epoll ... */
/* For connections of the scan socket and the descriptors that they bring. */
#define OTHERS 16 /* a part of all */
/* Of what is left at least this part is for bodies. */
#define BODIES 4

/* Channels to the workers of two generations. */
static uint64_t
of_process(uint64_t files, uint64_t workers_max)
{
	return FILES_OF_PROCESS + 2 * workers_max + files / OTHERS;
}

struct capacity
capacity_of(uint64_t files, uint64_t workers_max, uint64_t wanted)
{
	uint64_t own = of_process(files, workers_max), most;
	uint64_t left = files > own ? files - own : 0;
	struct capacity c = { .refused = left / BODIES };

	if (c.refused > CAPACITY_REFUSED)
		c.refused = CAPACITY_REFUSED;
	most = left - c.refused - left / BODIES;
	c.connections = wanted < most ? wanted : most;
	c.bodies = (left - c.refused - c.connections) / CAPACITY_FILES_OF_BODY;
	/* with next to nothing: one after the other */
	if (c.connections == 0)
		c.connections = 1;
	if (c.bodies == 0)
		c.bodies = 1;
	return c;
}
