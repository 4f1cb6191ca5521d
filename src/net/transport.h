/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H
/*
 * How a connection reads and writes: one small table, so that TLS, a plain
 * socket and a test's memory look the same to conn.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* All return as the system call of that name does, with errno, never EINTR. */
struct transport_ops {
	ssize_t (*read)(struct transport *t, void *buf, size_t len);
	/*
	 * After EAGAIN the next call must offer the same bytes first, in
	 * whatever pieces, or by send_file. more: of a file, or the end of all
	 * output, at once; a packet for the few bytes between two pieces of it
	 * would cost as much as one that is full.
	 */
	ssize_t (*writev)(
	    struct transport *t, const struct iovec *iov, int n, bool more);
	/* Sends from a file at an explicit offset (its own is not touched). */
	ssize_t (*send_file)(
	    struct transport *t, int fd, uint64_t off, size_t len);
	/*
	 * No more output: the peer sees the end (TLS: close_notify first). -1
	 * with EAGAIN: to be called again when the socket takes bytes.
	 */
	int (*shutdown_write)(struct transport *t);
	/* Bytes that can be read although a poll would not show them (TLS). */
	bool (*pending)(const struct transport *t);
	/* Closes; cut: at once, so that the peer sees an aborted connection. */
	void (*close)(struct transport *t, bool cut);
};
struct transport {
	const struct transport_ops *ops;
	int fd; /* for the event loop */
	void *tls;
	/* after EAGAIN: it is the other direction that has to become ready */
	bool read_wants_write, write_wants_read;
};
extern const struct transport_ops transport_plain;
/* close() of a socket without anything else on it. */
void transport_close_socket(struct transport *t, bool cut);
/*
 * Reads what is still coming on the socket and throws it away, without caring
 * what it means; buf is scratch. As recv(2).
 */
ssize_t transport_discard(struct transport *t, void *buf, size_t len);
#endif
