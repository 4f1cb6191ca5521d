/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef IPC_MSG_H
#define IPC_MSG_H
/*
 * The messages between processes: types, payloads, and the allow-list that
 * says who may say what to whom. Payloads hold no pointers; both ends are of
 * one build, so they are in host order and compared by size.
 */
#include <stddef.h>
#include <stdint.h>

#include <stdbool.h>

#include "base/scan.h"
#include "base/str.h"

enum role {
	ROLE_PARENT = 1,
	ROLE_NET = 2,
	ROLE_SCAN = 4,
	ROLE_WORKER = 8,
	ROLE_CTL = 16,
	ROLE_CHECK = 32 /* tolsey-net run only to check a configuration */
};
enum msg_type {
#define MSG(id, name, from, to, payload, tail, minfd, maxfd) MSG_##name = id,
#include "ipc/msg.def"
};
#define MSG_MAX_FDS 1
#define MSG_INLINE_BODY_MAX 65536 /* larger bodies travel as a descriptor */
#define MSG_TEXT_MAX 512

struct msg_hdr {
	uint16_t type, nfds;
	uint32_t len; /* of payload and tail */
};
struct msg_none {
	uint32_t unused;
};
struct msg_number {
	uint64_t number;
};
/* Number of DRAIN: others take over, or the whole server ends. */
enum { MSG_DRAIN_REPLACED, MSG_DRAIN_END };
struct msg_ready {
	uint32_t have; /* what confines it: bits of sandbox/protections.def */
};
struct msg_text {
	char text[MSG_TEXT_MAX]; /* NUL-terminated, one line */
};
struct msg_name {
	char name[64];
};
/* Of the directive Sandbox, in the order of its words. */
enum msg_sandbox { MSG_SANDBOX_AUTO, MSG_SANDBOX_REQUIRE, MSG_SANDBOX_OFF };
struct msg_start {
	uint32_t
	    instance;  /* of net: 0 ...; of scan: the signature generation */
	uint32_t nets; /* how many net processes there are */
	uint32_t uid, gid; /* to become; UINT32_MAX: stay as started */
	uint32_t sandbox;  /* enum msg_sandbox */
};
struct msg_conf {
	uint32_t generation;
	uint32_t len; /* of the text in the memfd */
};
struct msg_log {
	uint32_t stream; /* enum log_stream */
	uint32_t syslog; /* 1: the descriptor is of log_syslog_connect() */
	uint32_t level;
};
struct msg_metrics {
	uint32_t block; /* index of the receiver's own block; ctl: UINT32_MAX */
	uint32_t nblocks; /* the memfd holds an array of so many */
};
struct msg_listener {
	uint32_t kind;  /* enum listener_kind */
	uint32_t gid;   /* SCAN: who may use it; UINT32_MAX: whoever can */
	char name[120]; /* where it really listens, for logs */
};
enum listener_kind {
	LISTENER_ICAP,
	LISTENER_CONTROL,
	LISTENER_METRICS,
	LISTENER_CLAMD, /* the clamd-compatible one, for freshclam */
	LISTENER_ICAPS, /* over TLS */
	LISTENER_SCAN   /* the scan socket */
};
enum msg_tls_kind {
	MSG_TLS_CERTIFICATE,
	MSG_TLS_KEY,
	MSG_TLS_CLIENT_CA,
	MSG_TLS_NFILES
};
struct msg_tls_file {
	uint32_t kind; /* enum msg_tls_kind */
};
#define MSG_TLS_TICKET_KEYS 3
#define MSG_TLS_TICKET_SECONDS 43200 /* a ticket is good for so long */
struct msg_tls_ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};
struct msg_tls_tickets {
	uint32_t nkeys; /* the newest first */
	struct msg_tls_ticket_key keys[MSG_TLS_TICKET_KEYS];
};
struct msg_slot_dir {
	uint32_t slot;
	uint32_t jail;  /* enum msg_jail */
	uint64_t size;  /* bytes of temporary files that fit, at most */
	uint32_t spare; /* 1: used only when net wants more workers */
	char path[240]; /* the slot's private temporary folder */
};
enum msg_jail {
	MSG_JAIL_TMPFS, /* path is a tmpfs of its own, mounted by the parent */
	MSG_JAIL_DIR    /* a folder; the worker tries a user namespace first */
};
struct msg_loaded {
	uint32_t generation;
	uint32_t signatures;
	uint64_t loaded_wall_us;
	uint64_t built_wall_us; /* when the signatures were made, 0: unknown */
	uint64_t memory;        /* bytes that they take, measured; 0: unknown */
	uint32_t load_ms;
	uint32_t embedded;        /* 1: tolsey's own small set */
	uint32_t daily;           /* version of daily.cvd, 0: there is none */
	char engine[32];          /* "ClamAV 1.4.6" */
	char database[96];        /* "main 62, daily 27780, 3 other files" */
	unsigned char digest[32]; /* engine and signatures, for the ISTag */
	/* what confines it and its workers: bits of sandbox/protections.def */
	uint32_t have_loader, have_worker;
};
struct msg_worker {
	uint32_t slot;
	uint32_t generation;
	uint64_t incarnation; /* unique over all workers of a parent's life */
	uint64_t scan_id;     /* where a scan is meant, else 0 */
};
struct msg_yield {
	struct msg_worker worker;
	uint32_t on; /* 1: its scan gives way to others, 0: no longer */
};
struct msg_priority {
	int32_t pid; /* of a worker of that loader */
	uint32_t gives_way;
};
struct msg_lost {
	struct msg_worker worker;
	int32_t signal;   /* that ended it, 0 = exited */
	int32_t status;   /* exit status */
	uint32_t overdue; /* 1: the loader killed it on OVERDUE */
	uint32_t unused;  /* so that no stray bytes of its sender travel */
};
struct msg_scan_request {
	uint64_t scan_id;
	uint64_t size; /* of the body: inline (the tail) or the descriptor */
	uint64_t budget_us; /* from the start of the scan to the kill */
	uint64_t whole_len; /* of a prefix: size of the object, 0 = unknown */
	uint32_t kind;      /* enum scan_kind */
	uint32_t conf_generation;
	uint32_t missing; /* SCAN_NO_START, SCAN_NO_END: it is a part only */
	uint32_t ncodings;
	uint32_t codings[SCAN_MAX_CODINGS];
	uint32_t forms; /* SCAN_FORM_* */
	char declared[SCAN_DECLARED_MAX];
	struct scan_opts opts;
};
struct msg_scan_id {
	uint64_t scan_id;
};
/* The tail is nfindings times struct scan_finding. */
struct msg_scan_result {
	uint64_t scan_id;
	uint32_t complete, reason, nfindings, dropped, final;
	uint32_t wall_us, cpu_us;
	char text[96];
	char type[SCAN_TYPE_MAX];
};
struct msg_status_child {
	uint32_t role, instance; /* role 0: empty row */
	int32_t pid;
	uint32_t restarts;
	uint64_t since_wall_us;
};
/* Kinds of processes whose protections are shown. */
enum msg_confined {
	MSG_CONFINED_NET,
	MSG_CONFINED_SCAN,
	MSG_CONFINED_WORKER,
	MSG_CONFINED_CTL,
	MSG_NCONFINED
};
#define MSG_CONFINED_KNOWN 0x80000000u /* it has said what it has */
struct msg_status {
	uint64_t number; /* of STATUS_ASK */
	uint64_t started_wall_us;
	struct msg_loaded loaded;      /* generation 0: none */
	uint32_t loading;              /* 1: a loader is at work */
	uint32_t workers, workers_max; /* configured */
	uint32_t loader_lost; /* 1: it died; its workers go on meanwhile */
	uint64_t last_reload_wall_us; /* when one last ended, 0: none yet */
	char last_reload_error[MSG_TEXT_MAX]; /* "": it succeeded */
	uint32_t sandbox;                     /* enum msg_sandbox */
	uint32_t fixed_priority; /* 1: what gives way could not come back */
	uint32_t confined[MSG_NCONFINED]; /* as of sandbox/protections.def */
	struct msg_status_child children[24];
};
struct msg_reload_result {
	uint64_t number; /* of RELOAD_DB */
	uint32_t ok;
	uint32_t generation;
	char text[MSG_TEXT_MAX];
};

/* The largest datagram: header, payload, tail. */
#define MSG_MAX_LEN (8 + sizeof(struct msg_status) + 65536)

/*
 * NULL, or why the peer in role `from` has broken the rules by sending this to
 * `to`. len is what follows the header, as received.
 */
const char *msg_violation(const struct msg_hdr *h, size_t len, size_t nfds,
    enum role from, enum role to);
const char *msg_name(uint16_t type); /* "SCAN_RESULT", "?" */
size_t msg_payload_size(uint16_t type);
const char *role_name(enum role r); /* "net" */
/*
 * A worker's result, checked field by field (it is hostile): every string
 * terminated and printable, enums in range, counts that fit the tail. 0 and
 * *out, or -1.
 */
int msg_scan_result_check(const struct msg_scan_result *r, struct slice tail,
    struct scan_answer *out) MUST_CHECK;
#endif
