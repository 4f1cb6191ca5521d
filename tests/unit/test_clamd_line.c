/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ctl/clamd_line.h"

#define L(text) (text), sizeof(text) - 1

static void
test_commands(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		enum clamd_command command;
		char end;
		size_t used;
	} rows[] = {
		/* what freshclam sends */
		{ L("RELOAD\0"), CLAMD_RELOAD, '\n', 7 },
		{ L("zRELOAD\0"), CLAMD_RELOAD, '\0', 8 },
		{ L("nRELOAD\n"), CLAMD_RELOAD, '\n', 8 },
		{ L("RELOAD\n"), CLAMD_RELOAD, '\n', 7 },
		{ L("RELOAD"), CLAMD_RELOAD, '\n', 6 },
		{ L("PING\r\n"), CLAMD_PING, '\n', 6 },
		{ L("nPING\r\n"), CLAMD_PING, '\n', 7 },
		{ L("nVERSION\nnPING\n"), CLAMD_VERSION, '\n', 9 },
		{ L("VERSION"), CLAMD_VERSION, '\n', 7 },
		{ L("VERSIONCOMMANDS"), CLAMD_VERSIONCOMMANDS, '\n', 15 },
		{ L("zVERSIONCOMMANDS\0"), CLAMD_VERSIONCOMMANDS, '\0', 17 },
		{ L("zSTATS\0"), CLAMD_STATS, '\0', 7 },
		{ L("nIDSESSION\n"), CLAMD_IDSESSION, '\n', 11 },
		{ L("zEND\0"), CLAMD_END, '\0', 5 },
		/* not yet */
		{ L(""), CLAMD_MORE, '\n', 0 },
		{ L("R"), CLAMD_MORE, '\n', 0 },
		{ L("RELOA"), CLAMD_MORE, '\n', 0 },
		{ L("n"), CLAMD_MORE, '\n', 0 },
		{ L("nRELOAD"), CLAMD_MORE, '\n', 0 },
		{ L("zRELOAD\n"), CLAMD_MORE, '\0', 0 },
		/* not these */
		{ L("reload\n"), CLAMD_UNKNOWN, '\n', 7 },
		{ L("SHUTDOWN"), CLAMD_UNKNOWN, '\n', 8 },
		{ L("nSHUTDOWN\n"), CLAMD_UNKNOWN, '\n', 10 },
		{ L("zINSTREAM\0"), CLAMD_UNKNOWN, '\0', 10 },
		{ L("SCAN /etc/passwd\n"), CLAMD_UNKNOWN, '\n', 17 },
		{ L("RELOADS"), CLAMD_UNKNOWN, '\n', 7 },
		{ L("RELOAD \n"), CLAMD_UNKNOWN, '\n', 8 },
		{ L("IDSESSION\n"), CLAMD_UNKNOWN, '\n', 10 },
		{ L("\n"), CLAMD_UNKNOWN, '\n', 1 },
		{ L("n\n"), CLAMD_UNKNOWN, '\n', 2 },
		{ L("z\0"), CLAMD_UNKNOWN, '\0', 2 },
		{ L("\xff\xfe"), CLAMD_UNKNOWN, '\n', 2 },
		{ L("GET / HTTP/1.1\r\n\r\n"), CLAMD_UNKNOWN, '\n', 16 },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct clamd_line l =
		    clamd_line((struct slice){ rows[i].in, rows[i].len });

		if (l.command != rows[i].command || l.end != rows[i].end ||
		    l.used != rows[i].used)
			fail_msg("%zu \"%s\": %d %d %zu", i, rows[i].in,
			    l.command, l.end, l.used);
	}
}

/* What never ends is not waited for. */
static void
test_endless(void **state)
{
	char in[2 * CLAMD_LINE_MAX];
	struct clamd_line l;

	(void)state;
	memset(in, 'A', sizeof(in));
	in[0] = 'z';
	for (size_t len = 1; len <= sizeof(in); len++) {
		l = clamd_line((struct slice){ in, len });
		assert_int_equal(l.command,
		    len > CLAMD_LINE_MAX ? CLAMD_UNKNOWN : CLAMD_MORE);
		assert_true(l.used <= len);
	}
}

/* Any bytes: the answer is within them, and a command takes at least one. */
static void
test_any_bytes(void **state)
{
	static const char words[] = "nzRELOADPINGSTVC\n\0\r \xff";
	uint32_t x = 2463534242u;
	char in[24];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = (size_t)round % (sizeof(in) + 1);
		struct clamd_line l;

		for (size_t i = 0; i < len; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			in[i] = words[x % sizeof(words)];
		}
		l = clamd_line((struct slice){ in, len });
		assert_true(l.used <= len);
		assert_true((l.used == 0) == (l.command == CLAMD_MORE));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
