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

struct tx_host {
	void (*kick)(void *ctx); /* look at the transaction again, soon */
	void *ctx;
	const char *peer; /* address of the ICAP client, "unix", or NULL */
	bool trusted;     /* it is believed about users and their addresses */
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
	struct hash *hash;
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
	uint32_t generation; /* of the signatures that scanned it last, or 0 */
	char istag[SERVICE_TAG_LEN]; /* of the present answer */
	bool retried;
	uint64_t last_scan_us, scan_left_us; /* of the one deadline */
	const char *not_submitted; /* why the last tx_submit() failed */
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
bool tx_wants_input(const struct tx *tx);
/* It waits for nothing but bytes of the body, which must keep coming. */
bool tx_is_receiving(const struct tx *tx);
/* Is the answer complete in the outq, and the request read? */
bool tx_is_done(const struct tx *tx);
/* sched has an answer; signatures came; by core. */
void tx_scan_done(struct tx *tx, uint64_t job, const struct sched_done *d);
void tx_ready(struct tx *tx);
/* The client sends nothing more, and may or may not wait for an answer. */
void tx_doubt(struct tx *tx);
/* A protocol error behind the heads (bad chunk ...), or a client's silence. */
void tx_protocol_error(struct tx *tx, enum proto_err e);
/* Prints the state graph for dot(1). */
void tx_write_dot(FILE *f);

/* ---- between the tx_*.c files ---- */
/* The only assignment of tx->state. */
void tx_goto(struct tx *tx, enum tx_state to);
void tx_event(struct tx *tx, enum tx_event ev);
/* Room in milliseconds until the state's deadline, restarted. */
void tx_touch_deadline(struct tx *tx);
enum tx_step tx_run_HEADS(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_WAIT(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_DISCARD(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_PREVIEW(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_PSCAN(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_BODY(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_SCAN(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_STREAM(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_REPLY(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_DRAIN(struct tx *tx, enum tx_event ev);
enum tx_step tx_run_DONE(struct tx *tx, enum tx_event ev);

/* tx_heads.c: signatures are there, or are not needed */
enum tx_step tx_accept(struct tx *tx);
/* Asks the service; its answer is in tx->decision. */
void tx_inspect(struct tx *tx, enum svc_stage stage);
bool tx_edits(const struct tx *tx); /* the service changes the request head */
/* tx_body.c: store bytes; false when they are held for lack of space. */
bool tx_store(struct tx *tx, struct slice bytes);
/* The preview is over: 100 Continue, and on to the rest. */
enum tx_step tx_continue(struct tx *tx, enum tx_state to);
/* tx_scan.c */
struct tx_scan_what {
	enum scan_kind kind;
	bool prefix_lane;  /* must not delay whole scans */
	bool fresh;        /* in a worker that scanned nothing before */
	struct slice mem;  /* these bytes, or (p NULL) the body so far */
	uint64_t queue_us; /* gives up when not started by then */
	uint64_t budget_us;
};
/* False: see not_submitted. */
bool tx_submit(struct tx *tx, const struct tx_scan_what *w);
/* SHA-256 of the whole body, once it has ended; NULL: it failed. */
const unsigned char *tx_digest(struct tx *tx);
void tx_cancel_job(struct tx *tx);
/* Notes how the last scan ended, for or against the object; false: no more. */
bool tx_note_end(struct tx *tx, const struct tx_scan_what *w);
/* tx_reply.c: every way to an answer ends in REPLY. */
enum tx_step tx_reply_verdict(struct tx *tx);
enum tx_step tx_reply_outcome(
    struct tx *tx, enum outcome o, const char *reason, const char *threat);
enum tx_step tx_reply_error(struct tx *tx, enum proto_err e);
enum tx_step tx_reply_options(struct tx *tx);
/* The 200 with the original head, once; the body follows in chunks. */
int tx_send_head(struct tx *tx);
/* Puts body bytes [released, to) into the outq as one chunk. */
int tx_release(struct tx *tx, uint64_t to);
bool tx_may_204(const struct tx *tx);
bool tx_may_206(const struct tx *tx); /* the edited head alone (PC-01) */
void tx_cut(struct tx *tx, const char *why);
/* Feeds the stored body into the outq. False: it waits for room, or was cut. */
bool tx_pump(struct tx *tx);
bool tx_request_is_over(const struct tx *tx); /* nothing more is sent */
/* tx_trickle.c */
void tx_silence_arm(struct tx *tx);
void tx_silence_fired(struct tx *tx);
void tx_gate_answer(struct tx *tx);
void tx_input_progress(struct tx *tx, size_t len);
/* tx_stream.c */
enum tx_step tx_stream_begin(struct tx *tx, bool passthrough);
bool tx_stream_store(struct tx *tx, struct slice bytes);
/* Puts what the window holds beyond its overlap into the outq. 0 or -1. */
int tx_stream_flush(struct tx *tx, size_t upto);
bool tx_stream_has_room(const struct tx *tx);
/* tx_log.c */
void tx_log_access(struct tx *tx);
struct slice tx_declared_type(const struct tx *tx);
#endif
