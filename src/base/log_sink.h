/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H
/*
 * Where the lines of a stream go, without ever blocking: what is not taken
 * waits in a bounded buffer, then whole lines are dropped and counted.
 */
#include "base/buf.h"

#define LOG_SINK_PENDING_MAX ((size_t)262144)

enum log_sink_kind {
	SINK_NONE,
	SINK_FILE,
	SINK_PIPE,
	SINK_SOCKET,
	SINK_SYSLOG
};

struct log_sink {
	enum log_sink_kind kind;
	int fd;
	bool own_fd;
	struct buf pending; /* whole lines, the first perhaps partly written */
	uint64_t dropped, dropped_said;
	char ident[32]; /* syslog */
};
void log_sink_init(struct log_sink *s);
/* Takes the descriptor over unless keep. */
void log_sink_open(struct log_sink *s, int fd, bool keep);
/* Takes the connected socket over; -1: nobody listens. */
void log_sink_open_syslog(struct log_sink *s, const char *ident, int fd);
void log_sink_close(struct log_sink *s);
/* One line with its newline. priority: of syslog, 0 to 7. */
void log_sink_write(struct log_sink *s, int priority, struct slice line);
/* Tries again what waits. True: nothing waits any more. */
bool log_sink_flush(struct log_sink *s);
#endif
