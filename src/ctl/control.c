/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The control socket: one line in ("status", "status --json", "reload-db",
 * "flush-cache"),
 * an answer of "ok" or "error" and text out, then the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/log.h"
#include "ctl/ctl.h"

#define LINE_MAX_LEN 256
#define IDLE_SECONDS 10
#define RELOAD_SECONDS 7200

enum wants { WANTS_NOTHING, WANTS_STATUS, WANTS_JSON, WANTS_RELOAD };

struct ctl_client {
	TAILQ_ENTRY(ctl_client) link;
	struct ctl *ctl;
	struct bufferevent *bev;
	enum wants wants;
	uint64_t number; /* of the question to the parent */
	struct ucred peer;
	bool ending;
};

static void
client_free(struct ctl_client *cl)
{
	TAILQ_REMOVE(&cl->ctl->clients, cl, link);
	cl->ctl->nclients--;
	bufferevent_free(cl->bev);
	free(cl);
}

/* Says it, and ends the connection when it is out. */
static void
reply(struct ctl_client *cl, struct slice text)
{
	cl->ending = true;
	if (bufferevent_write(cl->bev, text.p, text.len) == -1)
		client_free(cl);
}

static void
reply_str(struct ctl_client *cl, const char *text)
{
	reply(cl, slice_of(text));
}

static void
ask(struct ctl_client *cl, enum wants wants, uint16_t type)
{
	struct msg_number m = { ++cl->ctl->last_number };
	struct timeval wait = { RELOAD_SECONDS, 0 };

	cl->wants = wants;
	cl->number = m.number;
	(void)bufferevent_set_timeouts(cl->bev, &wait, &wait);
	if (chan_queue(cl->ctl->parent, type, &m, -1) != CHAN_SENT)
		reply_str(cl, "error: the parent does not answer\n");
}

/* Nobody has to wait: what is asked later comes to the nets later. */
static void
flush_cache(struct ctl_client *cl)
{
	struct msg_number unused = { 0 };

	reply_str(cl, chan_queue(cl->ctl->parent, MSG_FLUSH_CACHE, &unused,
			  -1) == CHAN_SENT
			  ? "ok\nthe verdict cache is empty\n"
			  : "error: the parent does not answer\n");
}

static void
command(struct ctl_client *cl, struct slice line)
{
	log_info("control", "pid=%d uid=%u command=%s", (int)cl->peer.pid,
	    cl->peer.uid, LOG_Q(line));
	if (slice_eq(line, SLICE_LIT("status")))
		ask(cl, WANTS_STATUS, MSG_STATUS_ASK);
	else if (slice_eq(line, SLICE_LIT("status --json")))
		ask(cl, WANTS_JSON, MSG_STATUS_ASK);
	else if (slice_eq(line, SLICE_LIT("reload-db")))
		ask(cl, WANTS_RELOAD, MSG_RELOAD_DB);
	else if (slice_eq(line, SLICE_LIT("flush-cache")))
		flush_cache(cl);
	else
		reply_str(cl,
		    "error: unknown command; known are status, status "
		    "--json, reload-db, flush-cache\n");
}

static void
on_read(struct bufferevent *bev, void *ctx)
{
	struct ctl_client *cl = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	char line[LINE_MAX_LEN];
	ev_ssize_t n = evbuffer_copyout(in, line, sizeof(line));
	ptrdiff_t end;

	if (n <= 0 || cl->ending || cl->wants != WANTS_NOTHING)
		return;
	end = slice_find((struct slice){ line, (size_t)n }, '\n');
	if (end == -1) {
		if ((size_t)n == sizeof(line))
			reply_str(cl, "error: line too long\n");
		return;
	}
	(void)evbuffer_drain(in, evbuffer_get_length(in));
	command(cl, slice_trim((struct slice){ line, (size_t)end }));
}

static void
on_written(struct bufferevent *bev, void *ctx)
{
	struct ctl_client *cl = ctx;

	(void)bev;
	if (cl->ending)
		client_free(cl);
}

static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev;
	(void)what; /* end, error or silence: all the same */
	client_free(ctx);
}

static struct ucred
peer_of(int fd)
{
	struct ucred cred = { .pid = 0, .uid = UINT32_MAX, .gid = UINT32_MAX };
	socklen_t len = sizeof(cred);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	return cred;
}

static void
on_accept(evutil_socket_t lfd, short what, void *ctx)
{
	struct ctl *c = ctx;
	struct timeval idle = { IDLE_SECONDS, 0 };
	struct ctl_client *cl;
	int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			(void)event_del(c->accept_ev);
		return;
	}
	cl = c->nclients < CTL_MAX_CLIENTS ? calloc(1, sizeof(*cl)) : NULL;
	if (cl != NULL)
		cl->bev =
		    bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (cl == NULL || cl->bev == NULL) {
		log_warn("control-refused", "clients=%u", c->nclients);
		free(cl);
		(void)close(fd);
		return;
	}
	cl->peer = peer_of(fd);
	cl->ctl = c;
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
	c->nclients++;
	bufferevent_setcb(cl->bev, on_read, on_written, on_event, cl);
	bufferevent_setwatermark(cl->bev, EV_READ, 0, LINE_MAX_LEN);
	(void)bufferevent_set_timeouts(cl->bev, &idle, &idle);
	if (bufferevent_enable(cl->bev, EV_READ | EV_WRITE) == -1)
		client_free(cl);
}

int
control_listen(struct ctl *c, int fd)
{
	c->control_fd = fd;
	c->accept_ev =
	    event_new(c->base, fd, EV_READ | EV_PERSIST, on_accept, c);
	return c->accept_ev != NULL ? event_add(c->accept_ev, NULL) : -1;
}

void
control_resume(struct ctl *c)
{
	if (c->accept_ev != NULL)
		(void)event_add(c->accept_ev, NULL);
}

static struct ctl_client *
find(struct ctl *c, uint64_t number)
{
	struct ctl_client *cl;

	TAILQ_FOREACH (cl, &c->clients, link)
		if (cl->number == number && !cl->ending)
			return cl;
	return NULL;
}

void
control_status(struct ctl *c, const struct msg_status *s)
{
	struct ctl_client *cl = find(c, s->number);
	struct metrics *sum;
	struct buf out;
	int rc;

	if (cl == NULL)
		return;
	if ((sum = calloc(1, sizeof(*sum))) == NULL) {
		reply_str(cl, "error: out of memory\n");
		return;
	}
	ctl_sum(c, sum);
	buf_init(&out, CTL_REPLY_MAX);
	rc = buf_append_str(&out, "ok\n");
	rc |= cl->wants == WANTS_JSON ? status_json(&out, s, sum)
				      : status_text(&out, s, sum);
	if (rc == 0)
		reply(cl, buf_slice(&out));
	else
		reply_str(cl, "error: out of memory\n");
	buf_free(&out);
	free(sum);
}

void
control_reload_result(struct ctl *c, const struct msg_reload_result *r)
{
	struct ctl_client *cl = find(c, r->number);
	struct buf out;

	if (cl == NULL)
		return;
	buf_init(&out, CTL_REPLY_MAX);
	if (buf_printf(&out, "%s%.*s (generation %u serves)\n",
		r->ok ? "ok\n" : "error: ",
		(int)strnlen(r->text, sizeof(r->text)), r->text,
		r->generation) == 0)
		reply(cl, buf_slice(&out));
	buf_free(&out);
}

void
control_free(struct ctl *c)
{
	while (!TAILQ_EMPTY(&c->clients))
		client_free(TAILQ_FIRST(&c->clients));
	if (c->accept_ev != NULL)
		event_free(c->accept_ev);
	if (c->control_fd != -1)
		(void)close(c->control_fd);
}
