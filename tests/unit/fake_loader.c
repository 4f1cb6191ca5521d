/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A tolsey-scan without signatures, for test_generation: what it does is the
 * last word of the path that it is to load.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/chan.h"

#define CHANNEL_FD 3

static char act[64];

static bool
acts(const char *what)
{
	return strcmp(act, what) == 0;
}

static void
read_act(int fd)
{
	struct conf_errors err;
	struct conf *c = NULL;
	struct stat st;
	char *text;

	conf_errors_init(&err);
	if (fstat(fd, &st) != 0)
		_exit(90);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text != MAP_FAILED)
		c = conf_parse_dump(
		    (struct slice){ text, (size_t)st.st_size }, &err);
	if (c == NULL)
		_exit(91);
	(void)str_copy(act, sizeof(act),
	    slice_of(strrchr(c->database_directory, '/') + 1));
	conf_unref(&c);
	conf_errors_free(&err);
	(void)close(fd);
}

static void
say(struct chan_block *c, uint16_t type, const void *payload)
{
	if (chan_block_send(c, type, payload, SLICE_NONE, -1) != 0)
		_exit(92);
}

static void
load(struct chan_block *c, uint32_t generation)
{
	struct msg_loaded m = { .generation = generation, .signatures = 7 };
	struct msg_text no = { "the library said no" };

	if (acts("hang"))
		(void)pause();
	if (acts("die")) {
		(void)signal(SIGSEGV, SIG_DFL); /* of a sanitizer */
		(void)raise(SIGSEGV);
	}
	if (acts("slow"))
		(void)usleep(300000);
	if (acts("refuse")) {
		say(c, MSG_REFUSED, &no);
		_exit(1);
	}
	if (acts("garbage"))
		say(c, MSG_SERVING, &(struct msg_none){ 0 });
	say(c, MSG_LOADED, &m);
	if (acts("die-loaded"))
		(void)raise(SIGKILL);
}

/* For a worker of its own, and for one that it has no business with. */
static void
ask_for_priority(struct chan_block *c)
{
	struct msg_priority worker = { .gives_way = 1 };
	struct msg_priority other = { getppid(), 1 };

	worker.pid = fork();
	if (worker.pid == 0)
		for (;;)
			(void)pause();
	say(c, MSG_PRIORITY, &other);
	say(c, MSG_PRIORITY, &(struct msg_priority){ getpid(), 1 });
	say(c, MSG_PRIORITY, &(struct msg_priority){ 0, 1 });
	say(c, MSG_PRIORITY, &worker);
	if (acts("priority-back")) {
		worker.gives_way = 0;
		say(c, MSG_PRIORITY, &worker);
	}
}

static void
serve(struct chan_block *c)
{
	struct msg_none none = { 0 };

	if (acts("priority") || acts("priority-back"))
		ask_for_priority(c);

	if (acts("die-asked"))
		(void)raise(SIGKILL);
	if (acts("no-workers"))
		(void)pause();
	say(c, MSG_SERVING, &none);
	if (acts("die-serving"))
		(void)raise(SIGKILL);
}

int
main(void)
{
	struct chan_block c;
	struct chan_msg m;
	struct msg_start start = { 0 };

	(void)setpgid(0, 0);
	if (chan_block_init(&c, CHANNEL_FD, ROLE_SCAN, ROLE_PARENT) != 0)
		return 93;
	while (chan_block_recv(&c, &m) == 1) {
		if (m.type == MSG_START)
			memcpy(&start, m.payload, sizeof(start));
		else if (m.type == MSG_CONF)
			read_act(m.fd);
		else if (m.type == MSG_GO)
			load(&c, start.instance);
		else if (m.type == MSG_SERVE)
			serve(&c);
		else if (m.type == MSG_DRAIN && !acts("stays"))
			break;
	}
	chan_block_free(&c);
	return 0;
}
