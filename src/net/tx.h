/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_TX_H
#define NET_TX_H
/*
 * One ICAP transaction, from its complete heads to the end of its answer. It
 * knows neither libevent nor sockets: events come in through tx_*(), the
 * answer goes into an outq, and the owner (conn, or a test) is woken by
 * kick(). src/README.md tells the whole life.
 */
#include <stdio.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/idgen.h"
#include "net/core.h"
#include "net/outq.h"
#include "proto/http_range.h"
#include "proto/icap_out.h"
#include "proto/icap_rx.h"
#include "proto/identity.h"
#include "service/policy.h"

enum tx_state {
#define STATE(id, deadline, input, next) TX_##id,
#include "net/tx_states.def"
	TX_NSTATES
};
/* What woke the transaction; it never learns which descriptor it was. */
enum tx_event {
	TX_EV_ENTER, /* the state was just entered */
	TX_EV_BODY,  /* body bytes were stored */
	TX_EV_PREVIEW_END,
	TX_EV_BODY_END,
	TX_EV_OUTPUT, /* the outq has room */
	TX_EV_SCAN,   /* tx->done_how and tx->answer are there */
	TX_EV_ALONE,  /* the scan that it followed gave it no answer */
	TX_EV_READY,  /* signatures are there, or there are none after all */
	TX_EV_SPACE,  /* the spool takes bytes again */
	TX_EV_TIMEOUT
};
enum tx_step { TX_WAIT_EVENT, TX_AGAIN };

struct tx_state_info {
	const char *name;
	bool input;
	uint32_t next; /* bit per state that may follow */
};
extern const struct tx_state_info tx_states[TX_NSTATES];

/* Whether something may go out before the verdict (architecture 9.1). */
enum tx_gate { GATE_CLOSED, GATE_SCANNING, GATE_OPEN, GATE_SHUT };

/* Where the answer about the whole object is from. */
enum tx_source { SOURCE_NONE, SOURCE_SCAN, SOURCE_CACHE, SOURCE_SHARED };

struct tx_host {
	void (*kick)(void *ctx); /* look at the transaction again, soon */
	void *ctx;
	const char *peer; /* address of the ICAP client, "unix", or NULL */
	bool trusted;     /* it is believed about users and their addresses */
	bool holds;   /* it has the whole object: nothing is to be streamed */
	bool patient; /* the scan of the preview is waited for, however long */
};

struct tx_times {
	uint64_t begin_us, received_us, verdict_us, end_us;
	uint64_t queue_us, scan_us;
};

struct tx {
	TAILQ_ENTRY(tx) link, wait_link, id_link;
	uint64_t id;
	char name[IDGEN_LEN]; /* what log and block page call it */
	struct net_core *core;
	const struct tx_host *host;
	struct icap_rx *rx; /* heads stay valid until the end */
	struct outq *out;
	enum tx_state state;
	unsigned int steps; /* of the present event: a runaway guard */
	struct timer deadline, silence;

	struct service_set *set; /* the snapshot it began with */
	struct service *svc;
	void *svc_state;
	struct svc_request rq;
	struct svc_decision decision;
	struct buf url;
	struct identity who; /* as a trusted client says */

	struct spool *body;
	uint64_t received; /* bytes of the body, wherever they went */
	struct hash *hash; /* of the first `hashed` bytes; NULL: none yet */
	uint64_t hashed;
	unsigned char digest[HASH_LEN]; /* of the whole body, see tx_digest() */
	struct buf held; /* received, but the spool had no space */
	bool held_end;   /* the body's end came while bytes were held */
	bool body_end, preview_ended, preview_is_whole;
	bool sent_100;
	unsigned int missing; /* SCAN_NO_START, SCAN_NO_END */
	char missing_why[80];
	uint64_t preview_bytes, declared_len;
	bool has_declared_len;

	uint64_t job; /* of sched, 0 = none */
	/* what that job reads while the body goes on growing */
	struct buf lent;
	int lent_fd;
	enum sched_how done_how;
	int32_t done_signal;
	struct scan_answer answer;
	/* of the preview and all that its scan depends on */
	unsigned char preview_digest[HASH_LEN];
	bool has_digest, has_preview_digest;
	bool superseded; /* its client asks anew, of more: not a word of it */
	bool preview_clean;  /* it was scanned, now or before: nothing found */
	uint32_t generation; /* of the signatures that scanned it last, or 0 */
	char istag[SERVICE_TAG_LEN]; /* of the present answer */
	bool retried;
	uint64_t last_scan_us, scan_left_us; /* of the one deadline */
	uint64_t queue_left_us; /* how long it may wait for its scan */

	/* of the scan of the whole, see tx_shared.c */
	enum tx_source source;
	struct cache_key key;
	uint32_t key_generation;     /* of the signatures that the key names */
	struct flight *flight;       /* that it leads or follows, or NULL */
	TAILQ_ENTRY(tx) flight_link; /* of the followers */
	uint64_t follow_us;          /* since when */
	const char *not_submitted;   /* why the last tx_submit() failed */
	outcome_set extra;

	struct verdict verdict;
	bool has_verdict;
	int icap_status;
	bool close; /* the connection ends after this answer */
	bool cut;   /* the connection is to be aborted now */

	/* what goes out */
	bool head_sent;  /* of a 200 that carries the original message */
	struct buf head; /* the encapsulated head that is echoed */
	bool echo, last_chunk_sent;
	uint64_t released; /* body bytes already in the outq */
	uint64_t drained;

	/* trickle and stall poke */
	enum tx_gate gate;
	uint64_t trickled; /* body bytes that were out at the verdict */
	uint64_t last_out_us, last_in_us;
	uint64_t in_since_progress;
	uint64_t poke_wait_us;
	uint64_t in_at_poke;
	unsigned int pokes;

	/* STREAM */
	bool passthrough;  /* released without a scan: exempt, too-large */
	bool type_checked; /* what came looks like the type it claims */
	struct buf window; /* overlap already released, then what is not */
	size_t overlap;    /* bytes at its front that were released */
	size_t in_scan;    /* bytes of it under scan, 0 = no scan */
	struct tx_times t;
	uint64_t bytes_out;
};

/*
 * The heads of a request are complete in rx. NULL when out of memory. Nothing
 * happens before tx_start().
 */
struct tx *tx_new(struct net_core *core, const struct tx_host *host,
    struct icap_rx *rx, struct outq *out);
void tx_start(struct tx *tx);
/* Frees at any time; an unfinished one counts as left by its client. */
void tx_free(struct tx **tx);

/* Input, as icap_rx says it. Only while tx_wants_input(). */
void tx_body(struct tx *tx, struct slice bytes);
void tx_preview_end(struct tx *tx);
void tx_body_end(struct tx *tx);
bool tx_edits(const struct tx *tx); /* the service changes the request head */
/* What is missing of the body will never come: it is failed. */
void tx_body_lost(struct tx *tx);
bool tx_wants_input(const struct tx *tx);
/* It waits for nothing but bytes of the body, which must keep coming. */
bool tx_is_receiving(const struct tx *tx);
bool tx_request_is_over(const struct tx *tx); /* nothing more is sent */
/* Is the answer complete in the outq, and the request read? */
bool tx_is_done(const struct tx *tx);
/* sched has an answer; signatures came; by core. */
void tx_scan_done(struct tx *tx, uint64_t job, const struct sched_done *d);
void tx_ready(struct tx *tx);
/* The client sends nothing more, and may or may not wait for an answer. */
void tx_doubt(struct tx *tx);
/* A protocol error behind the heads (bad chunk ...), or a client's silence. */
void tx_protocol_error(struct tx *tx, enum proto_err e);
void tx_event(struct tx *tx, enum tx_event ev);
/* Prints the state graph for dot(1). */
void tx_write_dot(FILE *f);
#endif
