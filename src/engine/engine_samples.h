/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ENGINE_SAMPLES_H
#define ENGINE_ENGINE_SAMPLES_H
/* Known-clean objects, in which a signature set must find nothing. */
#include <stddef.h>

#include "base/check.h"

#define ENGINE_SAMPLES_MAX 16

struct engine_sample {
	const char *what; /* "a PNG" */
	const void *data;
	size_t len;
};

/* All of them, in memory that stays; how many there are. */
size_t engine_samples(struct engine_sample out[ENGINE_SAMPLES_MAX]);
#endif
