/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/transport_tls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/log.h"

#define RECORD_MAX ((size_t)16384)
#define FIRST_BYTE 0x16 /* of a handshake record */

struct tls {
	SSL *ssl;
	bool begun;   /* its first byte is one of TLS */
	bool open;    /* the handshake is done */
	bool failed;  /* nothing can be said any more, not even close_notify */
	bool dry;     /* OpenSSL needs bytes of the socket before it has more */
	bool stopped; /* the next read() gives stop_error, 0: the end */
	int stop_error;
	/* a record that the socket did not take yet; it must come again */
	char *held;
	size_t held_len;
};

static struct tls *
tls_of(const struct transport *t)
{
	return t->tls;
}

/* What OpenSSL's answer means to the caller: errno, 0 for the end. */
static int
error_of(struct tls *s, int rc)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		s->failed = true;
		return errno != 0 ? errno : ECONNRESET;
	default:
		s->failed = true;
		return EPROTO;
	}
}

/* ---- reading ---- */

static ssize_t
read_stop(struct transport *t, int error)
{
	struct tls *s = tls_of(t);

	if (error == EAGAIN) {
		s->dry = true;
		t->read_wants_write = SSL_want_write(s->ssl);
	}
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

static ssize_t
tls_read(struct transport *t, void *buf, size_t len)
{
	struct tls *s = tls_of(t);
	size_t got = 0, n;
	int rc, error;

	t->read_wants_write = false;
	if (s->stopped)
		return read_stop(t, s->stop_error);
	/* on, as long as it is likely that there is more */
	do {
		ERR_clear_error();
		errno = 0;
		rc = SSL_read_ex(s->ssl, (char *)buf + got, len - got, &n);
		if (rc != 1) {
			error = error_of(s, rc);
			if (got == 0)
				return read_stop(t, error);
			s->dry = error == EAGAIN;
			t->read_wants_write = s->dry && SSL_want_write(s->ssl);
			s->stopped = !s->dry;
			s->stop_error = error;
			break;
		}
		got += n;
		s->dry = SSL_has_pending(s->ssl) == 0;
	} while (got < len && (!s->dry || n >= RECORD_MAX));
	return (ssize_t)got;
}

static bool
tls_pending(const struct transport *t)
{
	const struct tls *s = tls_of(t);

	return s->stopped || (!s->dry && SSL_has_pending(s->ssl) == 1);
}

/* ---- writing ---- */

/* Keeps a copy of what has to be offered again, whatever the caller does. */
static int
hold(struct tls *s, const void *p, size_t len)
{
	if (p == s->held)
		return 0;
	if ((s->held = malloc(len)) == NULL)
		return -1;
	memcpy(s->held, p, len);
	s->held_len = len;
	return 0;
}

static ssize_t
put(struct transport *t, const void *p, size_t len)
{
	struct tls *s = tls_of(t);
	int rc, error;
	size_t n;

	t->write_wants_read = false;
	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(s->ssl, p, len, &n);
	if (rc == 1) {
		if (s->held != NULL) {
			free(s->held);
			s->held = NULL;
		}
		return (ssize_t)n;
	}
	error = error_of(s, rc);
	if (error == EAGAIN && hold(s, p, len) == -1) {
		s->failed = true;
		error = ENOMEM;
	}
	t->write_wants_read = error == EAGAIN && SSL_want_read(s->ssl);
	errno = error != 0 ? error : EPIPE;
	return -1;
}

/* Many small pieces make one record, a large one needs no copy. */
static ssize_t
tls_writev(struct transport *t, const struct iovec *iov, int n, bool more)
{
	struct tls *s = tls_of(t);
	char record[RECORD_MAX];
	size_t len = 0, take;

	(void)more; /* a record is a record */
	if (s->held != NULL)
		return put(t, s->held, s->held_len);
	if (n > 0 && iov[0].iov_len >= RECORD_MAX)
		return put(t, iov[0].iov_base, RECORD_MAX);
	for (int i = 0; i < n && len < RECORD_MAX; i++) {
		take = iov[i].iov_len < RECORD_MAX - len ? iov[i].iov_len
							 : RECORD_MAX - len;
		memcpy(record + len, iov[i].iov_base, take);
		len += take;
	}
	return len > 0 ? put(t, record, len) : 0;
}

static ssize_t
tls_send_file(struct transport *t, int fd, uint64_t off, size_t len)
{
	struct tls *s = tls_of(t);
	char record[RECORD_MAX];
	ssize_t n;

	if (s->held != NULL)
		return put(t, s->held, s->held_len);
	do
		n = pread(fd, record, len < RECORD_MAX ? len : RECORD_MAX,
		    (off_t)off);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		errno = EIO;
	return n > 0 ? put(t, record, (size_t)n) : n;
}

/* ---- beginning and end ---- */

/* TL-04: somebody who does not speak TLS hears nothing. 1, 0 or -1. */
static int
look_at_first_byte(struct transport *t, char *why, size_t len)
{
	unsigned char first;
	ssize_t n = recv(t->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 1 && first == FIRST_BYTE)
		return 1;
	(void)snprintf(why, len, "%s",
	    n == 1 ? "what came is not TLS" : "closed before it began");
	return -1;
}

static void
describe_failure(const struct tls *s, int error, char *why, size_t len)
{
	unsigned long e = ERR_peek_last_error();
	long verify = SSL_get_verify_result(s->ssl);
	const char *text = NULL;

	if (verify != X509_V_OK)
		text = X509_verify_cert_error_string(verify);
	else if (e != 0)
		text = ERR_reason_error_string(e);
	else if (error != EPROTO && error != 0)
		text = strerror(error);
	(void)snprintf(
	    why, len, "%s", text != NULL ? text : "closed by the client");
}

int
transport_tls_handshake(struct transport *t, char *why, size_t len)
{
	struct tls *s = tls_of(t);
	int rc, error;

	t->read_wants_write = false;
	if (!s->begun) {
		rc = look_at_first_byte(t, why, len);
		s->failed = rc == -1;
		if (rc != 1)
			return rc;
		s->begun = true;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_accept(s->ssl);
	if (rc == 1) {
		s->open = true;
		return 1;
	}
	error = error_of(s, rc);
	if (error == EAGAIN) {
		t->read_wants_write = SSL_want_write(s->ssl);
		return 0;
	}
	s->failed = true;
	describe_failure(s, error, why, len);
	ERR_clear_error();
	return -1;
}

/* -1 with EAGAIN when the socket does not take it now. */
static int
say_close_notify(struct tls *s)
{
	int rc;

	if (!s->open || s->failed || s->held != NULL ||
	    (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return 0;
	ERR_clear_error();
	errno = 0;
	rc = SSL_shutdown(s->ssl);
	if (rc >= 0 || error_of(s, rc) != EAGAIN)
		return 0;
	errno = EAGAIN;
	return -1;
}

static int
tls_shutdown_write(struct transport *t)
{
	return say_close_notify(tls_of(t)) == 0 ? shutdown(t->fd, SHUT_WR) : -1;
}

static void
tls_close(struct transport *t, bool cut)
{
	struct tls *s = tls_of(t);

	if (s != NULL) {
		if (!cut)
			(void)say_close_notify(s);
		SSL_free(s->ssl);
		free(s->held);
		free(s);
		t->tls = NULL;
	}
	ERR_clear_error();
	transport_close_socket(t, cut);
}

static const struct transport_ops transport_tls = {
	.read = tls_read,
	.writev = tls_writev,
	.send_file = tls_send_file,
	.shutdown_write = tls_shutdown_write,
	.pending = tls_pending,
	.close = tls_close,
};

int
transport_tls_begin(struct transport *t, const struct tls_ctx *ctx)
{
	struct tls *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->ssl = tls_ctx_connection(ctx);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, t->fd) != 1) {
		SSL_free(s->ssl);
		free(s);
		return -1;
	}
	t->tls = s;
	t->ops = &transport_tls;
	return 0;
}

bool
transport_tls_resumed(const struct transport *t)
{
	return SSL_session_reused(tls_of(t)->ssl) == 1;
}

void
transport_tls_describe(const struct transport *t, struct buf *out)
{
	const struct tls *s = tls_of(t);
	X509 *cert = SSL_get0_peer_certificate(s->ssl);
	BIO *name;
	char *text;
	long len;

	(void)buf_printf(out, "version=%s cipher=%s resumed=%s",
	    SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl),
	    transport_tls_resumed(t) ? "yes" : "no");
	if (cert == NULL || (name = BIO_new(BIO_s_mem())) == NULL)
		return;
	if (X509_NAME_print_ex(
		name, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0 &&
	    (len = BIO_get_mem_data(name, &text)) > 0) {
		(void)buf_append_str(out, " certificate=");
		(void)log_quote(out, (struct slice){ text, (size_t)len }, 200);
	}
	BIO_free(name);
}
