/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/tls_ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/hash.h"

#define TICKET_IV_LEN 16

struct tls_tickets {
	struct msg_tls_tickets t;
	EVP_CIPHER *cipher;
};
struct tls_ctx {
	SSL_CTX *ssl;
	uint64_t expires;
};
/* Where an error belongs, and where it is written. */
struct place {
	const char *directive, *path;
	char *why;
	size_t len;
};

static int
fail(const struct place *at, const char *what)
{
	(void)snprintf(
	    at->why, at->len, "%s %s: %s", at->directive, at->path, what);
	ERR_clear_error();
	return -1;
}

/* With the reason of OpenSSL, when it has one. */
static int
fail_ssl(const struct place *at, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;
	char text[256];

	(void)snprintf(text, sizeof(text), "%s%s%s", what,
	    reason != NULL ? ": " : "", reason != NULL ? reason : "");
	return fail(at, text);
}

/* ---- certificate and key ---- */

static BIO *
memory(struct slice s)
{
	return s.len > 0 && s.len <= INT32_MAX
		   ? BIO_new_mem_buf(s.p, (int)s.len)
		   : NULL;
}

/* Whether reading PEM ended because there was nothing more. */
static bool
at_end(void)
{
	bool end = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM &&
		   ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

static uint64_t
time_of(const ASN1_TIME *t)
{
	struct tm tm;
	time_t at;

	memset(&tm, 0, sizeof(tm));
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1 || (at = timegm(&tm)) < 0)
		return 0;
	return (uint64_t)at;
}

/* Nobody is there who could be asked. */
static int
no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static int
use_chain(struct tls_ctx *c, BIO *in, const struct place *at)
{
	bool asked;
	X509 *cert;

	while (
	    (cert = PEM_read_bio_X509(in, NULL, no_passphrase, &asked)) != NULL)
		if (SSL_CTX_add0_chain_cert(c->ssl, cert) != 1) {
			X509_free(cert);
			return fail_ssl(at, "a certificate behind the first");
		}
	return at_end() ? 0 : fail_ssl(at, "a certificate behind the first");
}

static int
use_certificate(struct tls_ctx *c, struct slice bytes, const struct place *at)
{
	BIO *in = memory(bytes);
	bool asked;
	X509 *cert =
	    in != NULL ? PEM_read_bio_X509_AUX(in, NULL, no_passphrase, &asked)
		       : NULL;
	int rc;

	if (cert == NULL)
		rc = fail(at, "there is no certificate (PEM) in it");
	else if (SSL_CTX_use_certificate(c->ssl, cert) != 1)
		rc = fail_ssl(at, "the certificate cannot be used");
	else
		rc = use_chain(c, in, at);
	if (rc == 0)
		c->expires = time_of(X509_get0_notAfter(cert));
	X509_free(cert);
	BIO_free(in);
	return rc;
}

static int
use_key(struct tls_ctx *c, struct slice bytes, const struct place *at)
{
	bool asked = false;
	BIO *in = memory(bytes);
	EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(
					 in, NULL, no_passphrase, &asked)
				   : NULL;
	int rc = 0;

	if (asked)
		rc = fail(at,
		    "the key has a passphrase; remove it with 'openssl pkey'");
	else if (key == NULL)
		rc = fail(at, "there is no private key (PEM) in it");
	else if (SSL_CTX_use_PrivateKey(c->ssl, key) != 1 ||
		 SSL_CTX_check_private_key(c->ssl) != 1)
		rc = fail(at, "the key does not belong to TlsCertificate");
	EVP_PKEY_free(key);
	BIO_free(in);
	return rc;
}

/* ---- clients ---- */

/* Certificates of authorities, and revocation lists. */
static int
add_authority(SSL_CTX *ssl, const X509_INFO *info, unsigned int *certificates)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);

	if (info->x509 != NULL) {
		++*certificates;
		if (X509_STORE_add_cert(store, info->x509) != 1 ||
		    SSL_CTX_add_client_CA(ssl, info->x509) != 1)
			return -1;
	}
	if (info->crl != NULL &&
	    (X509_STORE_add_crl(store, info->crl) != 1 ||
		X509_STORE_set_flags(store,
		    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) != 1))
		return -1;
	return 0;
}

static int
use_authorities(struct tls_ctx *c, struct slice bytes, const struct place *at)
{
	BIO *in = memory(bytes);
	bool asked;
	STACK_OF(X509_INFO) *all =
	    in != NULL ? PEM_X509_INFO_read_bio(in, NULL, no_passphrase, &asked)
		       : NULL;
	unsigned int certificates = 0;
	int rc = 0;

	for (int i = 0; rc == 0 && i < sk_X509_INFO_num(all); i++)
		if (add_authority(c->ssl, sk_X509_INFO_value(all, i),
			&certificates) == -1)
			rc = fail_ssl(at, "cannot be used");
	if (rc == 0 && certificates == 0)
		rc = fail(at, "there is no certificate (PEM) in it");
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(in);
	return rc;
}

static int
ask_clients(struct tls_ctx *c, const struct conf *conf,
    const struct tls_files *f, char *why, size_t len)
{
	struct place at = { "TlsClientCA", conf->tls_client_ca, why, len };
	int mode = SSL_VERIFY_PEER;

	if (conf->tls_client_ca[0] != '\0' &&
	    use_authorities(c, f->file[MSG_TLS_CLIENT_CA], &at) == -1)
		return -1;
	if (conf->tls_client_cert == CONF_TLS_CERT_OFF)
		return 0;
	if (conf->tls_client_cert == CONF_TLS_CERT_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(c->ssl, mode, NULL);
	return 0;
}

/*
 * A ticket says that its owner had a certificate then: it is worth nothing any
 * more when other authorities are believed, or other certificates demanded.
 */
static int
bind_tickets(
    struct tls_ctx *c, const struct conf *conf, const struct tls_files *f)
{
	unsigned char digest[HASH_LEN],
	    mode = (unsigned char)(conf->tls_client_cert + 1);
	struct hash *h = hash_new();
	int rc = -1;

	if (h != NULL && hash_update(h, &mode, 1) == 0 &&
	    hash_update(h, f->file[MSG_TLS_CLIENT_CA].p,
		f->file[MSG_TLS_CLIENT_CA].len) == 0 &&
	    hash_final(h, digest) == 0 &&
	    SSL_CTX_set_session_id_context(c->ssl, digest, sizeof(digest)) == 1)
		rc = 0;
	hash_free(&h);
	return rc;
}

/* ---- versions and ciphers ---- */

/* Names that begin with TLS_ are those of TLS 1.3. */
static int
use_ciphers(struct tls_ctx *c, const char *list, const struct place *at)
{
	struct slice rest = slice_of(list), name;
	struct buf tls12, tls13, *to;
	int rc = 0;

	buf_init(&tls12, 8192);
	buf_init(&tls13, 8192);
	while (slice_next(&rest, ':', &name)) {
		to =
		    slice_has_prefix(name, SLICE_LIT("TLS_")) ? &tls13 : &tls12;
		(void)buf_printf(
		    to, "%s%.*s", to->len > 0 ? ":" : "", SLICE_FMT(name));
	}
	if (tls12.failed || tls13.failed ||
	    (tls12.len > 0 &&
		SSL_CTX_set_cipher_list(c->ssl, buf_cstr(&tls12)) != 1) ||
	    (tls13.len > 0 &&
		SSL_CTX_set_ciphersuites(c->ssl, buf_cstr(&tls13)) != 1))
		rc = fail(at, "no such cipher; 'openssl ciphers' lists them");
	buf_free(&tls12);
	buf_free(&tls13);
	return rc;
}

static int
set_protocol(struct tls_ctx *c, const struct conf *conf, char *why, size_t len)
{
	struct place at = { "TlsCiphers", conf->tls_ciphers, why, len };

	SSL_CTX_set_options(c->ssl,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
		SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* memory is held only while a record is under way */
	SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				     SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c->ssl, 1);
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(c->ssl,
		conf->tls_min_version == CONF_TLS_1_3 ? TLS1_3_VERSION
						      : TLS1_2_VERSION) != 1)
		return fail(&at, "TlsMinVersion cannot be set");
	return conf->tls_ciphers[0] != '\0'
		   ? use_ciphers(c, conf->tls_ciphers, &at)
		   : 0;
}

/* ---- session tickets ---- */

static const struct msg_tls_ticket_key *
find_key(const struct msg_tls_tickets *t, const unsigned char *name)
{
	for (uint32_t i = 0; i < t->nkeys && i < MSG_TLS_TICKET_KEYS; i++)
		if (memcmp(t->keys[i].name, name, sizeof(t->keys[i].name)) == 0)
			return &t->keys[i];
	return NULL;
}

static int
set_mac(EVP_MAC_CTX *mac, const struct msg_tls_ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
		    (void *)(uintptr_t)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

/*
 * The first key makes tickets, all of them read; one that was made by an older
 * key is replaced. 0: no ticket, a full handshake.
 */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
	const struct tls_tickets *tickets =
	    SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct msg_tls_tickets *t = &tickets->t;
	const struct msg_tls_ticket_key *key = &t->keys[0];

	if (t->nkeys == 0)
		return 0;
	if (making) {
		if (RAND_bytes(iv, TICKET_IV_LEN) != 1)
			return -1;
		memcpy(name, key->name, sizeof(key->name));
	} else if ((key = find_key(t, name)) == NULL) {
		return 0;
	}
	if (EVP_CipherInit_ex2(
		cipher, tickets->cipher, key->cipher, iv, making, NULL) != 1 ||
	    set_mac(mac, key) != 1)
		return -1;
	return making || key == &t->keys[0] ? 1 : 2;
}

struct tls_tickets *
tls_tickets_new(void)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	/* what the library reads of the system it reads now */
	(void)OPENSSL_init_ssl(0, NULL);
	t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (t->cipher == NULL ||
	    EVP_CIPHER_get_iv_length(t->cipher) != TICKET_IV_LEN)
		tls_tickets_free(&t);
	return t;
}

void
tls_tickets_free(struct tls_tickets **t)
{
	if (*t == NULL)
		return;
	EVP_CIPHER_free((*t)->cipher);
	OPENSSL_cleanse(&(*t)->t, sizeof((*t)->t));
	free(*t);
	*t = NULL;
}

void
tls_tickets_set(struct tls_tickets *t, const struct msg_tls_tickets *keys)
{
	t->t = *keys;
}

static int
set_tickets(struct tls_ctx *c, const struct tls_tickets *tickets)
{
	if (SSL_CTX_set_app_data(c->ssl, (void *)(uintptr_t)tickets) != 1)
		return -1;
	SSL_CTX_set_timeout(c->ssl, MSG_TLS_TICKET_SECONDS);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_ticket) == 1
		   ? 0
		   : -1;
}

/* ---- all of it ---- */

static int
fill(struct tls_ctx *c, const struct conf *conf, const struct tls_files *f,
    char *why, size_t len)
{
	bool own = conf->tls_key[0] != '\0';
	struct place certificate = { "TlsCertificate", conf->tls_certificate,
		why, len };
	struct place key = { own ? "TlsKey" : "TlsCertificate",
		own ? conf->tls_key : conf->tls_certificate, why, len };

	if (set_protocol(c, conf, why, len) == -1 ||
	    use_certificate(c, f->file[MSG_TLS_CERTIFICATE], &certificate) ==
		-1 ||
	    use_key(c, f->file[own ? MSG_TLS_KEY : MSG_TLS_CERTIFICATE],
		&key) == -1)
		return -1;
	return ask_clients(c, conf, f, why, len);
}

struct tls_ctx *
tls_ctx_new(const struct conf *conf, const struct tls_files *f,
    const struct tls_tickets *tickets, char *why, size_t len)
{
	struct tls_ctx *c = calloc(1, sizeof(*c));

	(void)snprintf(why, len, "TLS: out of memory");
	ERR_clear_error();
	if (c == NULL)
		return NULL;
	c->ssl = SSL_CTX_new(TLS_server_method());
	if (c->ssl == NULL || set_tickets(c, tickets) == -1 ||
	    bind_tickets(c, conf, f) == -1 || fill(c, conf, f, why, len) == -1)
		tls_ctx_free(&c);
	ERR_clear_error();
	return c;
}

void
tls_ctx_free(struct tls_ctx **c)
{
	if (*c == NULL)
		return;
	SSL_CTX_free((*c)->ssl);
	free(*c);
	*c = NULL;
}

uint64_t
tls_ctx_expires(const struct tls_ctx *c)
{
	return c->expires;
}

struct ssl_st *
tls_ctx_connection(const struct tls_ctx *c)
{
	return SSL_new(c->ssl);
}
