/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef IPC_CHAN_H
#define IPC_CHAN_H
/*
 * A SOCK_SEQPACKET channel to another process: on libevent (chan_*), or
 * blocking for a process that does one thing at a time (chan_wait_*).
 */
#include <stdbool.h>

#include "ipc/msg.h"

struct event_base;
struct chan;

struct chan_msg {
	uint16_t type;
	const void
	    *payload; /* msg_payload_size(type) bytes, valid in the call */
	struct slice tail;
	int fd; /* -1 when none; the receiver owns it */
};
enum chan_end { CHAN_EOF, CHAN_VIOLATION, CHAN_FAILED };

struct chan_ops {
	void (*message)(void *ctx, struct chan *c, struct chan_msg *m);
	/*
	 * The channel is of no more use (why: for the log). It is not freed:
	 * the owner frees it, here or later.
	 */
	void (*ended)(
	    void *ctx, struct chan *c, enum chan_end how, const char *why);
};

/* Two connected ends, close-on-exec, SO_SNDBUF of at least 256 KiB. 0 or -1. */
int chan_pair(int fds[2]) MUST_CHECK;
/* Takes the descriptor over (also when it fails: NULL). Starts to read. */
struct chan *chan_new(struct event_base *base, int fd, enum role self,
    enum role peer, const struct chan_ops *ops, void *ctx);
void chan_free(struct chan **c); /* safe inside its own callbacks */
int chan_fd(const struct chan *c);
/* Takes what has arrived now, as the loop would: last words of the dead. */
void chan_poll(struct chan *c);

enum chan_sent {
	CHAN_SENT,
	CHAN_AGAIN, /* the peer's queue is full: keep it and try again */
	CHAN_DEAD   /* the peer is gone */
};
/*
 * Sends one message; payload must be the type's. fd (or -1) is duplicated by
 * the kernel and stays the caller's. A message that our own allow-list does
 * not permit, or that is too long, is a bug (CHECK).
 */
enum chan_sent chan_send(
    struct chan *c, uint16_t type, const void *payload, int fd);
enum chan_sent chan_send_tail(struct chan *c, uint16_t type,
    const void *payload, struct slice tail, int fd);
/*
 * Like chan_send(), but what the peer does not take at once is kept (up to
 * 1,024 messages) and sent as soon as it does. For parent, loader, ctl.
 */
enum chan_sent chan_queue(
    struct chan *c, uint16_t type, const void *payload, int fd);
/*
 * To the parent (MSG_REFUSED): this process cannot begin, and why. The parent
 * shows it to the operator; it is logged here as well.
 */
void chan_refuse(struct chan *parent, const char *why);
/*
 * For a peer that seldom sends two messages in a row: it is not asked for
 * another one before the loop says that there is one.
 */
void chan_one_at_a_time(struct chan *c);
/* Called each time the channel takes messages again after CHAN_AGAIN. */
void chan_on_writable(struct chan *c, void (*fn)(void *ctx, struct chan *c));

/* Blocking use, without libevent: */
struct chan_block {
	int fd;
	enum role self, peer;
	char *buf; /* MSG_MAX_LEN bytes */
};
int chan_block_init(
    struct chan_block *c, int fd, enum role self, enum role peer) MUST_CHECK;
void chan_block_free(struct chan_block *c); /* closes */
/* 1 and *m (valid until the next call), 0 at EOF, -1 on violation or error. */
int chan_block_recv(struct chan_block *c, struct chan_msg *m) MUST_CHECK;
int chan_block_send(struct chan_block *c, uint16_t type, const void *payload,
    struct slice tail, int fd) MUST_CHECK;
#endif
