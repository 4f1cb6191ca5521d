/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/text.h"

#define IN_SIZE ((size_t)64 << 10)
#define KEPT_HEADS ((size_t)512 << 10)

/* One request under way. */
struct run {
	struct session *s;
	struct result *r;
	struct returned *body; /* NULL: OPTIONS */
	bool allow_204;
	uint64_t start_us, moved_us, head_since_us;
	bool ended;
	int write_error; /* the server does not take more; 0: it does */
	/* why it failed: the connection was lost, which may be tried again */
	bool lost;
};

int
session_init(struct session *s, const struct client_options *o,
    const struct target *t, const struct link_peer *p)
{
	memset(s, 0, sizeof(*s));
	s->options = o;
	s->target = t;
	s->peer = p;
	link_init(&s->link);
	exchange_init(&s->exchange);
	icap_answer_init(
	    &s->answer, SESSION_MAX_ICAP_HEAD, SESSION_MAX_HTTP_HEADS);
	request_init(&s->request);
	return (s->in = malloc(IN_SIZE)) != NULL ? 0 : -1;
}

void
session_free(struct session *s)
{
	link_close(&s->link);
	exchange_free(&s->exchange);
	icap_answer_free(&s->answer);
	request_free(&s->request);
	free(s->in);
	s->in = NULL;
}

static void
debug(const struct session *s, const char *what, const char *more)
{
	if (s->options->debug > 0)
		fprintf(stderr, "* %s%s\n", what, more);
}

/* Lines of a head on stderr, marked by who said them. */
static void
debug_head(const struct session *s, char mark, struct slice head)
{
	struct slice line;
	struct buf out;

	if (s->options->debug < 2)
		return;
	buf_init(&out, KEPT_HEADS);
	while (head.len > 0 && slice_next(&head, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		(void)buf_printf(&out, "%c ", mark);
		(void)text_plain(&out, line);
		(void)buf_append_str(&out, "\n");
	}
	fputs(buf_cstr(&out), stderr);
	buf_free(&out);
}

/* ---- what comes ---- */

static void
on_head(struct run *run)
{
	struct session *s = run->s;
	struct result *r = run->r;

	debug_head(s, '<', buf_slice(&s->answer.head));
	if (run->body == NULL)
		return;
	verdict_head(r, &s->answer, &s->request, s->options,
	    run->allow_204 || (r->has_preview && !s->exchange.got_100));
	if (s->options->verbose > 0)
		(void)buf_append_slice(&r->heads, buf_slice(&s->answer.head));
}

static const char *
on_end(struct run *run)
{
	struct session *s = run->s;
	const struct chunk_rx *c = &s->answer.chunk;
	unsigned char sent[HASH_LEN] = { 0 };
	const char *why = NULL;
	bool is_206 = c->use_original_body;

	run->ended = true;
	if (run->body == NULL || run->r->verdict == VERDICT_ERROR)
		return NULL;
	if (is_206 && s->answer.status != 206)
		return "it refers to the original body, which was not "
		       "permitted";
	if (s->exchange.body->hash != NULL &&
	    hash_final(s->exchange.body->hash, sent) == -1)
		return "out of memory";
	if (s->answer.status != 204)
		why = returned_end(run->body, is_206, c->original_at, sent,
		    s->exchange.object_sent, &run->r->body_same);
	run->r->received = run->body->received; /* verdict_end() names it */
	if (why == NULL)
		verdict_end(run->r, &s->answer, s->options);
	return why;
}

/* NULL, or what is wrong. */
static const char *
feed(struct run *run, struct slice in)
{
	struct exchange *x = &run->s->exchange;
	struct slice body;
	const char *why;

	while (!run->ended) {
		switch (exchange_input(x, &in, &body)) {
		case EXCHANGE_MORE:
			return NULL;
		case EXCHANGE_HEAD:
			run->head_since_us = 0;
			on_head(run);
			break;
		case EXCHANGE_BODY:
			if (run->body != NULL &&
			    (why = returned_bytes(run->body, body)) != NULL)
				return why;
			break;
		case EXCHANGE_END:
			if ((why = on_end(run)) != NULL)
				return why;
			if (in.len > 0) /* nothing was asked that it answers */
				run->s->answer.close = true;
			return NULL;
		case EXCHANGE_ERROR:
			return x->why;
		}
	}
	return NULL;
}

/* ---- the loop ---- */

static void
lost(struct run *run, int error)
{
	const struct icap_answer *a = &run->s->answer;
	char tls[200];

	run->lost = !icap_answer_begun(a) && !run->s->exchange.got_100;
	if (error == EPROTO) {
		(void)link_tls_error(&run->s->link, tls, sizeof(tls));
		verdict_error(
		    run->r, "TLS: %s", tls[0] != '\0' ? tls : strerror(error));
	} else if (icap_answer_begun(a) && icap_answer_has_head(a)) {
		verdict_error(run->r, "the server closed the connection in the "
				      "middle of its answer");
	} else {
		verdict_error(run->r,
		    "the server closed the connection before it answered%s%s",
		    error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	}
}

/* Writes what there is. False: it failed, the result says why. */
static bool
put(struct run *run, bool *moved)
{
	struct exchange *x = &run->s->exchange;
	uint64_t before = x->object_sent;
	struct slice bytes;
	ssize_t n;

	if (exchange_output(x, &bytes) == -1) {
		verdict_error(run->r, "%s%s%s", x->why,
		    x->source_failed ? ": " : "",
		    x->source_failed ? strerror(errno) : "");
		return false;
	}
	if (run->s->moved != NULL && x->object_sent > before)
		run->s->moved(run->s->moved_arg, x->object_sent - before);
	if (bytes.len == 0)
		return true;
	n = link_write(&run->s->link, bytes.p, bytes.len);
	if (n > 0) {
		exchange_written(x, (size_t)n);
		*moved = true;
	} else if (n == -1 && errno != EAGAIN) {
		/* its answer may still be there to be read */
		run->write_error = errno;
		exchange_stop_sending(x);
	}
	return true;
}

static bool
get(struct run *run, bool *moved)
{
	ssize_t n = link_read(&run->s->link, run->s->in, IN_SIZE);
	const char *why;

	if (n == -1 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		lost(run, n == -1 ? errno : run->write_error);
		return false;
	}
	*moved = true;
	if (run->r->first_byte_us == 0)
		run->r->first_byte_us = clock_mono_us() - run->start_us;
	if (run->head_since_us == 0 && !icap_answer_has_head(&run->s->answer))
		run->head_since_us = clock_mono_us();
	why = feed(run, (struct slice){ run->s->in, (size_t)n });
	if (run->s->exchange.state == EXCHANGE_SENDING_BODY &&
	    !icap_answer_has_head(&run->s->answer))
		run->head_since_us = 0; /* that was a 100 */
	if (why != NULL)
		verdict_error(
		    run->r, "the server's answer is refused: %s", why);
	return why == NULL;
}

/* The next of the time limits, and what it is called. */
static uint64_t
deadline(const struct run *run, const char **option)
{
	const struct client_options *o = run->s->options;
	uint64_t idle = run->moved_us + o->timeout * 1000;
	uint64_t all = run->start_us + o->max_time * 1000;

	*option = "--timeout";
	if (run->head_since_us != 0 &&
	    run->head_since_us + o->timeout * 1000 < idle)
		idle = run->head_since_us + o->timeout * 1000;
	if (all >= idle)
		return idle;
	*option = "--max-time";
	return all;
}

static bool
wait(struct run *run)
{
	struct exchange *x = &run->s->exchange;
	const char *option;
	uint64_t until = deadline(run, &option);
	bool to_write = x->written < x->out.len;
	int rc = link_wait(&run->s->link, to_write,
	    x->starved && !to_write ? x->body->fd : -1, until);

	if (rc == 1 && clock_mono_us() < until)
		return true;
	if (rc == -1)
		verdict_error(run->r, "poll: %s", strerror(errno));
	else
		verdict_error(run->r, "no %s within %.6g s (%s)",
		    to_write     ? "room for the object at the server"
		    : x->starved ? "more of the object"
		    : icap_answer_has_head(&run->s->answer)
			? "end of the answer"
			: "answer",
		    (double)(strcmp(option, "--timeout") == 0
				 ? run->s->options->timeout
				 : run->s->options->max_time) /
			1000,
		    option);
	return false;
}

/* From the first byte to the end of the answer. False: it failed. */
static bool
loop(struct run *run)
{
	const char *option;

	while (!run->ended) {
		bool moved = false;

		if (!put(run, &moved) || !get(run, &moved))
			return false;
		if (moved)
			run->moved_us = clock_mono_us();
		if (run->ended)
			break;
		if ((!moved || clock_mono_us() >= deadline(run, &option)) &&
		    !wait(run))
			return false;
	}
	return true;
}

/* ---- one request ---- */

static bool
connect_link(struct session *s, struct result *r)
{
	struct buf err;
	int rc;

	r->reused = link_is_open(&s->link);
	if (r->reused && !link_is_stale(&s->link))
		return true;
	link_close(&s->link);
	s->served = 0;
	r->reused = false;
	buf_init(&err, DETAIL_LEN);
	rc = link_open(&s->link, s->peer, s->options, &err);
	r->connect_us = s->link.connect_us;
	r->tls_us = s->link.tls_us;
	if (rc == -1)
		verdict_error(r, "%s", buf_cstr(&err));
	else
		debug(s, "connected to ",
		    s->target->path.len > 0 ? s->target->path.p
					    : s->target->authority.p);
	buf_free(&err);
	return rc == 0;
}

/* One attempt. */
static void
attempt(struct run *run, struct source *object, uint64_t preview)
{
	struct session *s = run->s;

	run->lost = run->ended = false;
	run->write_error = 0;
	run->head_since_us = 0;
	if (!connect_link(s, run->r))
		return;
	if (exchange_begin(&s->exchange, &s->answer,
		buf_slice(&s->request.head), object, preview) == -1) {
		verdict_error(run->r, "out of memory");
		link_close(&s->link);
		return;
	}
	debug_head(s, '>', buf_slice(&s->request.head));
	run->moved_us = clock_mono_us();
	if (!loop(run) || s->answer.close || s->options->new_connection ||
	    !exchange_is_over(&s->exchange)) {
		debug(s, "closing the connection", "");
		link_close(&s->link);
	}
	s->served++;
	run->r->sent = s->exchange.object_sent;
	run->r->got_100 = s->exchange.got_100;
	run->r->ieof = s->exchange.ieof;
}

int
session_options(struct session *s, struct offer *f, struct buf *err)
{
	struct result r = { .name = "OPTIONS" };
	struct run run = { .s = s, .r = &r, .start_us = clock_mono_us() };

	memset(f, 0, sizeof(*f));
	buf_init(&r.heads, 1);
	if (request_options(&s->request, s->options, s->target) == -1) {
		(void)buf_append_str(err, "out of memory");
		return -1;
	}
	attempt(&run, NULL, EXCHANGE_NO_PREVIEW);
	if (run.ended && s->answer.status != 200) {
		const char *advice = verdict_advice(s->answer.status);

		(void)buf_printf(
		    err, "OPTIONS: the server answers %d ", s->answer.status);
		(void)text_plain(err, s->answer.reason);
		if (advice[0] != '\0')
			(void)buf_printf(err, " (%s)", advice);
		if (s->answer.status != 404)
			(void)buf_append_str(err, "; with --no-preview it is "
						  "not asked");
	} else if (!run.ended) {
		(void)buf_append_str(err, r.detail);
	}
	if (!run.ended || s->answer.status != 200)
		return -1;
	offer_read(f, &s->answer);
	return 0;
}

/* An idle connection may be closed just when a request is sent on it. */
static void
retry(struct run *run, struct source *object, uint64_t preview)
{
	run->r->retried = true;
	debug(run->s, "the idle connection was closed: once more", "");
	attempt(run, object, preview);
}

void
session_object(struct session *s, struct source *object, uint64_t preview,
    int out_fd, struct result *r)
{
	struct returned body;
	struct run run = { .s = s,
		.r = r,
		.body = &body,
		.allow_204 = !s->options->no_204,
		.start_us = clock_mono_us() };
	uint64_t most = object->has_size ? object->size : UINT64_MAX / 2;

	if (__builtin_add_overflow(most, s->options->max_answer, &most))
		most = UINT64_MAX;
	verdict_error(r, "no answer");
	r->size = object->size;
	r->has_preview = preview != EXCHANGE_NO_PREVIEW;
	r->preview = r->has_preview ? preview : 0;
	/* what cannot be sent again gets a fresh connection */
	if (!object->seekable)
		link_close(&s->link);
	if (returned_init(&body, object, most, out_fd) == -1 ||
	    request_object(
		&s->request, s->options, s->target, object, preview) == -1) {
		verdict_error(r, "out of memory");
	} else {
		attempt(&run, object, preview);
		if (run.lost && r->reused && source_rewind(object) == 0)
			retry(&run, object, preview);
	}
	if (object->has_size && object->fd != -1 &&
	    r->verdict != VERDICT_ERROR && exchange_is_over(&s->exchange) &&
	    object->ended && r->sent != object->size)
		verdict_error(
		    r, "the file is shorter than it was when it was opened");
	if (!object->has_size)
		r->size = r->sent;
	r->received = body.received;
	r->total_us = clock_mono_us() - run.start_us;
	returned_free(&body);
}
