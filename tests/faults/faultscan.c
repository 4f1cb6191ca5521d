/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey-scan with faults, for tests and never installed: it is linked with
 * --wrap, so that between the worker and the engine, and between the worker
 * and its channel, this file decides. An object that begins with "FAULT:WORD"
 * or "FAULT:WORD:NUMBER" and a blank has that fault; any other is scanned as
 * ever.
 *   segv abort hang spin        what they say
 *   memory                      takes memory until there is none
 *   temp                        fills the temporary space
 *   descriptors                 uses up all descriptors, then scans
 *   garbage twice other foreign the answer: no answer at all, two of them, one
 *                               for another scan, a message nobody may send
 *   slow:MS cpu:MS              sleeps or computes so long, then scans
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "ipc/chan.h"

#define CHANNEL_FD 3
#define MARK "FAULT:"

void __real_engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer);
void __wrap_engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer);
int __real_chan_block_send(struct chan_block *c, uint16_t type,
    const void *payload, struct slice tail, int fd);
int __wrap_chan_block_send(struct chan_block *c, uint16_t type,
    const void *payload, struct slice tail, int fd);

/* What to do with the next answer. */
static enum { AS_EVER, GARBAGE, TWICE, OTHER, FOREIGN } next_answer;
static volatile int *nothing;

static void
hang(void)
{
	struct timespec t = { 3600, 0 };

	for (;;)
		(void)nanosleep(&t, NULL);
}

static void
be_slow(unsigned long ms)
{
	struct timespec t = { (time_t)(ms / 1000),
		(long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void
compute(unsigned long ms)
{
	struct timespec t;
	uint64_t used = 0, first = 0;

	while (used < (uint64_t)ms * 1000) {
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		used =
		    (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
		if (first == 0)
			first = used;
		used -= first;
	}
}

static void
take_memory(void)
{
	const size_t piece = (size_t)16 << 20;
	void *p;

	while ((p = malloc(piece)) != NULL)
		memset(p, 1, piece);
	abort();
}

static void
fill_temp(const struct engine *e)
{
	static const char block[65536];
	char path[300];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/fill", engine_temp(e)->dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
		;
	abort();
}

static void
take_descriptors(void)
{
	while (dup(CHANNEL_FD) >= 0)
		;
}

struct fault {
	const char *word;
	int answer;
};
static const struct fault answers[] = {
	{ "garbage", GARBAGE },
	{ "twice", TWICE },
	{ "other", OTHER },
	{ "foreign", FOREIGN },
};

static void
do_fault(const struct engine *e, const char *word, unsigned long number)
{
	if (strcmp(word, "segv") == 0)
		*nothing = 1;
	else if (strcmp(word, "abort") == 0)
		abort();
	else if (strcmp(word, "hang") == 0)
		hang();
	else if (strcmp(word, "spin") == 0)
		compute(3600000);
	else if (strcmp(word, "memory") == 0)
		take_memory();
	else if (strcmp(word, "temp") == 0)
		fill_temp(e);
	else if (strcmp(word, "descriptors") == 0)
		take_descriptors();
	else if (strcmp(word, "slow") == 0)
		be_slow(number);
	else if (strcmp(word, "cpu") == 0)
		compute(number);
	for (size_t i = 0; i < COUNTOF(answers); i++)
		if (strcmp(word, answers[i].word) == 0)
			next_answer = answers[i].answer;
}

void
__wrap_engine_scan(
    struct engine *e, const struct engine_job *job, struct scan_answer *answer)
{
	struct slice s = { job->data, job->len }, head, word;
	char text[32];

	if (slice_has_prefix(s, SLICE_LIT(MARK)) &&
	    slice_next(&s, ' ', &head)) {
		head.p += sizeof(MARK) - 1;
		head.len -= sizeof(MARK) - 1;
		if (slice_next(&head, ':', &word)) {
			char number[16];

			(void)str_copy(text, sizeof(text), word);
			(void)str_copy(number, sizeof(number), head);
			do_fault(e, text, strtoul(number, NULL, 10));
		}
	}
	__real_engine_scan(e, job, answer);
}

int
__wrap_chan_block_send(struct chan_block *c, uint16_t type, const void *payload,
    struct slice tail, int fd)
{
	struct msg_worker foreign = { .slot = 1 };
	struct iovec v = { (char *)(uintptr_t)MARK, sizeof(MARK) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct msg_scan_result r;
	int rc = 0;

	if (type != MSG_SCAN_RESULT || next_answer == AS_EVER)
		return __real_chan_block_send(c, type, payload, tail, fd);
	memcpy(&r, payload, sizeof(r));
	switch (next_answer) {
	case GARBAGE:
		(void)sendmsg(CHANNEL_FD, &m, 0);
		break;
	case TWICE:
		rc = __real_chan_block_send(c, type, &r, tail, fd);
		rc |= __real_chan_block_send(c, type, &r, tail, fd);
		break;
	case OTHER:
		r.scan_id++;
		rc = __real_chan_block_send(c, type, &r, tail, fd);
		break;
	case FOREIGN:
		rc = __real_chan_block_send(
		    c, MSG_RETIRE, &foreign, SLICE_NONE, -1);
		break;
	case AS_EVER:
		break;
	}
	next_answer = AS_EVER;
	hang(); /* its end is not what is looked at */
	return rc;
}
