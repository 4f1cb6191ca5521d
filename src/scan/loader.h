/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_LOADER_H
#define SCAN_LOADER_H
/*
 * The workers of one signature generation: one per slot, forked from this
 * process once the engine is loaded, replaced whenever one ends, ended when
 * net says so. This process must stay single-threaded and scan nothing itself
 * from the first fork on.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"
#include "ipc/msg.h"
#include "scan/jail.h"

struct event_base;
struct loader;

struct loader_conf {
	struct engine *engine;
	uint32_t generation;
	uint32_t nets;
	uint64_t memory_max; /* of each worker */
	bool sandbox_off;
	struct jail_host host;
};

struct loader_ops {
	void (*served)(void *ctx); /* the first workers have been forked */
	void (*idle)(void *ctx);   /* it drains, and no worker is left */
	/* A worker is to have a lower priority, or the usual one again. */
	void (*priority)(void *ctx, pid_t pid, bool gives_way);
	void *ctx;
};
/* NULL: no memory. */
struct loader *loader_new(
    struct event_base *base, const struct loader_ops *ops);
/* Ends every worker (SIGKILL) and removes its folder. */
void loader_free(struct loader **l);

int loader_add_slot(struct loader *l, const struct msg_slot_dir *s) MUST_CHECK;
/* The folder of the slot that was added as number i, or NULL. */
const char *loader_folder(const struct loader *l, size_t i);
/* Whether the folders are a tmpfs each, mounted by the parent. */
bool loader_folder_is_tmpfs(const struct loader *l);
/* Bytes of temporary files that are to fit into each. */
uint64_t loader_folder_size(const struct loader *l);
/*
 * How a worker of the first slot would be confined, added to *r. 0, or -1 with
 * the reason why it could not live.
 */
int loader_probe(struct loader *l, const struct loader_conf *c,
    struct sandbox_report *r, char *err, size_t errlen) MUST_CHECK;
/* The channel to a net, taken over; replaces a former one of that number. */
int loader_add_net(struct loader *l, uint64_t number, int fd) MUST_CHECK;
/* From now on every slot has a worker; one after another gets its first. */
void loader_serve(struct loader *l, const struct loader_conf *c);
/* No worker is replaced any more; idle when all have ended. */
void loader_drain(struct loader *l);
#endif
