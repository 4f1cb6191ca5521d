/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The pure parts of tolsey-client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/exchange.h"
#include "client/offer.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/request.h"
#include "client/returned.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verdict.h"

static struct client_options options;
static struct buf err;

/* The words of a command line, split at blanks. */
static int
parse(const char *line)
{
	static char words[1024];
	char *argv[32] = { NULL };
	int argc = 0;

	client_options_free(&options);
	buf_reset(&err);
	(void)snprintf(words, sizeof(words), "tolsey-client %s", line);
	for (char *w = words; w != NULL && argc < 31;) {
		char *blank = strchr(w, ' ');

		if (blank != NULL)
			*blank++ = '\0';
		if (*w != '\0')
			argv[argc++] = w;
		w = blank;
	}
	return client_options_parse(&options, argc, argv, &err);
}

static int
setup(void **state)
{
	(void)state;
	buf_init(&err, 4096);
	return parse("");
}

static int
teardown(void **state)
{
	(void)state;
	client_options_free(&options);
	buf_free(&err);
	return 0;
}

static void
says(const char *line, const char *want)
{
	assert_int_equal(parse(line), -1);
	if (strstr(buf_cstr(&err), want) == NULL)
		fail_msg("%s: %s", line, buf_cstr(&err));
}

/* ---- options ---- */

static void
command_line(void **state)
{
	(void)state;
	assert_int_equal(parse("-j 4 a --json b --timeout 2m -vv"), 0);
	assert_int_equal(options.jobs, 4);
	assert_int_equal(options.timeout, 120000);
	assert_int_equal(options.verbose, 2);
	assert_true(options.json);
	assert_int_equal(options.names.n, 2);
	assert_string_equal(options.names.v[1], "b");
	assert_int_equal(options.preview, CLIENT_UNSET);
	/* as c-icap-client has them */
	assert_int_equal(
	    parse("-i h -p 99 -s echo -f x -f y -no204 -nopreview -206 -hx "
		  "A:b -hx C:d -x E:f -req http://x/ -method PUT -v"),
	    0);
	assert_true(options.no_204 && options.no_preview && options.allow_206);
	assert_true(options.reqmod);
	assert_string_equal(options.method, "PUT");
	assert_int_equal(options.request_header.n, 2);
	assert_string_equal(options.names.v[1], "y");
	assert_int_equal(parse("-noreshdr -rhx A:b -w 10 -tls -tls-method "
			       "TLSv1_3 -tls-no-verify -d 1 -resp http://x/"),
	    0);
	assert_true(
	    options.no_response_head && options.tls && options.tls_no_verify);
	assert_int_equal(options.preview, 10);
	assert_int_equal(parse("-- --json"), 0);
	assert_false(options.json);
	assert_string_equal(options.names.v[0], "--json");
}

static void
wrong_options(void **state)
{
	(void)state;
	says("--jsn", "is --json meant?");
	says("-Z", "no such option");
	says("--url", "argument is missing");
	says("-j 0", "--jobs 0: out of range");
	says("-j x", "not a number");
	says("-p 65536", "out of range");
	says("--timeout 5x", "not a time");
	says("--max-answer 5x", "not a size");
	says("--req a --resp b", "one of them");
	says("--resp a --reqmod", "--req URL");
	says("-w 1 --no-preview", "leave out one");
	says("--tls-key x", "--tls-cert");
	says("--reqmod --response-header A:b", "no response");
}

static void
verify_implies(void **state)
{
	(void)state;
	assert_int_equal(parse("--verify"), 0);
	assert_true(options.no_204 && options.no_preview);
	assert_int_equal(parse("--verify -w 10"), 0);
	assert_true(options.no_204 && !options.no_preview);
	assert_int_equal(parse("--verify --allow-206"), 0);
	assert_true(options.no_204 && !options.no_preview);
}

/* ---- target ---- */

static void
goes_to(const char *line, const char *env, const char *uri, const char *host,
    unsigned int port, const char *path)
{
	struct target t;

	assert_int_equal(parse(line), 0);
	target_init(&t);
	if (target_set(&t, &options, env, &err) == -1)
		fail_msg("%s: %s", line, buf_cstr(&err));
	assert_string_equal(buf_cstr(&t.uri), uri);
	assert_string_equal(buf_cstr(&t.host), host);
	assert_int_equal(t.port, port);
	assert_string_equal(buf_cstr(&t.path), path);
	target_free(&t);
}

static void
goes_nowhere(const char *line, const char *want)
{
	struct target t;

	assert_int_equal(parse(line), 0);
	target_init(&t);
	assert_int_equal(target_set(&t, &options, NULL, &err), -1);
	if (strstr(buf_cstr(&err), want) == NULL)
		fail_msg("%s: %s", line, buf_cstr(&err));
	target_free(&t);
}

static void
targets(void **state)
{
	(void)state;
	goes_to(
	    "", NULL, "icap://127.0.0.1:1344/avscan", "127.0.0.1", 1344, "");
	goes_to("", "", "icap://127.0.0.1:1344/avscan", "127.0.0.1", 1344, "");
	goes_to("", "icaps://h", "icaps://h:11344/avscan", "h", 11344, "");
	goes_to("-u icap://h/", "icap://x", "icap://h:1344/", "h", 1344, "");
	goes_to(
	    "-u ICAP://h:9/a/b?c=d", NULL, "icap://h:9/a/b?c=d", "h", 9, "");
	goes_to("-u icap://[::1]:9/a", NULL, "icap://[::1]:9/a", "::1", 9, "");
	goes_to("-u [::1]", NULL, "icap://[::1]:1344/avscan", "::1", 1344, "");
	goes_to("-u h:7", NULL, "icap://h:7/avscan", "h", 7, "");
	goes_to(
	    "-i ::1 -p 8 -s /echo", NULL, "icap://[::1]:8/echo", "::1", 8, "");
	goes_to("-i h:5 -tls", NULL, "icaps://h:5/avscan", "h", 5, "");
	goes_to("-u unix:/run/x.sock", NULL, "icap://localhost/avscan", "", 0,
	    "/run/x.sock");
	goes_to("-u icap+unix:/run/x.sock:/echo?a=b", NULL,
	    "icap://localhost/echo?a=b", "", 0, "/run/x.sock");
	goes_to("-u unix:/run/x.sock -s echo", NULL, "icap://localhost/echo",
	    "", 0, "/run/x.sock");
	goes_nowhere("-u http://h/", "neither icap nor icaps");
	goes_nowhere("-u icap://", "the host is missing");
	goes_nowhere("-u icap://h:0/", "the port");
	goes_nowhere("-u icap://h:65536/", "the port");
	goes_nowhere("-u icap://h:x/", "the port");
	goes_nowhere("-u icap://::1/", "in brackets");
	goes_nowhere("-u icap://[::1/", "] is missing");
	goes_nowhere("-u icap://me@h/", "name of a user");
	goes_nowhere("-u unix:", "the path is missing");
	goes_nowhere("-u unix:/x -p 5", "has no port");
	goes_nowhere("-s a\rb", "name of a service");
}

/* ---- requests ---- */

static const char *
head_for(const char *line, const char *name, uint64_t preview)
{
	static char text[8192];
	struct target t;
	struct source s;
	struct request r;

	assert_int_equal(parse(line), 0);
	assert_int_equal(request_check(&options, &err), 0);
	target_init(&t);
	request_init(&r);
	assert_int_equal(target_set(&t, &options, NULL, &err), 0);
	assert_int_equal(source_memory(&s, name, SLICE_LIT("12345")), 0);
	assert_int_equal(request_object(&r, &options, &t, &s, preview), 0);
	(void)str_copy(text, sizeof(text), buf_slice(&r.head));
	source_close(&s);
	request_free(&r);
	target_free(&t);
	return text;
}

static void
requests(void **state)
{
	(void)state;
	assert_string_equal(head_for("", "/tmp/a b\xc3\xa9", 4096),
	    "RESPMOD icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"
	    "Host: 127.0.0.1:1344\r\n"
	    "User-Agent: tolsey-client/" PACKAGE_VERSION "\r\n"
	    "Allow: 204\r\nPreview: 4096\r\n"
	    "Encapsulated: req-hdr=0, res-hdr=103, res-body=181\r\n\r\n"
	    "GET http://tolsey-client/a%20b%C3%A9 HTTP/1.1\r\n"
	    "Host: tolsey-client\r\n"
	    "User-Agent: tolsey-client/" PACKAGE_VERSION "\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
	    "Content-Length: 5\r\n\r\n");
	assert_string_equal(
	    head_for("-no204 -206 -noreshdr -x Host:h -x X-A:b --user me "
		     "--client-ip 10.0.0.1 --new-connection",
		"x", EXCHANGE_NO_PREVIEW),
	    "RESPMOD icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"
	    "User-Agent: tolsey-client/" PACKAGE_VERSION "\r\n"
	    "Connection: close\r\nAllow: 206\r\nX-Client-IP: 10.0.0.1\r\n"
	    "X-Authenticated-User: TG9jYWw6Ly9tZQ==\r\nHost:h\r\nX-A:b\r\n"
	    "Encapsulated: res-body=0\r\n\r\n");
	assert_string_equal(
	    head_for("-no204 -x user-agent:a -req http://x.org:81/p?q -m PUT "
		     "--type a/b -hx content-length:9 -hx user-agent:a",
		"x", 0),
	    "REQMOD icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"
	    "Host: 127.0.0.1:1344\r\nuser-agent:a\r\nPreview: 0\r\n"
	    "Encapsulated: req-hdr=0, req-body=103\r\n\r\n"
	    "PUT http://x.org:81/p?q HTTP/1.1\r\nHost: x.org:81\r\n"
	    "Content-Type: a/b\r\ncontent-length:9\r\nuser-agent:a\r\n\r\n");
}

static void
refuses(const char *line, const char *want)
{
	assert_int_equal(parse(line), 0);
	assert_int_not_equal(request_check(&options, &err), 0);
	if (strstr(buf_cstr(&err), want) == NULL)
		fail_msg("%s: %s", line, buf_cstr(&err));
}

static void
wrong_lines(void **state)
{
	(void)state;
	refuses("-x nocolon", "'NAME: VALUE'");
	refuses("-hx :x", "--request-header");
	refuses("-rhx A:b\r\nC:d", "--response-header");
	refuses("-x a(b:c", "'NAME: VALUE'");
	refuses("-x encapsulated:x", "cannot be given");
	refuses("-x Preview:5", "--preview");
	refuses("-m PO:ST", "--method");
	refuses("--client-ip 1.2.3", "--icap-header");
	refuses("--req http://x/\tb", "--req");
}

/* ---- the exchange ---- */

/* Everything that is there to send, until it waits or ends. */
static struct slice
send_all(struct exchange *x, struct buf *out)
{
	struct slice bytes;
	size_t from = out->len;

	for (;;) {
		assert_int_equal(exchange_output(x, &bytes), 0);
		if (bytes.len == 0)
			break;
		/* not all at once */
		if (bytes.len > 7)
			bytes.len = 7;
		assert_int_equal(buf_append_slice(out, bytes), 0);
		exchange_written(x, bytes.len);
	}
	return (struct slice){ out->p + from, out->len - from };
}

struct world {
	struct exchange x;
	struct icap_answer a;
	struct source s;
	struct buf out;
};

static void
world_begin(struct world *w, const char *body, uint64_t preview)
{
	exchange_init(&w->x);
	icap_answer_init(&w->a, 1024, 1024);
	buf_init(&w->out, 65536);
	assert_int_equal(source_memory(&w->s, "x", slice_of(body)), 0);
	assert_int_equal(
	    exchange_begin(&w->x, &w->a, SLICE_LIT("HEAD\r\n"), &w->s, preview),
	    0);
}

static void
world_end(struct world *w)
{
	exchange_free(&w->x);
	icap_answer_free(&w->a);
	buf_free(&w->out);
	source_close(&w->s);
}

static void
sends(struct world *w, const char *want)
{
	struct slice got = send_all(&w->x, &w->out);

	if (!slice_eq(got, slice_of(want)))
		fail_msg("%.*s instead of %s", SLICE_FMT(got), want);
}

static enum exchange_event
hears(struct world *w, const char *text)
{
	struct slice in = slice_of(text), body;
	enum exchange_event ev;

	do
		ev = exchange_input(&w->x, &in, &body);
	while (ev == EXCHANGE_HEAD || ev == EXCHANGE_BODY);
	return ev;
}

static void
previews(void **state)
{
	struct world w;

	(void)state;
	/* it holds everything */
	world_begin(&w, "abcd", 4);
	sends(&w, "HEAD\r\n4\r\nabcd\r\n0; ieof\r\n\r\n");
	assert_int_equal(hears(&w, "ICAP/1.0 204 x\r\n\r\n"), EXCHANGE_END);
	assert_true(exchange_is_over(&w.x));
	world_end(&w);
	world_begin(&w, "", 0);
	sends(&w, "HEAD\r\n0; ieof\r\n\r\n");
	world_end(&w);
	/* the rest is asked for */
	world_begin(&w, "abcdef", 4);
	sends(&w, "HEAD\r\n4\r\nabcd\r\n0\r\n\r\n");
	assert_int_equal(
	    hears(&w, "ICAP/1.0 100 Continue\r\n\r\n"), EXCHANGE_MORE);
	assert_false(exchange_is_over(&w.x));
	sends(&w, "2\r\nef\r\n0\r\n\r\n");
	assert_int_equal(hears(&w, "ICAP/1.0 204 x\r\n\r\n"), EXCHANGE_END);
	assert_true(exchange_is_over(&w.x));
	assert_int_equal(w.x.object_sent, 6);
	world_end(&w);
	/* the rest is not wanted: the next byte is another request's */
	world_begin(&w, "abcdef", 0);
	sends(&w, "HEAD\r\n0\r\n\r\n");
	assert_int_equal(hears(&w, "ICAP/1.0 204 x\r\n\r\n"), EXCHANGE_END);
	assert_true(exchange_is_over(&w.x));
	sends(&w, "");
	world_end(&w);
}

static void
continues(void **state)
{
	struct world w;

	(void)state;
	/* without a preview, before its end, after ieof, twice */
	world_begin(&w, "abcdef", EXCHANGE_NO_PREVIEW);
	sends(&w, "HEAD\r\n6\r\nabcdef\r\n0\r\n\r\n");
	assert_int_equal(
	    hears(&w, "ICAP/1.0 100 Continue\r\n\r\n"), EXCHANGE_ERROR);
	world_end(&w);
	world_begin(&w, "abcdef", 3);
	assert_int_equal(
	    hears(&w, "ICAP/1.0 100 Continue\r\n\r\n"), EXCHANGE_ERROR);
	world_end(&w);
	world_begin(&w, "abc", 3);
	sends(&w, "HEAD\r\n3\r\nabc\r\n0; ieof\r\n\r\n");
	assert_int_equal(
	    hears(&w, "ICAP/1.0 100 Continue\r\n\r\n"), EXCHANGE_ERROR);
	world_end(&w);
	world_begin(&w, "abcdef", 3);
	sends(&w, "HEAD\r\n3\r\nabc\r\n0\r\n\r\n");
	assert_int_equal(hears(&w, "ICAP/1.0 100 Continue\r\n\r\n"
				   "ICAP/1.0 100 Continue\r\n\r\n"),
	    EXCHANGE_ERROR);
	assert_string_equal(w.x.why, "a second 100 Continue");
	world_end(&w);
}

/* An answer while the body is being sent; the server reads no more. */
static void
early_answer(void **state)
{
	struct world w;
	struct slice bytes;

	(void)state;
	world_begin(&w, "abcdef", EXCHANGE_NO_PREVIEW);
	assert_int_equal(exchange_output(&w.x, &bytes), 0);
	exchange_written(&w.x, 3);
	assert_int_equal(hears(&w, "ICAP/1.0 204 x\r\n\r\n"), EXCHANGE_END);
	assert_false(exchange_is_over(&w.x));
	exchange_stop_sending(&w.x);
	sends(&w, "");
	assert_false(exchange_is_over(&w.x));
	world_end(&w);
}

/* ---- verdicts ---- */

static const char *
judged(const char *line, const char *answer, bool allow_204, enum sameness same)
{
	static char text[1024];
	struct result r = { .name = "x", .body_same = same };
	struct icap_answer a;
	struct slice in = slice_of(answer), body;
	struct request q;
	enum icap_answer_event ev;

	assert_int_equal(parse(line), 0);
	icap_answer_init(&a, 4096, 4096);
	request_init(&q);
	do {
		ev = icap_answer_feed(&a, &in, &body);
		if (ev == ICAP_ANSWER_HEAD)
			verdict_head(&r, &a, &q, &options, allow_204);
	} while (ev == ICAP_ANSWER_HEAD || ev == ICAP_ANSWER_BODY);
	assert_int_equal(ev, ICAP_ANSWER_END);
	verdict_end(&r, &a, &options);
	(void)snprintf(text, sizeof(text), "%s|%s|%s", verdict_word(r.verdict),
	    r.threat, r.detail);
	icap_answer_free(&a);
	request_free(&q);
	return text;
}

#define ECHO \
	"Encapsulated: res-hdr=0, null-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
#define PAGE \
	"Encapsulated: res-hdr=0, null-body=26\r\n\r\n" \
	"HTTP/1.1 403 Forbidden\r\n\r\n"

static void
verdicts(void **state)
{
	static const struct {
		const char *line, *answer;
		bool allow_204;
		enum sameness same;
		const char *want;
	} rows[] = {
		{ "", "204 x\r\n\r\n", true, SAME_UNKNOWN, "clean||" },
		{ "", "200 OK\r\n" ECHO, true, SAME_YES, "clean||" },
		{ "", "200 OK\r\n" ECHO, true, SAME_NO, "modified||" },
		{ "", "200 OK\r\n" PAGE, true, SAME_NO,
		    "blocked||HTTP 403 Forbidden" },
		{ "--reqmod", "200 OK\r\n" ECHO, true, SAME_NO,
		    "blocked||HTTP 200 OK" },
		{ "",
		    "200 OK\r\nX-Infection-Found: Type=0; Resolution=2; "
		    "Threat=Eicar Test;\r\n" PAGE,
		    true, SAME_NO, "infected|Eicar Test|" },
		{ "",
		    "200 OK\r\nX-Infection-Found: Type=2; Resolution=2; "
		    "Threat=too-large;\r\nX-Virus-ID: too-large\r\n" PAGE,
		    true, SAME_NO, "blocked|too-large|" },
		{ "", "200 OK\r\nx-virus-id: A\r\n" ECHO, true, SAME_YES,
		    "infected|A|" },
		{ "",
		    "200 OK\r\nX-Violations-Found: 1\r\n\tf\r\n\tBad One\r\n"
		    "\t1\r\n\t2\r\n" PAGE,
		    true, SAME_NO, "infected|Bad One|" },
		{ "", "200 OK\r\nX-Violations-Found: 0\r\n" ECHO, true,
		    SAME_YES, "clean||" },
		{ "", "200 OK\r\nX-Infection-Found: \r\n" PAGE, true, SAME_NO,
		    "infected|unknown|" },
		{ "", "200 OK\r\nX-Response-Info: blocked\r\n" ECHO, true,
		    SAME_NO, "blocked||HTTP 200 OK" },
		{ "",
		    "200 OK\r\nEncapsulated: res-hdr=0, null-body=42\r\n\r\n"
		    "HTTP/1.1 403 F\r\nX-Virus-ID: InPage\r\n\r\n\r\n\r\n",
		    true, SAME_NO, "infected|InPage|" },
		{ "",
		    "200 OK\r\nTrailer: X-Virus-ID\r\nEncapsulated: "
		    "res-body=0\r\n\r\n0\r\n\r\nX-Virus-ID: Late\r\n\r\n",
		    true, SAME_YES, "infected|Late|" },
		{ "--verify", "200 OK\r\n" ECHO, true, SAME_NO,
		    "error||what came back is not the object (0 bytes of 0)" },
		{ "", "204 x\r\n\r\n", false, SAME_UNKNOWN,
		    "error||the server answered 204, which was not permitted "
		    "(RFC 3507 4.6)" },
		{ "", "206 x\r\n" ECHO, true, SAME_YES,
		    "error||the server answered 206, which was not permitted" },
		{ "--allow-206", "206 x\r\n" ECHO, true, SAME_YES, "clean||" },
		{ "", "200 OK\r\n\r\n", true, SAME_YES,
		    "error||the server's 200 has no Encapsulated" },
		{ "", "404 ICAP Service Not Found\r\n\r\n", true, SAME_UNKNOWN,
		    "error||the server answers 404 ICAP Service Not Found (is "
		    "the service's name right? (--service))" },
		{ "", "599 \r\n\r\n", true, SAME_UNKNOWN,
		    "error||the server answers 599 " },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		(void)snprintf(
		    text, sizeof(text), "ICAP/1.0 %s", rows[i].answer);
		assert_string_equal(
		    judged(rows[i].line, text, rows[i].allow_204, rows[i].same),
		    rows[i].want);
	}
}

static void
exit_status(void **state)
{
	uint64_t counts[NVERDICTS] = { 0 };
	struct result r = { .verdict = VERDICT_CLEAN };

	(void)state;
	counts[VERDICT_CLEAN] = counts[VERDICT_SKIPPED] = 3;
	assert_int_equal(verdict_exit(counts), 0);
	counts[VERDICT_ERROR] = 1;
	assert_int_equal(verdict_exit(counts), 2);
	counts[VERDICT_BLOCKED] = 1;
	assert_int_equal(verdict_exit(counts), 1);
	/* what was found is not lost with the connection */
	verdict_error(&r, "x");
	assert_int_equal(r.verdict, VERDICT_ERROR);
	r.verdict = VERDICT_INFECTED;
	verdict_error(&r, "x");
	assert_int_equal(r.verdict, VERDICT_INFECTED);
}

/* ---- what came back ---- */

static enum sameness
same(const char *object, const char *back, bool is_206, uint64_t at,
    uint64_t max, const char **why)
{
	unsigned char sent[HASH_LEN] = { 0 };
	enum sameness result = SAME_UNKNOWN;
	struct returned r;
	struct source s;
	struct slice rest = slice_of(back);

	assert_int_equal(source_memory(&s, "x", slice_of(object)), 0);
	assert_int_equal(returned_init(&r, &s, max, -1), 0);
	*why = NULL;
	for (; rest.len > 0 && *why == NULL; rest.p++, rest.len--)
		*why = returned_bytes(&r, (struct slice){ rest.p, 1 });
	if (*why == NULL)
		*why = returned_end(&r, is_206, at, sent, 0, &result);
	returned_free(&r);
	source_close(&s);
	return result;
}

static void
bodies(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(same("abc", "abc", false, 0, 9, &why), SAME_YES);
	assert_int_equal(same("", "", false, 0, 0, &why), SAME_YES);
	assert_int_equal(same("abc", "abd", false, 0, 9, &why), SAME_NO);
	assert_int_equal(same("abc", "ab", false, 0, 9, &why), SAME_NO);
	assert_int_equal(same("abc", "abcd", false, 0, 9, &why), SAME_NO);
	assert_null(why);
	(void)same("abc", "abcdefghij", false, 0, 9, &why);
	assert_non_null(why);
	/* 206 */
	assert_int_equal(same("abc", "", true, 0, 9, &why), SAME_YES);
	assert_int_equal(same("abc", "a", true, 1, 9, &why), SAME_YES);
	assert_int_equal(same("abc", "a", true, 2, 9, &why), SAME_NO);
	assert_int_equal(same("abc", "x", true, 1, 9, &why), SAME_NO);
	assert_null(why);
	(void)same("abc", "", true, 4, 9, &why);
	assert_non_null(why);
	(void)same("abc", "", true, UINT64_MAX, 9, &why);
	assert_non_null(why);
}

/* ---- text ---- */

static void
shown(struct slice s, const char *plain, const char *json)
{
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(text_plain(&b, s), 0);
	assert_string_equal(buf_cstr(&b), plain);
	buf_reset(&b);
	assert_int_equal(text_json(&b, s), 0);
	assert_string_equal(buf_cstr(&b), json);
	buf_free(&b);
}

static void
texts(void **state)
{
	struct buf b;

	(void)state;
	shown(SLICE_LIT("a\xc3\xa9"), "a\xc3\xa9", "\"a\xc3\xa9\"");
	shown(SLICE_LIT("\033[2J\n\"\\"), "\\x1b[2J\\x0a\"\\",
	    "\"\\u001b[2J\\n\\\"\\\\\"");
	shown(SLICE_LIT("\xff\xc3"), "\\xff\\xc3", "\"\\udcff\\udcc3\"");
	/* C1 and what turns text around */
	shown(SLICE_LIT("\xc2\x9b\xe2\x80\xae"), "\\xc2\\x9b\\xe2\\x80\\xae",
	    "\"\\u009b\\u202e\"");
	shown(SLICE_LIT("\0"), "\\x00", "\"\\u0000\"");
	buf_init(&b, 256);
	(void)text_bytes(&b, 999);
	(void)text_bytes(&b, 1000);
	(void)text_bytes(&b, 999999);
	(void)text_bytes(&b, UINT64_MAX);
	assert_string_equal(buf_cstr(&b), "999 B1.0 kB1.0 MB18.4 EB");
	buf_free(&b);
}

static void
progress(void **state)
{
	struct progress p = { .files = 4,
		.bytes = 1000,
		.done_files = 1,
		.done_bytes = 500,
		.start_us = 1 };
	struct buf b;

	(void)state;
	buf_init(&b, 512);
	assert_int_equal(progress_text(&p, 2000001, 79, &b), 0);
	assert_string_equal(buf_cstr(&b),
	    "[############            ]  50% 1/4 files, 500 B, 250 B/s, 0:02 "
	    "left");
	buf_reset(&b);
	assert_int_equal(progress_text(&p, 2000001, 10, &b), 0);
	assert_string_equal(buf_cstr(&b), "[#########");
	/* it grew meanwhile */
	p.done_bytes = 5000;
	buf_reset(&b);
	assert_int_equal(progress_text(&p, 1, 79, &b), 0);
	assert_string_equal(
	    buf_cstr(&b), "[########################] 100% 1/4 files, 5.0 kB");
	buf_free(&b);
}

static void
offers(void **state)
{
	struct icap_answer a;
	struct slice body;
	struct offer f;
	struct buf b;
	struct slice in = SLICE_LIT(
	    "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nAllow: 204, "
	    "trailers\r\nPreview: 30\r\nMax-Connections: 7\r\n"
	    "X-A: \033]0;x\r\nEncapsulated: null-body=0\r\n\r\n");
	struct slice clean =
	    SLICE_LIT("ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nPreview: 1x\r\n"
		      "X-A: \"b\"\r\n\r\n");

	(void)state;
	buf_init(&b, 4096);
	icap_answer_init(&a, 4096, 4096);
	/* a control byte is refused before anything is printed */
	assert_int_equal(icap_answer_feed(&a, &in, &body), ICAP_ANSWER_ERROR);
	icap_answer_reset(&a);
	assert_int_equal(icap_answer_feed(&a, &clean, &body), ICAP_ANSWER_HEAD);
	offer_read(&f, &a);
	assert_true(f.known && f.reqmod && !f.respmod && !f.has_preview);
	assert_int_equal(offer_print_json(&b, &f, &a, "u"), 0);
	assert_string_equal(buf_cstr(&b),
	    "{\"url\":\"u\",\"icap_status\":200,\"reqmod\":true,\"respmod\":"
	    "false,\"preview\":null,\"allow_204\":false,\"allow_206\":false,"
	    "\"allow_trailers\":false,\"headers\":{\"Methods\":\"REQMOD\","
	    "\"Preview\":\"1x\",\"X-A\":\"\\\"b\\\"\"}}\n");
	buf_reset(&b);
	assert_int_equal(offer_print(&b, &f, &a, "u"), 0);
	assert_non_null(strstr(buf_cstr(&b), "  Preview           none\n"));
	icap_answer_free(&a);
	buf_free(&b);
}

/* RFC 3507 4.10.2: by the suffix, which counts before "*". */
static void
transfers(void **state)
{
	static const struct {
		const char *name;
		enum offer_transfer with_rest, without;
	} rows[] = {
		{ "a.gif", OFFER_IGNORE, OFFER_IGNORE },
		{ "/x.gif/a.HTML", OFFER_COMPLETE, OFFER_COMPLETE },
		{ "a.gi", OFFER_IGNORE, OFFER_PREVIEW },
		{ ".gif", OFFER_IGNORE, OFFER_PREVIEW },
		{ "", OFFER_IGNORE, OFFER_PREVIEW },
		{ "x.gif/a", OFFER_IGNORE, OFFER_PREVIEW },
	};
	struct offer f = { .transfer_complete = "html",
		.transfer_ignore = "jpg, GIF, *" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++)
		assert_int_equal(
		    offer_transfer_of(&f, rows[i].name), rows[i].with_rest);
	strcpy(f.transfer_ignore, "jpg, GIF");
	for (size_t i = 0; i < COUNTOF(rows); i++)
		assert_int_equal(
		    offer_transfer_of(&f, rows[i].name), rows[i].without);
}

/* The program itself must not be found by a scanner. */
static void
eicar(void **state)
{
	unsigned char digest[HASH_LEN];
	char hex[HASH_HEX_LEN];
	struct source s;
	struct slice bytes;

	(void)state;
	assert_int_equal(source_eicar(&s), 0);
	assert_int_equal(source_peek(&s, 1000, &bytes), 0);
	assert_int_equal(hash_once(bytes.p, bytes.len, digest), 0);
	hash_hex(digest, hex);
	assert_string_equal(hex, "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe"
				 "2a2c4538aabf651fd0f");
	source_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(verify_implies),
		cmocka_unit_test(targets),
		cmocka_unit_test(requests),
		cmocka_unit_test(wrong_lines),
		cmocka_unit_test(previews),
		cmocka_unit_test(continues),
		cmocka_unit_test(early_answer),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(exit_status),
		cmocka_unit_test(bodies),
		cmocka_unit_test(texts),
		cmocka_unit_test(progress),
		cmocka_unit_test(offers),
		cmocka_unit_test(transfers),
		cmocka_unit_test(eicar),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
