/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TOLSEY_CICAP_H
#define TOLSEY_CICAP_H
/*
 * srv_tolsey.so, a service of c-icap: what its files share. It holds no engine
 * and no policy. Each body goes to tolseyd's scan socket, and what comes back
 * is given to the ICAP client. Its own rule is only what holds when no valid
 * answer comes.
 *
 *   srv_tolsey.c     the service as c-icap sees it
 *   cicap_conf.c     directives, arguments of the URL
 *   cicap_daemon.c   connections to the daemon; asking, and asking again
 *   cicap_body.c     where a body waits
 *   cicap_heads.c    heads out of c-icap, answers into it
 *   cicap_release.c  waking a Squid that has stalled
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* c-icap's own headers want this first */
#include <c-icap.h>
#include <request.h>
#include <service.h>
#include <simple_api.h>
#include <debug.h>

#include "scanapi/tolsey_scan.h"

/* c-icap's macro is an if without an else */
#define CICAP_LOG(level, ...) \
	do { \
		ci_debug_printf((level), __VA_ARGS__) \
	} while (0)

/* ---- cicap_conf.c ---- */
enum cicap_on_error { CICAP_BLOCK, CICAP_PASS, CICAP_ERROR };
#define CICAP_BY_NAME "*" /* the one that the client names in its URL */
/* Directives tolsey.*; read once, before c-icap forks. */
struct cicap_conf {
	const char *socket; /* Socket */
	/* Service: of tolseyd; "": its default one; CICAP_BY_NAME */
	const char *service;
	const char *temp; /* TempDir */
	enum cicap_on_error on_error;
	int early_release; /* EarlyRelease */
	int timeout_s;     /* Timeout: of one object */
	int alive_ms;      /* AliveTimeout: of a daemon that is asked so */
	int restart_ms;    /* RestartWait: for one that has just gone */
	int memory;        /* MaxMemory: of a body, before it is a file */
};
extern struct cicap_conf cicap_conf;
extern struct ci_conf_entry cicap_directives[];
/* What a client says in the URL is accepted, changes nothing, and is logged. */
void cicap_note_arguments(const char *args);

/* ---- cicap_body.c ---- */
struct cicap_body {
	char *mem; /* while it is small */
	int fd;    /* then a memfd, then a file without a name; -1 */
	bool is_file, sealed, failed;
	uint64_t size;
};
void cicap_body_init(struct cicap_body *b);
void cicap_body_free(struct cicap_body *b);
/* False: it could not be stored, and never will (failed). */
bool cicap_body_add(struct cicap_body *b, const char *p, size_t len);
/* Bytes at an offset; 0 at the end, -1. */
ssize_t cicap_body_read(
    const struct cicap_body *b, char *dst, size_t len, uint64_t off);
/*
 * A descriptor for the daemon, which the caller closes; -1 with bytes set when
 * the body is small, -2 when it cannot be lent.
 */
int cicap_body_lend(struct cicap_body *b, struct tolsey_scan_bytes *bytes);

/* ---- a transaction ---- */
enum cicap_phase {
	CICAP_RECEIVING, /* no verdict yet: nothing but pokes may go out */
	CICAP_ECHO,      /* it passes: the body goes out as it came */
	CICAP_PAGE,      /* it does not: the page goes out */
	CICAP_END        /* nothing more goes out */
};
struct cicap_tx {
	ci_request_t *req;
	struct cicap_body body;
	struct tolsey_scan *conn; /* with the prefix of this object, or NULL */
	struct tolsey_scan_verdict *verdict;
	uint64_t prefix;    /* bytes of the body that the daemon has by it */
	bool scanned;       /* and has looked at */
	unsigned int gates; /* how often it was asked to, without hurry */
	bool decided;       /* verdict, or OnError, has been applied */
	bool failed;        /* its action is an error */
	bool busy;          /* no answer: the daemon's limits for one user */
	bool wrong_length;  /* the head announces another body */
	enum cicap_phase phase;
	struct tolsey_scan_bytes page;
	char *own_page;
	uint64_t out; /* bytes of body or page that were given to c-icap */
	/* cicap_release.c */
	bool woken; /* the head of the answer is out, or on its way */
	uint64_t in_since_poke;
	unsigned int pokes, wait_ms;
	uint64_t size_at_poke;
};

/* ---- cicap_daemon.c ---- */
enum cicap_rc {
	CICAP_VERDICT,  /* tx->verdict */
	CICAP_CONTINUE, /* of a prefix */
	CICAP_FAILED    /* no valid answer came: OnError */
};
/* The last word of the daemon on our service; false: it never said any. */
bool cicap_service(struct tolsey_scan_service *out);
/* Asks for it, unless that was less than a second ago. */
enum tolsey_scan_rc cicap_refresh(struct tolsey_scan_service *out);
/*
 * What the daemon says of the preview, in the short time that a preview has.
 */
enum cicap_rc cicap_ask_prefix(struct cicap_tx *tx);
/*
 * The same of what has come so far, up to TOLSEY_SCAN_INLINE_MAX, in the time
 * that a whole object has.
 */
enum cicap_rc cicap_ask_gate(struct cicap_tx *tx);
enum cicap_rc cicap_ask_whole(struct cicap_tx *tx, bool no_body);
/* The transaction needs its connection no more. */
void cicap_release_conn(struct cicap_tx *tx);
/* The tag of verdicts becomes that of the service in this process. */
void cicap_follow_istag(const char *istag);
void cicap_set_xdata(ci_service_xdata_t *xdata); /* the service's, once */
/* Closes connections that wait. */
void cicap_daemon_close(void);

/* ---- cicap_heads.c ---- */
/* What the request says of the object. The memory is in *mem, to be freed. */
bool cicap_heads_fill(
    ci_request_t *req, struct tolsey_scan_request *rq, char **mem);
/* The answer becomes the page of the verdict. False: c-icap has no memory. */
bool cicap_put_page(struct cicap_tx *tx);
/* The same without a verdict. */
bool cicap_put_own_page(struct cicap_tx *tx);
/* The request that goes on has this head. */
bool cicap_put_edited_head(struct cicap_tx *tx);
/* A Content-Length that is not that of the body does not go on (RM-07). */
void cicap_check_length(struct cicap_tx *tx);
/* Words for c-icap's LogFormat. */
void cicap_note_verdict(struct cicap_tx *tx);

/* ---- cicap_release.c ---- */
enum cicap_stall {
	CICAP_GO_ON,
	CICAP_WAKE,  /* the head of the answer is to go out, a byte to wait */
	CICAP_JUDGED /* CICAP_VERDICT, or else CICAP_FAILED, came instead */
};
/*
 * len bytes have come, of which the last is not yet in the body. Looks whether
 * the client is silent, as a stalled Squid is.
 */
enum cicap_stall cicap_stalled(struct cicap_tx *tx, int len);
/* One more byte may go out now. */
bool cicap_may_release(struct cicap_tx *tx);
#endif
