/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The server's end over a socket pair, with OpenSSL itself as the client. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/transport_tls.h"

#define TURNS 1000

static struct tls_tickets *tickets;
static struct buf certificate, key;

/* ---- a certificate ---- */

static void
append(struct buf *b, BIO *from)
{
	char *p;
	long len = BIO_get_mem_data(from, &p);

	buf_init(b, 65536);
	assert_int_equal(buf_append(b, p, (size_t)len), 0);
	BIO_free(from);
}

static void
make_certificate(struct buf *cert_pem, struct buf *key_pem)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	BIO *bc = BIO_new(BIO_s_mem()), *bk = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	assert_non_null(k);
	assert_int_equal(X509_set_version(x, 2), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	assert_int_equal(X509_set_pubkey(x, k), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			     (const unsigned char *)"unit", -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(x, name), 1);
	assert_true(X509_sign(x, k, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bc, x), 1);
	assert_int_equal(
	    PEM_write_bio_PrivateKey(bk, k, NULL, NULL, 0, NULL, NULL), 1);
	append(cert_pem, bc);
	append(key_pem, bk);
	X509_free(x);
	EVP_PKEY_free(k);
}

static struct conf *
conf_of(const char *const extra[], size_t n)
{
	const char *all[8] = { "TlsCertificate /unit.pem", "TlsKey /unit.key" };
	struct conf_errors err;
	struct conf *c;

	for (size_t i = 0; i < n; i++)
		all[2 + i] = extra[i];
	conf_errors_init(&err);
	c = conf_load(NULL, all, 2 + n, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	conf_errors_free(&err);
	return c;
}

static struct tls_ctx *
ctx_of(const char *const extra[], size_t n)
{
	struct tls_files f = {
		.file = { [MSG_TLS_CERTIFICATE] = buf_slice(&certificate),
		    [MSG_TLS_KEY] = buf_slice(&key),
		    [MSG_TLS_CLIENT_CA] = buf_slice(&certificate) }
	};
	struct conf *c = conf_of(extra, n);
	char why[256] = "";
	struct tls_ctx *ctx = tls_ctx_new(c, &f, tickets, why, sizeof(why));

	if (ctx == NULL)
		fail_msg("%s", why);
	conf_unref(&c);
	return ctx;
}

/* ---- two ends ---- */

struct pair {
	struct transport t;
	SSL_CTX *client_ctx;
	SSL *client;
	int client_fd;
};

static void
not_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static void
pair_open(struct pair *p, const struct tls_ctx *ctx, int version)
{
	int fds[2], small = 4096;

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < 2; i++) {
		not_blocking(fds[i]);
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF,
				     &small, sizeof(small)),
		    0);
	}
	p->t.ops = &transport_plain;
	p->t.fd = fds[0];
	assert_int_equal(transport_tls_begin(&p->t, ctx), 0);
	p->client_fd = fds[1];
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(p->client_ctx);
	if (version != 0) {
		SSL_CTX_set_min_proto_version(p->client_ctx, version);
		SSL_CTX_set_max_proto_version(p->client_ctx, version);
	}
	SSL_CTX_set_mode(p->client_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	p->client = SSL_new(p->client_ctx);
	assert_int_equal(SSL_set_fd(p->client, p->client_fd), 1);
}

static void
pair_close(struct pair *p)
{
	p->t.ops->close(&p->t, false);
	/* else its session would not be good any more */
	(void)SSL_shutdown(p->client);
	SSL_free(p->client);
	SSL_CTX_free(p->client_ctx);
	(void)close(p->client_fd);
}

/* 1 when both are through, -1 when the server's end failed. */
static int
shake(struct pair *p, char *why, size_t len)
{
	int server = 0, client = 0;

	for (int i = 0; i < TURNS && !(server == 1 && client == 1); i++) {
		if (client != 1)
			client = SSL_connect(p->client);
		if (server != 1)
			server = transport_tls_handshake(&p->t, why, len);
		if (server == -1)
			return -1;
	}
	assert_int_equal(client, 1);
	assert_int_equal(server, 1);
	return 1;
}

static void
shaken(struct pair *p, const struct tls_ctx *ctx, int version)
{
	char why[128];

	pair_open(p, ctx, version);
	assert_int_equal(shake(p, why, sizeof(why)), 1);
}

/* What the client has to read now. */
static size_t
client_read(struct pair *p, char *buf, size_t len)
{
	size_t got = 0, n;

	while (
	    got < len && SSL_read_ex(p->client, buf + got, len - got, &n) == 1)
		got += n;
	return got;
}

static void
client_write(struct pair *p, const char *text, size_t len)
{
	size_t n;

	assert_int_equal(SSL_write_ex(p->client, text, len, &n), 1);
	assert_int_equal(n, len);
}

/* ---- tests ---- */

static void
both_versions(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	char in[64];
	struct buf b;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < COUNTOF(versions); i++) {
		shaken(&p, ctx, versions[i]);
		buf_init(&b, 1024);
		transport_tls_describe(&p.t, &b);
		assert_non_null(
		    strstr(buf_cstr(&b), i == 0 ? "TLSv1.2" : "TLSv1.3"));
		buf_free(&b);
		client_write(&p, "hello", 5);
		assert_int_equal(p.t.ops->read(&p.t, in, sizeof(in)), 5);
		assert_memory_equal(in, "hello", 5);
		errno = 0;
		assert_int_equal(p.t.ops->read(&p.t, in, sizeof(in)), -1);
		assert_int_equal(errno, EAGAIN);
		assert_false(p.t.ops->pending(&p.t));
		pair_close(&p);
	}
	tls_ctx_free(&ctx);
}

/* Bytes inside OpenSSL, of which the socket says nothing (TL-06). */
static void
pending_bytes(void **state)
{
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	char in[8];
	struct pair p;

	(void)state;
	shaken(&p, ctx, 0);
	client_write(&p, "first", 5);
	client_write(&p, "second", 6);
	assert_int_equal(p.t.ops->read(&p.t, in, 3), 3);
	assert_memory_equal(in, "fir", 3);
	assert_true(p.t.ops->pending(&p.t));
	assert_int_equal(p.t.ops->read(&p.t, in, sizeof(in)), 8);
	assert_memory_equal(in, "stsecond", 8);
	assert_false(p.t.ops->pending(&p.t));
	/* the end that came with the last bytes is not forgotten */
	client_write(&p, "last", 4);
	assert_int_equal(SSL_shutdown(p.client), 0);
	assert_int_equal(p.t.ops->read(&p.t, in, sizeof(in)), 4);
	while (p.t.ops->pending(&p.t))
		if (p.t.ops->read(&p.t, in, sizeof(in)) == 0)
			break;
	assert_int_equal(p.t.ops->read(&p.t, in, sizeof(in)), 0);
	pair_close(&p);
	tls_ctx_free(&ctx);
}

/*
 * A socket that takes little: what was refused is offered again in other
 * pieces, from elsewhere, and from a file, and everything arrives once.
 */
static void
blocked_records(void **state)
{
	enum { SIZE = 300000 };
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	char *data = malloc(SIZE), *got = malloc(SIZE), *copy;
	size_t sent = 0, have = 0, take, refused = 0;
	char path[] = "/tmp/tolsey-tls-XXXXXX";
	int fd = mkstemp(path);
	struct iovec iov[3];
	struct pair p;
	ssize_t n;

	(void)state;
	assert_true(fd != -1);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 + i / 257);
	assert_int_equal(write(fd, data, SIZE), SIZE);
	shaken(&p, ctx, 0);
	for (unsigned int turn = 0; have < SIZE; turn++) {
		assert_true(turn < 100000);
		take = SIZE - sent < 40000 ? SIZE - sent : 40000;
		copy = malloc(take + 1);
		memcpy(copy, data + sent, take);
		iov[0] = (struct iovec){ copy, take / (turn % 7 + 2) };
		iov[1] = (struct iovec){ copy + iov[0].iov_len,
			(take - iov[0].iov_len) / 2 };
		iov[2] = (struct iovec){ copy + iov[0].iov_len + iov[1].iov_len,
			take - iov[0].iov_len - iov[1].iov_len };
		if (take == 0)
			n = 0;
		else if (turn % 3 == 2)
			n = p.t.ops->send_file(&p.t, fd, sent, take);
		else
			n = p.t.ops->writev(&p.t, iov, 3, false);
		free(copy);
		if (n == -1) {
			assert_int_equal(errno, EAGAIN);
			refused++;
			have += client_read(&p, got + have, 5000);
		} else {
			assert_true((size_t)n <= SIZE - sent);
			sent += (size_t)n;
		}
		if (sent == SIZE)
			have += client_read(&p, got + have, SIZE - have);
	}
	assert_true(refused > 5);
	assert_memory_equal(got, data, SIZE);
	pair_close(&p);
	tls_ctx_free(&ctx);
	free(data);
	free(got);
	(void)close(fd);
	(void)unlink(path);
}

static void
many_pieces_are_one_record(void **state)
{
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	struct iovec iov[3];
	struct pair p;
	char in[64];
	size_t n;

	(void)state;
	shaken(&p, ctx, TLS1_2_VERSION);
	iov[0] = (struct iovec){ (char *)(uintptr_t) "5\r\n", 3 };
	iov[1] = (struct iovec){ (char *)(uintptr_t) "hello", 5 };
	iov[2] = (struct iovec){ (char *)(uintptr_t) "\r\n", 2 };
	assert_int_equal(p.t.ops->writev(&p.t, iov, 3, false), 10);
	assert_int_equal(SSL_read_ex(p.client, in, 1, &n), 1);
	assert_int_equal(SSL_pending(p.client), 9);
	pair_close(&p);
	tls_ctx_free(&ctx);
}

/* close_notify, then the end; reading goes on afterwards. */
static void
ends(void **state)
{
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	struct pair p;
	char in[16];

	(void)state;
	shaken(&p, ctx, 0);
	assert_int_equal(p.t.ops->shutdown_write(&p.t), 0);
	assert_int_equal(client_read(&p, in, sizeof(in)), 0);
	assert_int_equal(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN,
	    SSL_RECEIVED_SHUTDOWN);
	client_write(&p, "more", 4);
	assert_true(transport_discard(&p.t, in, sizeof(in)) > 0);
	pair_close(&p);
	/* without it the client sees that something is missing */
	shaken(&p, ctx, 0);
	p.t.ops->close(&p.t, true);
	assert_int_equal(client_read(&p, in, sizeof(in)), 0);
	assert_int_equal(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN, 0);
	pair_close(&p);
	tls_ctx_free(&ctx);
}

static void
what_is_not_tls(void **state)
{
	struct tls_ctx *ctx = ctx_of(NULL, 0);
	char why[128], in[16];
	struct pair p;

	(void)state;
	pair_open(&p, ctx, 0);
	assert_int_equal(transport_tls_handshake(&p.t, why, sizeof(why)), 0);
	assert_int_equal(send(p.client_fd, "OPTIONS", 7, 0), 7);
	assert_int_equal(transport_tls_handshake(&p.t, why, sizeof(why)), -1);
	assert_string_equal(why, "what came is not TLS");
	p.t.ops->close(&p.t, false);
	assert_true(recv(p.client_fd, in, sizeof(in), 0) <= 0);
	pair_close(&p);
	/* begun, then nonsense: an alert is the answer */
	pair_open(&p, ctx, 0);
	assert_int_equal(
	    send(p.client_fd, "\x16\x03\x01\x00\x05nonsense", 13, 0), 13);
	assert_int_equal(transport_tls_handshake(&p.t, why, sizeof(why)), -1);
	assert_true(recv(p.client_fd, in, sizeof(in), 0) > 0);
	assert_int_equal(in[0], 0x15);
	pair_close(&p);
	/* the client leaves at once */
	pair_open(&p, ctx, 0);
	assert_int_equal(shutdown(p.client_fd, SHUT_WR), 0);
	assert_int_equal(transport_tls_handshake(&p.t, why, sizeof(why)), -1);
	assert_string_equal(why, "closed before it began");
	pair_close(&p);
	tls_ctx_free(&ctx);
}

static void
certificate_of_the_client(void **state)
{
	static const char *const demand[] = { "TlsClientCA /ca.pem",
		"TlsClientCert require" };
	struct tls_ctx *ctx = ctx_of(demand, 2);
	char why[128];
	struct pair p;
	struct buf b;
	BIO *in;
	X509 *x;
	EVP_PKEY *k;

	(void)state;
	pair_open(&p, ctx, TLS1_2_VERSION);
	assert_int_equal(shake(&p, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "peer did not return a certificate"));
	pair_close(&p);
	pair_open(&p, ctx, TLS1_2_VERSION);
	in = BIO_new_mem_buf(certificate.p, (int)certificate.len);
	x = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(key.p, (int)key.len);
	k = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	assert_int_equal(SSL_use_certificate(p.client, x), 1);
	assert_int_equal(SSL_use_PrivateKey(p.client, k), 1);
	assert_int_equal(shake(&p, why, sizeof(why)), 1);
	buf_init(&b, 1024);
	transport_tls_describe(&p.t, &b);
	assert_non_null(strstr(buf_cstr(&b), "certificate=\"CN=unit\""));
	buf_free(&b);
	X509_free(x);
	EVP_PKEY_free(k);
	pair_close(&p);
	tls_ctx_free(&ctx);
}

/* ---- tickets ---- */

static void
use_keys(unsigned int n, const char *names)
{
	struct msg_tls_tickets t = { .nkeys = n };

	for (unsigned int i = 0; i < n; i++)
		memset(&t.keys[i], names[i], sizeof(t.keys[i]));
	tls_tickets_set(tickets, &t);
}

/* Whether a client that comes with the session is known. */
static bool
comes_back(const struct tls_ctx *ctx, SSL_SESSION *s)
{
	char why[128];
	struct pair p;
	bool known;

	pair_open(&p, ctx, TLS1_2_VERSION);
	assert_int_equal(SSL_set_session(p.client, s), 1);
	assert_int_equal(shake(&p, why, sizeof(why)), 1);
	known = transport_tls_resumed(&p.t);
	assert_int_equal(SSL_session_reused(p.client), known);
	pair_close(&p);
	return known;
}

static void
keys_of_tickets(void **state)
{
	static const char *const demand[] = { "TlsClientCA /ca.pem",
		"TlsClientCert request" };
	struct tls_ctx *ctx = ctx_of(NULL, 0), *again = ctx_of(NULL, 0);
	struct tls_ctx *other = ctx_of(demand, 2);
	SSL_SESSION *s;
	struct pair p;

	(void)state;
	use_keys(1, "a");
	shaken(&p, ctx, TLS1_2_VERSION);
	s = SSL_get1_session(p.client);
	assert_true(SSL_SESSION_has_ticket(s));
	pair_close(&p);
	assert_true(comes_back(ctx, s));
	assert_true(comes_back(again, s));  /* of another net, or after HUP */
	assert_false(comes_back(other, s)); /* other clients are believed */
	use_keys(2, "ba");
	assert_true(comes_back(ctx, s));
	use_keys(2, "cb");
	assert_false(comes_back(ctx, s));
	SSL_SESSION_free(s);
	use_keys(0, "");
	shaken(&p, ctx, TLS1_2_VERSION);
	s = SSL_get1_session(p.client);
	assert_false(SSL_SESSION_has_ticket(s));
	SSL_SESSION_free(s);
	pair_close(&p);
	tls_ctx_free(&ctx);
	tls_ctx_free(&again);
	tls_ctx_free(&other);
}

static void
wrong_files(void **state)
{
	struct buf other, other_key;
	struct conf *c = conf_of(NULL, 0);
	struct tls_files f;
	char why[256];

	(void)state;
	make_certificate(&other, &other_key);
	memset(&f, 0, sizeof(f));
	assert_null(tls_ctx_new(c, &f, tickets, why, sizeof(why)));
	assert_string_equal(why,
	    "TlsCertificate /unit.pem: there is no certificate (PEM) in it");
	f.file[MSG_TLS_CERTIFICATE] = buf_slice(&certificate);
	assert_null(tls_ctx_new(c, &f, tickets, why, sizeof(why)));
	assert_string_equal(
	    why, "TlsKey /unit.key: there is no private key (PEM) in it");
	f.file[MSG_TLS_KEY] = buf_slice(&other_key);
	assert_null(tls_ctx_new(c, &f, tickets, why, sizeof(why)));
	assert_string_equal(
	    why, "TlsKey /unit.key: the key does not belong to TlsCertificate");
	conf_unref(&c);
	buf_free(&other);
	buf_free(&other_key);
}

static int
setup(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)state;
	(void)sigaction(SIGPIPE, &ignore, NULL);
	make_certificate(&certificate, &key);
	tickets = tls_tickets_new();
	return tickets != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	tls_tickets_free(&tickets);
	buf_free(&certificate);
	buf_free(&key);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_versions),
		cmocka_unit_test(pending_bytes),
		cmocka_unit_test(blocked_records),
		cmocka_unit_test(many_pieces_are_one_record),
		cmocka_unit_test(ends),
		cmocka_unit_test(what_is_not_tls),
		cmocka_unit_test(certificate_of_the_client),
		cmocka_unit_test(keys_of_tickets),
		cmocka_unit_test(wrong_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
