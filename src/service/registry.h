/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SERVICE_REGISTRY_H
#define SERVICE_REGISTRY_H
/*
 * The loaded modules of a process, and the service instances of one
 * configuration snapshot. An instance lives as long as the snapshot's last
 * transaction.
 */
#include "conf/conf.h"
#include "service/service.h"

struct registry; /* modules */

struct registry *registry_new(void);
void registry_free(struct registry **r); /* also unloads */
/*
 * Loads the shared object behind the descriptor (which stays the caller's).
 * 0, or -1 with the reason: not a module, other ABI, name taken.
 */
int registry_load(struct registry *r, const char *name, int fd, char *err,
    size_t errlen) MUST_CHECK;
/* For tests: a module that is linked in. */
int registry_add(struct registry *r, const struct service_module *m) MUST_CHECK;
const struct service_module *registry_find(
    const struct registry *r, const char *name);

#define SERVICE_TAG_LEN 33 /* of an ISTag, with NUL */

struct service {
	const struct service_module *module;
	void *instance;
	const struct conf_service *conf;
	/* set by service_set_tags(), "" before */
	char istag[SERVICE_TAG_LEN];
};
/* All services of a snapshot; reference-counted, keeps the conf. */
struct service_set {
	unsigned int refs;
	struct conf *conf;
	struct service *services; /* conf->nservices, same order */
	char *template;           /* of the block page, NULL = built in */
	size_t template_len;
};
/* NULL with errors, which name file and line of the directive. */
struct service_set *service_set_new(
    struct registry *r, struct conf *c, struct conf_errors *err);
struct service_set *service_set_ref(struct service_set *s);
void service_set_unref(struct service_set **s);
/* By name or alias, "" = default. NULL when there is none. */
struct service *service_set_find(struct service_set *s, struct slice name);
/*
 * ISTag of one service for a generation whose engine has this digest (NULL:
 * no signatures). 0 or -1.
 */
int service_tag(const struct service_set *s, const struct service *svc,
    const unsigned char *engine_digest, char out[SERVICE_TAG_LEN]) MUST_CHECK;
/*
 * ISTag of every service from the engine's digest (of msg_loaded; NULL: no
 * signatures) and the settings that can change a verdict. 0 or -1.
 */
int service_set_tags(
    struct service_set *s, const unsigned char *engine_digest) MUST_CHECK;
#endif
