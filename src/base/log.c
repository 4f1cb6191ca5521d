/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_sink.h"

#define LINE_MAX_LEN ((size_t)65536)
#define COLLAPSE_US ((uint64_t)5000000)
#define QUOTE_SLOTS 8
#define QUOTE_MAX 256

static const struct level_info {
	const char *word;
	int syslog;
} levels[] = { [LOG_ERROR] = { "error", 3 },
	[LOG_WARN] = { "warn", 4 },
	[LOG_NOTICE] = { "notice", 5 },
	[LOG_INFO] = { "info", 6 },
	[LOG_DEBUGGING] = { "debug", 7 } };

/* The one context of logging in a process. */
static struct log {
	char process[16];
	enum log_level level;
	struct log_sink sinks[LOG_NSTREAMS];
	struct buf line, last; /* last: the previous event without its time */
	uint64_t last_us, repeated;
	enum log_level last_level;
	bool ready;
	struct buf quotes[QUOTE_SLOTS];
	unsigned int quote;
} lg;

static void
make_ready(void)
{
	if (lg.ready)
		return;
	lg.ready = true;
	for (int i = 0; i < LOG_NSTREAMS; i++)
		log_sink_init(&lg.sinks[i]);
	buf_init(&lg.line, LINE_MAX_LEN);
	buf_init(&lg.last, LINE_MAX_LEN);
	for (int i = 0; i < QUOTE_SLOTS; i++)
		buf_init(&lg.quotes[i], QUOTE_MAX * 4 + 8);
	log_sink_open(&lg.sinks[LOG_EVENTS], STDERR_FILENO, true);
	log_sink_open(&lg.sinks[LOG_ACCESS], STDERR_FILENO, true);
}

void
log_init(const char *process, enum log_level level)
{
	make_ready();
	(void)str_copy(lg.process, sizeof(lg.process), slice_of(process));
	lg.level = level;
}

void
log_set_level(enum log_level level)
{
	lg.level = level;
}

bool
log_wants(enum log_level level)
{
	return level <= lg.level;
}

void
log_set_fd(enum log_stream stream, int fd)
{
	make_ready();
	log_sink_open(&lg.sinks[stream], fd, fd == STDERR_FILENO);
}

void
log_set_syslog(enum log_stream stream, const char *ident, int fd)
{
	make_ready();
	log_sink_open_syslog(&lg.sinks[stream], ident, fd);
}

int
log_syslog_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = LOG_SYSLOG_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
emit(enum log_level level, struct slice text, uint64_t repeated)
{
	char when[CLOCK_ISO_LEN];
	int rc;

	clock_iso(clock_wall_us(), when);
	buf_reset(&lg.line);
	rc = buf_printf(&lg.line, "%s %s %s[%d] ", when, levels[level].word,
	    lg.process, (int)getpid());
	rc |= buf_append_slice(&lg.line, text);
	if (repeated > 0)
		rc |= buf_printf(
		    &lg.line, " repeated=%llu", (unsigned long long)repeated);
	rc |= buf_append_str(&lg.line, "\n");
	if (rc == 0)
		log_sink_write(&lg.sinks[LOG_EVENTS], levels[level].syslog,
		    buf_slice(&lg.line));
}

static void
say_repeated(void)
{
	if (lg.repeated > 0)
		emit(lg.last_level, buf_slice(&lg.last), lg.repeated);
	lg.repeated = 0;
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	struct buf text;
	va_list ap;
	int rc;

	make_ready();
	if (!log_wants(level))
		return;
	buf_init(&text, LINE_MAX_LEN - 128);
	rc = buf_printf(&text, "%s ", event);
	va_start(ap, fmt);
	rc |= buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (rc != 0) {
		buf_free(&text);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == '\n' || text.p[i] == '\r')
			text.p[i] = ' ';
	if (slice_eq(buf_slice(&text), buf_slice(&lg.last)) &&
	    clock_mono_us() - lg.last_us < COLLAPSE_US) {
		lg.repeated++;
		buf_free(&text);
		return;
	}
	say_repeated();
	emit(level, buf_slice(&text), 0);
	buf_free(&lg.last);
	lg.last = text;
	lg.last_level = level;
	lg.last_us = clock_mono_us();
}

void
log_access_line(struct slice line)
{
	make_ready();
	buf_reset(&lg.line);
	if (buf_append_slice(&lg.line, line) == 0 &&
	    buf_append_str(&lg.line, "\n") == 0)
		log_sink_write(&lg.sinks[LOG_ACCESS], 6, buf_slice(&lg.line));
}

void
log_flush(void)
{
	make_ready();
	if (clock_mono_us() - lg.last_us >= COLLAPSE_US) {
		say_repeated();
		buf_reset(&lg.last);
	}
	for (int i = 0; i < LOG_NSTREAMS; i++)
		(void)log_sink_flush(&lg.sinks[i]);
}

size_t
log_pending(enum log_stream stream)
{
	return lg.sinks[stream].pending.len;
}

uint64_t
log_dropped(enum log_stream stream)
{
	return lg.sinks[stream].dropped;
}

static bool
is_quotable(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

int
log_quote(struct buf *out, struct slice value, size_t max)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = value.len < max ? value.len : max, run;
	int rc = buf_append_str(out, "\"");
	unsigned char c;

	for (size_t i = 0; i < n; i++) {
		for (run = 0; i + run < n && is_quotable(value.p[i + run]);)
			run++;
		rc |= buf_append(out, value.p + i, run);
		i += run;
		if (i == n)
			break;
		c = (unsigned char)value.p[i];
		rc |= buf_append(
		    out, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
	}
	if (n < value.len)
		rc |= buf_append_str(out, "...");
	rc |= buf_append_str(out, "\"");
	return rc == 0 ? 0 : -1;
}

const char *
log_q(struct slice value)
{
	struct buf *b;

	make_ready();
	b = &lg.quotes[lg.quote++ % QUOTE_SLOTS];
	buf_reset(b);
	(void)log_quote(b, value, QUOTE_MAX);
	return buf_cstr(b);
}
