/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TOLSEY_SCANMSG_H
#define TOLSEY_SCANMSG_H
/*
 * The messages of tolsey's scan socket, for programs that speak it themselves;
 * tolsey_scan.h is the library that does. tolsey-scan-socket(7) tells the
 * order. Integers are in the machine's byte order, texts end with NUL and the
 * rest of their field is zero, reserved fields are zero.
 */
#include <stddef.h>
#include <stdint.h>

#define SCANMSG_MAGIC 0x4e435354u /* "TSCN" */
#define SCANMSG_VERSION 1
/* Of the variable part; a whole message fits the default SO_SNDBUF. */
#define SCANMSG_TAIL_MAX 196608
#define SCANMSG_BODY_MAX 65536 /* of a body in the message */
#define SCANMSG_MAX_NAMES 16

enum scanmsg_side { SCANMSG_CLIENT, SCANMSG_DAEMON };
enum scanmsg_type {
#define SCANMSG(id, type, from, payload, tail, fds) SCANMSG_##type = (id),
#include "tolsey_scanmsg.def"
};
enum scanmsg_err {
	SCANMSG_OK = 0,
#define SCANERR(id, word, text) SCANMSG_ERR_##word = (id),
#include "tolsey_scanmsg.def"
};

struct scanmsg_hdr {
	uint32_t magic;
	uint16_t version;
	uint16_t type; /* enum scanmsg_type */
	uint32_t size; /* of the whole message */
	uint32_t reserved;
	uint64_t id; /* the client's; an answer repeats it */
};

/* What a service is like. SERVICE answers. */
struct scanmsg_options {
	char service[64];
};

enum scanmsg_method { SCANMSG_REQMOD = 1, SCANMSG_RESPMOD = 2 };
enum scanmsg_kind {
	SCANMSG_PREFIX = 1, /* the body begins so; CONTINUE asks for REST */
	SCANMSG_WHOLE = 2
};
/* flags */
#define SCANMSG_NO_BODY 1u /* the message has none, not even an empty one */
#define SCANMSG_PATIENT \
	2u /* PREFIX: its scan has the time of a whole one's \
	    */

/*
 * One transaction. Behind it come, in this order and without anything between
 * them: url, icap, req, res, body. With a descriptor body has no bytes here,
 * and the descriptor's first body_size bytes are the body; without one
 * body_size is len_body.
 */
struct scanmsg_scan {
	uint32_t method; /* enum scanmsg_method */
	uint32_t kind;   /* enum scanmsg_kind; PREFIX: always in the message */
	uint32_t flags;
	uint32_t deadline_ms; /* for the answer to this message; 0: none */
	uint64_t body_size;
	uint32_t len_url;          /* where there is no req */
	uint32_t len_icap;         /* lines X-...: value CRLF: who asks */
	uint32_t len_req, len_res; /* HTTP heads */
	uint32_t len_body;
	uint32_t reserved;
	char service[64]; /* "": the default service */
	char query[256];  /* arguments of the service */
};

/*
 * After CONTINUE: what follows the prefix; in the message, or in the
 * descriptor from offset on.
 */
struct scanmsg_rest {
	uint64_t offset;
	uint64_t body_size; /* of the rest */
	uint32_t len_body;
	uint32_t deadline_ms;
};

struct scanmsg_service {
	uint32_t found; /* 0: there is no such service */
	uint32_t ready; /* 0: no signatures yet */
	uint32_t generation;
	uint32_t methods; /* bits: 1 REQMOD, 2 RESPMOD */
	uint32_t preview; /* 0: none is wanted */
	uint32_t preview_size;
	uint32_t options_ttl_s;
	uint32_t draining; /* this daemon process is about to end */
	uint64_t max_object_size;
	uint64_t trickle_max, hold_back; /* what may go out before a verdict */
	uint32_t stall_poke_ms;          /* UINT32_MAX: never */
	uint32_t reserved;
	char service[64]; /* its real name */
	char istag[40];
	char daemon[40]; /* "tolsey/0.1.0" */
};

struct scanmsg_continue {
	uint32_t generation;
	/* the prefix was scanned, as far as it is: nothing was found in it */
	uint32_t scanned;
	char istag[40];
};

enum scanmsg_action { SCANMSG_PASS = 1, SCANMSG_BLOCK = 2, SCANMSG_FAIL = 3 };
enum scanmsg_head {
	SCANMSG_HEAD_NONE,
	SCANMSG_HEAD_PAGE,  /* of the answer instead of the object */
	SCANMSG_HEAD_EDITED /* the request's, to be sent on instead */
};

/* Behind it come: headers, head, page. */
struct scanmsg_verdict {
	uint32_t action;      /* enum scanmsg_action */
	uint32_t icap_status; /* that an ICAP client would have been given */
	uint32_t http_status; /* of the page */
	uint32_t generation;
	uint32_t early;       /* it is of the prefix: no REST is wanted */
	uint32_t head_kind;   /* enum scanmsg_head */
	uint32_t len_headers; /* lines X-...: value CRLF for the ICAP answer */
	uint32_t len_head;    /* HTTP head */
	uint32_t len_page;
	uint32_t nnames;
	uint64_t size; /* bytes of the body that were judged */
	uint64_t queue_us, scan_us;
	char outcome[24]; /* a word of outcome.def, see tolsey.conf(5) */
	char id[16];      /* in the log and on the page */
	char istag[40];
	char reason[96];
	char part[128]; /* of the object, where the first name was found */
	char names[SCANMSG_MAX_NAMES][128];
};

struct scanmsg_error {
	uint32_t error;   /* enum scanmsg_err */
	uint32_t version; /* that the daemon speaks */
	char text[120];
};

/* A message that was received and is well-formed. */
struct scanmsg {
	enum scanmsg_type type;
	uint64_t id;
	union {
#define SCANMSG(id, type, from, payload, tail, fds) struct payload type;
#include "tolsey_scanmsg.def"
	} u;
	const char *tail; /* into the datagram */
	size_t tail_len;
};

/*
 * Checks a datagram that side `from` sent with nfds descriptors, and copies
 * its fixed part to *m. What is wrong with it, or SCANMSG_OK.
 */
enum scanmsg_err scanmsg_parse(struct scanmsg *m, const void *data, size_t len,
    enum scanmsg_side from, unsigned int nfds);
/* The bytes before the tail, of header and payload; 0: no such type. */
size_t scanmsg_fixed_size(enum scanmsg_type type);
/* The most bytes of any message. */
size_t scanmsg_max_size(void);
/* Fills in the header of a message with so many bytes behind its payload. */
void scanmsg_header(struct scanmsg_hdr *h, enum scanmsg_type type, uint64_t id,
    size_t tail_len);
const char *scanmsg_error_text(enum scanmsg_err e);
#endif
