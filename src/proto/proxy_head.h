/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef PROTO_PROXY_HEAD_H
#define PROTO_PROXY_HEAD_H
/*
 * The header with which a load balancer begins a connection: the PROXY
 * protocol, version 1 (a line) and 2 (binary). Pure: it is given all bytes that
 * came so far.
 */
#include <stdbool.h>

#include "base/addr.h"

/* Longer ones, with kilobytes of extensions, are refused. */
#define PROXY_HEAD_MAX ((size_t)4096)

enum proxy_rc {
	PROXY_MORE, /* all of it belongs to the header, and more is needed */
	PROXY_DONE,
	PROXY_BAD
};
struct proxy_head {
	size_t len; /* of the header: what follows is the client's */
	/*
	 * ADDR_NONE: the balancer speaks for itself (LOCAL, a health check), or
	 * does not know: the address of the connection counts.
	 */
	struct addr client;
};
enum proxy_rc proxy_head_parse(struct slice in, struct proxy_head *out);
#endif
