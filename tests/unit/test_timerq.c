/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/timerq.h"

#define N 500

struct item {
	struct timer t;
	unsigned int fired;
};
static struct {
	struct timerq *q;
	uint64_t last, now;
	struct item *victim;
	struct item items[N];
} g;

static void
in_order(struct timer *t)
{
	assert_false(timer_armed(t));
	assert_true(t->at_us >= g.last && t->at_us <= g.now);
	g.last = t->at_us;
	CONTAINER_OF(t, struct item, t)->fired++;
}

static void
again_now(struct timer *t)
{
	CONTAINER_OF(t, struct item, t)->fired++;
	assert_int_equal(timer_arm(g.q, t, g.now), 0);
}

static void
disarms_another(struct timer *t)
{
	CONTAINER_OF(t, struct item, t)->fired++;
	timer_disarm(g.q, &g.victim->t);
}

static int
setup(void **state)
{
	(void)state;
	memset(&g, 0, sizeof(g));
	for (size_t i = 0; i < N; i++)
		timer_init(&g.items[i].t, in_order);
	return (g.q = timerq_new()) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	timerq_free(&g.q);
	timerq_free(&g.q);
	return 0;
}

/* A fixed pseudo-random walk of arming, moving and disarming. */
static void
fires_in_order(void **state)
{
	uint32_t seed = 1;
	uint64_t first = UINT64_MAX;
	size_t armed = 0, fired = 0;

	(void)state;
	assert_true(timerq_next_us(g.q) == UINT64_MAX);
	for (size_t i = 0; i < (size_t)N * 4; i++) {
		seed = seed * 1664525u + 1013904223u;
		if (seed >> 29 == 0)
			timer_disarm(g.q, &g.items[i % N].t);
		else
			assert_int_equal(
			    timer_arm(g.q, &g.items[i % N].t, seed >> 20), 0);
	}
	for (size_t i = 0; i < N; i++) {
		if (!timer_armed(&g.items[i].t))
			continue;
		armed++;
		if (g.items[i].t.at_us < first)
			first = g.items[i].t.at_us;
	}
	assert_true(armed > N / 2 && armed < N);
	assert_int_equal(timerq_next_us(g.q), first);
	for (g.now = 0; g.now <= 4096; g.now += 512)
		fired += timerq_run(g.q, g.now);
	assert_int_equal(fired, armed);
	assert_true(timerq_next_us(g.q) == UINT64_MAX);
	for (size_t i = 0; i < N; i++)
		assert_true(g.items[i].fired <= 1);
}

static void
not_before_its_time(void **state)
{
	(void)state;
	assert_int_equal(timer_arm(g.q, &g.items[0].t, 10), 0);
	g.now = 9;
	assert_int_equal(timerq_run(g.q, 9), 0);
	g.now = 10;
	assert_int_equal(timerq_run(g.q, 10), 1);
	assert_int_equal(timerq_run(g.q, 10), 0);
}

static void
rearming_for_now_does_not_hold_the_loop(void **state)
{
	(void)state;
	timer_init(&g.items[0].t, again_now);
	timer_init(&g.items[1].t, again_now);
	assert_int_equal(timer_arm(g.q, &g.items[0].t, 1), 0);
	assert_int_equal(timer_arm(g.q, &g.items[1].t, 1), 0);
	g.now = 5;
	assert_int_equal(timerq_run(g.q, 5), 2);
	assert_true(timer_armed(&g.items[0].t) && timer_armed(&g.items[1].t));
}

static void
may_disarm_another_that_is_due(void **state)
{
	(void)state;
	timer_init(&g.items[0].t, disarms_another);
	g.victim = &g.items[1];
	assert_int_equal(timer_arm(g.q, &g.items[0].t, 1), 0);
	assert_int_equal(timer_arm(g.q, &g.items[1].t, 2), 0);
	g.now = 5;
	assert_int_equal(timerq_run(g.q, 5), 1);
	assert_int_equal(g.items[0].fired, 1);
	assert_int_equal(g.items[1].fired, 0);
	timer_disarm(g.q, &g.items[1].t);
	assert_false(timer_armed(&g.items[1].t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    fires_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    not_before_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    rearming_for_now_does_not_hold_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    may_disarm_another_that_is_due, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
