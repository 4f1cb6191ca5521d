/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tolsey_cicap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cicap_conf cicap_conf = {
	.socket = TOLSEY_SCAN_SOCKET,
	.service = "",
	.temp = "/var/tmp",
	.on_error = CICAP_BLOCK,
	.early_release = 1,
	.timeout_s = 330, /* above ScanTimeoutMax + QueueTimeout */
	.alive_ms = 3000,
	.restart_ms = 2000,
	.memory = 16 << 20,
};

static int
wrong(const char *name, const char *what)
{
	CICAP_LOG(0, "tolsey.%s: %s\n", name, what);
	return 0;
}

static int
set_text(const char *name, const char **argv, void *data)
{
	if (argv == NULL || argv[0] == NULL)
		return wrong(name, "a value is missing");
	/* for the life of the process: c-icap has no end of a configuration */
	*(char **)data = strdup(argv[0]);
	return *(char **)data != NULL;
}

static int
set_socket(const char *name, const char **argv, void *data)
{
	if (argv == NULL || argv[0] == NULL || argv[0][0] != '/' ||
	    strlen(argv[0]) > 107)
		return wrong(name, "not the absolute path of a unix socket");
	return set_text(name, argv, data);
}

static int
set_on_error(const char *name, const char **argv, void *data)
{
	static const char *const words[] = { "block", "pass", "error" };

	for (int i = 0; argv != NULL && argv[0] != NULL && i < 3; i++)
		if (strcmp(argv[0], words[i]) == 0) {
			*(enum cicap_on_error *)data = (enum cicap_on_error)i;
			return 1;
		}
	return wrong(name, "neither block, pass nor error");
}

static int
set_number(const char *name, const char **argv, int min, int max, int *out)
{
	char *end = NULL;
	long n;

	errno = 0;
	n = argv != NULL && argv[0] != NULL ? strtol(argv[0], &end, 10) : -1;
	if (errno != 0 || end == argv[0] || (end != NULL && *end != '\0') ||
	    n < min || n > max)
		return wrong(name, "not a number, or too small or too large");
	*out = (int)n;
	return 1;
}

static int
set_seconds(const char *name, const char **argv, void *data)
{
	return set_number(name, argv, 1, 3600, data);
}

static int
set_ms(const char *name, const char **argv, void *data)
{
	return set_number(name, argv, 0, 60000, data);
}

static int
set_bytes(const char *name, const char **argv, void *data)
{
	return set_number(name, argv, 65536, 1 << 30, data);
}

struct ci_conf_entry cicap_directives[] = {
	{ "Socket", &cicap_conf.socket, set_socket, NULL },
	{ "Service", &cicap_conf.service, set_text, NULL },
	{ "OnError", &cicap_conf.on_error, set_on_error, NULL },
	{ "Timeout", &cicap_conf.timeout_s, set_seconds, NULL },
	{ "AliveTimeout", &cicap_conf.alive_ms, set_ms, NULL },
	{ "RestartWait", &cicap_conf.restart_ms, set_ms, NULL },
	{ "EarlyRelease", &cicap_conf.early_release, ci_cfg_onoff, NULL },
	{ "MaxMemory", &cicap_conf.memory, set_bytes, NULL },
	{ "TempDir", &cicap_conf.temp, set_text, NULL },
	{ NULL, NULL, NULL, NULL },
};

#define LEVEL_USUAL 1
#define LEVEL_DEBUG 5
#define KNOWN_MAX 16
#define ARGUMENTS_MAX 128

void
cicap_note_arguments(const char *args)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char known[KNOWN_MAX][ARGUMENTS_MAX];
	static int nknown;
	bool said = false;

	if (args[0] == '\0')
		return;
	(void)pthread_mutex_lock(&lock);
	for (int i = 0; i < nknown && !said; i++)
		said = strncmp(known[i], args, ARGUMENTS_MAX - 1) == 0;
	if (!said && nknown < KNOWN_MAX)
		strncpy(known[nknown++], args, ARGUMENTS_MAX - 1);
	(void)pthread_mutex_unlock(&lock);
	CICAP_LOG(said ? LEVEL_DEBUG : LEVEL_USUAL,
	    "tolsey: arguments in the URL are accepted and change nothing: "
	    "%.*s\n",
	    ARGUMENTS_MAX, args);
}
