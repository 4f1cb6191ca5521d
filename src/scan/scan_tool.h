/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef SCAN_SCAN_TOOL_H
#define SCAN_SCAN_TOOL_H
/*
 * tolsey-scan --scan: scans files by hand, with the same engine under the same
 * rules as a worker. Its exit status: 0 all clean, 1 something else, 2 it
 * could not work.
 */
int scan_tool(int argc, char *argv[]);
#endif
