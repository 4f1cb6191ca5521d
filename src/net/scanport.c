/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/scanport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/scan_conn.h"

#define ACCEPTS_PER_TURN 16
#define PAUSE_US 200000
#define MAX_GROUPS 1024

struct scan_listener {
	TAILQ_ENTRY(scan_listener) link;
	struct scanport *port;
	struct event *ev;
	struct timer pause;
	int fd;
	uint32_t gid;
	char name[120];
};

/* ---- who may ---- */

static bool
in_groups(int fd, gid_t gid)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* The socket's mode says the same; it may be changed by hand. */
static bool
may_use(const struct scan_listener *l, int fd, const struct ucred *who)
{
	return l->gid == UINT32_MAX || who->uid == 0 || who->uid == geteuid() ||
	       who->gid == l->gid || in_groups(fd, l->gid);
}

static struct scan_peer *
peer_enter(struct scanport *p, uid_t uid)
{
	struct scan_peer *one;

	TAILQ_FOREACH (one, &p->peers, link)
		if (one->uid == uid)
			break;
	if (one == NULL) {
		if ((one = calloc(1, sizeof(*one))) == NULL)
			return NULL;
		one->uid = uid;
		TAILQ_INSERT_TAIL(&p->peers, one, link);
	}
	one->connections++;
	return one;
}

void
scan_peer_leave(struct scanport *p, struct scan_peer *peer)
{
	if (--peer->connections > 0)
		return;
	TAILQ_REMOVE(&p->peers, peer, link);
	free(peer);
}

/* Closes the connection that the peer has not used for longest, if any. */
static bool
make_room(struct scanport *p, const struct scan_peer *peer)
{
	struct scan_conn *c;

	TAILQ_FOREACH (c, &p->conns, link)
		if (c->peer == peer && scan_conn_is_unused(c)) {
			scan_conn_close(c);
			return true;
		}
	return false;
}

static void
refuse(int fd, enum scanmsg_err e, const struct ucred *who)
{
	METRIC_INC(scan_socket_errors_total);
	log_info("scan-socket-refused", "uid=%u gid=%u pid=%d why=\"%s\"",
	    (unsigned int)who->uid, (unsigned int)who->gid, (int)who->pid,
	    scanmsg_error_text(e));
	scan_conn_say_error(fd, 0, e, "");
	(void)close(fd);
}

static void
accepted(struct scan_listener *l, int fd)
{
	struct scanport *p = l->port;
	struct ucred who = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t len = sizeof(who);
	struct scan_peer *peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1 ||
	    !may_use(l, fd, &who)) {
		refuse(fd, SCANMSG_ERR_ACCESS, &who);
		return;
	}
	if ((peer = peer_enter(p, who.uid)) == NULL) {
		refuse(fd, SCANMSG_ERR_INTERNAL, &who);
		return;
	}
	if (peer->connections > p->core->set->conf->scan_socket_connections &&
	    !make_room(p, peer)) {
		scan_peer_leave(p, peer);
		refuse(fd, SCANMSG_ERR_CONNECTIONS, &who);
		return;
	}
	if (scan_conn_new(p, peer, fd) == NULL) {
		log_error("no-memory", "for=scan-socket");
		scan_peer_leave(p, peer);
	}
}

/* ---- sockets ---- */

static void
resume(struct timer *t)
{
	struct scan_listener *l = CONTAINER_OF(t, struct scan_listener, pause);

	(void)event_add(l->ev, NULL);
}

static void
on_acceptable(evutil_socket_t lfd, short what, void *ctx)
{
	struct scan_listener *l = ctx;
	int fd;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd != -1) {
			accepted(l, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			METRIC_INC(descriptors_exhausted_total);
			(void)event_del(l->ev);
			if (timer_arm(l->port->core->tq, &l->pause,
				clock_mono_us() + PAUSE_US) == -1)
				(void)event_add(l->ev, NULL);
		}
		return;
	}
}

static void
listener_free(struct scan_listener *l)
{
	TAILQ_REMOVE(&l->port->listeners, l, link);
	timer_disarm(l->port->core->tq, &l->pause);
	if (l->ev != NULL)
		event_free(l->ev);
	(void)close(l->fd);
	free(l);
}

int
scanport_listen(struct scanport *p, int fd, uint32_t gid, const char *name)
{
	struct scan_listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return -1;
	}
	l->port = p;
	l->fd = fd;
	l->gid = gid;
	(void)str_copy(l->name, sizeof(l->name), slice_of(name));
	timer_init(&l->pause, resume);
	TAILQ_INSERT_TAIL(&p->listeners, l, link);
	l->ev = event_new(p->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	if (l->ev != NULL && event_add(l->ev, NULL) == 0)
		return 0;
	listener_free(l);
	return -1;
}

struct scanport *
scanport_new(struct event_base *base, struct net_core *core)
{
	struct scanport *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->base = base;
	p->core = core;
	TAILQ_INIT(&p->listeners);
	TAILQ_INIT(&p->peers);
	TAILQ_INIT(&p->conns);
	/* one byte more shows what is too long */
	p->datagram_size = scanmsg_max_size() + 1;
	p->datagram = malloc(p->datagram_size);
	p->bytes = malloc(SCAN_READ_SIZE);
	if (p->datagram == NULL || p->bytes == NULL)
		scanport_free(&p);
	return p;
}

static void
stop_listening(struct scanport *p)
{
	struct scan_listener *l;

	while ((l = TAILQ_FIRST(&p->listeners)) != NULL)
		listener_free(l);
}

void
scanport_free(struct scanport **pp)
{
	struct scanport *p = *pp;
	struct scan_conn *c;

	if (p == NULL)
		return;
	*pp = NULL;
	stop_listening(p);
	while ((c = TAILQ_FIRST(&p->conns)) != NULL)
		scan_conn_close(c);
	CHECK(TAILQ_EMPTY(&p->peers));
	free(p->datagram);
	free(p->bytes);
	free(p);
}

void
scanport_drain(struct scanport *p)
{
	struct scan_conn *c, *next;

	p->draining = true;
	stop_listening(p);
	TAILQ_FOREACH_SAFE(c, &p->conns, link, next)
	if (c->state == SCAN_IDLE)
		scan_conn_close(c);
}

unsigned int
scanport_count(const struct scanport *p)
{
	return p->count;
}
