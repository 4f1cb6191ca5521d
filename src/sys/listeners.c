/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/listen.h"

#define FIRST_FREE_FD 3

/* A set that is being opened, beside the one that serves. */
struct opening {
	struct listeners next;
	const struct listeners *now;
	const struct conf *c;
	const struct passed *passed;
	uint32_t gid;
	char *err;
	size_t errlen;
};

static int
fail(struct opening *o, const char *word, const char *what)
{
	(void)snprintf(o->err, o->errlen, "Listen %s: %s", word, what);
	return -1;
}

static int
find_group(const struct conf *c, uint32_t *gid, char *err, size_t errlen)
{
	struct group *g;

	if (c->listen_group[0] == '\0')
		return 0;
	if ((g = getgrnam(c->listen_group)) == NULL) {
		(void)snprintf(err, errlen,
		    "ListenGroup %s: there is no such group; create it: "
		    "groupadd --system %s",
		    c->listen_group, c->listen_group);
		return -1;
	}
	*gid = g->gr_gid;
	return 0;
}

static const struct listener_socket *
find(const struct listeners *l, const char *word, bool tls)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->socket[i].tls == tls &&
		    strcmp(l->socket[i].word, word) == 0)
			return &l->socket[i];
	return NULL;
}

/* A free place in the next set, NULL when it is full. */
static struct listener_socket *
place(struct opening *o, const char *word, bool tls)
{
	struct listener_socket *s;

	if (o->next.n == LISTENERS_MAX) {
		(void)fail(o, word, "more than 64 sockets");
		return NULL;
	}
	s = &o->next.socket[o->next.n];
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->tls = tls;
	(void)str_copy(s->word, sizeof(s->word), slice_of(word));
	return s;
}

static int
open_unix(struct opening *o, struct listener_socket *s)
{
	const char *path = s->word + strlen("unix:");

	s->is_unix = true;
	(void)str_copy(s->name, sizeof(s->name), slice_of(s->word));
	s->fd = listen_unix(
	    path, conf_listen_mode(o->c), o->gid, o->err, o->errlen);
	return s->fd == -1 ? -1 : 0;
}

static int
open_tcp(struct opening *o, struct listener_socket *s)
{
	s->fd = listen_tcp(s->word, o->err, o->errlen);
	if (s->fd != -1)
		listen_name(s->fd, s->name, sizeof(s->name));
	return s->fd == -1 ? -1 : 0;
}

/* One of systemd: its descriptor stays systemd's and ours to the end. */
static int
take_passed(struct opening *o, size_t i, bool tls)
{
	const struct passed_socket *from = &o->passed->socket[i];
	struct listener_socket *s;
	char word[PASSED_NAME_MAX + 32];

	(void)snprintf(word, sizeof(word), "systemd:%s:%zu", from->name, i);
	if (passed_check(from->fd) == -1)
		return fail(o, word, "not a listening stream socket");
	if ((s = place(o, word, tls)) == NULL)
		return -1;
	s->is_passed = true;
	s->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	if (s->fd == -1)
		return fail(o, word, strerror(errno));
	listen_name(s->fd, s->name, sizeof(s->name));
	o->next.n++;
	return 0;
}

/* "systemd" takes all, "systemd:NAME" those of that name. */
static int
take_all_passed(struct opening *o, const char *word, bool tls)
{
	const char *name = word[7] == ':' ? word + 8 : NULL;
	size_t before = o->next.n;

	for (size_t i = 0; i < o->passed->n; i++)
		if ((name == NULL ||
			strcmp(name, o->passed->socket[i].name) == 0) &&
		    take_passed(o, i, tls) == -1)
			return -1;
	if (o->next.n == before)
		return fail(o, word,
		    "systemd passed no such socket (LISTEN_FDS, "
		    "LISTEN_FDNAMES); start tolseyd by its socket unit");
	return 0;
}

static int
open_one(struct opening *o, const char *word, bool tls)
{
	const struct listener_socket *have = find(o->now, word, tls);
	struct listener_socket *s;

	if (strcmp(word, "none") == 0)
		return 0;
	if (strncmp(word, "systemd", 7) == 0)
		return take_all_passed(o, word, tls);
	if ((s = place(o, word, tls)) == NULL)
		return -1;
	if (have != NULL)
		*s = *have;
	else if ((strncmp(word, "unix:", 5) == 0 ? open_unix(o, s)
						 : open_tcp(o, s)) == -1)
		return -1;
	o->next.n++;
	return 0;
}

static int
open_all(struct opening *o)
{
	const struct conf_list *lists[] = { &o->c->listen, &o->c->listen_tls };

	for (size_t l = 0; l < COUNTOF(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++)
			if (open_one(o, lists[l]->v[i], l == 1) == -1)
				return -1;
	return 0;
}

static void
close_one(const struct listener_socket *s)
{
	(void)close(s->fd);
	if (s->is_unix)
		(void)unlink(s->word + strlen("unix:"));
}

/* Closes those of a that b does not have. */
static void
close_others(const struct listeners *a, const struct listeners *b)
{
	const struct listener_socket *s, *same;

	for (size_t i = 0; i < a->n; i++) {
		s = &a->socket[i];
		same = find(b, s->word, s->tls);
		if (same == NULL || same->fd != s->fd)
			close_one(s);
	}
}

static void
say_new(const struct listeners *now, const struct listeners *before)
{
	const struct listener_socket *s;

	for (size_t i = 0; i < now->n; i++) {
		s = &now->socket[i];
		if (find(before, s->word, s->tls) == NULL)
			log_notice("listening", "%s=%s",
			    s->tls ? "icaps" : "icap", s->name);
	}
}

/* What is kept may have other permissions now. */
static void
update_modes(struct opening *o)
{
	const struct listener_socket *s;

	for (size_t i = 0; i < o->next.n; i++) {
		s = &o->next.socket[i];
		if (s->is_unix && listen_unix_mode(s->word + strlen("unix:"),
				      conf_listen_mode(o->c), o->gid) == -1)
			log_warn("socket-mode", "path=%s error=\"%s\"",
			    LOG_Q(slice_of(s->word)), strerror(errno));
	}
}

int
listeners_open(struct listeners *l, const struct conf *c,
    const struct passed *passed, uint32_t gid, char *err, size_t errlen)
{
	struct opening *o = calloc(1, sizeof(*o));
	int rc = -1;

	if (o == NULL) {
		(void)snprintf(err, errlen, "out of memory");
		return -1;
	}
	o->now = l;
	o->c = c;
	o->passed = passed;
	o->gid = gid;
	o->err = err;
	o->errlen = errlen;
	if (find_group(c, &o->gid, err, errlen) == 0 && open_all(o) == 0) {
		update_modes(o);
		say_new(&o->next, l);
		close_others(l, &o->next);
		*l = o->next;
		rc = 0;
	} else {
		close_others(&o->next, l);
	}
	free(o);
	return rc;
}

int
listeners_check(const struct conf *c, char *err, size_t errlen)
{
	uint32_t gid;

	return find_group(c, &gid, err, errlen);
}

void
listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		close_one(&l->socket[i]);
	l->n = 0;
}
