/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/capacity.h"

#define ACCEPTS_PER_TURN 16
#define PAUSE_US 200000
#define QUIET_US 60000000 /* between two lines about the same shortage */

struct listener {
	TAILQ_ENTRY(listener) link;
	struct conn_pool *pool;
	struct event *ev;
	struct timer pause;
	int fd;
	bool tls;
	uint64_t quiet_until_us; /* the shortage was said */
	char name[120];
};

static void
resume(struct timer *t)
{
	struct listener *l = CONTAINER_OF(t, struct listener, pause);

	(void)event_add(l->ev, NULL);
}

static void
out_of_descriptors(struct listener *l)
{
	uint64_t now = clock_mono_us();

	METRIC_INC(descriptors_exhausted_total);
	if (now >= l->quiet_until_us)
		log_error("no-descriptors",
		    "listener=%s error=\"%s\" connections=%u", l->name,
		    strerror(errno), l->pool->count);
	l->quiet_until_us = now + QUIET_US;
	(void)event_del(l->ev);
	if (timer_arm(l->pool->core->tq, &l->pause, now + PAUSE_US) == -1)
		(void)event_add(l->ev, NULL);
}

static void
on_acceptable(evutil_socket_t lfd, short what, void *ctx)
{
	struct listener *l = ctx;
	struct sockaddr_storage ss;
	struct addr peer;
	socklen_t len;
	int fd;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		/* descriptors are what they lack: let them wait */
		if (l->pool->core->max_refused < CAPACITY_REFUSED &&
		    conn_pool_is_full(l->pool)) {
			errno = EMFILE;
			out_of_descriptors(l);
			return;
		}
		len = sizeof(ss);
		fd = accept4(lfd, (struct sockaddr *)&ss, &len,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd != -1) {
			addr_from_sockaddr(&peer, (struct sockaddr *)&ss, len);
			conn_accept(l->pool, fd, &peer, l->tls);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			out_of_descriptors(l);
		return;
	}
}

int
listener_add(struct listener_list *list, struct conn_pool *pool, int fd,
    bool tls, const char *name)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return -1;
	}
	l->pool = pool;
	l->fd = fd;
	l->tls = tls;
	(void)str_copy(l->name, sizeof(l->name), slice_of(name));
	timer_init(&l->pause, resume);
	TAILQ_INSERT_TAIL(list, l, link);
	l->ev =
	    event_new(pool->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
	if (l->ev == NULL)
		return -1;
	return event_add(l->ev, NULL);
}

void
listener_free_all(struct listener_list *list)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, l, link);
		timer_disarm(l->pool->core->tq, &l->pause);
		if (l->ev != NULL)
			event_free(l->ev);
		(void)close(l->fd);
		free(l);
	}
}
