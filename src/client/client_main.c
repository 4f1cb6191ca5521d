/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* tolsey-client: sends objects to an ICAP server. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/bench_cmd.h"
#include "client/jobs.h"
#include "client/session.h"

#define EXIT_ERROR 2
#define ERR_MAX 2048
#define SHOWN_MAX ((size_t)1 << 20)

struct client {
	struct client_options options;
	struct target target;
	struct link_peer *peer;
	struct offer offer;
	struct buf err;
};

static int
complain(struct client *c)
{
	fprintf(stderr, "tolsey-client: %s\n", buf_cstr(&c->err));
	return EXIT_ERROR;
}

/* What does not go together with the rest of the work. NULL, or why. */
static const char *
contradiction(const struct client_options *o)
{
	bool objects = o->names.n > 0 || o->files_from != NULL || o->eicar;
	size_t standard = 0;

	if (o->options && objects)
		return "--options sends nothing: leave out the files";
	if (o->output != NULL &&
	    (o->names.n + o->eicar != 1 || o->files_from != NULL))
		return "--output takes the body of exactly one object";
	for (size_t i = 0; i < o->names.n; i++)
		standard += strcmp(o->names.v[i], "-") == 0;
	standard += o->files_from != NULL && strcmp(o->files_from, "-") == 0;
	if (standard > 1)
		return "standard input can be read once only";
	return NULL;
}

/* Shows OPTIONS, or only keeps them. */
static int
ask_options(struct client *c, bool show)
{
	struct session s;
	struct buf text;
	int rc = -1;

	if (session_init(&s, &c->options, &c->target, c->peer) == -1) {
		(void)buf_append_str(&c->err, "out of memory");
	} else if ((rc = session_options(&s, &c->offer, &c->err)) == 0 &&
		   show && !c->options.quiet) {
		buf_init(&text, SHOWN_MAX);
		rc = c->options.json ? offer_print_json(&text, &c->offer,
					   &s.answer, buf_cstr(&c->target.uri))
				     : offer_print(&text, &c->offer, &s.answer,
					   buf_cstr(&c->target.uri));
		if (rc != 0 || fputs(buf_cstr(&text), stdout) == EOF ||
		    fflush(stdout) == EOF) {
			(void)buf_append_str(&c->err, "cannot write");
			rc = -1;
		}
		buf_free(&text);
	}
	session_free(&s);
	return rc;
}

/* The service must do what is wanted of it. */
static int
check_offer(struct client *c)
{
	const struct offer *f = &c->offer;

	if (!f->known || (c->options.reqmod ? f->reqmod : f->respmod) ||
	    (!f->reqmod && !f->respmod))
		return 0;
	(void)buf_printf(&c->err, "%s does %s only: %s",
	    buf_cstr(&c->target.uri), f->reqmod ? "REQMOD" : "RESPMOD",
	    f->reqmod ? "add --reqmod" : "leave out --reqmod, --req");
	return -1;
}

static uint64_t
preview_of(const struct client *c)
{
	if (c->options.no_preview)
		return EXCHANGE_NO_PREVIEW;
	if (c->options.preview != CLIENT_UNSET)
		return c->options.preview;
	return c->offer.has_preview ? c->offer.preview : EXCHANGE_NO_PREVIEW;
}

static int
send_objects(struct client *c)
{
	struct jobs_params p = {
		.options = &c->options, .target = &c->target, .peer = c->peer
	};
	struct totals t = { { 0 }, 0, 0 };
	uint64_t start = clock_mono_us();
	const struct client_options *o = &c->options;
	struct buf text;

	/* to know the preview, and what the service does */
	if (!o->no_preview && o->preview == CLIENT_UNSET &&
	    (ask_options(c, false) == -1 || check_offer(c) == -1))
		return complain(c);
	p.preview = preview_of(c);
	p.offer = c->offer.known && !o->send_all ? &c->offer : NULL;
	if (jobs_run(&p, &t, &c->err) == -1)
		return complain(c);
	if (!o->json && !o->quiet && !o->no_summary) {
		buf_init(&text, SHOWN_MAX);
		(void)report_summary(&text, &t, o, clock_mono_us() - start);
		fputs(buf_cstr(&text),
		    o->output != NULL && strcmp(o->output, "-") == 0 ? stderr
								     : stdout);
		buf_free(&text);
	}
	if (fflush(stdout) == EOF) {
		(void)buf_printf(&c->err, "cannot write: %s", strerror(errno));
		return complain(c);
	}
	return verdict_exit(t.counts);
}

static int
run(struct client *c)
{
	const struct client_options *o = &c->options;
	const char *why;

	if ((why = contradiction(o)) != NULL) {
		(void)buf_append_str(&c->err, why);
		return complain(c);
	}
	if (request_check(o, &c->err) != 0 ||
	    target_set(&c->target, o, getenv("TOLSEY_URL"), &c->err) == -1 ||
	    (c->peer = link_peer_new(&c->target, o, &c->err)) == NULL)
		return complain(c);
	if (o->bench)
		return bench_command(
			   &c->options, &c->target, c->peer, &c->err) == -1
			   ? complain(c)
			   : EXIT_SUCCESS;
	if (!o->eicar && o->names.n == 0 && o->files_from == NULL)
		return ask_options(c, true) == 0 ? EXIT_SUCCESS : complain(c);
	return send_objects(c);
}

int
main(int argc, char *argv[])
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct client c = { .peer = NULL };
	int status;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	buf_init(&c.err, ERR_MAX);
	target_init(&c.target);
	if (client_options_parse(&c.options, argc, argv, &c.err) == -1) {
		status = complain(&c);
	} else if (c.options.help) {
		client_options_help(stdout);
		status = fflush(stdout) == EOF ? EXIT_ERROR : EXIT_SUCCESS;
	} else if (c.options.version) {
		puts("tolsey-client " PACKAGE_VERSION);
		status = fflush(stdout) == EOF ? EXIT_ERROR : EXIT_SUCCESS;
	} else {
		status = run(&c);
	}
	link_peer_free(&c.peer);
	target_free(&c.target);
	client_options_free(&c.options);
	buf_free(&c.err);
	return status;
}
