/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * Event lines and access lines. An event line is
 *   TIME LEVEL PROCESS[PID] EVENT key=value ...
 * and an access line is key=value pairs that the caller has built. Nothing
 * here ever blocks: what the sink does not take at once waits in a bounded
 * buffer, then is dropped and counted (metric log_dropped, and a line that
 * says how many as soon as the sink takes bytes again). Equal event lines that
 * follow each other within 5 s are written once, with repeated=N at the end of
 * the interval.
 *
 * Bytes from the wire go through log_quote() (the %-formats of log_* take only
 * what the program itself made).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define LOG_SYSLOG_SOCKET "/dev/log"

enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUGGING };
enum log_stream { LOG_EVENTS, LOG_ACCESS, LOG_NSTREAMS };

/* The process's name on every line ("net0"); at most 15 bytes are kept. */
void log_init(const char *process, enum log_level level);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
/*
 * Sends a stream to a descriptor (owned by the log from now on; the former one
 * is closed unless it is stderr), or to syslog(3)'s local socket through one of
 * log_syslog_connect() (owned as well; -1: lines are dropped and counted).
 */
void log_set_fd(enum log_stream stream, int fd);
void log_set_syslog(enum log_stream stream, const char *ident, int fd);
/* Connected to the local syslog daemon, or -1 when there is none. */
int log_syslog_connect(void);
/* Tries to write what waits; called from the process's loop about each second.
 */
void log_flush(void);
/* Bytes waiting and lines dropped since the start. */
size_t log_pending(enum log_stream stream);
uint64_t log_dropped(enum log_stream stream);

/* event: one lower-case word ("worker-lost"); fmt: key=value pairs. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__)
#define log_notice(...) log_event(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) \
	(log_wants(LOG_DEBUGGING) ? log_event(LOG_DEBUGGING, __VA_ARGS__) \
				  : (void)0)
/* One access line, without its newline. */
void log_access_line(struct slice line);

/*
 * Appends the value in double quotes, with ", \ and every byte outside
 * printable ASCII as \xNN, cut after max source bytes with "..." inside the
 * quotes.
 */
int log_quote(struct buf *out, struct slice value, size_t max);
/* The same into a small ring of static buffers, for log_* calls: LOG_Q(s). */
const char *log_q(struct slice value);
#define LOG_Q(s) log_q(s)
#endif
