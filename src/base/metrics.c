/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static struct metrics private_block;
struct metrics *metrics = &private_block;

enum kind { KIND_COUNTER, KIND_GAUGE };
static const struct row {
	const char *name, *help;
	enum kind kind;
	size_t offset;
} rows[] = {
#define METRIC(kind, id, help) \
	{ #id, help, KIND_##kind, offsetof(struct metrics, id) },
#include "base/metrics.def"
};

void
metrics_use(struct metrics *block)
{
	metrics = block;
}

static const uint64_t *
value_at(const struct metrics *m, size_t offset)
{
	return (const uint64_t *)(const void *)((const char *)m + offset);
}

static uint64_t
load(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

/* The row of the service's name in the sum, made if it is new; -1: full. */
static int
service_row(struct metrics *sum, const char *name)
{
	for (int i = 0; i < METRICS_MAX_SERVICES; i++) {
		if (sum->services[i][0] == '\0')
			(void)str_copy(sum->services[i], METRICS_SERVICE_NAME,
			    slice_of(name));
		if (strcmp(sum->services[i], name) == 0)
			return i;
	}
	return -1;
}

static void
add_services(struct metrics *sum, const struct metrics *m)
{
	char name[METRICS_SERVICE_NAME];
	int row;

	for (size_t i = 0; i < METRICS_MAX_SERVICES; i++) {
		memcpy(name, m->services[i], sizeof(name));
		name[sizeof(name) - 1] = '\0';
		if (name[0] == '\0' || (row = service_row(sum, name)) == -1)
			continue;
		for (unsigned int o = 0; o < NOUTCOMES; o++)
			sum->outcomes[row][o] += load(&m->outcomes[i][o]);
	}
}

/* Every net says the same of these: the largest counts, not the sum. */
static bool
is_common(const char *name)
{
	return strcmp(name, "generation") == 0 ||
	       strncmp(name, "signatures", 10) == 0 ||
	       strcmp(name, "tls_certificate_expires_timestamp_seconds") == 0;
}

void
metrics_sum(struct metrics *sum, const struct metrics *const blocks[], size_t n)
{
	uint64_t *to, v;

	memset(sum, 0, sizeof(*sum));
	for (size_t b = 0; b < n; b++) {
		for (size_t i = 0; i < COUNTOF(rows); i++) {
			to = (uint64_t *)(void *)((char *)sum + rows[i].offset);
			v = load(value_at(blocks[b], rows[i].offset));
			if (!is_common(rows[i].name))
				*to += v;
			else if (v > *to)
				*to = v;
		}
		add_services(sum, blocks[b]);
	}
}

void
metrics_clear_gauges(struct metrics *m)
{
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].kind == KIND_GAUGE)
			__atomic_store_n(
			    (uint64_t *)(void *)((char *)m + rows[i].offset), 0,
			    __ATOMIC_RELAXED);
}

static const char *
kind_word(enum kind k)
{
	return k == KIND_COUNTER ? "counter" : "gauge";
}

static int
outcome_lines(struct buf *out, const struct metrics *m)
{
	int rc = buf_append_str(out,
	    "# HELP tolsey_outcomes_total transactions by service and outcome\n"
	    "# TYPE tolsey_outcomes_total counter\n");

	for (size_t i = 0; i < METRICS_MAX_SERVICES; i++) {
		if (m->services[i][0] == '\0')
			continue;
		for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
			rc |= buf_printf(out,
			    "tolsey_outcomes_total{service=\"%s\","
			    "outcome=\"%s\"} %llu\n",
			    m->services[i], outcome_info((enum outcome)o)->word,
			    (unsigned long long)m->outcomes[i][o]);
	}
	return rc;
}

int
metrics_prometheus(struct buf *out, const struct metrics *m)
{
	int rc = 0;

	for (size_t i = 0; i < COUNTOF(rows); i++)
		rc |= buf_printf(out,
		    "# HELP tolsey_%s %s\n# TYPE tolsey_%s %s\n"
		    "tolsey_%s %llu\n",
		    rows[i].name, rows[i].help, rows[i].name,
		    kind_word(rows[i].kind), rows[i].name,
		    (unsigned long long)load(value_at(m, rows[i].offset)));
	rc |= outcome_lines(out, m);
	return rc == 0 ? 0 : -1;
}

int
metrics_json(struct buf *out, const struct metrics *m)
{
	int rc = buf_append_str(out, "{");
	bool first = true;

	for (size_t i = 0; i < COUNTOF(rows); i++)
		rc |= buf_printf(out, "\"%s\":%llu,", rows[i].name,
		    (unsigned long long)load(value_at(m, rows[i].offset)));
	rc |= buf_append_str(out, "\"outcomes\":{");
	for (size_t i = 0; i < METRICS_MAX_SERVICES; i++) {
		if (m->services[i][0] == '\0')
			continue;
		rc |= buf_printf(
		    out, "%s\"%s\":{", first ? "" : ",", m->services[i]);
		for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
			rc |= buf_printf(out, "%s\"%s\":%llu",
			    o > OUTCOME_NONE + 1 ? "," : "",
			    outcome_info((enum outcome)o)->word,
			    (unsigned long long)m->outcomes[i][o]);
		rc |= buf_append_str(out, "}");
		first = false;
	}
	rc |= buf_append_str(out, "}}");
	return rc == 0 ? 0 : -1;
}
