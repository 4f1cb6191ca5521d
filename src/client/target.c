/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/target.h"

#include <string.h>
#include <sys/un.h>

#define PART_MAX 4096
#define DEFAULT_SERVICE "avscan"

void
target_init(struct target *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->path, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	buf_init(&t->host, 255);
	buf_init(&t->service, PART_MAX);
	buf_init(&t->uri, 2 * PART_MAX);
	buf_init(&t->authority, 300);
}

void
target_free(struct target *t)
{
	buf_free(&t->path);
	buf_free(&t->host);
	buf_free(&t->service);
	buf_free(&t->uri);
	buf_free(&t->authority);
}

static int
fail(struct buf *err, const char *url, const char *why)
{
	(void)buf_printf(err,
	    "%s: %s; write icap://HOST[:PORT]/SERVICE, "
	    "icaps://HOST[:PORT]/SERVICE or unix:/PATH[:/SERVICE]",
	    url, why);
	return -1;
}

static struct slice
after(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.len - n };
}

/* What could end a line or a word of a request. */
static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static int
set_service(struct target *t, struct slice path)
{
	while (path.len > 0 && path.p[0] == '/')
		path = after(path, 1);
	buf_reset(&t->service);
	return is_plain(path) ? buf_append_slice(&t->service, path) : -1;
}

static int
set_port(struct target *t, struct slice digits)
{
	uint64_t n;

	if (str_to_u64(digits, UINT16_MAX, &n) == -1 || n == 0)
		return -1;
	t->port = (uint16_t)n;
	return 0;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT. NULL, or what is wrong. */
static const char *
set_authority(struct target *t, struct slice a)
{
	ptrdiff_t at = slice_find(a, '@'), end;
	struct slice host, rest = SLICE_NONE;

	if (at >= 0)
		return "a name of a user means nothing in ICAP";
	if (a.len > 0 && a.p[0] == '[') {
		if ((end = slice_find(a, ']')) < 0)
			return "] is missing";
		host = (struct slice){ a.p + 1, (size_t)end - 1 };
		rest = after(a, (size_t)end + 1);
		if (rest.len > 0 && rest.p[0] != ':')
			return "what is behind ]?";
	} else if ((end = slice_find(a, ':')) >= 0) {
		host = (struct slice){ a.p, (size_t)end };
		rest = after(a, (size_t)end);
		if (slice_find(after(rest, 1), ':') >= 0)
			return "an IPv6 address stands in brackets";
	} else {
		host = a;
	}
	if (host.len == 0)
		return "the host is missing";
	if (rest.len > 0 && set_port(t, after(rest, 1)) == -1)
		return "the port is not a number from 1 to 65535";
	if (!is_plain(host) || buf_append_slice(&t->host, host) == -1)
		return "not the name of a host";
	return NULL;
}

/* PATH[:/SERVICE] */
static const char *
set_unix(struct target *t, struct slice s)
{
	const char *colon = memmem(s.p, s.len, ":/", 2);
	struct slice path = s;

	if (colon != NULL) {
		path.len = (size_t)(colon - s.p);
		if (set_service(t, after(s, path.len + 1)) == -1)
			return "not the name of a service";
	}
	if (path.len == 0)
		return "the path is missing";
	if (buf_append_slice(&t->path, path) == -1)
		return "the path is too long for a unix socket";
	return NULL;
}

static const char *
set_url(struct target *t, struct slice u)
{
	size_t end = 0;
	const char *why;

	if (slice_case_has_prefix(u, SLICE_LIT("icap+unix:")))
		return set_unix(t, after(u, 10));
	if (slice_case_has_prefix(u, SLICE_LIT("unix:")))
		return set_unix(t, after(u, 5));
	if (slice_case_has_prefix(u, SLICE_LIT("icaps://"))) {
		t->tls = true;
		u = after(u, 8);
	} else if (slice_case_has_prefix(u, SLICE_LIT("icap://"))) {
		u = after(u, 7);
	} else if (memmem(u.p, u.len, "://", 3) != NULL) {
		return "neither icap nor icaps nor unix";
	}
	while (end < u.len && u.p[end] != '/' && u.p[end] != '?')
		end++;
	if ((why = set_authority(t, (struct slice){ u.p, end })) != NULL)
		return why;
	if (end < u.len && set_service(t, after(u, end)) == -1)
		return "not the name of a service";
	return NULL;
}

/* --host, --port, --service, --tls. NULL, or what is wrong. */
static const char *
replace(struct target *t, const struct client_options *o)
{
	const char *why;

	t->tls = t->tls || o->tls;
	if (o->host != NULL) {
		uint16_t port = t->port;
		struct slice h = slice_of(o->host);

		buf_reset(&t->host);
		buf_reset(&t->path);
		t->port = 0;
		/* a bare IPv6 address is one here */
		if (slice_find(h, ':') != -1 && h.p[0] != '[' &&
		    memchr(strchr(h.p, ':') + 1, ':',
			strlen(strchr(h.p, ':') + 1)) != NULL) {
			if (buf_append_slice(&t->host, h) == -1)
				return "--host is too long";
		} else if ((why = set_authority(t, h)) != NULL) {
			return why;
		}
		t->port = t->port != 0 ? t->port : port;
	}
	if (o->port != CLIENT_UNSET)
		t->port = (uint16_t)o->port;
	if (o->service != NULL && set_service(t, slice_of(o->service)) == -1)
		return "--service is not the name of a service";
	return NULL;
}

/* The URI and Host of requests. */
static int
write_uri(struct target *t)
{
	struct slice host = buf_slice(&t->host);
	bool v6 = slice_find(host, ':') >= 0;
	int rc = 0;

	if (t->path.len > 0)
		rc |= buf_append_str(&t->authority, "localhost");
	else
		rc |= buf_printf(&t->authority, v6 ? "[%s]:%u" : "%s:%u",
		    buf_cstr(&t->host), t->port);
	rc |= buf_printf(&t->uri, "%s://%s/%s", t->tls ? "icaps" : "icap",
	    buf_cstr(&t->authority), buf_cstr(&t->service));
	return rc == 0 ? 0 : -1;
}

int
target_set(struct target *t, const struct client_options *o, const char *url,
    struct buf *err)
{
	const char *why;

	if (o->url != NULL)
		url = o->url;
	if (url == NULL || url[0] == '\0')
		url = CLIENT_DEFAULT_URL;
	if (buf_append_str(&t->service, DEFAULT_SERVICE) == -1)
		return fail(err, url, "out of memory");
	if ((why = set_url(t, slice_of(url))) != NULL ||
	    (why = replace(t, o)) != NULL)
		return fail(err, url, why);
	if (t->path.len > 0 && o->port != CLIENT_UNSET)
		return fail(err, url, "a unix socket has no port");
	if (t->path.len == 0 && t->port == 0)
		t->port = t->tls ? TARGET_TLS_PORT : TARGET_PORT;
	return write_uri(t) == 0 ? 0 : fail(err, url, "too long");
}
