/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_PARENT_H
#define SYS_PARENT_H
/*
 * The parent: reads the configuration, opens what needs rights, starts the
 * other processes and starts them again. It reads no byte from the network or
 * of an object.
 *
 *   parent.c      start, signals, end
 *   open.c        what is opened once
 *   reload.c      a new configuration: checked by a child, then applied
 *   children.c    net, ctl and check: starting, restarting, replacing
 *   child_talk.c  what is said between them and us
 *   feed.c        the messages that every child begins with
 *   tickets.c     keys of TLS session tickets
 *   generation.c  loaders: load, take over, roll back
 *   confined.c    what confines the others, and what of it is missing
 *   priority.c    who gives way to whom
 *   gen_when.c    when to load, and whether there is memory for it
 */
#include <stdbool.h>
#include <sys/types.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "ipc/chan.h"
#include "sys/jail_dirs.h"
#include "sys/listeners.h"
#include "sys/memroom.h"

#define PARENT_MAX_NETS 16
#define PARENT_MAX_CLAMD 8
#define PARENT_MAX_WAITERS 64
#define PARENT_BLOCKS 64 /* of metrics; the first is the parent's own */

struct parent;

enum child_state { CHILD_NONE, CHILD_STARTING, CHILD_UP, CHILD_DRAINING };

/*
 * A net, ctl or check process. When a configuration needs new nets they wait
 * as standby, beside the old ones, until a generation serves them.
 */
struct child {
	TAILQ_ENTRY(child) link;
	struct parent *parent;
	enum role role;
	unsigned int instance;
	pid_t pid; /* 0: not running, waits for its timer */
	struct chan *chan;
	enum child_state state;
	unsigned int restarts, fails;
	uint64_t since_us, since_wall_us;
	struct event *timer;    /* back-off */
	bool standby;           /* not listening yet */
	bool replaced;          /* not started again when it ends */
	unsigned int block;     /* of metrics, of a net; 0: none */
	char why[MSG_TEXT_MAX]; /* it refused to work, "" if not */
};
TAILQ_HEAD(child_list, child);

struct loader {
	TAILQ_ENTRY(loader) link;
	struct parent *parent;
	uint32_t generation;
	pid_t pid;
	struct chan *chan;
	struct event *timer; /* LoadTimeout */
	bool loaded;         /* it has the signatures */
	bool serving;        /* its workers have taken over */
	bool gives_way;      /* it runs at a lower priority, as it loads */
	bool retired;
	bool standby;         /* it will serve the nets that are standing by */
	bool standby_follows; /* retired for such: its nets drain */
	unsigned int set;     /* of the jail folders */
	uint64_t since_us, since_wall_us;
	uint64_t fingerprint;   /* of the files, just before it began */
	struct msg_loaded info; /* once loaded */
	char why[MSG_TEXT_MAX];
};
TAILQ_HEAD(loader_list, loader);

struct parent {
	struct event_base *base;
	struct event *signals[6], *check_timer, *shutdown_timer, *again_timer;
	const char *conf_file;
	const char *const *overrides;
	size_t noverrides;
	struct conf *conf;
	struct conf *next_conf; /* being checked */
	struct conf *first;     /* for what only a restart can change */
	bool hup_again;         /* HUP came while one was being checked */
	uint32_t conf_generation;
	uint32_t uid, gid, scan_uid, scan_gid; /* UINT32_MAX: as started */
	struct jail_dirs jails;
	unsigned int workers, workers_max;

	int metrics_fd, metrics_read_fd; /* the latter cannot be written */
	struct metrics *metrics;
	struct listeners listeners;
	struct passed passed;
	struct msg_tls_tickets tickets; /* the same for all nets */
	uint64_t next_tickets_us;
	int control_fd, metrics_listener_fd;
	int scan_fd; /* ScanSocket; -1: none */
	uint32_t scan_socket_gid;
	int clamd_fds[PARENT_MAX_CLAMD]; /* as in ClamdSocket; -1: none */
	bool pid_file_written;

	struct child_list children;
	struct loader_list loaders;
	struct loader *current, *loading;
	struct msg_loaded loaded;
	uint32_t last_generation;
	uint32_t set_used[JAIL_SETS]; /* by which generation last */
	/* of the folder: when last tried, when loaded, when last looked at */
	uint64_t last_fingerprint, loaded_fingerprint, seen_fingerprint;
	uint64_t next_look_us;
	unsigned int stable_looks; /* at an unchanged, but new, folder */
	unsigned int load_fails, loader_deaths;
	uint64_t retry_at_us;             /* UINT64_MAX: not */
	uint32_t confined[MSG_NCONFINED]; /* as they have reported it */
	uint64_t last_reload_wall_us;     /* when one last ended, 0: none yet */
	char last_reload_error[MSG_TEXT_MAX];
	uint64_t reload_waiters[PARENT_MAX_WAITERS];
	unsigned int nreload_waiters;
	bool load_again; /* asked for while one was loading */
	bool stop_first; /* the former generation has to end before */
	const struct memroom_source *memory;

	uint64_t syslog_seen; /* which socket the log went to */
	uint64_t started_wall_us;
	bool background;
	int ready_pipe;  /* the caller waits here for our exit status, or -1 */
	int say_fd;      /* the caller's stderr, or -1 when it went away */
	bool check_only; /* end after the check of the configuration */
	bool serving;    /* all is open, children are started */
	bool announced;  /* all nets were ready once */
	bool stopping;
	int status;
};

/* Runs until the end; the exit status. */
int parent_run(struct parent *p);
/* Ends the loop with that status. */
void parent_finish(struct parent *p, int status);
/* To whom started us, while he still listens. */
void parent_say(const struct parent *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* All nets are ready: the start has succeeded. */
void parent_announce(struct parent *p);

/* open.c: 0, or -1 with the reason. */
int parent_open(struct parent *p, char *err, size_t errlen) MUST_CHECK;
/* The sockets that c asks for. */
int parent_listen(struct parent *p, const struct conf *c, char *err,
    size_t errlen) MUST_CHECK;
/* Descriptors enough for c, for us and for children to come. */
void parent_raise_files(const struct conf *c);
void parent_close(struct parent *p);

/* tickets.c: a new key from time to time, told to all nets */
void tickets_watch(struct parent *p);

/* reload.c */
void reload_configuration(struct parent *p);
/* The check of p->next_conf has ended. */
void reload_checked(struct parent *p, bool ok, const char *why);

/* children.c */
int children_start(struct parent *p) MUST_CHECK;
/* Starts a check of p->next_conf; reload_checked() follows. */
int children_check(struct parent *p) MUST_CHECK;
void children_exited(struct parent *p, pid_t pid, int status);
/* New nets of p->conf, beside the old ones until children_hand_over(). */
void children_stand_by(struct parent *p);
bool children_standing_by(const struct parent *p);
/* The nets that stand by take over, the others drain. */
void children_hand_over(struct parent *p);
void children_kill(struct parent *p, int sig);
/* Closes the channels: whoever is sound ends. */
void children_hang_up(struct parent *p);
void children_free(struct parent *p);
unsigned int children_count(const struct parent *p); /* nets that live */
/* NULL when there is none that can be talked to. */
struct child *child_net(struct parent *p, unsigned int instance, bool standby);

/* child_talk.c */
extern const struct chan_ops child_ops;
/* All that a new child needs; why: what is missing. */
int child_feed(struct child *c, char *why, size_t len) MUST_CHECK;
void child_listen(struct child *c); /* a net may accept connections */
/* To all of those roles; nets standing by and draining ones left out. */
void children_send(
    struct parent *p, unsigned int roles, uint16_t type, const void *payload);
/* To all nets and ctl, whatever their state. */
void children_send_drain(struct parent *p);
void children_send_conf(struct parent *p);
void children_send_logs(struct parent *p);
/* To all nets, whatever their state. */
void children_send_tickets(struct parent *p);
/* Running nets may open as many descriptors as we now may. */
void children_raise_files(struct parent *p);

/* confined.c */
/* Only what a parent needs is left of root's rights. */
int confined_parent(void) MUST_CHECK;
/* Sandbox require: 0, or -1 with what this system does not offer. */
int confined_demand(const struct parent *p, const struct conf *c, char *err,
    size_t errlen) MUST_CHECK;
/* A process of that kind says what it has. */
void confined_set(struct parent *p, enum msg_confined kind, uint32_t have);

/* priority.c */
/* Whether what has given way can come back to the usual priority. */
bool priority_can_change(void);
void priority_say(void); /* where it cannot: once, to the log */
void priority_of_loader(struct loader *l, bool gives_way);
/* As that loader asks for one of its workers; for others nothing is done. */
void priority_of_worker(const struct loader *l, const struct msg_priority *m);

/* generation.c */
void generation_begin(struct parent *p, const char *why);
bool generation_exited(struct parent *p, pid_t pid, int status);
/* A net is up: channels between it and the loaders that are for it. */
void generation_join_net(struct parent *p, struct child *net);
void generation_stuck(struct parent *p, const struct msg_worker *w);
void generation_send_logs(struct parent *p);
void generation_kill(struct parent *p, int sig);
void generation_hang_up(struct parent *p);
void generation_free(struct parent *p);

/* gen_when.c */
/* Somebody asks for a load; number: who waits for its end, 0: nobody. */
void generation_ask(struct parent *p, uint64_t number, const char *why);
/* Files may have changed: loads unless they are those that serve or load. */
void generation_notified(struct parent *p);
void generation_watch(struct parent *p); /* each second: SelfCheck, retries */
/* False, and why: no memory for another set beside p->current. */
bool generation_fits(struct parent *p, char *why, size_t len);
/* A load has ended: those who waited hear of it, or wait for the next. */
void generation_ended_load(struct parent *p, bool ok, const char *text);
void generation_plan_retry(struct parent *p);
#endif
