/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/errors.h"

#include "base/check.h"

static const struct proto_err_info infos[NPROTO_ERRS] = {
	[PROTO_OK] = { "OK", 200, "OK", "no error" },
#define PROTO_ERR(id, status, reason, text) \
	[PROTO_ERR_##id] = { #id, status, reason, text },
#include "proto/errors.def"
};

const struct proto_err_info *
proto_err_info(enum proto_err e)
{
	CHECK(e < NPROTO_ERRS);
	return &infos[e];
}
