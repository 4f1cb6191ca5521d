/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CTL_CTL_H
#define CTL_CTL_H
/*
 * tolsey-ctl: the control socket and the pages for monitoring. It parses
 * requests, so it stands alone: it has a channel to the parent only, and reads
 * the metrics of all without being able to write them.
 */
#include <stdbool.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/metrics.h"
#include "ipc/chan.h"

#define CTL_MAX_CLIENTS 32
#define CTL_BLOCKS_MAX 64
#define CTL_REPLY_MAX ((size_t)1 << 20)

struct ctl_client;
TAILQ_HEAD(ctl_client_list, ctl_client);
struct clamd_client;
TAILQ_HEAD(clamd_client_list, clamd_client);
#define CTL_MAX_CLAMD 8
struct ctl_clamd {
	struct event *accept_ev;
	int fd;
};

struct ctl {
	struct event_base *base;
	struct chan *parent;
	const struct metrics *blocks; /* read-only */
	unsigned int nblocks;
	uint32_t sandbox;         /* enum msg_sandbox */
	struct msg_loaded loaded; /* generation 0: none */
	struct msg_text
	    not_loaded; /* why the last load failed, "": it did not */
	char not_ready[MSG_TEXT_MAX + 64];
	bool draining;
	struct ctl_client_list clients;
	unsigned int nclients;
	uint64_t last_number;
	struct event *accept_ev;
	int control_fd;
	struct ctl_clamd clamd[CTL_MAX_CLAMD]; /* listeners */
	unsigned int nclamd;
	struct clamd_client_list clamd_clients;
	unsigned int nclamd_clients;
	struct evhttp *http;
	struct evconnlistener *http_listener;
};

/* The sum of all blocks. */
void ctl_sum(const struct ctl *c, struct metrics *sum);
/* "" when ready, else why not. */
const char *ctl_not_ready(struct ctl *c);

/* control.c: the socket of tolseyctl. Takes the descriptor over. */
int control_listen(struct ctl *c, int fd) MUST_CHECK;
void control_status(struct ctl *c, const struct msg_status *s);
void control_reload_result(struct ctl *c, const struct msg_reload_result *r);
void control_free(struct ctl *c);
/* No descriptor was free: each second it is tried again. */
void control_resume(struct ctl *c);
/* clamd.c: the socket for freshclam. Takes the descriptor over. */
int clamd_listen(struct ctl *c, int fd) MUST_CHECK;
void clamd_resume(struct ctl *c);
void clamd_free(struct ctl *c);
/* status_text.c: for a person, and as JSON; the page is what ctl itself knows.
 */
int status_page(
    struct buf *out, struct ctl *c, const struct metrics *m) MUST_CHECK;
int status_text(struct buf *out, const struct msg_status *s,
    const struct metrics *m) MUST_CHECK;
int status_json(struct buf *out, const struct msg_status *s,
    const struct metrics *m) MUST_CHECK;
/* metrics_http.c: what monitoring asks. Takes the descriptor over. */
int metrics_http_listen(struct ctl *c, int fd) MUST_CHECK;
void metrics_http_resume(struct ctl *c);
void metrics_http_free(struct ctl *c);
#endif
