/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The keys of TLS session tickets: the same for all nets, so that a client may
 * come back to any of them, and changed before a stolen one is worth much.
 */
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/parent.h"

/* The oldest key still reads what it made as long as that is good. */
#define ROTATE_US \
	((uint64_t)MSG_TLS_TICKET_SECONDS / (MSG_TLS_TICKET_KEYS - 1) * 1000000)

void
tickets_watch(struct parent *p)
{
	struct msg_tls_tickets *t = &p->tickets;
	struct msg_tls_ticket_key key;

	if (p->conf->listen_tls.n == 0 ||
	    (t->nkeys > 0 && clock_mono_us() < p->next_tickets_us))
		return;
	if (getrandom(&key, sizeof(key), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(key)) {
		log_warn("no-random", "for=\"session tickets\"");
		return;
	}
	memmove(&t->keys[1], &t->keys[0],
	    (MSG_TLS_TICKET_KEYS - 1) * sizeof(t->keys[0]));
	t->keys[0] = key;
	if (t->nkeys < MSG_TLS_TICKET_KEYS)
		t->nkeys++;
	explicit_bzero(&key, sizeof(key));
	p->next_tickets_us = clock_mono_us() + ROTATE_US;
	children_send_tickets(p);
}
