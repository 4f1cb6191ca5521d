/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The verdict cache, and one scan for many, as transactions meet them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "tests/unit/tx_guest.h"

#define SEC ((uint64_t)1000000)

static void
generation(uint32_t n)
{
	struct msg_loaded loaded = { .generation = n, .signatures = 1 };

	sched_generation(w.sched, n);
	assert_int_equal(net_core_generation(&w.core, &loaded), 0);
}

/* The worker is at it, and then has an answer. */
static void
start(void)
{
	sched_started(w.sched, w.incarnation, w.pending);
}

static void
answer_started(uint32_t finding)
{
	struct scan_answer a;
	uint64_t id = w.pending;

	memset(&a, 0, sizeof(a));
	a.complete = 1;
	a.nfindings = finding != OUTCOME_NONE;
	a.findings[0].outcome = finding;
	w.pending = 0;
	sched_result(w.sched, w.incarnation, id, &a);
}

/* Scanned, and clean. */
static void
scanned(const char *body)
{
	unsigned int before = w.scans;
	struct guest *g = ask(body);

	assert_int_equal(w.scans, before + 1);
	world_answer(&w, NULL, false);
	has(g, "ICAP/1.0 204 ");
}

static void
known(const char *body)
{
	unsigned int before = w.scans;

	is_clean(ask(body), SOURCE_CACHE);
	assert_int_equal(w.scans, before);
}

/* ---- the cache ---- */

static void
seen_before(void **state)
{
	struct guest *first, *again;

	(void)state;
	begin(NULL);
	scanned("hello");
	known("hello");
	assert_int_equal(ask("hello")->tx->generation, 1);
	scanned("other");
	/* the same page, headers and words for the log */
	first = ask("bad");
	world_answer(&w, "Unit.Virus", false);
	has(first,
	    "X-Infection-Found: Type=0; Resolution=2; Threat=Unit.Virus");
	again = ask("bad");
	assert_int_equal(w.scans, 3);
	assert_int_equal(again->tx->source, SOURCE_CACHE);
	has(again,
	    "X-Infection-Found: Type=0; Resolution=2; Threat=Unit.Virus");
	assert_int_equal(strlen(sent(first)), strlen(sent(again)));
	assert_int_equal(again->tx->verdict.nnames, 1);
	assert_string_equal(again->tx->verdict.names[0], "Unit.Virus");
	assert_string_equal(
	    again->tx->verdict.reason, first->tx->verdict.reason);
	end();
}

/* What was found is the worker's word: the service is asked each time. */
static void
service_is_asked(void **state)
{
	struct guest *g;

	(void)state;
	begin(NULL);
	g = ask("hello");
	world_answer(&w, "Ignored", false);
	is_clean(g, SOURCE_SCAN);
	is_clean(ask("hello"), SOURCE_CACHE);
	end();
}

static void
incomplete_is_not_kept(void **state)
{
	(void)state;
	begin(NULL);
	for (unsigned int i = 0; i < 3; i++) {
		struct guest *g = ask("bomb");

		assert_int_equal(w.scans, i + 1);
		world_answer_incomplete(&w, OUTCOME_LIMIT);
		ends_as(g, OUTCOME_LIMIT);
	}
	end();
}

/* A part is no object, whatever was said of the same bytes (SE-03). */
static void
parts_are_scanned(void **state)
{
	struct guest *g;

	(void)state;
	begin(NULL);
	scanned("hello");
	for (unsigned int i = 0; i < 2; i++) {
		g = ask_for("192.0.2.1", "Content-Length: 9\r\n", "hello");
		assert_int_equal(w.scans, i + 2);
		world_answer(&w, NULL, false);
		has(g, "ICAP/1.0 204 ");
		assert_int_equal(g->tx->verdict.outcome, OUTCOME_PARTIAL);
		assert_int_equal(g->tx->source, SOURCE_NONE);
	}
	known("hello");
	end();
}

static void
set_conf(const char *const overrides[], size_t n)
{
	struct conf_errors err;
	struct service_set *set;
	struct conf *conf;

	conf_errors_init(&err);
	conf = conf_load(NULL, overrides, n, &err);
	assert_non_null(conf);
	set = service_set_new(w.modules, conf, &err);
	assert_non_null(set);
	assert_int_equal(net_core_set(&w.core, set), 0);
	service_set_unref(&set);
	conf_unref(&conf);
	conf_errors_free(&err);
}

/* What changes the scan changes the key; what changes the action does not. */
static void
settings(void **state)
{
	static const char *const files[] = { "MaxFiles 5" };
	static const char *const macros[] = { "AlertOLE2Macros yes" };
	static const char *const pass[] = { "OnInfected pass" };
	static const char *const off[] = { "CacheVerdicts off" };
	static const char *const none[] = { "VerdictCache 0" };
	struct guest *g;

	(void)state;
	begin(NULL);
	scanned("hello");
	set_conf(files, 1);
	scanned("hello");
	set_conf(macros, 1);
	scanned("hello");
	g = ask("bad");
	world_answer(&w, "Unit.Virus", false);
	ends_as(g, OUTCOME_INFECTED);
	set_conf(off, 1);
	scanned("hello");
	scanned("hello");
	set_conf(macros, 1);
	known("hello");
	set_conf(NULL, 0);
	known("hello");
	g = ask("bad");
	world_answer(&w, "Unit.Virus", false);
	ends_as(g, OUTCOME_INFECTED);
	set_conf(pass, 1);
	g = ask("bad");
	assert_int_equal(g->tx->source, SOURCE_CACHE);
	assert_int_equal(g->tx->verdict.outcome, OUTCOME_INFECTED);
	has(g, "ICAP/1.0 204 ");
	set_conf(none, 1);
	scanned("hello");
	scanned("hello");
	set_conf(NULL, 0);
	scanned("hello");
	end();
}

static void
signatures(void **state)
{
	struct guest *g;

	(void)state;
	begin(NULL);
	scanned("hello");
	known("hello");
	/* the workers of the old ones still serve: their word is not kept */
	generation(2);
	scanned("hello");
	scanned("hello");
	/* nor that of a scan that was begun before */
	g = ask("other");
	generation(3);
	world_answer(&w, NULL, false);
	is_clean(g, SOURCE_SCAN);
	assert_int_equal(cache_count(w.core.cache), 0);
	/* none at all for a while */
	assert_int_equal(net_core_unload(&w.core), 0);
	generation(1);
	scanned("hello");
	known("hello");
	assert_int_equal(net_core_unload(&w.core), 0);
	generation(1);
	scanned("hello");
	end();
}

/* A worker that breaks a rule, crashes or hangs may have lied before. */
static void
word_of_a_bad_worker(void **state)
{
	(void)state;
	begin(NULL);
	scanned("hello");
	sched_violation(w.sched, w.incarnation, "test");
	world_add_worker(&w);
	scanned("hello");
	known("hello");
	(void)ask("crash");
	world_worker_dies(&w, SIGSEGV);
	scanned("hello");
	known("hello");
	(void)ask("hang");
	start();
	world_wait(&w, 40 * SEC);
	world_add_worker(&w);
	scanned("hello");
	known("hello");
	/* one that is replaced as planned has not */
	(void)ask("limit");
	world_answer_incomplete(&w, OUTCOME_LIMIT);
	known("hello");
	end();
}

static void
age(void **state)
{
	static const char *const minute[] = { "VerdictCacheTime 60s", NULL };

	(void)state;
	begin(minute);
	scanned("hello");
	world_wait(&w, 59 * SEC);
	known("hello");
	world_wait(&w, 2 * SEC);
	scanned("hello");
	end();
}

/* ---- one scan for many ---- */

/*
 * Guests that ask for one object, what workers say of it, one after the other,
 * and what each guest has after each of these answers.
 */
static const struct flight {
	const char *name, *conf, *says, *has[3];
} flights[] = {
	{ "one scan for all", NULL, "v", { "Vvvvvvvvvv" } },
	{ "also what is complete, but not kept", NULL, "e", { "EE" } },
	{ "it ends workers: two, one at a time", NULL, "dd",
	    { "F.......................", "FFFFFFFFFFFFFFFFFFFFFFFF" } },
	{ "the leader's second try is for all", "RetryFailedScan on", "dc",
	    { "..", "Cc" } },
	{ "one more looks; it sees the same", NULL, "ll",
	    { "L....", "LLLLL" } },
	{ "one more looks; it sees better", NULL, "flc",
	    { "F....", "FL...", "FLCcc" } },
};

static void
worker_says(char what)
{
	if (what == 'c' || what == 'v')
		world_answer(&w, what == 'v' ? "Unit.Virus" : NULL, false);
	else if (what == 'd')
		world_worker_dies(&w, SIGSEGV);
	else if (what == 'e')
		answer_started(OUTCOME_ENCRYPTED);
	else
		world_answer_incomplete(
		    &w, what == 'l' ? OUTCOME_LIMIT : OUTCOME_FAILED);
}

/* C, V: clean, infected by the scan that it asked for; c, v: by another one's.
 */
static void
expect_guest(struct guest *g, char what)
{
	static const struct {
		char what;
		uint32_t outcome;
	} ends[] = { { 'V', OUTCOME_INFECTED }, { 'v', OUTCOME_INFECTED },
		{ 'F', OUTCOME_FAILED }, { 'L', OUTCOME_LIMIT } };

	if (what == '.')
		is_silent(g);
	else if (what == 'C' || what == 'c')
		is_clean(g, what == 'C' ? SOURCE_SCAN : SOURCE_SHARED);
	else if (what == 'E')
		assert_int_equal(g->tx->verdict.outcome, OUTCOME_ENCRYPTED);
	else if (what == 'V' || what == 'v')
		assert_int_equal(
		    g->tx->source, what == 'V' ? SOURCE_SCAN : SOURCE_SHARED);
	for (size_t i = 0; i < COUNTOF(ends); i++)
		if (ends[i].what == what)
			ends_as(g, ends[i].outcome);
	if (what == 'V' || what == 'v')
		has(g, "Unit.Virus");
}

static void
fly(const struct flight *f)
{
	const char *const conf[] = { f->conf, NULL };
	struct guest *g[MAX_GUESTS];
	size_t n = strlen(f->has[0]), steps = strlen(f->says);

	print_message("%s\n", f->name);
	begin(conf);
	assert_in_range(n, 2, MAX_GUESTS);
	for (size_t i = 0; i < n; i++)
		g[i] = ask("hello");
	assert_int_equal(sched_queued(w.sched), 0);
	world_wait(&w, SEC);
	for (size_t i = 0; i < n; i++)
		is_silent(g[i]);
	for (size_t k = 0; k < steps; k++) {
		assert_int_equal(w.scans, k + 1);
		if (f->says[k] == 'e')
			start();
		worker_says(f->says[k]);
		for (size_t i = 0; i < n; i++)
			expect_guest(g[i], f->has[k][i]);
	}
	assert_int_equal(w.scans, steps);
	/* what is not both whole and sure is not remembered */
	assert_int_equal(cache_count(w.core.cache),
	    f->says[steps - 1] == 'c' || f->says[steps - 1] == 'v');
	end();
}

static void
one_scan(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(flights); i++)
		fly(&flights[i]);
}

/* Other settings, or another time limit, are another scan. */
static void
only_the_same(void **state)
{
	static const char *const files[] = { "MaxFiles 5" };
	static const char *const slow[] = { "MaxFiles 5", "ScanTimeout 60s" };
	struct guest *a, *b, *c, *d;

	(void)state;
	begin(NULL);
	a = ask("hello");
	b = ask("hallo");
	set_conf(files, 1);
	c = ask("hello");
	set_conf(slow, 2);
	d = ask("hello");
	assert_int_equal(sched_queued(w.sched), 3);
	world_answer(&w, "Unit.Virus", false);
	ends_as(a, OUTCOME_INFECTED);
	is_silent(b);
	is_silent(c);
	for (unsigned int i = 0; i < 3; i++)
		world_answer(&w, NULL, false);
	is_clean(b, SOURCE_SCAN);
	is_clean(c, SOURCE_SCAN);
	is_clean(d, SOURCE_SCAN);
	end();
}

static void
leader_leaves(void **state)
{
	struct guest *g[4];

	(void)state;
	begin(NULL);
	for (size_t i = 0; i < 4; i++)
		g[i] = ask("hello");
	start();
	leave(g[0]);
	leave(g[2]);
	leave(g[1]);
	answer_started(OUTCOME_NONE);
	is_clean(g[3], SOURCE_SCAN);
	assert_int_equal(w.scans, 1);
	known("hello");
	end();
}

/* Nothing was sent to a worker yet: what is sent is the heir's body. */
static void
leader_leaves_the_queue(void **state)
{
	struct guest *busy, *a, *b;

	(void)state;
	begin(NULL);
	busy = ask("busy");
	start();
	a = ask("hello");
	world_wait(&w, 6 * SEC);
	b = ask("hello");
	leave(a);
	/* the heir has its own time in the queue */
	world_wait(&w, 6 * SEC);
	is_silent(b);
	answer_started(OUTCOME_NONE);
	sched_worker_writable(w.sched, w.incarnation);
	is_clean(busy, SOURCE_SCAN);
	assert_string_equal(w.body, "hello");
	world_answer(&w, NULL, false);
	is_clean(b, SOURCE_SCAN);
	end();
}

static void
all_leave(void **state)
{
	struct guest *a, *b;

	(void)state;
	begin(NULL);
	a = ask("hello");
	b = ask("hello");
	leave(b);
	leave(a);
	world_answer(&w, NULL, false);
	/* nobody heard it */
	assert_int_equal(cache_count(w.core.cache), 0);
	scanned("hello");
	end();
}

static void
violation(void **state)
{
	struct guest *a, *b;

	(void)state;
	begin(NULL);
	a = ask("hello");
	b = ask("hello");
	start();
	sched_violation(w.sched, w.incarnation, "test");
	ends_as(a, OUTCOME_FAILED);
	is_silent(b);
	world_add_worker(&w);
	assert_int_equal(w.scans, 2);
	world_answer(&w, NULL, false);
	is_clean(b, SOURCE_SCAN);
	end();
}

/* Who has waited for longer than a queue may take has no second scan. */
static void
overdue(void **state)
{
	struct guest *a, *b, *c;

	(void)state;
	begin(NULL);
	a = ask("hang");
	start();
	world_wait(&w, 5 * SEC);
	b = ask("hang");
	world_wait(&w, 20 * SEC);
	c = ask("hang");
	is_silent(a);
	world_wait(&w, 5 * SEC + SEC / 10);
	ends_as(a, OUTCOME_TIMEOUT);
	ends_as(b, OUTCOME_TIMEOUT);
	is_silent(c);
	world_add_worker(&w);
	assert_int_equal(w.scans, 2);
	world_answer(&w, NULL, false);
	is_clean(c, SOURCE_SCAN);
	end();
}

/* No worker becomes free: each waits as long as it may. */
static void
queue_time(void **state)
{
	struct guest *busy, *a, *b;

	(void)state;
	begin(NULL);
	busy = ask("busy");
	start();
	a = ask("hello");
	world_wait(&w, 6 * SEC);
	b = ask("hello");
	world_wait(&w, 5 * SEC);
	ends_as(a, OUTCOME_OVERLOAD);
	is_silent(b);
	is_silent(busy);
	world_wait(&w, 4 * SEC);
	is_silent(b);
	world_wait(&w, 2 * SEC);
	ends_as(b, OUTCOME_OVERLOAD);
	end();
}

/* One that may have gone is not asked to go last while others wait with it. */
static void
doubt(void **state)
{
	struct guest *busy, *a, *b, *c;

	(void)state;
	begin(NULL);
	busy = ask("busy");
	a = ask("hello");
	b = ask("other");
	tx_doubt(a->tx); /* behind the other one */
	c = ask("hello");
	tx_doubt(a->tx);
	tx_doubt(c->tx);
	world_answer(&w, NULL, false);
	is_clean(busy, SOURCE_SCAN);
	world_answer(&w, NULL, false);
	world_answer(&w, NULL, false);
	is_clean(a, SOURCE_SCAN);
	is_clean(b, SOURCE_SCAN);
	is_clean(c, SOURCE_SHARED);
	end();
}

/* Who follows a client with much to do does not wait for its other jobs. */
static void
follower_of_a_busy_client(void **state)
{
	struct guest *x;
	char body[16];

	(void)state;
	begin(NULL);
	for (unsigned int i = 0; i < 10; i++) {
		(void)snprintf(body, sizeof(body), "mine %u", i);
		(void)ask_for("192.0.2.1", "", body);
	}
	(void)ask_for("192.0.2.1", "", "wanted");
	x = ask_for("192.0.2.2", "", "wanted");
	world_answer(&w, NULL, false); /* mine 0 was with the worker */
	world_answer(&w, NULL, false);
	world_answer(&w, NULL, false);
	is_clean(x, SOURCE_SHARED);
	assert_int_equal(w.scans, 4);
	while (w.pending != 0)
		world_answer(&w, NULL, false);
	end();
}

/* ---- anything, in any order ---- */

static uint64_t seed = 88172645463325252;

static unsigned int
any(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % n);
}

/* The worker does something with what it has. */
static void
work(void)
{
	if (sched_workers(w.sched) == 0)
		world_add_worker(&w);
	if (w.pending == 0)
		return;
	switch (any(8)) {
	case 0:
		world_answer_incomplete(&w, OUTCOME_LIMIT);
		break;
	case 1:
		world_answer_incomplete(&w, OUTCOME_FAILED);
		break;
	case 2:
		world_worker_dies(&w, any(2) == 0 ? SIGSEGV : SIGKILL);
		break;
	case 3:
		world_answer(&w, "Unit.Virus", false);
		break;
	default:
		world_answer(&w, NULL, false);
	}
}

static void
random_step(void)
{
	static const char *const bodies[] = { "a", "b", "c" };
	static const char *const peers[] = { "192.0.2.1", "192.0.2.2" };
	static const char *const retry[] = { "RetryFailedScan on" };
	struct guest *g = guest_at(any(MAX_GUESTS));

	switch (any(12)) {
	case 0:
		if (g != NULL)
			leave(g);
		break;
	case 1:
		if (g != NULL)
			tx_doubt(g->tx);
		break;
	case 2:
		world_wait(&w, any(4 * SEC));
		break;
	case 3:
		if (any(5) == 0)
			set_conf(retry, any(2));
		break;
	case 4:
	case 5:
	case 6:
		work();
		break;
	default:
		if (guest_at(MAX_GUESTS - 2) == NULL)
			(void)ask_for(peers[any(2)], "", bodies[any(3)]);
	}
}

/* Whoever stays has a verdict in the end, and nothing is left of a flight. */
static void
everybody_is_answered(void **state)
{
	struct guest *g;

	(void)state;
	for (unsigned int round = 0; round < 300; round++) {
		begin(NULL);
		for (unsigned int i = 0; i < 60; i++)
			random_step();
		for (unsigned int i = 0; i < 40; i++) {
			work();
			world_wait(&w, 3 * SEC);
		}
		for (unsigned int i = 0; i < MAX_GUESTS; i++)
			if ((g = guest_at(i)) != NULL)
				assert_true(g->tx->has_verdict);
		end();
	}
	assert_true(metrics->shared_scans_total > 300);
	assert_true(metrics->verdict_cache_hits_total > 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seen_before),
		cmocka_unit_test(service_is_asked),
		cmocka_unit_test(incomplete_is_not_kept),
		cmocka_unit_test(parts_are_scanned),
		cmocka_unit_test(settings),
		cmocka_unit_test(signatures),
		cmocka_unit_test(word_of_a_bad_worker),
		cmocka_unit_test(age),
		cmocka_unit_test(one_scan),
		cmocka_unit_test(only_the_same),
		cmocka_unit_test(leader_leaves),
		cmocka_unit_test(leader_leaves_the_queue),
		cmocka_unit_test(all_leave),
		cmocka_unit_test(violation),
		cmocka_unit_test(overdue),
		cmocka_unit_test(queue_time),
		cmocka_unit_test(doubt),
		cmocka_unit_test(follower_of_a_busy_client),
		cmocka_unit_test(everybody_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
