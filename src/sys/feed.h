/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SYS_FEED_H
#define SYS_FEED_H
/* The messages that every child begins with. 0, or -1 with the reason. */
#include "conf/conf.h"
#include "ipc/chan.h"

struct parent;

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
/* Modules of a configuration; why: which file is missing. */
int feed_modules(const struct feed *f, const struct conf *c, char *why,
    size_t len) MUST_CHECK;
/* The files of TlsCertificate, TlsKey and TlsClientCA. */
int feed_tls(const struct feed *f, const struct conf *c, char *why,
    size_t len) MUST_CHECK;
int feed_template(const struct feed *f, const struct conf *c, char *why,
    size_t len) MUST_CHECK;
/* Whether the local syslog daemon is another one than when last asked. */
bool feed_syslog_changed(struct parent *p);
/* Our own event log, as configured now. */
void feed_own_log(struct parent *p);
/* Opens all logs anew, for us and for every child. */
void feed_logs_anew(struct parent *p);
#endif
