/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/outcome.h"

#define METRICS_MAX_SERVICES 64
#define METRICS_SERVICE_NAME 32

/*
 * One block per process in memory that the parent shares out: one writer, any
 * number of readers. Values are read without a lock: each is whole, their sum
 * may be a moment apart.
 */
struct metrics {
#define METRIC(kind, id, help) uint64_t id;
#include "base/metrics.def"
	/* outcomes[i] belongs to the i-th service of the configuration */
	uint64_t outcomes[METRICS_MAX_SERVICES][NOUTCOMES];
	char services[METRICS_MAX_SERVICES][METRICS_SERVICE_NAME];
};

/* The block of this process; a private one until metrics_use() is called. */
extern struct metrics *metrics;
void metrics_use(struct metrics *block);

#define METRIC_ADD(id, n) \
	((void)__atomic_add_fetch( \
	    &metrics->id, (uint64_t)(n), __ATOMIC_RELAXED))
#define METRIC_INC(id) METRIC_ADD(id, 1)
#define METRIC_SUB(id, n) \
	((void)__atomic_sub_fetch( \
	    &metrics->id, (uint64_t)(n), __ATOMIC_RELAXED))
#define METRIC_SET(id, v) \
	__atomic_store_n(&metrics->id, (uint64_t)(v), __ATOMIC_RELAXED)

/* What its writer, which has ended, had going on: no longer. */
void metrics_clear_gauges(struct metrics *m);

/* Adds the n blocks up into *sum; services are matched by name. */
void metrics_sum(
    struct metrics *sum, const struct metrics *const blocks[], size_t n);
/* Prometheus text format 0.0.4. 0, or -1 when out does not take it all. */
int metrics_prometheus(struct buf *out, const struct metrics *m);
/* The same as one JSON object. */
int metrics_json(struct buf *out, const struct metrics *m);
#endif
