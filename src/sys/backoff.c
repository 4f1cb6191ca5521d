/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/backoff.h"

#define LONG_LIFE_US ((uint64_t)10000000)
#define FIRST_US ((uint64_t)1000000)
#define MAX_US ((uint64_t)30000000)

uint64_t
backoff_us(unsigned int *fails, uint64_t lived_us)
{
	uint64_t wait = FIRST_US;

	if (lived_us >= LONG_LIFE_US)
		*fails = 0;
	if ((*fails)++ == 0)
		return 0;
	for (unsigned int i = 2; i < *fails && wait < MAX_US; i++)
		wait *= 2;
	return wait < MAX_US ? wait : MAX_US;
}
