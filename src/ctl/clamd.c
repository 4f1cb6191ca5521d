/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A socket that freshclam takes for clamd's, so that it can say that the
 * signatures have changed. It scans nothing, and nothing that can be said here
 * does harm: RELOAD loads only if there are other files than those that serve,
 * unless root or our own account asks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/log.h"
#include "ctl/clamd_line.h"
#include "ctl/ctl.h"

#define CLIENTS_MAX 16
#define READ_MAX 4096
#define COMMAND_SECONDS 10 /* for a whole command, as it comes */
#define SESSION_SECONDS 30 /* the same, for the next one of a session */
#define SESSION_COMMANDS 1000
#define LINGER_SECONDS 2
#define LINGER_MAX 65536 /* bytes thrown away behind the last answer */

struct clamd_client {
	TAILQ_ENTRY(clamd_client) link;
	struct ctl *ctl;
	struct bufferevent *bev;
	struct event *deadline;
	unsigned int commands; /* of a session */
	bool session, closing, lingers, peer_ended;
	bool trusted; /* root or we: RELOAD is a command, not a hint */
	size_t discarded;
};

static void
client_free(struct clamd_client *cl)
{
	TAILQ_REMOVE(&cl->ctl->clamd_clients, cl, link);
	cl->ctl->nclamd_clients--;
	if (cl->deadline != NULL)
		event_free(cl->deadline);
	bufferevent_free(cl->bev);
	free(cl);
}

static void
arm(struct clamd_client *cl, time_t seconds)
{
	struct timeval tv = { seconds, 0 };

	if (event_add(cl->deadline, &tv) == -1)
		log_warn("event-failed", "what=clamd");
}

static void
on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	client_free(ctx);
}

/* ---- answers ---- */

/* "ClamAV 1.4.6/27780/Tue Nov 18 10:00:00 2025", as of clamd. */
static int
version(struct buf *out, const struct ctl *c)
{
	const struct msg_loaded *l = &c->loaded;
	time_t built = (time_t)(l->built_wall_us / 1000000);
	struct tm tm;
	char when[32];

	if (l->engine[0] == '\0')
		return buf_append_str(out, "ClamAV (not loaded yet)");
	(void)buf_printf(
	    out, "%.*s", (int)strnlen(l->engine, sizeof(l->engine)), l->engine);
	if (l->daily != 0 && built != 0 && gmtime_r(&built, &tm) != NULL &&
	    strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm) > 0)
		(void)buf_printf(out, "/%u/%s", l->daily, when);
	return out->failed ? -1 : 0;
}

/* As clamdtop and monitoring read it from clamd. */
static int
stats(struct buf *out, const struct ctl *c)
{
	struct metrics *m = calloc(1, sizeof(*m));
	unsigned long long idle;
	double mib = (double)c->loaded.memory / (1 << 20);
	int rc;

	if (m == NULL)
		return -1;
	ctl_sum(c, m);
	idle =
	    m->workers > m->scans_running ? m->workers - m->scans_running : 0;
	rc = buf_printf(out,
	    "POOLS: 1\n\nSTATE: %s PRIMARY\n"
	    "THREADS: live %llu  idle %llu max %llu idle-timeout 30\n"
	    "QUEUE: %llu items\n\n"
	    "MEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A "
	    "pools 1 pools_used %.3fM pools_total %.3fM\nEND",
	    c->loaded.generation != 0 ? "VALID" : "INVALID",
	    (unsigned long long)m->workers, idle,
	    (unsigned long long)m->workers,
	    (unsigned long long)m->scan_queue_depth, mib, mib);
	free(m);
	return rc;
}

static int
reload(struct buf *out, struct clamd_client *cl)
{
	struct msg_number forced = { 0 };
	struct msg_none none = { 0 };
	uint16_t type = cl->trusted ? MSG_RELOAD_DB : MSG_DB_CHANGED;

	log_info("clamd-reload", "forced=%d", cl->trusted);
	if (chan_queue(cl->ctl->parent, type,
		cl->trusted ? (const void *)&forced : &none, -1) != CHAN_SENT)
		return -1;
	return buf_append_str(out, "RELOADING");
}

static int
answer_to(struct buf *out, struct clamd_client *cl, enum clamd_command command)
{
	switch (command) {
	case CLAMD_PING:
		return buf_append_str(out, "PONG");
	case CLAMD_VERSION:
		return version(out, cl->ctl);
	case CLAMD_VERSIONCOMMANDS:
		return version(out, cl->ctl) |
		       buf_append_str(out, "| COMMANDS: " CLAMD_COMMANDS);
	case CLAMD_RELOAD:
		return reload(out, cl);
	case CLAMD_STATS:
		return stats(out, cl->ctl);
	default:
		return buf_append_str(out, "UNKNOWN COMMAND");
	}
}

/* ---- the conversation ---- */

/* All answers are out: what still comes is read, so that none is lost. */
static void
linger(struct clamd_client *cl)
{
	if (cl->peer_ended) {
		client_free(cl);
		return;
	}
	if (cl->lingers)
		return;
	cl->lingers = true;
	(void)shutdown(bufferevent_getfd(cl->bev), SHUT_WR);
	arm(cl, LINGER_SECONDS);
}

static void
begin_close(struct clamd_client *cl)
{
	cl->closing = true;
	arm(cl, COMMAND_SECONDS);
	if (evbuffer_get_length(bufferevent_get_output(cl->bev)) == 0)
		linger(cl);
}

/* 0, or -1: nothing more is to be answered. */
static int
answer(struct clamd_client *cl, const struct clamd_line *line)
{
	bool last = !cl->session || line->command == CLAMD_UNKNOWN ||
		    cl->commands >= SESSION_COMMANDS;
	struct buf out;
	int rc = 0;

	buf_init(&out, CTL_REPLY_MAX);
	if (cl->session)
		rc = buf_printf(&out, "%u: ", cl->commands);
	rc |= answer_to(&out, cl, line->command);
	rc |= buf_append(&out, &line->end, 1);
	if (rc == 0)
		rc = bufferevent_write(cl->bev, out.p, out.len);
	buf_free(&out);
	return rc == 0 && !last ? 0 : -1;
}

/* 0, or -1: nothing more is to be answered. */
static int
command(struct clamd_client *cl, const struct clamd_line *line)
{
	if (line->command == CLAMD_END)
		return -1;
	if (line->command == CLAMD_IDSESSION) {
		cl->session = true;
		arm(cl, SESSION_SECONDS);
		return 0;
	}
	cl->commands++;
	if (cl->session)
		arm(cl, SESSION_SECONDS);
	return answer(cl, line);
}

static void
discard(struct clamd_client *cl, struct evbuffer *in)
{
	cl->discarded += evbuffer_get_length(in);
	(void)evbuffer_drain(in, evbuffer_get_length(in));
	if (cl->discarded > LINGER_MAX)
		client_free(cl);
}

static void
on_read(struct bufferevent *bev, void *ctx)
{
	struct clamd_client *cl = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	char bytes[READ_MAX];

	while (!cl->closing) {
		ev_ssize_t n = evbuffer_copyout(in, bytes, sizeof(bytes));
		struct clamd_line line;

		if (n <= 0)
			return;
		line = clamd_line((struct slice){ bytes, (size_t)n });
		if (line.command == CLAMD_MORE)
			return;
		(void)evbuffer_drain(in, line.used);
		if (command(cl, &line) == -1) {
			begin_close(cl);
			return; /* it may be gone */
		}
	}
	discard(cl, in);
}

static void
on_written(struct bufferevent *bev, void *ctx)
{
	struct clamd_client *cl = ctx;

	(void)bev;
	if (cl->closing)
		linger(cl);
}

/* It has said all that it wants to say; it may still wait for an answer. */
static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct clamd_client *cl = ctx;

	cl->peer_ended = true;
	if ((what & BEV_EVENT_EOF) == 0 ||
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		client_free(cl);
	else
		begin_close(cl);
}

/* ---- connections ---- */

static bool
is_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct sockaddr_storage ss;
	socklen_t sslen = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &sslen) == -1 ||
	    ss.ss_family != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

static struct clamd_client *
client_new(struct ctl *c, int fd)
{
	struct clamd_client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL)
		return NULL;
	cl->ctl = c;
	cl->trusted = is_trusted(fd);
	cl->deadline = event_new(c->base, -1, 0, on_deadline, cl);
	cl->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (cl->deadline == NULL || cl->bev == NULL) {
		if (cl->deadline != NULL)
			event_free(cl->deadline);
		if (cl->bev != NULL)
			bufferevent_free(cl->bev);
		else
			(void)close(fd);
		free(cl);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&c->clamd_clients, cl, link);
	c->nclamd_clients++;
	return cl;
}

static void
on_accept(evutil_socket_t lfd, short what, void *ctx)
{
	struct ctl *c = ctx;
	struct clamd_client *cl;
	int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			for (unsigned int i = 0; i < c->nclamd; i++)
				(void)event_del(c->clamd[i].accept_ev);
		return;
	}
	if (c->nclamd_clients >= CLIENTS_MAX) {
		log_warn("clamd-refused", "clients=%u", c->nclamd_clients);
		(void)close(fd);
		return;
	}
	if ((cl = client_new(c, fd)) == NULL)
		return;
	bufferevent_setcb(cl->bev, on_read, on_written, on_event, cl);
	bufferevent_setwatermark(cl->bev, EV_READ, 0, READ_MAX);
	arm(cl, COMMAND_SECONDS);
	if (bufferevent_enable(cl->bev, EV_READ | EV_WRITE) == -1)
		client_free(cl);
}

int
clamd_listen(struct ctl *c, int fd)
{
	struct ctl_clamd *l = &c->clamd[c->nclamd];

	if (c->nclamd == CTL_MAX_CLAMD) {
		(void)close(fd);
		return -1;
	}
	l->fd = fd;
	l->accept_ev =
	    event_new(c->base, fd, EV_READ | EV_PERSIST, on_accept, c);
	if (l->accept_ev == NULL || event_add(l->accept_ev, NULL) == -1) {
		if (l->accept_ev != NULL)
			event_free(l->accept_ev);
		(void)close(fd);
		return -1;
	}
	c->nclamd++;
	return 0;
}

void
clamd_resume(struct ctl *c)
{
	for (unsigned int i = 0; i < c->nclamd; i++)
		(void)event_add(c->clamd[i].accept_ev, NULL);
}

void
clamd_free(struct ctl *c)
{
	while (!TAILQ_EMPTY(&c->clamd_clients))
		client_free(TAILQ_FIRST(&c->clamd_clients));
	for (unsigned int i = 0; i < c->nclamd; i++) {
		event_free(c->clamd[i].accept_ev);
		(void)close(c->clamd[i].fd);
	}
}
