/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* For test_registry: a module of another version, complete but for that. */
#include "service/service.h"

static char instance;

static void *
configure(
    const struct svc_setting *settings, size_t n, char *err, size_t errlen)
{
	(void)settings;
	(void)n;
	(void)err;
	(void)errlen;
	return &instance;
}

static void
unconfigure(void *in)
{
	(void)in;
}

static void
inspect(void *in, enum svc_stage stage, const struct svc_request *rq,
    struct svc_decision *d)
{
	(void)in;
	(void)stage;
	(void)rq;
	d->action = SVC_PASS;
}

static void
release(void *in, const struct svc_request *rq)
{
	(void)in;
	(void)rq;
}

const struct service_module tolsey_module = {
	.name = "bad_abi",
	.abi = SERVICE_ABI + 1,
	.configure = configure,
	.unconfigure = unconfigure,
	.inspect = inspect,
	.release = release,
};
