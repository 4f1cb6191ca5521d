/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/metrics.h"

static struct metrics a, b, sum;

static int
setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&sum, 0xff, sizeof(sum));
	return 0;
}

static void
name_service(struct metrics *m, unsigned int i, const char *name)
{
	(void)str_copy(m->services[i], METRICS_SERVICE_NAME, slice_of(name));
}

static void
add_up(void)
{
	const struct metrics *const blocks[] = { &a, &b };

	metrics_sum(&sum, blocks, 2);
}

static void
macros_count_in_the_block(void **state)
{
	struct metrics *before = metrics;

	(void)state;
	metrics_use(&a);
	METRIC_INC(scans_total);
	METRIC_ADD(scans_total, 4);
	METRIC_SET(connections, 7);
	METRIC_SUB(connections, 2);
	metrics_use(before);
	METRIC_INC(scans_total);
	assert_int_equal(a.scans_total, 5);
	assert_int_equal(a.connections, 5);
}

static void
sums_all_rows(void **state)
{
	(void)state;
#define METRIC(kind, id, help) (a.id = 3, b.id = 4);
#include "base/metrics.def"
	add_up();
	/* of the same kind in all processes: not to be added up */
#define EACH(id) \
	(strcmp(#id, "generation") == 0 || \
	    strncmp(#id, "signatures", 10) == 0 || \
	    strcmp(#id, "tls_certificate_expires_timestamp_seconds") == 0)
#define METRIC(kind, id, help) assert_int_equal(sum.id, EACH(id) ? 4 : 7);
#include "base/metrics.def"
}

static void
sums_services_by_name(void **state)
{
	(void)state;
	name_service(&a, 0, "respmod");
	name_service(&a, 1, "reqmod");
	name_service(&b, 0, "reqmod");
	name_service(&b, 3, "other");
	a.outcomes[0][OUTCOME_CLEAN] = 1;
	a.outcomes[1][OUTCOME_CLEAN] = 10;
	b.outcomes[0][OUTCOME_CLEAN] = 100;
	b.outcomes[3][OUTCOME_INFECTED] = 1000;
	b.outcomes[1][OUTCOME_CLEAN] = 9; /* of a service without a name */
	add_up();
	assert_string_equal(sum.services[0], "respmod");
	assert_string_equal(sum.services[1], "reqmod");
	assert_string_equal(sum.services[2], "other");
	assert_string_equal(sum.services[3], "");
	assert_int_equal(sum.outcomes[0][OUTCOME_CLEAN], 1);
	assert_int_equal(sum.outcomes[1][OUTCOME_CLEAN], 110);
	assert_int_equal(sum.outcomes[2][OUTCOME_INFECTED], 1000);
	assert_int_equal(sum.outcomes[3][OUTCOME_CLEAN], 0);
}

/* More services than there are rows, and a name that is not terminated. */
static void
strange_services_do_no_harm(void **state)
{
	char name[8];

	(void)state;
	for (unsigned int i = 0; i < METRICS_MAX_SERVICES; i++) {
		(void)snprintf(name, sizeof(name), "a%u", i);
		name_service(&a, i, name);
		(void)snprintf(name, sizeof(name), "b%u", i);
		name_service(&b, i, name);
		b.outcomes[i][OUTCOME_CLEAN] = 5;
	}
	add_up();
	assert_string_equal(sum.services[METRICS_MAX_SERVICES - 1], "a63");
	assert_int_equal(
	    sum.outcomes[METRICS_MAX_SERVICES - 1][OUTCOME_CLEAN], 0);
	(void)setup(NULL);
	memset(a.services[0], 'x', METRICS_SERVICE_NAME);
	a.outcomes[0][OUTCOME_CLEAN] = 1;
	add_up();
	assert_int_equal(strlen(sum.services[0]), METRICS_SERVICE_NAME - 1);
	assert_int_equal(sum.outcomes[0][OUTCOME_CLEAN], 1);
}

static void
prometheus_text(void **state)
{
	struct buf out;
	const char *text;
	unsigned int lines = 0;

	(void)state;
	a.scans_total = 42;
	a.workers = 3;
	name_service(&a, 0, "respmod");
	a.outcomes[0][OUTCOME_INFECTED] = 2;
	buf_init(&out, 1 << 20);
	assert_int_equal(metrics_prometheus(&out, &a), 0);
	text = buf_cstr(&out);
	assert_non_null(strstr(text, "\n# TYPE tolsey_scans_total counter\n"));
	assert_non_null(strstr(text, "\ntolsey_scans_total 42\n"));
	assert_non_null(strstr(text, "\n# TYPE tolsey_workers gauge\n"));
	assert_non_null(strstr(text, "\ntolsey_workers 3\n"));
	assert_non_null(
	    strstr(text, "\ntolsey_outcomes_total{service=\"respmod\","
			 "outcome=\"infected\"} 2\n"));
	assert_null(strstr(text, "outcome=\"\""));
	assert_int_equal(text[out.len - 1], '\n');
	/* each line is a comment or a name, a blank and a number */
	for (const char *p = text; *p != '\0'; p = strchr(p, '\n') + 1) {
		lines++;
		if (strncmp(p, "# HELP tolsey_", 14) != 0 &&
		    strncmp(p, "# TYPE tolsey_", 14) != 0)
			assert_int_equal(strncmp(p, "tolsey_", 7), 0);
	}
	assert_true(lines > 100);
	buf_free(&out);
}

static void
json_text(void **state)
{
	struct buf out;
	const char *text;
	int depth = 0, quotes = 0;

	(void)state;
	a.scans_total = 42;
	name_service(&a, 0, "respmod");
	name_service(&a, 2, "reqmod");
	buf_init(&out, 1 << 20);
	assert_int_equal(metrics_json(&out, &a), 0);
	text = buf_cstr(&out);
	assert_non_null(strstr(text, "\"scans_total\":42,"));
	assert_non_null(strstr(text, "\"outcomes\":{\"respmod\":{"));
	assert_non_null(strstr(text, "},\"reqmod\":{"));
	for (const char *p = text; *p != '\0'; p++) {
		quotes += *p == '"';
		depth += (*p == '{') - (*p == '}');
		assert_true(depth > 0 || p[1] == '\0');
	}
	assert_int_equal(depth, 0);
	assert_int_equal(quotes % 2, 0);
	assert_null(strstr(text, ",}"));
	assert_null(strstr(text, ",,"));
	buf_free(&out);
}

/* What does not fit is said, at every length. */
static void
short_buffers_fail(void **state)
{
	struct buf out;
	size_t whole;

	(void)state;
	name_service(&a, 0, "respmod");
	buf_init(&out, 1 << 20);
	assert_int_equal(metrics_prometheus(&out, &a), 0);
	whole = out.len;
	buf_free(&out);
	for (size_t max = 0; max < whole; max += 97) {
		buf_init(&out, max);
		assert_int_equal(metrics_prometheus(&out, &a), -1);
		buf_free(&out);
	}
	buf_init(&out, 100);
	assert_int_equal(metrics_json(&out, &a), -1);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(macros_count_in_the_block, setup),
		cmocka_unit_test_setup(sums_all_rows, setup),
		cmocka_unit_test_setup(sums_services_by_name, setup),
		cmocka_unit_test_setup(strange_services_do_no_harm, setup),
		cmocka_unit_test_setup(prometheus_text, setup),
		cmocka_unit_test_setup(json_text, setup),
		cmocka_unit_test_setup(short_buffers_fail, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
