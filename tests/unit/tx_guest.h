/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_UNIT_TX_GUEST_H
#define TESTS_UNIT_TX_GUEST_H
/* Many clients of one world at once, each with one transaction. */
#include "tests/unit/tx_world.h"

#define MAX_GUESTS 50

/* A connection. */
struct guest {
	struct icap_rx rx;
	struct outq out;
	struct tx_host host;
	struct tx *tx;
	struct buf sent;
};
extern struct world w;

/* overrides as of world_init(); verdicts are kept between transactions. */
void begin(const char *const overrides[]);
/* All leave; nothing may be left of them. */
void end(void);
/* A new client at that address asks for a response with these fields. */
struct guest *ask_for(const char *peer, const char *fields, const char *body);
struct guest *ask(const char *body);
void leave(struct guest *g);
/* What went out to it so far. */
const char *sent(struct guest *g);
void has(struct guest *g, const char *what);
void is_silent(struct guest *g);
void is_clean(struct guest *g, enum tx_source source);
/* One of those that were made and have not left, or NULL. */
struct guest *guest_at(unsigned int i);
/* Blocked, because of that. */
void ends_as(struct guest *g, enum outcome o);
#endif
