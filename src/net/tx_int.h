/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_TX_INT_H
#define NET_TX_INT_H
/* What the tx_*.c files share; but for them only their tests include it. */
#include "net/tx.h"

/* The only assignment of tx->state. */
void tx_goto(struct tx *tx, enum tx_state to);
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
/* tx_body.c: store bytes; false when they are held for lack of space. */
bool tx_store(struct tx *tx, struct slice bytes);
/* The preview is over: 100 Continue, and on to the rest. */
enum tx_step tx_continue(struct tx *tx, enum tx_state to);
/* What is still to follow as announced, if that can be true. */
#define TX_REST_UNKNOWN UINT64_MAX
uint64_t tx_rest(const struct tx *tx);
/* tx_scan.c */
struct tx_scan_what {
	enum scan_kind kind;
	bool prefix_lane;  /* must not delay whole scans */
	bool glance;       /* of a preview: see base/scan.h */
	bool fresh;        /* in a worker that scanned nothing before */
	struct slice mem;  /* these bytes, or (p NULL) the body so far */
	uint64_t most;     /* of the body so far at most these; 0: all */
	uint64_t queue_us; /* gives up when not started by then */
	uint64_t budget_us;
};
/* False: see not_submitted. */
bool tx_submit(struct tx *tx, const struct tx_scan_what *w);
/* SHA-256 of the whole body, once it has ended; NULL: it failed. */
const unsigned char *tx_digest(struct tx *tx);
void tx_cancel_job(struct tx *tx);
/* What a scan, its own or another's, gave it. */
void tx_take(struct tx *tx, const struct sched_done *d);
/* The whole body as a job reads it: into j->rq.size, j->body, j->fd. */
void tx_lend_body(struct tx *tx, struct sched_job *j);
/* Who is served: the user behind a trusted ICAP client, else that client. */
struct slice tx_client(const struct tx *tx);
/* Notes how the last scan ended, for or against the object; false: no more. */
bool tx_note_end(struct tx *tx, const struct tx_scan_what *w);
/* tx_shared.c */
enum tx_ask {
	ASK_SCAN,  /* it has to be scanned */
	ASK_KNOWN, /* the answer is there, as after TX_EV_SCAN */
	ASK_WAIT   /* TX_EV_SCAN, TX_EV_ALONE or TX_EV_TIMEOUT follows */
};
/* Before the scan of the whole that rq asks for, within tx->scan_left_us. */
enum tx_ask tx_shared_ask(struct tx *tx, const struct msg_scan_request *rq);
/* Its scan is over, and taken: TX_EV_SCAN, and those who wait with it. */
void tx_shared_end(struct tx *tx, const struct sched_done *d);
/* It waits no longer; its job, if others wait for it, is theirs. */
void tx_shared_leave(struct tx *tx);
bool tx_is_following(const struct tx *tx);
bool tx_is_followed(const struct tx *tx);
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
