/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_PARENT_H
#define SYS_PARENT_H
/*
 * The parent: reads the configuration, opens what needs rights, starts the
 * other processes and starts them again. It reads no byte from the network or
 * of an object.
 *
 *   parent.c      start, signals, end
 *   children.c    net, ctl and check: starting, feeding, restarting
 *   generation.c  loaders: load, take over, roll back
 */
#include <stdbool.h>
#include <sys/types.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "ipc/chan.h"
#include "sys/jail_dirs.h"

#define PARENT_MAX_NETS 16
#define PARENT_MAX_LISTENERS 64
#define PARENT_MAX_WAITERS 16

struct parent;

enum child_state { CHILD_NONE, CHILD_STARTING, CHILD_UP, CHILD_DRAINING };

/* A net, ctl or check process; a net that drains at HUP gets a row of its own.
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
	struct event *timer; /* back-off */
	bool replaced;       /* not started again when it ends */
};
TAILQ_HEAD(child_list, child);

struct loader {
	TAILQ_ENTRY(loader) link;
	struct parent *parent;
	uint32_t generation;
	pid_t pid;
	struct chan *chan;
	struct event *timer; /* LoadTimeout */
	bool loaded, retired;
	uint64_t fingerprint;
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
	uint32_t conf_generation;
	uint32_t uid, gid, scan_uid, scan_gid; /* UINT32_MAX: as started */
	struct jail_dirs jails;
	unsigned int workers;

	int metrics_fd;
	struct metrics *metrics;
	unsigned int nblocks;
	int listeners[PARENT_MAX_LISTENERS];
	char listener_names[PARENT_MAX_LISTENERS][96];
	unsigned int nlisteners;
	int control_fd, metrics_listener_fd;

	struct child_list children;
	struct loader_list loaders;
	struct loader *current, *loading;
	struct msg_loaded loaded;
	uint32_t last_generation;
	uint64_t last_fingerprint, seen_fingerprint, next_look_us;
	unsigned int stable_looks; /* at an unchanged, but new, folder */
	unsigned int load_fails;
	uint64_t retry_at_us;
	char last_reload_error[MSG_TEXT_MAX];
	uint64_t reload_waiters[PARENT_MAX_WAITERS];
	unsigned int nreload_waiters;
	bool load_again; /* asked for while one was loading */

	uint64_t started_wall_us;
	int ready_pipe;  /* tells the foreground caller that we are up, -1 */
	bool check_only; /* end after the check of the configuration */
	bool serving, stopping;
	int status;
};

/* Runs until the end; the exit status. */
int parent_run(struct parent *p);
/* Ends the loop with that status. */
void parent_finish(struct parent *p, int status);

/* children.c */
int children_start(struct parent *p) MUST_CHECK;
/* Starts a check of p->next_conf; parent_checked() follows. */
int children_check(struct parent *p) MUST_CHECK;
void parent_checked(struct parent *p, bool ok, const char *why);
void children_exited(struct parent *p, pid_t pid, int status);
/* To all nets and ctl. */
void children_send(
    struct parent *p, unsigned int roles, uint16_t type, const void *payload);
void children_send_conf(struct parent *p);
void children_send_logs(struct parent *p);
/* Every net anew; the old ones drain. */
void children_replace_nets(struct parent *p);
void children_kill(struct parent *p, int sig);
unsigned int children_count(const struct parent *p);
struct child *child_net(struct parent *p, unsigned int instance);

/* generation.c */
void generation_begin(struct parent *p, const char *why);
bool generation_exited(struct parent *p, pid_t pid, int status);
/* A net is up: channels between it and the present loaders. */
void generation_join_net(struct parent *p, struct child *net);
void generation_stuck(struct parent *p, const struct msg_worker *w);
void generation_watch(struct parent *p);
void generation_end_all(struct parent *p, int sig);

/* feed.c: the messages that every child begins with. */
struct feed {
	struct chan *chan;
	enum role role;
	unsigned int instance;
};
int feed_start(struct parent *p, const struct feed *f) MUST_CHECK;
int feed_conf(
    struct parent *p, const struct feed *f, const struct conf *c) MUST_CHECK;
int feed_logs(struct parent *p, const struct feed *f) MUST_CHECK;
int feed_metrics(
    struct parent *p, const struct feed *f, unsigned int block) MUST_CHECK;
/* Modules and block page of a configuration; why: which file is missing. */
int feed_modules(struct parent *p, const struct feed *f, const struct conf *c,
    char *why, size_t len) MUST_CHECK;
#endif
