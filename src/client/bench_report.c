/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/bench.h"

static const struct {
	const char *name;
	uint32_t per_100k;
} quantiles[] = { { "p50", 50000 }, { "p90", 90000 }, { "p99", 99000 },
	{ "p99.9", 99900 } };

uint64_t
bench_result_faults(const struct bench_result *r)
{
	uint64_t sum = 0;

	for (size_t i = 1; i < NBENCH_FAULTS; i++)
		sum += r->faults[i];
	return sum;
}

static double
per_second(uint64_t n, const struct bench_result *r)
{
	return r->elapsed_us > 0 ? (double)n * 1e6 / (double)r->elapsed_us : 0;
}

static void
print_hist(const char *name, const struct bench_hist *h, struct buf *out)
{
	(void)buf_printf(out, "%-11s ms ", name);
	for (size_t i = 0; i < COUNTOF(quantiles); i++)
		(void)buf_printf(out, " %s %.3f", quantiles[i].name,
		    (double)bench_hist_at(h, quantiles[i].per_100k) / 1e3);
	(void)buf_printf(out, " max %.3f\n", (double)h->max / 1e3);
}

void
bench_print(const struct bench_result *r, struct buf *out)
{
	(void)buf_printf(out,
	    "%llu answers in %.3f s: %.1f/s, %.2f MB/s of objects\n"
	    "204: %llu  200: %llu  100 Continue: %llu  not sent: %.1f MB\n",
	    (unsigned long long)r->answers, (double)r->elapsed_us / 1e6,
	    per_second(r->answers, r), per_second(r->object_bytes, r) / 1e6,
	    (unsigned long long)r->n_204, (unsigned long long)r->n_200,
	    (unsigned long long)r->n_100, (double)r->unsent_bytes / 1e6);
	print_hist("latency", &r->latency, out);
	print_hist("first byte", &r->first_byte, out);
	(void)buf_printf(out,
	    "longest silence %.3f ms, longest gap in an answer %.3f ms\n"
	    "CPU of this program: %.1f us an answer\n",
	    (double)r->longest_silence_us / 1e3,
	    (double)r->longest_gap_us / 1e3,
	    r->answers ? (double)r->cpu_us / (double)r->answers : 0);
	if (r->idle_answered > 0)
		(void)buf_printf(out, "idle connections: %llu, alive: %llu\n",
		    (unsigned long long)r->idle_answered,
		    (unsigned long long)r->idle_alive);
	for (size_t i = 1; i < NBENCH_FAULTS; i++) {
		if (r->faults[i] > 0)
			(void)buf_printf(out, "WRONG %s: %llu\n",
			    bench_fault_name(i),
			    (unsigned long long)r->faults[i]);
	}
}

static void
json_hist(const char *name, const struct bench_hist *h, struct buf *out)
{
	(void)buf_printf(out, ",\"%s_us\":{\"count\":%llu,\"mean\":%.1f", name,
	    (unsigned long long)h->count,
	    h->count ? (double)h->sum / (double)h->count : 0);
	for (size_t i = 0; i < COUNTOF(quantiles); i++)
		(void)buf_printf(out, ",\"%s\":%llu", quantiles[i].name,
		    (unsigned long long)bench_hist_at(
			h, quantiles[i].per_100k));
	(void)buf_printf(out, ",\"max\":%llu}", (unsigned long long)h->max);
}

void
bench_print_json(const struct bench_result *r, struct buf *out)
{
	const char *comma = "";

	(void)buf_append_str(out, "{");
#define COUNTER(merge, name, text) \
	(void)buf_printf( \
	    out, "%s\"" #name "\":%llu", comma, (unsigned long long)r->name); \
	comma = ",";
#include "client/bench_counters.def"
	(void)buf_printf(
	    out, ",\"per_second\":%.2f", per_second(r->answers, r));
	json_hist("latency", &r->latency, out);
	json_hist("first_byte", &r->first_byte, out);
	json_hist("first_body", &r->first_body, out);
	(void)buf_append_str(out, ",\"faults\":{");
	for (size_t i = 1; i < NBENCH_FAULTS; i++)
		(void)buf_printf(out, "%s\"%s\":%llu", i == 1 ? "" : ",",
		    bench_fault_name(i), (unsigned long long)r->faults[i]);
	(void)buf_append_str(out, "}}\n");
}
