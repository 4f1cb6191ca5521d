/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H
/*
 * A service module decides, and does nothing else: no I/O, no blocking, no
 * ICAP syntax. It is a shared object that exports one symbol, `tolsey_module`
 * (struct service_module). The core turns its decisions into 100, 204, 206 or
 * 200 as the client permits, has objects scanned, and applies the action that
 * is configured for the outcome.
 *
 * Life of a transaction, as a service sees it:
 *   begin    -> inspect(SVC_AT_HEADS) -> inspect(SVC_AT_PREVIEW), if the
 *   client sent a preview and the first answer was SVC_MORE (without a preview
 *   SVC_MORE counts as SVC_SCAN, so it comes with codings and types too;
 *   the last decision alone counts, so edits are to be repeated in each)
 *   -> verdict(), with each answer of a scan: of a preview, of what has come
 *   so far, of a window of a stream, of the whole object
 *   -> release(), always, once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "base/scan.h"
#include "base/str.h"
#include "proto/http_head.h"

#define SERVICE_ABI 2

enum svc_method { SVC_REQMOD = 1, SVC_RESPMOD = 2 };
enum svc_stage { SVC_AT_HEADS, SVC_AT_PREVIEW };

enum svc_action {
	SVC_FAIL,   /* cannot decide: outcome failed */
	SVC_MORE,   /* show me the preview */
	SVC_SCAN,   /* have the whole object scanned */
	SVC_STREAM, /* RESPMOD: endless: release it in scanned windows */
	SVC_PASS,   /* no scan: outcome exempt, or what outcome says */
	SVC_BLOCK   /* no scan: outcome policy, or what outcome says */
};

/* What the service is told. All slices live until release(). */
struct svc_request {
	enum svc_method method;
	bool head_request;            /* the request's method is HEAD */
	bool has_body;                /* not null-body */
	const struct http_head *req;  /* raw.p NULL when the client sent none */
	const struct http_head *resp; /* raw.p NULL in REQMOD */
	struct slice query;           /* arguments of the ICAP URI */
	/* as a trusted ICAP client says, or ""; groups: one a line */
	struct slice client_ip, user, groups;
	struct slice preview; /* AT_PREVIEW: what was received */
	bool whole;           /* the preview is the whole body */
	void *state;          /* state_size bytes of the transaction, zeroed */
};
/* What it answers; zeroed before every call. */
struct svc_decision {
	enum svc_action action;
	enum outcome outcome; /* of PASS and BLOCK; NONE = exempt, policy */
	const char *reason;   /* static text for the log, or NULL */
	const char *threat;   /* name for page and headers (policy), or NULL */
	/*
	 * REQMOD, PASS or SCAN: fields to leave out of the request head, and
	 * lines to add (each with CRLF), when the object is passed. Static
	 * strings, or memory in `state`.
	 */
	const char *const *drop_fields;
	size_t ndrop;
	struct slice add_fields;
	/*
	 * SCAN, MORE, STREAM: the content codings to undo. With
	 * SCAN_CODING_UNKNOWN among them the object is scanned as it is and
	 * ends as undecodable unless something was found.
	 */
	uint32_t codings[SCAN_MAX_CODINGS];
	uint32_t ncodings;
	/* the same: what its sender says of it, see base/scan.h */
	uint32_t forms;
	struct slice declared; /* cut to SCAN_DECLARED_MAX - 1 */
};

/* A module's own directives, in its <Service> blocks and in the manual. */
struct svc_directive {
	const char *name;
	int type; /* enum conf_type */
	const char *def, *min, *max;
	bool verdict; /* part of the ISTag */
	const char *text;
};
struct svc_setting {
	const char *name, *value; /* as in the block, values already checked */
};

struct service_module {
	const char *name;
	unsigned int abi; /* SERVICE_ABI */
	size_t state_size;
	bool scans; /* it may answer SVC_SCAN: needs signatures to be ready */
	const struct svc_directive *directives;
	size_t ndirectives;
	/*
	 * Makes an instance from the settings of one <Service> block (each of
	 * the module's directives once or, LIST, several times; defaults
	 * filled in). NULL with the reason in err.
	 */
	void *(*configure)(const struct svc_setting *settings, size_t n,
	    char *err, size_t errlen);
	void (*unconfigure)(void *instance);
	void (*inspect)(void *instance, enum svc_stage stage,
	    const struct svc_request *rq, struct svc_decision *d);
	/*
	 * After each scan: may silence findings (set their outcome to
	 * OUTCOME_NONE) and add some; never make the scan complete. May be
	 * NULL.
	 */
	void (*verdict)(void *instance, const struct svc_request *rq,
	    struct scan_answer *answer);
	void (*release)(void *instance, const struct svc_request *rq);
};
/* The one symbol of a module. */
#define SERVICE_SYMBOL "tolsey_module"
#define SERVICE_EXPORT __attribute__((visibility("default")))
SERVICE_EXPORT extern const struct service_module tolsey_module;
#endif
