/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What a signature set must do before it goes into service: find the canary
 * (and EICAR where it has it), and pass harmless samples, completely.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "engine/engine_db.h"

#define BUDGET_US (60u * 1000000u)

struct sample {
	const char *what, *data;
};
static const struct sample clean[] = {
	{ "an empty object", "" },
	{ "four bytes", "test" },
	{ "a text", "Goods were held and judged before they came in.\n" },
	{ "a page", "<!DOCTYPE html><html><head><title>Toll</title></head>"
		    "<body><p>At the gate of the town.</p></body></html>\n" },
	{ "a script", "#!/bin/sh\nset -e\nprintf 'hello, %s\\n' \"$1\"\n" },
	{ "a mail",
	    "From: a@example.org\r\nTo: b@example.org\r\nSubject: toll\r\n"
	    "Date: Tue, 18 Nov 2025 10:00:00 +0000\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello.\r\n" },
	{ "JSON", "{\"toll\":[1,2,3],\"gate\":null}" },
};

static void
scan(struct engine *e, const void *data, size_t len, struct scan_answer *a)
{
	struct scan_opts opts;
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = data,
		.len = len,
		.opts = &opts,
		.budget_us = BUDGET_US,
		.part = "" };

	engine_plain_opts(&opts, 64 << 20);
	*a = (struct scan_answer){ .complete = 1 };
	engine_scan(e, &job, a);
}

static int
must_find(struct engine *e, const char *what, const void *data, size_t len,
    char *err, size_t errlen)
{
	struct scan_answer a;

	scan(e, data, len, &a);
	for (uint32_t i = 0; i < a.nfindings; i++)
		if (a.findings[i].outcome == OUTCOME_INFECTED)
			return 0;
	(void)snprintf(err, errlen, "self-test: %s was not found%s%s", what,
	    a.text[0] != '\0' ? ": " : "", a.text);
	return -1;
}

static int
must_pass(struct engine *e, const char *what, const void *data, size_t len,
    char *err, size_t errlen)
{
	struct scan_answer a;

	scan(e, data, len, &a);
	if (a.complete == 1 && a.nfindings == 0)
		return 0;
	(void)snprintf(err, errlen, "self-test: %s was not clean: %s", what,
	    a.nfindings > 0 ? a.findings[0].name : a.text);
	return -1;
}

/* The canary between other bytes. */
static int
canary(struct engine *e, char *err, size_t errlen)
{
	unsigned char text[1024], marker[DB_CANARY_LEN];

	memset(text, 't', sizeof(text));
	db_canary_bytes(marker);
	memcpy(text + 500, marker, sizeof(marker));
	return must_find(e, "the canary", text, sizeof(text), err, errlen);
}

int
engine_self_test(struct engine *e, char *err, size_t errlen)
{
	unsigned char eicar[DB_EICAR_LEN];

	if (canary(e, err, errlen) != 0)
		return -1;
	db_eicar_bytes(eicar);
	if (engine_info(e)->has_eicar &&
	    must_find(e, "EICAR", eicar, sizeof(eicar), err, errlen) != 0)
		return -1;
	for (size_t i = 0; i < COUNTOF(clean); i++)
		if (must_pass(e, clean[i].what, clean[i].data,
			strlen(clean[i].data), err, errlen) != 0)
			return -1;
	return 0;
}
