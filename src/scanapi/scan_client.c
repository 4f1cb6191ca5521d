/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* libtolsey-scan: one connection, one request at a time. libc only. */
#include "scanapi/tolsey_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "scanapi/scan_client.h"

#define API __attribute__((visibility("default")))
#define RETRY_MS 20
#define SOCKET_BUFFER (SCANMSG_TAIL_MAX + 65536)

struct tolsey_scan {
	int fd;
	uint64_t id;
	bool broken, awaits_rest;
	unsigned int watch_ms; /* 0: the daemon is not watched */
	struct sockaddr_un sun;
	char why[120];
	char *datagram; /* one message, as it comes */
	size_t size;
};

/* ---- time ---- */

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t
until(unsigned int timeout_ms)
{
	return now_ms() + timeout_ms;
}

/* poll() for events until then. 1: there, 0: too late, -1. */
static int
wait_for(int fd, short events, uint64_t end_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = now_ms();
		n = poll(&p, 1,
		    now < end_ms
			? (int)(end_ms - now < 3600000 ? end_ms - now : 3600000)
			: 0);
	} while ((n == -1 && errno == EINTR) || (n == 0 && now_ms() < end_ms));
	return n;
}

/* ---- connecting ---- */

static enum tolsey_scan_rc
failed_connect(void)
{
	switch (errno) {
	case EACCES:
	case EPERM:
		return TOLSEY_SCAN_DENIED;
	case EAGAIN:
	case ETIMEDOUT:
		return TOLSEY_SCAN_TIMEOUT;
	case ENOMEM:
		return TOLSEY_SCAN_NO_MEMORY;
	default:
		return TOLSEY_SCAN_GONE;
	}
}

/* A listener that accepts nothing has a full queue: EAGAIN. */
static int
connect_until(int fd, const struct sockaddr_un *sun, uint64_t end_ms)
{
	const struct timespec pause = { 0, RETRY_MS * 1000000 };

	while (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1) {
		if ((errno != EAGAIN && errno != EINTR) || now_ms() >= end_ms)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

API enum tolsey_scan_rc
tolsey_scan_open(
    const char *path, unsigned int timeout_ms, struct tolsey_scan **out)
{
	struct tolsey_scan *s = calloc(1, sizeof(*s));
	int size = SOCKET_BUFFER, saved;

	*out = NULL;
	if (s == NULL)
		return TOLSEY_SCAN_NO_MEMORY;
	s->fd = -1;
	s->size = scanmsg_max_size() + 1;
	s->datagram = malloc(s->size);
	if (s->datagram == NULL || strlen(path) >= sizeof(s->sun.sun_path)) {
		errno = s->datagram == NULL ? ENOMEM : ENAMETOOLONG;
		goto fail;
	}
	s->sun.sun_family = AF_UNIX;
	memcpy(s->sun.sun_path, path, strlen(path));
	s->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd == -1)
		goto fail;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect_until(s->fd, &s->sun, until(timeout_ms)) == 0) {
		*out = s;
		return TOLSEY_SCAN_OK;
	}
fail:
	saved = errno;
	tolsey_scan_close(s);
	errno = saved;
	return failed_connect();
}

API void
tolsey_scan_close(struct tolsey_scan *s)
{
	if (s == NULL)
		return;
	if (s->fd != -1)
		(void)close(s->fd);
	free(s->datagram);
	free(s);
}

API void
tolsey_scan_watch(struct tolsey_scan *s, unsigned int every_ms)
{
	s->watch_ms = every_ms;
}

API bool
tolsey_scan_is_broken(const struct tolsey_scan *s)
{
	return s->broken;
}

API const char *
tolsey_scan_why(const struct tolsey_scan *s)
{
	return s->why;
}

/* Of no more use: whatever comes on it would be the answer to something old. */
static enum tolsey_scan_rc
broken(struct tolsey_scan *s, enum tolsey_scan_rc rc)
{
	s->broken = true;
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	return rc;
}

/* ---- sending ---- */

static ssize_t
send_once(struct tolsey_scan *s, const struct iovec *iov, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iovlen = n };
	struct cmsghdr *c;

	/* it is only read */
	m.msg_iov = (struct iovec *)(uintptr_t)iov;
	if (fd != -1) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(s->fd, &m, MSG_NOSIGNAL);
}

/* iov[0] is for the header. */
static enum tolsey_scan_rc
send_message(struct tolsey_scan *s, enum scanmsg_type type, struct iovec *iov,
    size_t n, int fd, uint64_t end_ms)
{
	struct scanmsg_hdr h;
	size_t tail = 0;

	for (size_t i = 2; i < n; i++)
		tail += iov[i].iov_len;
	scanmsg_header(&h, type, s->id, tail);
	iov[0] = (struct iovec){ &h, sizeof(h) };
	while (send_once(s, iov, n, fd) == -1) {
		if (errno == EINTR)
			continue;
		if (errno == EMSGSIZE)
			return broken(s, TOLSEY_SCAN_USAGE);
		/* its reader may have said why before it went */
		if (errno == EPIPE || errno == ECONNRESET)
			return TOLSEY_SCAN_OK;
		if (errno != EAGAIN && errno != ENOBUFS)
			return broken(s, TOLSEY_SCAN_GONE);
		if (wait_for(s->fd, POLLOUT, end_ms) <= 0)
			return broken(s, TOLSEY_SCAN_TIMEOUT);
	}
	return TOLSEY_SCAN_OK;
}

/* ---- receiving ---- */

/* Whether the daemon answers on another connection. */
static bool
is_alive(const struct tolsey_scan *s)
{
	struct tolsey_scan_service service;
	struct tolsey_scan *other;
	uint64_t begin = now_ms(), used;
	enum tolsey_scan_rc rc = TOLSEY_SCAN_TIMEOUT;

	if (tolsey_scan_open(s->sun.sun_path, s->watch_ms, &other) !=
	    TOLSEY_SCAN_OK)
		return false;
	used = now_ms() - begin;
	if (used < s->watch_ms)
		rc = tolsey_scan_options(
		    other, NULL, s->watch_ms - (unsigned int)used, &service);
	tolsey_scan_close(other);
	/* who is busy lives, and goes on with what was asked before */
	return rc == TOLSEY_SCAN_OK || rc == TOLSEY_SCAN_BUSY;
}

/* Until there is something to read, or it is in vain. */
static bool
wait_answer(const struct tolsey_scan *s, uint64_t end_ms)
{
	uint64_t next;
	int n;

	for (;;) {
		next = s->watch_ms != 0 ? until(s->watch_ms) : end_ms;
		n = wait_for(s->fd, POLLIN, next < end_ms ? next : end_ms);
		if (n != 0)
			return n > 0;
		if (now_ms() >= end_ms || !is_alive(s))
			return false;
	}
}

/* A daemon sends no descriptors; any would be closed by the kernel. */
static enum tolsey_scan_rc
receive(struct tolsey_scan *s, struct scanmsg *m, uint64_t end_ms)
{
	ssize_t n;
	bool again = false;

	for (;;) {
		n = recv(s->fd, s->datagram, s->size, MSG_DONTWAIT);
		if (n > 0)
			break;
		if (n == -1 && errno == EINTR)
			continue;
		/* said once, before what is still in the queue */
		if (n == -1 && errno == ECONNRESET && !again) {
			again = true;
			continue;
		}
		if (n == 0 || errno != EAGAIN)
			return broken(s, TOLSEY_SCAN_GONE);
		if (!wait_answer(s, end_ms))
			return broken(s, TOLSEY_SCAN_TIMEOUT);
	}
	if (scanmsg_parse(m, s->datagram, (size_t)n, SCANMSG_DAEMON, 0) !=
		SCANMSG_OK ||
	    (m->id != s->id && m->type != SCANMSG_ERROR))
		return broken(s, TOLSEY_SCAN_NONSENSE);
	if (m->type != SCANMSG_ERROR)
		return TOLSEY_SCAN_OK;
	memcpy(s->why, m->u.ERROR.text, sizeof(s->why));
	switch (m->u.ERROR.error) {
	case SCANMSG_ERR_ACCESS:
		return broken(s, TOLSEY_SCAN_DENIED);
	case SCANMSG_ERR_DEADLINE:
		return broken(s, TOLSEY_SCAN_TIMEOUT);
	case SCANMSG_ERR_CONNECTIONS:
	case SCANMSG_ERR_BYTES:
		return broken(s, TOLSEY_SCAN_BUSY);
	default:
		return broken(s, TOLSEY_SCAN_REFUSED);
	}
}

/* ---- what is asked ---- */

static bool
put_word(char *out, size_t size, const char *word)
{
	size_t len = word != NULL ? strlen(word) : 0;

	if (len >= size)
		return false;
	if (len > 0)
		memcpy(out, word, len);
	return true;
}

static enum tolsey_scan_rc
begin(struct tolsey_scan *s)
{
	s->why[0] = '\0';
	if (s->broken)
		return TOLSEY_SCAN_GONE;
	s->id++;
	return TOLSEY_SCAN_OK;
}

API enum tolsey_scan_rc
tolsey_scan_options(struct tolsey_scan *s, const char *service,
    unsigned int timeout_ms, struct tolsey_scan_service *out)
{
	struct scanmsg_options o;
	struct iovec iov[2] = { { NULL, 0 }, { &o, sizeof(o) } };
	uint64_t end = until(timeout_ms);
	enum tolsey_scan_rc rc = begin(s);
	struct scanmsg m;

	memset(&o, 0, sizeof(o));
	memset(out, 0, sizeof(*out));
	if (rc == TOLSEY_SCAN_OK && !put_word(o.service, 64, service))
		return TOLSEY_SCAN_USAGE;
	if (rc == TOLSEY_SCAN_OK)
		rc = send_message(s, SCANMSG_OPTIONS, iov, 2, -1, end);
	if (rc == TOLSEY_SCAN_OK)
		rc = receive(s, &m, end);
	if (rc != TOLSEY_SCAN_OK)
		return rc;
	if (m.type != SCANMSG_SERVICE)
		return broken(s, TOLSEY_SCAN_NONSENSE);
	scan_client_service(&m.u.SERVICE, out);
	return TOLSEY_SCAN_OK;
}

static struct iovec
iov_of(const void *p, size_t len)
{
	struct iovec v = { (void *)(uintptr_t)p, len };

	return v;
}

/* The message and its sections. False: it does not fit. */
static bool
fill_scan(struct scanmsg_scan *x, struct iovec *tail,
    const struct tolsey_scan_request *rq, bool prefix)
{
	const struct tolsey_scan_bytes none = { NULL, 0 };
	struct tolsey_scan_bytes body = rq->fd == -1 ? rq->bytes : none;
	size_t url =
	    rq->url != NULL && rq->request_head.len == 0 ? strlen(rq->url) : 0;

	memset(x, 0, sizeof(*x));
	x->method = rq->method;
	x->kind = prefix ? SCANMSG_PREFIX : SCANMSG_WHOLE;
	x->flags = rq->no_body ? SCANMSG_NO_BODY : 0;
	if (prefix && rq->patient)
		x->flags |= SCANMSG_PATIENT;
	x->deadline_ms = rq->deadline_ms;
	x->body_size = rq->fd != -1 ? rq->size : body.len;
	tail[0] = iov_of(rq->url, url);
	tail[1] = iov_of(rq->identity.p, rq->identity.len);
	tail[2] = iov_of(rq->request_head.p, rq->request_head.len);
	tail[3] = iov_of(rq->response_head.p, rq->response_head.len);
	tail[4] = iov_of(body.p, body.len);
	for (int i = 0; i < 5; i++)
		if (tail[i].iov_len > SCANMSG_TAIL_MAX)
			return false;
	x->len_url = (uint32_t)tail[0].iov_len;
	x->len_icap = (uint32_t)tail[1].iov_len;
	x->len_req = (uint32_t)tail[2].iov_len;
	x->len_res = (uint32_t)tail[3].iov_len;
	x->len_body = (uint32_t)tail[4].iov_len;
	return body.len <= SCANMSG_BODY_MAX &&
	       (uint64_t)x->len_url + x->len_icap + x->len_req + x->len_res +
		       x->len_body <=
		   SCANMSG_TAIL_MAX &&
	       put_word(x->service, sizeof(x->service), rq->service) &&
	       put_word(x->query, sizeof(x->query), rq->query);
}

static enum tolsey_scan_rc
take_verdict(struct tolsey_scan *s, const struct scanmsg *m,
    struct tolsey_scan_verdict **out)
{
	*out = scan_client_verdict(m);
	return *out != NULL ? TOLSEY_SCAN_OK : broken(s, TOLSEY_SCAN_NO_MEMORY);
}

static enum tolsey_scan_rc
scan(struct tolsey_scan *s, const struct tolsey_scan_request *rq, bool prefix,
    unsigned int timeout_ms, bool *scanned, struct tolsey_scan_verdict **out)
{
	struct scanmsg_scan x;
	struct iovec iov[7];
	uint64_t end = until(timeout_ms);
	enum tolsey_scan_rc rc = begin(s);
	struct scanmsg m;

	*out = NULL;
	if (rc != TOLSEY_SCAN_OK)
		return rc;
	if (!fill_scan(&x, iov + 2, rq, prefix) || (prefix && rq->fd != -1))
		return TOLSEY_SCAN_USAGE;
	if (x.deadline_ms == 0)
		x.deadline_ms = timeout_ms;
	iov[1] = (struct iovec){ &x, sizeof(x) };
	rc = send_message(s, SCANMSG_SCAN, iov, 7, rq->fd, end);
	if (rc == TOLSEY_SCAN_OK)
		rc = receive(s, &m, end);
	if (rc != TOLSEY_SCAN_OK)
		return rc;
	if (m.type == SCANMSG_CONTINUE && prefix) {
		if (scanned != NULL)
			*scanned = m.u.CONTINUE.scanned;
		s->awaits_rest = true;
		return TOLSEY_SCAN_CONTINUE;
	}
	/* a prefix alone is never clean */
	if (m.type != SCANMSG_VERDICT ||
	    (prefix && strcmp(m.u.VERDICT.outcome, "clean") == 0))
		return broken(s, TOLSEY_SCAN_NONSENSE);
	return take_verdict(s, &m, out);
}

API enum tolsey_scan_rc
tolsey_scan_whole(struct tolsey_scan *s, const struct tolsey_scan_request *rq,
    unsigned int timeout_ms, struct tolsey_scan_verdict **out)
{
	return scan(s, rq, false, timeout_ms, NULL, out);
}

API enum tolsey_scan_rc
tolsey_scan_prefix(struct tolsey_scan *s, const struct tolsey_scan_request *rq,
    unsigned int timeout_ms, bool *scanned, struct tolsey_scan_verdict **out)
{
	if (scanned != NULL)
		*scanned = false;
	return scan(s, rq, true, timeout_ms, scanned, out);
}

API enum tolsey_scan_rc
tolsey_scan_rest(struct tolsey_scan *s, int fd, uint64_t offset, uint64_t size,
    const void *p, unsigned int timeout_ms, struct tolsey_scan_verdict **out)
{
	struct scanmsg_rest x;
	struct iovec iov[3];
	uint64_t end = until(timeout_ms);
	enum tolsey_scan_rc rc;
	struct scanmsg m;

	*out = NULL;
	if (s->broken)
		return TOLSEY_SCAN_GONE;
	if (!s->awaits_rest || (fd == -1 && size > SCANMSG_BODY_MAX))
		return TOLSEY_SCAN_USAGE;
	s->awaits_rest = false;
	memset(&x, 0, sizeof(x));
	x.offset = fd != -1 ? offset : 0;
	x.body_size = size;
	x.len_body = fd != -1 ? 0 : (uint32_t)size;
	x.deadline_ms = timeout_ms;
	iov[1] = (struct iovec){ &x, sizeof(x) };
	iov[2] = iov_of(p, x.len_body);
	rc = send_message(s, SCANMSG_REST, iov, 3, fd, end);
	if (rc == TOLSEY_SCAN_OK)
		rc = receive(s, &m, end);
	if (rc != TOLSEY_SCAN_OK)
		return rc;
	if (m.type != SCANMSG_VERDICT)
		return broken(s, TOLSEY_SCAN_NONSENSE);
	return take_verdict(s, &m, out);
}

/* ---- what helps ---- */

API int
tolsey_scan_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS,
	    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

API int
tolsey_scan_memfd(const void *p, size_t len)
{
	int fd = memfd_create("tolsey-scan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *from = p;
	ssize_t n;

	while (fd != -1 && len > 0) {
		n = write(fd, from, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		from += n;
		len -= (size_t)n;
	}
	if (fd != -1 && (len > 0 || tolsey_scan_seal(fd) == -1)) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

API const char *
tolsey_scan_strerror(enum tolsey_scan_rc rc)
{
	switch (rc) {
	case TOLSEY_SCAN_OK:
		return "judged";
	case TOLSEY_SCAN_CONTINUE:
		return "the rest is wanted";
	case TOLSEY_SCAN_TIMEOUT:
		return "no answer in time";
	case TOLSEY_SCAN_GONE:
		return "the daemon is not there";
	case TOLSEY_SCAN_DENIED:
		return "this process may not use the scan socket";
	case TOLSEY_SCAN_REFUSED:
		return "the daemon refused the request";
	case TOLSEY_SCAN_NONSENSE:
		return "the answer breaks the protocol";
	case TOLSEY_SCAN_USAGE:
		return "the request does not fit a message";
	case TOLSEY_SCAN_NO_MEMORY:
		return "out of memory";
	case TOLSEY_SCAN_BUSY:
		return "too much at once for the limits of the daemon";
	}
	return "unknown";
}
