/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H
/* A connection to the server, plain or with TLS; it never blocks but in
 * link_wait(). */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "client/options.h"
#include "client/target.h"

/* Where to connect, and how: made once, used by all connections. */
struct link_peer;

/* Resolves the name, reads certificates. NULL with a line in err. */
struct link_peer *link_peer_new(
    const struct target *t, const struct client_options *o, struct buf *err);
void link_peer_free(struct link_peer **p);
/* The first address, for those who connect themselves. */
const struct sockaddr *link_peer_addr(
    const struct link_peer *p, socklen_t *len);

struct link {
	int fd;                                  /* -1: not connected */
	void *ssl;                               /* NULL: plain */
	bool read_wants_write, write_wants_read; /* TLS */
	uint64_t connect_us, tls_us;             /* how long these took */
};

void link_init(struct link *l);
/* 0, or -1 with a line in err. */
int link_open(struct link *l, const struct link_peer *p,
    const struct client_options *o, struct buf *err) MUST_CHECK;
void link_close(struct link *l);
bool link_is_open(const struct link *l);
/* Bytes; 0 at the end (write: never); -1 with errno (EAGAIN: link_wait()). */
ssize_t link_read(struct link *l, void *p, size_t len) MUST_CHECK;
ssize_t link_write(struct link *l, const void *p, size_t len) MUST_CHECK;
/*
 * Until there is something to read, or, to_write, room to write, or something
 * to read from another descriptor (-1: none). 1; 0 when the deadline
 * (clock_mono_us()) passed; -1 with errno.
 */
int link_wait(struct link *l, bool to_write, int other_fd,
    uint64_t deadline_us) MUST_CHECK;
/* What the last error of TLS was about, "" when it was another. */
const char *link_tls_error(const struct link *l, char *text, size_t len);
/* An idle connection that the server has closed meanwhile, or on which it says
 * something unasked. */
bool link_is_stale(struct link *l);
#endif
