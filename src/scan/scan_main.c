/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-scan: the loader of one signature generation. Everything it needs
 * comes from the parent as messages on descriptor 3; it drops its rights with
 * the first, loads and proves the signatures with GO, and forks workers with
 * SERVE.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/prio.h"
#include "conf/conf.h"
#include "ipc/chan.h"
#include "sandbox/privdrop.h"
#include "scan/confine.h"
#include "scan/jail.h"
#include "scan/loader.h"
#include "scan/scan_tool.h"

#define CHANNEL_FD 3
#define DESCRIPTORS_MAX ((rlim_t)65536)
#define CONF_TEXT_MAX ((size_t)16 << 20)
#define CATEGORIES_MAX ((size_t)65536)
#define END_NICE 19 /* to give back the memory of an engine takes a while */

/* The one context of the process. */
struct scan {
	struct event_base *base;
	struct event *flush;
	struct chan *parent;
	struct loader *loader;
	struct conf *conf;
	struct engine *engine;
	struct msg_start start;
	struct msg_loaded loaded;
	struct jail_host host;
	bool started, ready, finished;
	int status;
};

static void
finish(struct scan *s, int status)
{
	if (!s->finished)
		s->status = status;
	s->finished = true;
	(void)event_base_loopbreak(s->base);
}

static void
refuse(struct scan *s, const char *why)
{
	chan_refuse(s->parent, why);
	finish(s, EXIT_FAILURE);
}

/* All signature files are open while they are loaded; there may be many. */
static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur =
	    r.rlim_max > DESCRIPTORS_MAX ? DESCRIPTORS_MAX : r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static void
got_start(struct scan *s, const struct msg_start *m)
{
	char name[16];
	uint64_t keep = 0;

	s->start = *m;
	s->started = true;
	(void)snprintf(name, sizeof(name), "scan%u", m->instance);
	log_init(name, LOG_INFO);
	raise_descriptors();
	/* what serves goes first, until this has loaded */
	(void)prio_long_slices(0, true);
	/* until it is confined; then at most the second of them is left */
	if (m->sandbox != MSG_SANDBOX_OFF)
		keep = CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SYS_CHROOT);
	if (privdrop(m->uid, m->gid, keep) != 0)
		refuse(s, "its rights cannot be dropped");
}

static struct conf *
read_conf(int fd, const char **why)
{
	struct conf_errors err;
	struct conf *c = NULL;
	struct stat st;
	char *text = MAP_FAILED;

	*why = "the configuration cannot be read";
	if (fstat(fd, &st) != 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size > CONF_TEXT_MAX)
		return NULL;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return NULL;
	*why = "the configuration is not understood";
	conf_errors_init(&err);
	c = conf_parse_dump((struct slice){ text, (size_t)st.st_size }, &err);
	if (c == NULL)
		log_error(
		    "configuration", "why=%s", LOG_Q(buf_slice(&err.text)));
	conf_errors_free(&err);
	(void)munmap(text, (size_t)st.st_size);
	return c;
}

static void
got_conf(struct scan *s, int fd)
{
	const char *why;
	struct conf *c = read_conf(fd, &why);

	if (c == NULL && s->ready)
		log_error("configuration", "why=%s", LOG_Q(slice_of(why)));
	else if (c == NULL)
		refuse(s, why);
	if (c == NULL)
		return;
	conf_unref(&s->conf);
	s->conf = c;
	log_set_level((enum log_level)c->log_level);
}

/* True when the log keeps fd. */
static bool
got_log(const struct msg_log *m, int fd)
{
	if (m->stream >= LOG_NSTREAMS)
		return false;
	if (m->syslog)
		log_set_syslog((enum log_stream)m->stream, "tolsey", fd);
	else if (fd != -1)
		log_set_fd((enum log_stream)m->stream, fd);
	log_set_level((enum log_level)m->level);
	return fd != -1;
}

static void
got_metrics(const struct msg_metrics *m, int fd)
{
	struct metrics *all;
	size_t len = m->nblocks * sizeof(*all);
	struct stat st;

	if (m->nblocks == 0 || m->nblocks > 1024 || m->block >= m->nblocks ||
	    fstat(fd, &st) != 0 || st.st_size < 0 || (uint64_t)st.st_size < len)
		return;
	all = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all != MAP_FAILED)
		metrics_use(&all[m->block]);
}

static struct loader_conf
worker_conf(const struct scan *s)
{
	return (struct loader_conf){ .engine = s->engine,
		.generation = s->start.instance,
		.nets = s->start.nets,
		.memory_max = s->conf->worker_memory,
		.host = s->host,
		.sandbox_off = s->start.sandbox == MSG_SANDBOX_OFF };
}

/* Both the loader's own sandbox and that of its workers to come. */
static int
confine(struct scan *s, char *err, size_t errlen)
{
	struct confine_paths paths = { .n = 0 };
	struct sandbox box = { .role = ROLE_SCAN,
		.off = s->start.sandbox == MSG_SANDBOX_OFF };
	struct sandbox_report mine = { 0 }, worker = { 0 };
	struct loader_conf c;
	int rc;

	jail_host_open(&s->host);
	if (engine_prepare(err, errlen) != 0 ||
	    confine_paths(&paths, s->conf, s->loader, err, errlen) != 0)
		return -1;
	box.paths = paths.v;
	box.npaths = paths.n;
	box.scratch = paths.scratch;
	rc = sandbox_enter(&box, &mine, err, errlen);
	confine_paths_free(&paths);
	if (rc != 0)
		return -1;
	worker.have = confine_inherited(mine.have, s->loader);
	c = worker_conf(s);
	if (loader_probe(s->loader, &c, &worker, err, errlen) != 0)
		return -1;
	s->loaded.have_loader = mine.have;
	s->loaded.have_worker = worker.have;
	sandbox_log(ROLE_SCAN, &mine);
	sandbox_log(ROLE_WORKER, &worker);
	if (s->start.sandbox != MSG_SANDBOX_REQUIRE)
		return 0;
	return sandbox_demand(ROLE_SCAN, &mine, err, errlen) != 0
		   ? -1
		   : sandbox_demand(ROLE_WORKER, &worker, err, errlen);
}

/* ".Win.Tool." of a list, "" of an empty one. */
static int
join_categories(struct buf *out, const struct conf_list *l)
{
	buf_init(out, CATEGORIES_MAX);
	for (size_t i = 0; i < l->n; i++)
		if (buf_printf(out, "%s%s.", i == 0 ? "." : "", l->v[i]) != 0)
			return -1;
	return 0;
}

static void
fill_load(struct engine_load *l, const struct conf *c, const char *dir)
{
	*l = (struct engine_load){ .database = c->database_directory,
		.temp_dir = dir,
		.min_signatures = c->min_signatures,
		.pua = c->detect_pua,
		.official_only = c->official_database_only,
		.no_phishing_signatures = !c->phishing_signatures,
		.no_phishing_urls = !c->phishing_scan_urls,
		.no_bytecode = !c->bytecode,
		.bytecode_unsigned = c->bytecode_unsigned,
		.bytecode_paranoid =
		    c->bytecode_security == CONF_BYTECODE_SECURITY_PARANOID,
		.no_cert_check = c->disable_cert_check,
		.bytecode_timeout_ms = c->bytecode_timeout,
		.pcre_match_limit = c->pcre_match_limit,
		.pcre_recmatch_limit = c->pcre_recmatch_limit };
}

static int
load_in(struct scan *s, const char *dir, char *err, size_t errlen)
{
	struct engine_load load;
	struct buf include, exclude;
	int in = join_categories(&include, &s->conf->include_pua);
	int ex = join_categories(&exclude, &s->conf->exclude_pua);

	fill_load(&load, s->conf, dir);
	load.pua_include = buf_cstr(&include);
	load.pua_exclude = buf_cstr(&exclude);
	if (in != 0 || ex != 0)
		(void)snprintf(err, errlen, "too many PUA categories");
	else
		s->engine = engine_open(&load, err, errlen);
	buf_free(&include);
	buf_free(&exclude);
	return s->engine != NULL ? engine_self_test(s->engine, err, errlen)
				 : -1;
}

static int
load(struct scan *s, char *err, size_t errlen)
{
	const char *slot = loader_folder(s->loader, 0);
	char dir[JAIL_PATH_MAX];
	int rc;

	if (slot == NULL) {
		(void)snprintf(err, errlen, "no worker slots were given");
		return -1;
	}
	(void)snprintf(dir, sizeof(dir), "%s/load%u", slot, s->start.instance);
	jail_remove_tree(dir);
	if (mkdir(dir, 0700) != 0) {
		(void)snprintf(err, errlen, "%s: %s", dir, strerror(errno));
		return -1;
	}
	jail_host_loading(&s->host, true);
	rc = load_in(s, dir, err, errlen);
	jail_host_loading(&s->host, false);
	jail_remove_tree(dir);
	return rc;
}

static void
report_loaded(struct scan *s, uint64_t began_us)
{
	const struct engine_info *i = engine_info(s->engine);
	struct msg_loaded *m = &s->loaded;

	m->generation = s->start.instance;
	m->signatures = i->signatures;
	m->loaded_wall_us = clock_wall_us();
	m->load_ms = (uint32_t)((clock_mono_us() - began_us) / 1000);
	m->embedded = i->embedded;
	m->built_wall_us = i->built_wall_us;
	m->daily = i->daily;
	m->memory = jail_host_memory(&s->host);
	memcpy(m->engine, i->engine, sizeof(m->engine));
	memcpy(m->database, i->database, sizeof(m->database));
	memcpy(m->digest, i->digest, sizeof(m->digest));
	(void)chan_queue(s->parent, MSG_LOADED, m, -1);
	log_notice("loaded", "generation=%u signatures=%u ms=%u database=%s",
	    m->generation, m->signatures, m->load_ms,
	    LOG_Q(slice_of(m->database)));
}

static void
go(struct scan *s)
{
	uint64_t began_us = clock_mono_us();
	char err[MSG_TEXT_MAX] = "";

	if (s->finished || s->ready)
		return;
	if (!s->started || s->conf == NULL) {
		refuse(s, "GO before START and CONF");
		return;
	}
	/* while it can still be seen why */
	if (engine_check_files(s->conf->database_directory, err, sizeof(err)) !=
		0 ||
	    confine(s, err, sizeof(err)) != 0) {
		refuse(s, err);
		return;
	}
	if (load(s, err, sizeof(err)) != 0) {
		refuse(s, err);
		return;
	}
	s->ready = true;
	report_loaded(s, began_us);
}

static void
serve(struct scan *s)
{
	struct loader_conf c;

	if (!s->ready)
		return;
	(void)prio_long_slices(0, false);
	c = worker_conf(s);
	loader_serve(s->loader, &c);
}

static void
from_parent(void *ctx, struct chan *c, struct chan_msg *m)
{
	struct scan *s = ctx;
	bool keep_fd = false;

	(void)c;
	switch (m->type) {
	case MSG_START:
		got_start(s, m->payload);
		break;
	case MSG_CONF:
		got_conf(s, m->fd);
		break;
	case MSG_LOG:
		keep_fd = got_log(m->payload, m->fd);
		break;
	case MSG_METRICS:
		got_metrics(m->payload, m->fd);
		break;
	case MSG_SLOT:
		if (loader_add_slot(s->loader, m->payload) != 0)
			refuse(s, "too many worker slots");
		break;
	case MSG_NET_CHANNEL:
		keep_fd = true;
		if (loader_add_net(s->loader,
			((const struct msg_number *)m->payload)->number,
			m->fd) != 0)
			log_error("net-channel", "why=\"cannot be used\"");
		break;
	case MSG_GO:
		go(s);
		break;
	case MSG_SERVE:
		serve(s);
		break;
	case MSG_DRAIN:
		loader_drain(s->loader);
		break;
	default:
		break;
	}
	if (!keep_fd && m->fd != -1)
		(void)close(m->fd);
}

static void
parent_ended(void *ctx, struct chan *c, enum chan_end how, const char *why)
{
	(void)c;
	if (how != CHAN_EOF)
		log_error("parent-channel", "why=%s", LOG_Q(slice_of(why)));
	finish(ctx, how == CHAN_EOF ? EXIT_SUCCESS : EXIT_FAILURE);
}

static const struct chan_ops parent_ops = { .message = from_parent,
	.ended = parent_ended };

static void
on_served(void *ctx)
{
	struct scan *s = ctx;
	struct msg_none none = { 0 };

	(void)chan_queue(s->parent, MSG_SERVING, &none, -1);
}

static void
on_priority(void *ctx, pid_t pid, bool gives_way)
{
	struct scan *s = ctx;
	struct msg_priority m = { .pid = pid, .gives_way = gives_way };

	(void)chan_queue(s->parent, MSG_PRIORITY, &m, -1);
}

static void
on_idle(void *ctx)
{
	finish(ctx, EXIT_SUCCESS);
}

static void
on_flush(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	log_flush();
}

static int
init(struct scan *s)
{
	struct loader_ops ops = { .served = on_served,
		.idle = on_idle,
		.priority = on_priority,
		.ctx = s };
	struct timeval second = { 1, 0 };

	s->base = event_base_new();
	if (s->base == NULL)
		return -1;
	s->flush = event_new(s->base, -1, EV_PERSIST, on_flush, s);
	s->loader = loader_new(s->base, &ops);
	s->parent = chan_new(
	    s->base, CHANNEL_FD, ROLE_SCAN, ROLE_PARENT, &parent_ops, s);
	if (s->flush == NULL || s->loader == NULL || s->parent == NULL)
		return -1;
	return event_add(s->flush, &second);
}

static void
deinit(struct scan *s)
{
	loader_free(&s->loader);
	engine_close(&s->engine);
	jail_host_close(&s->host);
	conf_unref(&s->conf);
	chan_free(&s->parent);
	if (s->flush != NULL)
		event_free(s->flush);
	if (s->base != NULL)
		event_base_free(s->base);
}

int
main(int argc, char *argv[])
{
	struct scan s;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (argc > 1)
		return scan_tool(argc, argv);
	memset(&s, 0, sizeof(s));
	s.host.statm_fd = s.host.oom_fd = -1;
	log_init("scan", LOG_INFO);
	/* the terminal's signals are the parent's business */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	(void)sigaction(SIGTTOU, &ignore, NULL);
	/* by this the parent knows our workers (MSG_PRIORITY) */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "tolsey-scan", 0, 0, 0);
	if (init(&s) != 0) {
		fprintf(
		    stderr, "tolsey-scan is started by tolseyd (see --help)\n");
		deinit(&s);
		return EXIT_FAILURE;
	}
	while (!s.finished && event_base_loop(s.base, EVLOOP_ONCE) == 0)
		;
	log_flush();
	(void)setpriority(PRIO_PROCESS, 0, END_NICE);
#ifndef WITH_SANITIZERS
	/* the kernel takes the memory back faster than the library gives it */
	exit(s.status);
#endif
	deinit(&s);
	return s.status;
}
