/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/idgen.h"

#include <sys/random.h>

#include "base/clock.h"

static uint64_t id_state, id_count;

/* A bijection of 64 bits (splitmix64): a counter in, no pattern out. */
static uint64_t
scramble(uint64_t v)
{
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

void
idgen_init(unsigned int instance)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = clock_mono_us();
	id_state = scramble(clock_wall_us() ^ seed) + instance;
}

void
idgen_next(char out[IDGEN_LEN])
{
	static const char set[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ2";
	uint64_t v = scramble(++id_state);

	for (int i = 0; i < IDGEN_LEN - 1; i++) {
		out[i] = set[v % 31];
		v /= 31;
	}
	out[IDGEN_LEN - 1] = '\0';
}

uint64_t
idgen_u64(void)
{
	return ++id_count;
}
