/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_H
#define CLIENT_BENCH_H
/*
 * A load on an ICAP server: so many connections, one thread, no copy of a
 * body, every answer checked. Bounded by time or count; what has begun by then
 * is waited for.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "client/bench_hist.h"
#include "client/bench_object.h"
#include "client/bench_reply.h"
#include "proto/icap_head.h"

#define BENCH_MAX_CONNECTIONS 20000

struct bench_params {
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *uri, *host; /* of the request line, and of Host */
	enum icap_method method;
	struct bench_objects objects; /* sent one after the other */
	uint64_t connections, idle;
	uint64_t rate; /* requests a second; 0: closed loop */
	uint64_t duration_us, count, timeout_us;
	uint64_t preview;     /* bytes; UINT64_MAX: none */
	uint64_t chunk;       /* bytes */
	uint64_t upload_rate; /* bytes/s of each connection; 0: no limit */
	bool allow_204;
	bool repeat; /* the same object again, else each with its number */
	bool new_connection; /* for each request */
	/*
	 * Called when all connections are there ("ready"), and after the load
	 * ("done"), with the connections open. NULL: nothing waits.
	 */
	void (*gate)(void *ctx, const char *what);
	void *gate_ctx;
	uint64_t first_number;
};
struct bench_result {
#define COUNTER(merge, name, text) uint64_t name;
#include "client/bench_counters.def"
	uint64_t faults[NBENCH_FAULTS];
	/*
	 * All from when a request was due; the second ends with the first byte
	 * of the answer (not of 100), the third with the first of its body.
	 */
	struct bench_hist latency, first_byte, first_body;
};

/* 0, or -1 with the reason in err. */
int bench_run(
    const struct bench_params *p, struct bench_result *r, struct buf *err);
/*
 * The same in so many threads, which share connections, count and rate; what
 * is longest of each is the longest of all.
 */
int bench_run_threads(const struct bench_params *p, size_t threads,
    struct bench_result *r, struct buf *err);
/* Answers that were not as they should be. */
uint64_t bench_result_faults(const struct bench_result *r);
/* For people; as one line of JSON. */
void bench_print(const struct bench_result *r, struct buf *out);
void bench_print_json(const struct bench_result *r, struct buf *out);
#endif
