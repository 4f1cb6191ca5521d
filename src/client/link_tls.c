/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/clock.h"
#include "client/link_int.h"

/* The first error of the queue, which is emptied. */
static const char *
reason(void)
{
	unsigned long e = ERR_get_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	if (e != 0 && ERR_SYSTEM_ERROR(e))
		text = strerror(ERR_GET_REASON(e));
	ERR_clear_error();
	return text != NULL ? text : "not a file that OpenSSL understands";
}

/* ---- what the options want ---- */

static int
fail(struct buf *err, const char *option, const char *value)
{
	(void)buf_printf(err, "--%s %s: %s", option, value, reason());
	return -1;
}

static int
set_method(SSL_CTX *ctx, const char *word, struct buf *err)
{
	static const struct {
		const char *word;
		int version;
	} versions[] = { { "TLSv1.3", TLS1_3_VERSION },
		{ "TLSv1_3", TLS1_3_VERSION }, { "TLSv1.2", TLS1_2_VERSION },
		{ "TLSv1_2", TLS1_2_VERSION }, { "TLSv1.1", TLS1_1_VERSION },
		{ "TLSv1_1", TLS1_1_VERSION }, { "TLSv1", TLS1_VERSION } };

	for (size_t i = 0; i < COUNTOF(versions); i++)
		if (slice_case_eq(slice_of(versions[i].word), slice_of(word)) &&
		    SSL_CTX_set_min_proto_version(ctx, versions[i].version) ==
			1 &&
		    SSL_CTX_set_max_proto_version(ctx, versions[i].version) ==
			1)
			return 0;
	(void)buf_printf(
	    err, "--tls-method %s: write TLSv1.2 or TLSv1.3", word);
	return -1;
}

static int
set_ca(SSL_CTX *ctx, const char *path, struct buf *err)
{
	struct stat st;
	int rc;

	if (path == NULL) {
		if (SSL_CTX_set_default_verify_paths(ctx) == 1)
			return 0;
		(void)buf_append_str(
		    err, "the system's authorities cannot be read; --tls-ca");
		return -1;
	}
	if (stat(path, &st) == -1) {
		(void)buf_printf(err, "--tls-ca %s: %s", path, strerror(errno));
		return -1;
	}
	rc = S_ISDIR(st.st_mode) ? SSL_CTX_load_verify_dir(ctx, path)
				 : SSL_CTX_load_verify_file(ctx, path);
	return rc == 1 ? 0 : fail(err, "tls-ca", path);
}

static int
set_certificate(SSL_CTX *ctx, const struct client_options *o, struct buf *err)
{
	const char *key = o->tls_key != NULL ? o->tls_key : o->tls_cert;

	if (o->tls_cert == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, o->tls_cert) != 1)
		return fail(err, "tls-cert", o->tls_cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return fail(err, "tls-key", key);
	return 0;
}

SSL_CTX *
link_tls_ctx(const struct client_options *o, struct buf *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		(void)buf_printf(err, "TLS: %s", reason());
		return NULL;
	}
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(
	    ctx, o->tls_no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    (o->tls_method == NULL ||
		set_method(ctx, o->tls_method, err) == 0) &&
	    (o->tls_no_verify || set_ca(ctx, o->tls_ca, err) == 0) &&
	    set_certificate(ctx, o, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- the handshake ---- */

/* The name that is asked for and verified. */
static int
set_name(SSL *ssl, const struct target *t, const struct client_options *o)
{
	char name[256];
	struct addr a;

	if (o->tls_name != NULL)
		(void)str_copy(name, sizeof(name), slice_of(o->tls_name));
	else if (t->path.len > 0)
		(void)str_copy(name, sizeof(name), SLICE_LIT("localhost"));
	else
		(void)str_copy(name, sizeof(name), buf_slice(&t->host));
	if (addr_parse(&a, slice_of(name)) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(
			   SSL_get0_param(ssl), name) == 1
			   ? 0
			   : -1;
	return SSL_set1_host(ssl, name) == 1 &&
		       SSL_set_tlsext_host_name(ssl, name) == 1
		   ? 0
		   : -1;
}

static void
explain(struct link *l, int rc, struct buf *err)
{
	SSL *ssl = l->ssl;
	long verify = SSL_get_verify_result(ssl);
	int why = SSL_get_error(ssl, rc), error = errno;

	if (verify != X509_V_OK)
		(void)buf_printf(err,
		    "the certificate of the server is not accepted: %s "
		    "(--tls-ca FILE names who signed it, --tls-name NAME what "
		    "it is to name)",
		    X509_verify_cert_error_string(verify));
	else if (why == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
		(void)buf_printf(err,
		    "TLS: the server closed the connection (%s); does it speak "
		    "TLS on this port?",
		    error != 0 ? strerror(error) : "end of file");
	else
		(void)buf_printf(err,
		    "TLS: %s (does the server speak TLS on this port, in this "
		    "version?)",
		    reason());
	ERR_clear_error();
}

int
link_tls_start(struct link *l, SSL_CTX *ctx, const struct target *t,
    const struct client_options *o, uint64_t deadline_us, struct buf *err)
{
	SSL *ssl = SSL_new(ctx);
	int rc, why;

	l->ssl = ssl;
	ERR_clear_error();
	if (ssl == NULL || SSL_set_fd(ssl, l->fd) != 1 ||
	    set_name(ssl, t, o) == -1) {
		(void)buf_printf(err, "TLS: %s", reason());
		return -1;
	}
	for (;;) {
		ERR_clear_error();
		errno = 0;
		if ((rc = SSL_connect(ssl)) == 1)
			return 0;
		why = SSL_get_error(ssl, rc);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
			explain(l, rc, err);
			return -1;
		}
		l->write_wants_read = why == SSL_ERROR_WANT_READ;
		rc = link_wait(l, why == SSL_ERROR_WANT_WRITE, -1, deadline_us);
		if (rc == 1)
			continue;
		(void)buf_append_str(
		    err, rc == 0 ? "TLS: no handshake in time (does the server "
				   "speak TLS on this port? --connect-timeout)"
				 : "TLS: cannot wait");
		return -1;
	}
}

void
link_tls_end(struct link *l)
{
	(void)SSL_shutdown(l->ssl);
	SSL_free(l->ssl);
	ERR_clear_error();
}

/* ---- bytes ---- */

/* -1 with errno, or 0 at the end. */
static ssize_t
stop(SSL *ssl, int rc, bool *wants)
{
	int error = errno, why = SSL_get_error(ssl, rc);

	*wants = false;
	switch (why) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = error != 0 ? error : ECONNRESET;
		return -1;
	default:
		errno = EPROTO; /* link_tls_error() tells more */
		return -1;
	}
}

ssize_t
link_tls_read(struct link *l, void *p, size_t len)
{
	size_t n;
	ssize_t end;
	int rc;

	ERR_clear_error();
	errno = 0;
	l->read_wants_write = false;
	if ((rc = SSL_read_ex(l->ssl, p, len, &n)) == 1)
		return (ssize_t)n;
	end = stop(l->ssl, rc, &l->read_wants_write);
	if (end == -1 && errno == EAGAIN)
		l->read_wants_write = SSL_want_write((SSL *)l->ssl);
	return end;
}

ssize_t
link_tls_write(struct link *l, const void *p, size_t len)
{
	size_t n;
	int rc;

	ERR_clear_error();
	errno = 0;
	l->write_wants_read = false;
	if ((rc = SSL_write_ex(l->ssl, p, len, &n)) == 1)
		return (ssize_t)n;
	if (stop(l->ssl, rc, &l->write_wants_read) == 0)
		errno = EPIPE;
	else if (errno == EAGAIN)
		l->write_wants_read = SSL_want_read((SSL *)l->ssl);
	return -1;
}

bool
link_tls_pending(const struct link *l)
{
	return SSL_pending(l->ssl) > 0;
}

const char *
link_tls_error(const struct link *l, char *text, size_t len)
{
	(void)str_copy(text, len,
	    slice_of(l->ssl != NULL && ERR_peek_error() != 0 ? reason() : ""));
	return text;
}
