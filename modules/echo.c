/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Passes everything unscanned: for trying out a proxy, and as an example. */
#include <stdlib.h>

#include "service/service.h"

static void *
configure(
    const struct svc_setting *settings, size_t n, char *err, size_t errlen)
{
	(void)settings;
	(void)n;
	(void)err;
	(void)errlen;
	return calloc(1, 1); /* there is nothing to keep */
}

static void
unconfigure(void *instance)
{
	free(instance);
}

static void
inspect(void *instance, enum svc_stage stage, const struct svc_request *rq,
    struct svc_decision *d)
{
	(void)instance;
	(void)stage;
	(void)rq;
	d->action = SVC_PASS;
	d->outcome = OUTCOME_EXEMPT;
	d->reason = "echo";
}

static void
release(void *instance, const struct svc_request *rq)
{
	(void)instance;
	(void)rq;
}

const struct service_module tolsey_module = {
	.name = "echo",
	.abi = SERVICE_ABI,
	.configure = configure,
	.unconfigure = unconfigure,
	.inspect = inspect,
	.release = release,
};
