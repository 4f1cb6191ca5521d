/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What a signature set must do before it goes into service: find the canary
 * (and EICAR where it has it), and pass harmless samples, completely.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "engine/engine_db.h"
#include "engine/engine_samples.h"

#define BUDGET_US (60u * 1000000u)

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

static int
clean_samples(struct engine *e, char *err, size_t errlen)
{
	struct engine_sample s[ENGINE_SAMPLES_MAX];
	size_t n = engine_samples(s);

	for (size_t i = 0; i < n; i++)
		if (must_pass(e, s[i].what, s[i].data, s[i].len, err, errlen) !=
		    0)
			return -1;
	return 0;
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
	return clean_samples(e, err, errlen);
}
