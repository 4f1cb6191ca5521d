/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_CLIENT_H
#define SCAN_CLIENT_H
/* Inside libtolsey-scan: from messages to what its callers see. Pure. */
#include "scanapi/tolsey_scan.h"
#include "scanapi/tolsey_scanmsg.h"

void scan_client_service(
    const struct scanmsg_service *x, struct tolsey_scan_service *out);
/* Of a VERDICT; NULL when out of memory. */
struct tolsey_scan_verdict *scan_client_verdict(const struct scanmsg *m);
#endif
