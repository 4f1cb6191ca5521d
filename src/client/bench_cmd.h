/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_CMD_H
#define CLIENT_BENCH_CMD_H
/* tolsey-client --bench. */
#include "client/bench.h"
#include "client/link.h"
#include "client/options.h"
#include "client/target.h"

/*
 * All but the address; makes the objects. 0, or -1 with a line in err; free it
 * in any case. Texts stay the target's.
 */
int bench_params_set(struct bench_params *p, const struct client_options *o,
    const struct target *t, struct buf *err) MUST_CHECK;
void bench_params_free(struct bench_params *p);
/* Runs it and prints the result. 0 when every answer was right; else -1 with a
 * line in err. */
int bench_command(const struct client_options *o, const struct target *t,
    const struct link_peer *peer, struct buf *err) MUST_CHECK;
#endif
