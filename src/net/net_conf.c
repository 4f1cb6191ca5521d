/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-net: the configuration, and what comes with it (modules, the page, the
 * files of TLS): received from the parent, turned into services and limits, at
 * the start and while it runs.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/capacity.h"
#include "net/net_int.h"
#include "net/tls_ctx.h"
#include "net/workers.h"
#include "service/blockpage.h"

#define CONF_TEXT_MAX ((size_t)16 << 20)
#define TLS_FILE_MAX ((size_t)4 << 20)

/* The bytes of a sealed memfd, NUL-terminated; NULL when it is not one. */
static char *
read_all(int fd, size_t max, size_t *len)
{
	struct stat st;
	char *p;
	ssize_t n;

	if (fstat(fd, &st) == -1 || st.st_size < 0 ||
	    (uint64_t)st.st_size > max)
		return NULL;
	if ((p = malloc((size_t)st.st_size + 1)) == NULL)
		return NULL;
	n = pread(fd, p, (size_t)st.st_size, 0);
	if (n != st.st_size) {
		free(p);
		return NULL;
	}
	p[n] = '\0';
	*len = (size_t)n;
	return p;
}

static int
take_template(struct net *n, struct service_set *set)
{
	if (n->template == NULL)
		return 0;
	if ((set->template = malloc(n->template_len + 1)) == NULL)
		return -1;
	memcpy(set->template, n->template, n->template_len);
	set->template_len = n->template_len;
	return 0;
}

/* The services of the received configuration, or NULL after refuse(). */
struct service_set *
net_make_set(struct net *n)
{
	struct conf_errors err;
	struct service_set *set;

	if (n->conf == NULL) {
		chan_refuse(n->parent, "no configuration was received");
		return NULL;
	}
	conf_errors_init(&err);
	set = service_set_new(n->modules, n->conf, &err);
	if (set == NULL)
		chan_refuse(n->parent, buf_cstr(&err.text));
	else if (take_template(n, set) == -1)
		service_set_unref(&set);
	conf_errors_free(&err);
	return set;
}

/* They are used once, and hold a key. */
void
net_forget_tls_files(struct net *n)
{
	for (size_t i = 0; i < MSG_TLS_NFILES; i++) {
		if (n->tls_file[i] != NULL)
			explicit_bzero(n->tls_file[i], n->tls_file_len[i]);
		free(n->tls_file[i]);
		n->tls_file[i] = NULL;
		n->tls_file_len[i] = 0;
	}
}

/*
 * What the files that came with the configuration make. *out is NULL when it
 * has no TLS. -1 after refuse().
 */
int
net_make_tls(struct net *n, struct tls_ctx **out)
{
	char why[MSG_TEXT_MAX];
	struct tls_files f;

	*out = NULL;
	if (n->conf->tls_certificate[0] == '\0')
		return 0;
	for (size_t i = 0; i < MSG_TLS_NFILES; i++)
		f.file[i] =
		    (struct slice){ n->tls_file[i], n->tls_file_len[i] };
	*out = tls_ctx_new(n->conf, &f, n->tickets, why, sizeof(why));
	net_forget_tls_files(n);
	if (*out != NULL)
		return 0;
	chan_refuse(n->parent, why);
	return -1;
}

/* Of count slots, those with our number (the loader divides them so). */
static unsigned int
slots(const struct net *n, unsigned int count)
{
	return count > n->instance ? (count - n->instance - 1) / n->nets + 1
				   : 0;
}

/* What can be received at once. */
static void
set_capacity(struct net *n)
{
	uint64_t wanted = n->conf->max_connections;
	struct rlimit l;
	struct capacity c;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		l.rlim_cur = RLIM_INFINITY;
	c = capacity_of(l.rlim_cur, slots(n, conf_worker_max(n->conf)), wanted);
	n->core.max_connections = c.connections;
	n->core.max_refused = c.refused;
	spool_pool_bodies(n->spool, c.bodies);
	if (c.connections < wanted)
		log_warn("few-descriptors",
		    "MaxConnections=%llu served=%llu bodies=%llu "
		    "remedy=\"raise the limit of open files (ulimit -n, "
		    "LimitNOFILE)\"",
		    (unsigned long long)wanted,
		    (unsigned long long)c.connections,
		    (unsigned long long)c.bodies);
}

/* Connections are served as core.set and the TLS files say. */
int
net_configure_connections(struct net *n, struct tls_ctx *tls)
{
	METRIC_SET(tls_certificate_expires_timestamp_seconds,
	    tls != NULL ? tls_ctx_expires(tls) : 0);
	if (tls != NULL && tls_ctx_expires(tls) * 1000000 < clock_wall_us())
		log_warn("certificate-expired", "file=%s",
		    LOG_Q(slice_of(n->conf->tls_certificate)));
	set_capacity(n);
	return conn_pool_configure(&n->conns, tls);
}

void
net_name_services(const struct conf *c)
{
	for (size_t i = 0; i < c->nservices && i < METRICS_MAX_SERVICES; i++)
		(void)str_copy(metrics->services[i], METRICS_SERVICE_NAME,
		    slice_of(c->services[i].name));
}

static void
confirm(struct net *n)
{
	struct msg_number done = { n->conf->generation };

	(void)chan_queue(n->parent, MSG_CONF_DONE, &done, -1);
}

/* The budgets are for all bodies of the machine: each net has its share. */
uint64_t
net_share(const struct net *n, uint64_t budget)
{
	return budget / n->conf->net_processes;
}

void
net_set_limits(struct net *n)
{
	struct sched_limits l = { .worker_max_scans = n->conf->worker_max_scans,
		.workers = slots(n, conf_worker_count(n->conf)),
		.workers_max = slots(n, conf_worker_max(n->conf)) };

	sched_limits(n->core.sched, &l);
}

/* A running net takes over a new snapshot; transactions keep theirs. */
static void
change_live(struct net *n)
{
	struct service_set *set = net_make_set(n);
	struct tls_ctx *tls = NULL;

	if (set == NULL)
		return;
	if (net_make_tls(n, &tls) == -1) {
		service_set_unref(&set);
		return;
	}
	if (net_core_set(&n->core, set) == 0) {
		if (net_configure_connections(n, tls) == -1)
			log_error("no-memory", "for=clients");
		tls = NULL;
		net_name_services(n->conf);
		log_set_level((enum log_level)n->conf->log_level);
		spool_pool_limits(n->spool,
		    net_share(n, conf_spool_memory(n->conf)),
		    net_share(n, n->conf->spool_size));
		net_set_limits(n);
		confirm(n);
		log_notice("configured", "generation=%u", n->conf->generation);
	}
	tls_ctx_free(&tls);
	service_set_unref(&set);
}

void
net_got_conf(struct net *n, const struct msg_conf *m, int fd)
{
	struct conf_errors err;
	struct conf *c;
	size_t len;
	char *text = read_all(fd, CONF_TEXT_MAX, &len);

	(void)m;
	if (text == NULL) {
		chan_refuse(n->parent, "the configuration cannot be read");
		return;
	}
	conf_errors_init(&err);
	c = conf_parse_dump((struct slice){ text, len }, &err);
	if (c == NULL) {
		chan_refuse(n->parent, buf_cstr(&err.text));
	} else {
		conf_unref(&n->conf);
		n->conf = c;
		log_set_level((enum log_level)c->log_level);
		if (n->serving)
			change_live(n);
	}
	conf_errors_free(&err);
	free(text);
}

void
net_got_template(struct net *n, int fd)
{
	char why[MSG_TEXT_MAX];
	size_t len;
	char *text = read_all(fd, BLOCKPAGE_MAX, &len);

	if (text == NULL) {
		chan_refuse(
		    n->parent, "block.html cannot be read or is over 64 KiB");
		return;
	}
	if (blockpage_check_template(
		(struct slice){ text, len }, why, sizeof(why)) == -1) {
		chan_refuse(n->parent, why);
		free(text);
		return;
	}
	free(n->template);
	n->template = text;
	n->template_len = len;
}

void
net_got_tls_file(struct net *n, const struct msg_tls_file *m, int fd)
{
	size_t len;

	if (m->kind >= MSG_TLS_NFILES)
		return;
	free(n->tls_file[m->kind]);
	/* one that cannot be read lacks what it should hold, which is said */
	n->tls_file[m->kind] = read_all(fd, TLS_FILE_MAX, &len);
	n->tls_file_len[m->kind] = n->tls_file[m->kind] != NULL ? len : 0;
}

void
net_got_module(struct net *n, const struct msg_name *m, int fd)
{
	char name[sizeof(m->name)], why[MSG_TEXT_MAX];

	(void)str_copy(name, sizeof(name),
	    (struct slice){ m->name, strnlen(m->name, sizeof(m->name)) });
	if (registry_find(n->modules, name) != NULL)
		return;
	if (registry_load(n->modules, name, fd, why, sizeof(why)) == -1)
		chan_refuse(n->parent, why);
}
