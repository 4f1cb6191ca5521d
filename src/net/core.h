/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CORE_H
#define NET_CORE_H
/*
 * What a transaction may ask of its process: everything but sockets and
 * libevent, so that a test can be the process. net_main.c owns the one of the
 * daemon.
 */
#include <stdbool.h>

#include "base/list.h"
#include "base/timerq.h"
#include "ipc/msg.h"
#include "net/cache.h"
#include "net/killers.h"
#include "net/sched.h"
#include "net/spool.h"
#include "service/registry.h"

#define NET_CORE_BUCKETS 256
#define NET_CORE_RECENT 4

struct tx;
TAILQ_HEAD(tx_list, tx);
struct flight;
TAILQ_HEAD(flight_list, flight);

struct net_generation {
	uint32_t number; /* 0: empty */
	unsigned char digest[32];
};

struct net_core {
	struct timerq *tq;
	struct sched *sched;
	struct spool_pool *spool;
	struct killers *killers; /* of the present generation */
	struct harmless *harmless;
	struct cache *cache; /* verdicts of the present generation */
	/* scans that several may wait for, see tx_shared.c */
	struct flight_list flights[NET_CORE_BUCKETS];
	struct service_set *set;  /* of the newest configuration */
	struct msg_loaded loaded; /* generation 0: no signatures yet */
	/* digests of the last ones, for transactions that one of them scanned
	 */
	struct net_generation recent[NET_CORE_RECENT];
	bool loading;  /* none yet: worth waiting for, up to StartWait */
	bool draining; /* TERM came: OPTIONS 503, connections close */
	struct tx_list waiting; /* transactions in WAIT */
	struct tx_list all;
	struct tx_list by_id[NET_CORE_BUCKETS];
	struct slice server; /* "tolsey/0.1.0" */
	/* what can be received at once; 0: as MaxConnections says */
	uint64_t max_connections;
	uint64_t max_refused; /* beside them, until they have their answer */
	/*
	 * By service: a body was longer than its Content-Length said, as no
	 * proxy of HTTP sends it. What these clients announce is no size.
	 */
	bool wrong_lengths[CONF_MAX_SERVICES];
};

/* 0 or -1. set is referenced. */
int net_core_init(struct net_core *c, struct timerq *tq, struct sched *sched,
    struct spool_pool *spool, struct service_set *set) MUST_CHECK;
void net_core_free(struct net_core *c);
/* A generation serves (loaded), or there is none for now (NULL). */
int net_core_generation(
    struct net_core *c, const struct msg_loaded *loaded) MUST_CHECK;
/* The present generation goes before the next one is there. 0 or -1. */
int net_core_unload(struct net_core *c) MUST_CHECK;
/*
 * The ISTag of a service of that snapshot under that generation (0: the
 * present one), in out.
 */
void net_core_tag(const struct net_core *c, const struct service_set *set,
    const struct service *svc, uint32_t generation, char out[SERVICE_TAG_LEN]);
/* A new snapshot for the transactions to come. Takes a reference. */
int net_core_set(struct net_core *c, struct service_set *set) MUST_CHECK;
/* sched's distrust() */
void net_core_distrust(struct net_core *c, const struct msg_worker *w);
/* sched's done(): finds the transaction by its id and tells it. */
void net_core_scan_done(struct net_core *c, uint64_t job, uint64_t owner,
    const struct sched_done *d);
#endif
