/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_CONN_INT_H
#define NET_CONN_INT_H
/* What conn.c and conn_serve.c share. */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "net/conn.h"
#include "net/tx.h"

enum conn_phase {
	CONN_PROXY,     /* awaits the header of a load balancer */
	CONN_HANDSHAKE, /* of TLS */
	CONN_OPEN,
	CONN_LINGER, /* all was said: read until the peer's end (CN-09) */
	CONN_CLOSED
};

/* What only a connection with a request needs; kept for the next one. */
struct conn_work {
	TAILQ_ENTRY(conn_work) link;
	struct icap_rx rx;
	struct outq out;
	struct buf in;    /* received, but the transaction takes none now */
	uint64_t charged; /* of its memory, to the spool's budget */
};

struct conn {
	TAILQ_ENTRY(conn) link, kick_link, starved_link;
	struct conn_pool *pool;
	struct transport transport;
	struct event ev_read, ev_write;
	struct timer timer; /* of the phase, see conn_arm(): one at a time */
	struct conn_work *work; /* NULL while idle */
	struct tx *tx;
	struct tx_host host;
	struct addr peer;
	char peer_text[ADDR_TEXT_LEN];
	struct peer *counted; /* counts this one, or NULL */
	uint64_t access_version;
	uint64_t requests;
	uint64_t head_since_us, write_since_us;
	uint64_t rate_until_us, rate_bytes; /* MinBodyRate */
	uint64_t deadline_us, lingered;     /* of LINGER */
	enum conn_phase phase;
	enum proto_err refusal; /* instead of serving it */
	bool tls, served;
	bool kicked, read_more, reading, writing, starved;
	bool peer_ended, answered, ending;
	bool leaving; /* ends at the next look of the pool, unless it is
			 answered */
	bool bulk;    /* steps back behind the others */
};

const struct conf *conn_conf(const struct conn *c);

/* ---- conn.c ---- */
void conn_kick(void *ctx); /* look at it again in this turn of the loop */
void conn_arm(struct conn *c, uint64_t at_us);
void conn_disarm(struct conn *c);
void conn_set_reading(struct conn *c, bool on);
void conn_set_writing(struct conn *c, bool on);
/* The work of a connection that has a request. False when out of memory. */
bool conn_work_get(struct conn *c);
/* Gives it back; nothing of a request may be in it any more. */
void conn_work_put(struct conn *c);
/* Charges what its buffers hold now. */
void conn_work_charge(struct conn *c);
/* Closes and frees; cut: so that the peer sees it. */
void conn_close(struct conn *c, bool cut);
/* All was said: close as soon as the peer has heard it. c may be gone. */
void conn_linger(struct conn *c);

/* ---- conn_serve.c ---- */
/* It was admitted, or c->refusal says why not. c may be gone afterwards. */
void conn_open(struct conn *c);
/* There are bytes to read. c may be gone afterwards. */
void conn_receive(struct conn *c);
/* Something has happened to its transaction. c may be gone afterwards. */
void conn_update(struct conn *c);
/* The timer has fired in phase OPEN. c may be gone afterwards. */
void conn_late(struct conn *c);
/* Connections that wait for memory read again if there is some. */
void conn_feed_starved(struct conn_pool *p);
#endif
