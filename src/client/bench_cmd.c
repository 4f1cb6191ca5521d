/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/bench_cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define USUAL_DURATION_US 5000000
#define USUAL_PREVIEW 16384
#define SHOWN_MAX ((size_t)1 << 20)
#define PATH_MAX_LEN 4096

static int
add_file(struct bench_params *p, const char *name, struct buf *err)
{
	char spec[PATH_MAX_LEN + 8];
	int n = snprintf(spec, sizeof(spec), "file:%s", name);

	if (n < 0 || (size_t)n >= sizeof(spec)) {
		(void)buf_printf(err, "%s: name is too long", name);
		return -1;
	}
	return bench_objects_add(&p->objects, spec, BENCH_IDENTITY, err);
}

static int
add_objects(
    struct bench_params *p, const struct client_options *o, struct buf *err)
{
	int coding =
	    bench_coding_parse(o->coding != NULL ? o->coding : "identity");
	bool any = o->object.n > 0 || o->names.n > 0;

	if (coding < 0) {
		(void)buf_printf(err,
		    "--coding %s: gzip, br or zstd, as far as they are built "
		    "in",
		    o->coding);
		return -1;
	}
	for (size_t i = 0; i < o->object.n || (i == 0 && !any); i++)
		if (bench_objects_add(&p->objects,
			any ? o->object.v[i] : "random:1K",
			(enum bench_coding)coding, err) != 0)
			return -1;
	for (size_t i = 0; i < o->names.n; i++)
		if (add_file(p, o->names.v[i], err) != 0)
			return -1;
	return 0;
}

/* For scripts: they say when it goes on. */
static void
wait_for_line(void *ctx, const char *what)
{
	char line[64];

	(void)ctx;
	printf("%s\n", what);
	(void)fflush(stdout);
	(void)!fgets(line, sizeof(line), stdin);
}

int
bench_params_set(struct bench_params *p, const struct client_options *o,
    const struct target *t, struct buf *err)
{
	memset(p, 0, sizeof(*p));
	if (t->tls) {
		(void)buf_append_str(err, "--bench speaks no TLS");
		return -1;
	}
	p->uri = t->uri.p;
	p->host = t->authority.p;
	p->method = o->options  ? ICAP_OPTIONS
		    : o->reqmod ? ICAP_REQMOD
				: ICAP_RESPMOD;
	p->connections = o->connections;
	p->idle = o->idle;
	p->rate = o->rate;
	p->count = o->count == CLIENT_UNSET ? 0 : o->count;
	p->duration_us = o->duration != CLIENT_UNSET ? o->duration * 1000
			 : p->count == 0             ? USUAL_DURATION_US
						     : 0;
	p->timeout_us = o->timeout * 1000;
	p->preview = o->no_preview                ? UINT64_MAX
		     : o->preview != CLIENT_UNSET ? o->preview
						  : USUAL_PREVIEW;
	p->chunk = o->chunk;
	p->upload_rate = o->upload_rate;
	p->allow_204 = !o->no_204;
	p->repeat = o->repeat;
	p->new_connection = o->new_connection;
	p->gate = o->gate ? wait_for_line : NULL;
	/* Runs of one client have no number in common. */
	p->first_number = clock_wall_us();
	return p->method == ICAP_OPTIONS ? 0 : add_objects(p, o, err);
}

void
bench_params_free(struct bench_params *p)
{
	bench_objects_free(&p->objects);
}

static int
print(const struct bench_result *r, bool json)
{
	struct buf out;
	int rc;

	buf_init(&out, SHOWN_MAX);
	(json ? bench_print_json : bench_print)(r, &out);
	rc = out.failed || fputs(buf_cstr(&out), stdout) == EOF ||
	     fflush(stdout) == EOF;
	buf_free(&out);
	return rc ? -1 : 0;
}

int
bench_command(const struct client_options *o, const struct target *t,
    const struct link_peer *peer, struct buf *err)
{
	struct bench_result *r = malloc(sizeof(*r));
	struct bench_params p = { .uri = NULL };
	const struct sockaddr *sa;
	int rc = -1;

	if (r == NULL) {
		(void)buf_append_str(err, "out of memory");
		goto out;
	}
	if (bench_params_set(&p, o, t, err) != 0)
		goto out;
	sa = link_peer_addr(peer, &p.address_len);
	memcpy(&p.address, sa, p.address_len);
	if (bench_run_threads(&p, o->jobs, r, err) != 0)
		goto out;
	if (print(r, o->json) != 0)
		(void)buf_append_str(err, "cannot write");
	else if (bench_result_faults(r) > 0)
		(void)buf_printf(err, "%llu answers were wrong or missing",
		    (unsigned long long)bench_result_faults(r));
	else
		rc = 0;
out:
	bench_params_free(&p);
	free(r);
	return rc;
}
