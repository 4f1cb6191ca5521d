/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_ERRORS_H
#define PROTO_ERRORS_H

enum proto_err {
	PROTO_OK,
#define PROTO_ERR(id, status, reason, text) PROTO_ERR_##id,
#include "proto/errors.def"
	NPROTO_ERRS
};
struct proto_err_info {
	const char *id; /* "BAD_CHUNK" */
	int status;     /* 0: close without a byte */
	const char *reason, *text;
};
const struct proto_err_info *proto_err_info(enum proto_err e);
#endif
