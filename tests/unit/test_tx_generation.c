/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What transactions see of signature generations: ISTag, and a gap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tx_world.h"

#define REQ_HDR "GET / HTTP/1.1\r\nHost: x\r\n\r\n" /* 27 bytes */
#define RES_HDR "HTTP/1.1 200 OK\r\n\r\n"           /* 19 bytes */
#define OPTIONS "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n"
#define RESPMOD \
	"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n" \
	"Encapsulated: req-hdr=0, res-hdr=27, res-body=46\r\n\r\n" REQ_HDR \
	    RES_HDR
#define BODY "5\r\nhello\r\n0\r\n\r\n"
#define TAG "ISTag: \""

static void
generation(struct world *w, uint32_t number)
{
	struct msg_loaded loaded = { .generation = number,
		.signatures = 1,
		.digest = { (unsigned char)number } };

	sched_generation(w->sched, number);
	assert_int_equal(net_core_generation(&w->core, &loaded), 0);
	world_wait(w, 1);
}

/* The tag of the answer that was sent since the last call. */
static void
tag(struct world *w, const char *status, char out[SERVICE_TAG_LEN])
{
	const char *sent = world_sent(w), *at = strstr(sent, TAG);

	if (strstr(sent, status) == NULL || at == NULL)
		fail_msg("no %s or tag in:\n%s", status, sent);
	at += sizeof(TAG) - 1;
	(void)str_copy(
	    out, SERVICE_TAG_LEN, (struct slice){ at, strcspn(at, "\"") });
	assert_int_equal(strlen(out), 32);
}

static void
options_tag(struct world *w, char out[SERVICE_TAG_LEN])
{
	world_say(w, OPTIONS);
	tag(w, "200 OK", out);
}

static void
tag_of_what_scanned_it(void **state)
{
	char first[SERVICE_TAG_LEN], second[SERVICE_TAG_LEN],
	    got[SERVICE_TAG_LEN];
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	generation(&w, 1);
	options_tag(&w, first);
	/* scanned by a worker of the first, answered when the second serves */
	world_say(&w, RESPMOD BODY);
	assert_true(w.pending != 0);
	generation(&w, 2);
	world_answer(&w, NULL, false);
	tag(&w, "204 No", got);
	assert_string_equal(got, first);
	/* at once with the new one; and all that is scanned by it */
	options_tag(&w, second);
	assert_string_not_equal(first, second);
	/* the same signatures once more: the same tag */
	generation(&w, 3);
	options_tag(&w, got);
	assert_string_not_equal(second, got);
	{
		struct msg_loaded again = {
			.generation = 4, .signatures = 1, .digest = { 2 }
		};

		assert_int_equal(net_core_generation(&w.core, &again), 0);
	}
	options_tag(&w, got);
	assert_string_equal(second, got);
	world_free(&w);
}

/* A transaction of an older configuration has the tag of its own settings. */
static void
tag_of_its_snapshot(void **state)
{
	static const char *const other[] = { "MaxFiles 7", NULL };
	char first[SERVICE_TAG_LEN], got[SERVICE_TAG_LEN];
	struct service_set *set;
	struct conf_errors err;
	struct conf *conf;
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	generation(&w, 1);
	options_tag(&w, first);
	world_say(&w, RESPMOD BODY);
	conf_errors_init(&err);
	conf = conf_load(NULL, other, 1, &err);
	set = service_set_new(w.modules, conf, &err);
	assert_non_null(set);
	assert_int_equal(net_core_set(&w.core, set), 0);
	service_set_unref(&set);
	conf_unref(&conf);
	conf_errors_free(&err);
	generation(&w, 2);
	world_answer(&w, NULL, false);
	tag(&w, "204 No", got);
	assert_string_equal(got, first);
	options_tag(&w, got);
	assert_string_not_equal(got, first);
	world_free(&w);
}

/* ReloadLowMemory stop-first: what comes meanwhile waits. */
static void
gap(void **state)
{
	static const char *const wait[] = { "StartWait 20s", NULL };
	struct world w;

	(void)state;
	world_init(&w, wait, true);
	sched_unload(w.sched);
	assert_int_equal(net_core_unload(&w.core), 0);
	world_say(&w, RESPMOD BODY);
	world_wait(&w, 19000000);
	assert_string_equal(world_sent(&w), "");
	assert_int_equal(w.scans, 0);
	generation(&w, 2);
	world_add_worker(&w);
	world_wait(&w, 1);
	assert_int_equal(w.scans, 1);
	world_answer(&w, NULL, false);
	assert_non_null(strstr(world_sent(&w), "ICAP/1.0 204"));
	/* too long, or in vain: said so, never passed */
	sched_unload(w.sched);
	assert_int_equal(net_core_unload(&w.core), 0);
	world_say(&w, RESPMOD BODY);
	world_wait(&w, 21000000);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 503"));
	world_free(&w);
	world_init(&w, wait, true);
	sched_unload(w.sched);
	assert_int_equal(net_core_unload(&w.core), 0);
	world_say(&w, RESPMOD BODY);
	world_wait(&w, 1000000);
	assert_int_equal(net_core_generation(&w.core, NULL), 0);
	world_wait(&w, 1);
	assert_non_null(strstr(world_sent(&w), "HTTP/1.1 503"));
	world_free(&w);
}

/* A scan that runs goes on, and its answer counts. */
static void
gap_during_a_scan(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	world_say(&w, RESPMOD BODY);
	assert_true(w.pending != 0);
	sched_unload(w.sched);
	assert_int_equal(net_core_unload(&w.core), 0);
	world_answer(&w, "Unit.Virus", false);
	assert_non_null(strstr(world_sent(&w), "Unit.Virus"));
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tag_of_what_scanned_it),
		cmocka_unit_test(tag_of_its_snapshot),
		cmocka_unit_test(gap),
		cmocka_unit_test(gap_during_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
