/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TOLSEY_SCAN_H
#define TOLSEY_SCAN_H
/*
 * libtolsey-scan: has objects judged by tolseyd over its scan socket. Calls
 * block, no longer than they are told; there is no state but in the connection,
 * which one thread uses at a time. tolsey_scan(3) has an example.
 *
 * An object may be released only after TOLSEY_SCAN_OK with a verdict whose
 * action is TOLSEY_SCAN_PASS. Whatever else a call returns, nothing was judged.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOLSEY_SCAN_SOCKET "/run/tolsey/scan.sock"
#define TOLSEY_SCAN_INLINE_MAX 65536 /* bytes that need no descriptor */

enum tolsey_scan_rc {
	TOLSEY_SCAN_OK = 0,
	TOLSEY_SCAN_CONTINUE, /* of a prefix: the rest is wanted */
	TOLSEY_SCAN_TIMEOUT,  /* no answer in time; the connection is closed */
	TOLSEY_SCAN_GONE,     /* nobody serves the socket, or it ended */
	TOLSEY_SCAN_DENIED,   /* this process may not use the socket */
	TOLSEY_SCAN_REFUSED,  /* the daemon said why: tolsey_scan_why() */
	TOLSEY_SCAN_NONSENSE, /* the answer breaks the protocol */
	TOLSEY_SCAN_USAGE,    /* the request cannot be put in a message */
	TOLSEY_SCAN_NO_MEMORY,
	TOLSEY_SCAN_BUSY /* of this user there is too much at once */
};
enum tolsey_scan_action {
	TOLSEY_SCAN_PASS = 1,
	TOLSEY_SCAN_BLOCK = 2, /* the page is to be shown instead */
	TOLSEY_SCAN_FAIL = 3   /* an error is to be reported */
};
enum tolsey_scan_method { TOLSEY_SCAN_REQMOD = 1, TOLSEY_SCAN_RESPMOD = 2 };

struct tolsey_scan;

struct tolsey_scan_bytes {
	const void *p;
	size_t len;
};
/* Zero what is not used. Texts are not kept. */
struct tolsey_scan_request {
	enum tolsey_scan_method method;
	const char *service; /* NULL: the default one */
	const char *query;   /* its arguments, or NULL */
	/* what is known of the object: its URL, or the HTTP heads */
	const char *url;
	struct tolsey_scan_bytes request_head, response_head;
	/* lines "X-Client-IP: 192.0.2.1\r\n" ...: who asks for it */
	struct tolsey_scan_bytes identity;
	bool no_body;
	/*
	 * Of a prefix: nobody waits to go on, so its scan has the time that
	 * the scan of a whole object has, and takes place whatever ScanPreview
	 * says. It may be asked for on a connection that awaits the rest of
	 * the same object, and begins anew there.
	 */
	bool patient;
	/*
	 * The object: fd (a memfd sealed against write, shrink and grow, or a
	 * regular file opened for reading) and its size; or, where fd is -1,
	 * bytes.
	 */
	int fd;
	uint64_t size;
	struct tolsey_scan_bytes bytes;
	uint32_t deadline_ms; /* for the daemon; 0: that of the call */
};
struct tolsey_scan_service {
	bool found, ready, reqmod, respmod, draining;
	uint32_t generation;
	int preview_size; /* -1: no preview is wanted */
	uint32_t options_ttl_s;
	uint64_t max_object_size;
	uint64_t trickle_max, hold_back; /* see tolsey.conf(5) */
	int stall_poke_ms;               /* -1: never */
	char service[64], istag[40], daemon[40];
};
/* Is freed as one piece; texts end with NUL. */
struct tolsey_scan_verdict {
	enum tolsey_scan_action action;
	const char *outcome; /* "clean", "infected" ... */
	const char *id;      /* in the daemon's log and on the page */
	const char *istag;
	const char *reason; /* "" where there is none */
	const char *part;   /* of the object, "" for itself */
	unsigned int nnames;
	const char *names[16];
	uint32_t generation;
	bool early; /* of the prefix: the rest is not needed */
	int icap_status, http_status;
	uint64_t size, queue_us, scan_us;
	/* lines for the ICAP answer, each with CRLF */
	struct tolsey_scan_bytes headers;
	/* BLOCK: the HTTP head and body to answer with */
	struct tolsey_scan_bytes page_head, page;
	/* PASS: the request head to send on instead, or nothing */
	struct tolsey_scan_bytes edited_head;
};

/*
 * Connects. *out is set for TOLSEY_SCAN_OK alone, else errno tells more. A
 * connection that is not used may be closed when its user needs others (GONE).
 */
enum tolsey_scan_rc tolsey_scan_open(
    const char *path, unsigned int timeout_ms, struct tolsey_scan **out);
/* NULL is fine. */
void tolsey_scan_close(struct tolsey_scan *s);
/*
 * While a call waits longer than this, the daemon is asked on another
 * connection whether it is alive, each time; one that does not answer within
 * as much ends the call with TOLSEY_SCAN_TIMEOUT. So a long scan may take its
 * time, and a daemon that hangs does not. 0: never (as after opening).
 */
void tolsey_scan_watch(struct tolsey_scan *s, unsigned int every_ms);
/* After a failed call: the connection is of no more use. */
bool tolsey_scan_is_broken(const struct tolsey_scan *s);
/* What the daemon said with TOLSEY_SCAN_REFUSED; else "". */
const char *tolsey_scan_why(const struct tolsey_scan *s);

/* What a service is like, and whether it is there. */
enum tolsey_scan_rc tolsey_scan_options(struct tolsey_scan *s,
    const char *service, unsigned int timeout_ms,
    struct tolsey_scan_service *out);
/* Has a whole object judged. *out is set for TOLSEY_SCAN_OK alone. */
enum tolsey_scan_rc tolsey_scan_whole(struct tolsey_scan *s,
    const struct tolsey_scan_request *rq, unsigned int timeout_ms,
    struct tolsey_scan_verdict **out);
/*
 * Has the beginning of an object judged: rq->bytes, at most
 * TOLSEY_SCAN_INLINE_MAX. OK and a verdict ends the request. CONTINUE: the rest
 * comes by tolsey_scan_rest() on this connection. *scanned (may be NULL): the
 * daemon has looked at these bytes, and found nothing.
 */
enum tolsey_scan_rc tolsey_scan_prefix(struct tolsey_scan *s,
    const struct tolsey_scan_request *rq, unsigned int timeout_ms,
    bool *scanned, struct tolsey_scan_verdict **out);
/*
 * What follows the prefix: size bytes of fd from offset on; or, where fd is
 * -1, those at p.
 */
enum tolsey_scan_rc tolsey_scan_rest(struct tolsey_scan *s, int fd,
    uint64_t offset, uint64_t size, const void *p, unsigned int timeout_ms,
    struct tolsey_scan_verdict **out);
void tolsey_scan_verdict_free(struct tolsey_scan_verdict *v);

/* A sealed memfd with these bytes, -1 with errno. */
int tolsey_scan_memfd(const void *p, size_t len);
/* Seals a memfd that was made with MFD_ALLOW_SEALING. 0, or -1 with errno. */
int tolsey_scan_seal(int fd);
/* What a return value means. */
const char *tolsey_scan_strerror(enum tolsey_scan_rc rc);

#ifdef __cplusplus
}
#endif
#endif
