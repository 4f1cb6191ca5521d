/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ENGINE_FLAGS_H
#define ENGINE_ENGINE_FLAGS_H
/* The settings of a scan in libclamav's words: base/scan_opts.def. */
#include <clamav.h>

#include "base/check.h"
#include "base/scan.h"

/*
 * Also what is not for the operator to choose: all findings are wanted, and
 * what exceeds a limit is reported. A prefix is not tested for what every
 * object that is merely cut would show.
 */
void engine_flags_options(const struct scan_opts *o, enum scan_kind kind,
    struct cl_scan_options *out);
/* Sets those of numbers[] that differ from *have. 0, or -1. */
int engine_flags_numbers(struct cl_engine *cl, const struct scan_opts *o,
    struct scan_opts *have) MUST_CHECK;
#endif
