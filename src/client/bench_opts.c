/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/bench_opts.h"

enum opt_type { NUM, SIZE, TIME, RATE, YES, NO, CALL };
typedef int opt_call(struct bench_params *p, const char *arg, struct buf *err);

struct opt {
	enum opt_type type;
	const char *name, *arg, *text;
	size_t offset;
	opt_call *call;
};

static int
opt_object(struct bench_params *p, const char *arg, struct buf *err)
{
	return bench_objects_add(&p->objects, arg, p->coding, err);
}

static int
opt_coding(struct bench_params *p, const char *arg, struct buf *err)
{
	int coding = bench_coding_parse(arg);

	if (coding < 0) {
		(void)buf_printf(err,
		    "%s: no such coding here; identity, gzip, br, zstd", arg);
		return -1;
	}
	p->coding = (enum bench_coding)coding;
	return 0;
}

static int
opt_method(struct bench_params *p, const char *arg, struct buf *err)
{
	if (strcmp(arg, "OPTIONS") == 0)
		p->method = ICAP_OPTIONS;
	else if (strcmp(arg, "REQMOD") == 0)
		p->method = ICAP_REQMOD;
	else if (strcmp(arg, "RESPMOD") == 0)
		p->method = ICAP_RESPMOD;
	else {
		(void)buf_printf(err, "%s: RESPMOD, REQMOD or OPTIONS", arg);
		return -1;
	}
	return 0;
}

static int
opt_no_preview(struct bench_params *p, const char *arg, struct buf *err)
{
	(void)arg;
	(void)err;
	p->preview = UINT64_MAX;
	return 0;
}

#define FIELD_NUM(f) offsetof(struct bench_params, f), NULL
#define FIELD_SIZE FIELD_NUM
#define FIELD_TIME FIELD_NUM
#define FIELD_RATE FIELD_NUM
#define FIELD_YES FIELD_NUM
#define FIELD_NO FIELD_NUM
#define FIELD_CALL(f) 0, f
static const struct opt opts[] = {
#define OPT(type, name, field, arg, text) \
	{ type, name, arg, text, FIELD_##type(field) },
#include "client/bench_opts.def"
};

/* A number with the unit that the type has. 0 or -1. */
static int
number(enum opt_type type, const char *arg, uint64_t *out)
{
	struct slice s = slice_of(arg);
	char *end;
	double v;

	if (type == TIME || type == RATE) {
		v = strtod(arg, &end);
		if (end == arg || *end != '\0' || !(v >= 0 && v < 1e9))
			return -1;
		*out = (uint64_t)(v * (type == TIME ? 1e6 : 1e3) + 0.5);
		return 0;
	}
	if (type == SIZE && s.len > 0) {
		unsigned int shift = strchr("kK", s.p[s.len - 1])   ? 10
				     : strchr("mM", s.p[s.len - 1]) ? 20
								    : 0;

		s.len -= shift > 0;
		if (str_to_u64(s, UINT64_C(1) << 40, out) != 0)
			return -1;
		*out <<= shift;
		return 0;
	}
	return str_to_u64(s, UINT64_C(1) << 40, out);
}

static const struct opt *
find(const char *name)
{
	for (size_t i = 0; i < COUNTOF(opts); i++) {
		if (strcmp(opts[i].name, name) == 0)
			return &opts[i];
	}
	return NULL;
}

int
bench_option(struct bench_params *p, const char *name, const char *arg,
    bool *takes_arg, struct buf *err)
{
	const struct opt *o = find(name);
	void *field;

	if (o == NULL)
		return 1;
	if (takes_arg != NULL) {
		*takes_arg = o->arg != NULL;
		return 0;
	}
	field = (char *)p + o->offset;
	switch (o->type) {
	case YES:
	case NO:
		*(bool *)field = o->type == YES;
		return 0;
	case CALL:
		return o->call(p, arg, err);
	default:
		if (number(o->type, arg, field) == 0)
			return 0;
		(void)buf_printf(err, "--%s %s: %s is expected", name, arg,
		    o->type == SIZE ? "a number of bytes, K or M behind it,"
				    : "a number");
		return -1;
	}
}

void
bench_params_init(struct bench_params *p)
{
	memset(p, 0, sizeof(*p));
	p->method = ICAP_RESPMOD;
	p->connections = 16;
	p->timeout_us = 30000000;
	p->preview = 4096;
	p->chunk = 65536;
	p->allow_204 = true;
	/* Runs of one client have no number in common. */
	p->first_number = clock_wall_us();
}

void
bench_params_free(struct bench_params *p)
{
	bench_objects_free(&p->objects);
}

int
bench_params_done(struct bench_params *p, struct buf *err)
{
	if (p->duration_us == 0 && p->count == 0)
		p->duration_us = 5000000;
	if (p->connections < 1 || p->connections > BENCH_MAX_CONNECTIONS ||
	    p->idle > BENCH_MAX_CONNECTIONS) {
		(void)buf_printf(err, "there can be 1 to %d connections",
		    BENCH_MAX_CONNECTIONS);
		return -1;
	}
	if (p->chunk < 1 || p->chunk > UINT32_MAX) {
		(void)buf_append_str(err, "a chunk has 1 byte or more");
		return -1;
	}
	if (p->objects.count == 0 && p->method != ICAP_OPTIONS)
		return bench_objects_add(
		    &p->objects, "random:1K", p->coding, err);
	return 0;
}

void
bench_usage(FILE *out)
{
	for (size_t i = 0; i < COUNTOF(opts); i++)
		fprintf(out, "  --%-14s %-7s %s\n", opts[i].name,
		    opts[i].arg != NULL ? opts[i].arg : "", opts[i].text);
	fprintf(out,
	    "  SPEC: mix, file:PATH, or one of these with :SIZE behind it: "
	    "%s\n",
	    bench_kind_names());
}
