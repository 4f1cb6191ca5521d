/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_WORKERS_H
#define NET_WORKERS_H
/* The channels to loaders and workers, as sched's ports on libevent. */
#include "ipc/chan.h"
#include "net/sched.h"

struct event_base;
struct workers;

/* Those of struct sched_ops that are its owner's business. */
struct workers_ops {
	void (*distrust)(void *ctx, const struct msg_worker *w);
	void (*done)(void *ctx, uint64_t job, uint64_t owner,
	    const struct sched_done *d);
	void *ctx;
};
/* parent: for STUCK. The sched that it makes is freed with it. */
struct workers *workers_new(struct event_base *base, struct timerq *tq,
    struct chan *parent, const struct workers_ops *ops);
void workers_free(struct workers **w);
struct sched *workers_sched(struct workers *w);
/* A channel to the loader of a generation (taken over). 0 or -1. */
int workers_add_loader(
    struct workers *w, uint32_t generation, int fd) MUST_CHECK;
#endif
