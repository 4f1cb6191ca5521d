/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_OPTS_H
#define CLIENT_BENCH_OPTS_H
#include <stdio.h>

#include "client/bench.h"

/* The defaults; address, host and service are the caller's. */
void bench_params_init(struct bench_params *p);
void bench_params_free(struct bench_params *p);
/*
 * An option of bench_opts.def without its dashes; arg NULL when it has none.
 * 0; 1 when there is no such option; -1 with the reason in err. *takes_arg (or
 * NULL): whether it is followed by an argument, then nothing else is done.
 */
int bench_option(struct bench_params *p, const char *name, const char *arg,
    bool *takes_arg, struct buf *err);
/* After the last one: what was left out. 0 or -1. */
int bench_params_done(struct bench_params *p, struct buf *err);
void bench_usage(FILE *out);
#endif
