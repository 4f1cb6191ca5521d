/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Squid 5.7 to 6.13 stops sending a body behind 64 KiB until something comes
 * back (bug 5352). c-icap has no timer that could see this, but its thread has
 * nothing else to do than to wait for the client; so the waiting is done here,
 * for as long as StallPoke says, and then the head of the answer and single
 * bytes go out. Only bytes that the daemon has looked at as a prefix, only in
 * RESPMOD, only where the transaction may not end as 204, and only to a client
 * that knows trailers, as that Squid does.
 *
 * Where the daemon has not looked (there was no preview, or its scan came too
 * late), it is asked to now, without hurry: the gate of tolseyd's own.
 */
#include "tolsey_cicap.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#define SHAPE ((uint64_t)60 * 1024)
#define WAIT_MAX_MS 5000
#define PER_BYTES ((uint64_t)4 << 20)
#define GATES_MAX 5

static bool
knows_trailers(ci_request_t *req)
{
	const char *v = ci_headers_value(req->request_header, "Allow");

	return v != NULL && strstr(v, "trailers") != NULL;
}

static bool
eligible(struct cicap_tx *tx, struct tolsey_scan_service *s)
{
	return cicap_conf.early_release && tx->phase == CICAP_RECEIVING &&
	       ci_req_type(tx->req) == ICAP_RESPMOD &&
	       !ci_req_allow204(tx->req) && !tx->body.failed &&
	       cicap_service(s) && s->stall_poke_ms >= 0 &&
	       knows_trailers(tx->req);
}

/* Body bytes that may be out by now. */
static uint64_t
budget(const struct cicap_tx *tx, const struct tolsey_scan_service *s)
{
	uint64_t size = tx->body.size;
	uint64_t n = s->trickle_max + size / PER_BYTES;

	if (size <= s->hold_back)
		return 0;
	if (n > size - s->hold_back)
		n = size - s->hold_back;
	return n < tx->prefix ? n : tx->prefix;
}

/* Nothing comes for that long. */
static bool
is_silent(ci_request_t *req, int ms)
{
	struct pollfd p = { .fd = req->connection->fd, .events = POLLIN };
	int n;

	/* what was read and is not yet taken apart: more than a chunk's end */
	if (req->pstrblock_read_len > 2)
		return false;
	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	return n == 0;
}

/* Longer each time, as long as nothing comes: the origin is slow, perhaps. */
static void
next_wait(struct cicap_tx *tx, const struct tolsey_scan_service *s)
{
	if (tx->body.size == tx->size_at_poke && tx->wait_ms > 0)
		tx->wait_ms *= 2;
	else
		tx->wait_ms = (unsigned int)s->stall_poke_ms;
	if (tx->wait_ms > WAIT_MAX_MS)
		tx->wait_ms = WAIT_MAX_MS;
	tx->size_at_poke = tx->body.size;
	tx->in_since_poke = 0;
}

/* Has the beginning looked at, as long as the client waits for it. */
static enum cicap_stall
open_gate(struct cicap_tx *tx, int silence_ms)
{
	while (!tx->scanned && tx->gates < GATES_MAX) {
		tx->gates++;
		if (cicap_ask_gate(tx) != CICAP_CONTINUE)
			return CICAP_JUDGED;
		if (!tx->scanned && !is_silent(tx->req, silence_ms))
			return CICAP_GO_ON;
	}
	return tx->scanned ? CICAP_WAKE : CICAP_GO_ON;
}

enum cicap_stall
cicap_stalled(struct cicap_tx *tx, int len)
{
	struct tolsey_scan_service s;
	enum cicap_stall what;

	tx->in_since_poke += (uint64_t)len;
	if (tx->woken || tx->in_since_poke < SHAPE || len < 1 ||
	    !eligible(tx, &s) || !is_silent(tx->req, s.stall_poke_ms))
		return CICAP_GO_ON;
	what = open_gate(tx, s.stall_poke_ms);
	if (what == CICAP_WAKE && budget(tx, &s) == 0)
		what = CICAP_GO_ON;
	tx->woken = what == CICAP_WAKE;
	return what;
}

bool
cicap_may_release(struct cicap_tx *tx)
{
	struct tolsey_scan_service s;

	if (!tx->woken || !tx->scanned || !eligible(tx, &s) ||
	    tx->out >= budget(tx, &s))
		return false;
	/* the first goes with the head */
	if (tx->pokes > 0 && !is_silent(tx->req, (int)tx->wait_ms))
		return false;
	tx->pokes++;
	next_wait(tx, &s);
	return true;
}
