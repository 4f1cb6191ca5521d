/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What becomes of an object by its outcome, and what is partial. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tx_world.h"

#define REQ_HDR "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define RES_HDR "HTTP/1.1 200 OK\r\n\r\n"

static void
has(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("missing \"%s\" in:\n%s", what, text);
}

static void
respmod(struct world *w, const char *response, const char *body)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	    "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n"
	    "Encapsulated: req-hdr=0, res-hdr=%zu, res-body=%zu\r\n\r\n"
	    "%s%s%zx\r\n%s\r\n0\r\n\r\n",
	    strlen(REQ_HDR), strlen(REQ_HDR) + strlen(response), REQ_HDR,
	    response, strlen(body), body);
	world_say(w, text);
}

static void
reqmod(struct world *w, const char *request, const char *body)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	    "REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n"
	    "Encapsulated: req-hdr=0, req-body=%zu\r\n\r\n"
	    "%s%zx\r\n%s\r\n0\r\n\r\n",
	    strlen(request), request, strlen(body), body);
	world_say(w, text);
}

static const char *const camel[NOUTCOMES] = {
#define OUTCOME(id, word, camel, field, act, status, user_text, text) \
	[OUTCOME_##id] = #camel,
#include "base/outcome.def"
};

static void
check_answer(struct world *w, enum outcome o, enum action a)
{
	const char *s = world_sent(w);
	char line[64];

	if (a == ACTION_PASS) {
		has(s, "ICAP/1.0 204 ");
	} else if (a == ACTION_ERROR) {
		has(s, "ICAP/1.0 500 ");
	} else {
		(void)snprintf(line, sizeof(line), "HTTP/1.1 %d ",
		    outcome_info(o)->http_status);
		has(s, "ICAP/1.0 200 OK\r\n");
		has(s, line);
		has(s, "X-Infection-Found: Type=");
	}
}

/* Each outcome with each action, and with Monitor. */
static void
every_action(void **state)
{
	static const char *const words[] = { "pass", "error", "block" };

	(void)state;
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		for (unsigned int a = 0; a < 6 && o != OUTCOME_CLEAN; a++) {
			const char *overrides[] = { NULL, "Monitor off", NULL };
			char setting[64];
			struct world w;

			(void)snprintf(setting, sizeof(setting), "On%s %s",
			    camel[o], words[a % 3]);
			overrides[0] = setting;
			if (a >= 3)
				overrides[1] = "Monitor on";
			world_init(&w, overrides, true);
			respmod(&w, RES_HDR, "body");
			world_answer_incomplete(&w, (enum outcome)o);
			check_answer(&w, (enum outcome)o,
			    a >= 3 ? ACTION_PASS : (enum action)a);
			world_free(&w);
		}
}

/* ---- partial ---- */

struct part {
	const char *head;
	bool partial;
};

static void
try_part(const struct part *p, bool response)
{
	static const char *const block[] = { "OnPartial block", NULL };
	struct world w;
	const char *s;

	world_init(&w, block, true);
	if (response)
		respmod(&w, p->head, "0123456789");
	else
		reqmod(&w, p->head, "0123456789");
	world_answer(&w, NULL, false);
	s = world_sent(&w);
	if (p->partial)
		has(s, "HTTP/1.1 403 ");
	else
		has(s, "ICAP/1.0 204 ");
	world_free(&w);
}

#define R206 "HTTP/1.1 206 Partial Content\r\n"
#define R200 "HTTP/1.1 200 OK\r\n"
#define PUT "PUT / HTTP/1.1\r\nHost: x\r\n"

static void
partial(void **state)
{
	static const struct part responses[] = {
		{ R206 "Content-Range: bytes 0-9/10\r\n\r\n", false },
		{ R206 "Content-Range: bytes 0-9/11\r\n\r\n", true },
		{ R206 "Content-Range: bytes 1-10/11\r\n\r\n", true },
		{ R206 "\r\n", true },
		{ R206 "Content-Type: multipart/byteranges; boundary=a\r\n\r\n",
		    true },
		{ R200 "Content-Length: 10\r\n\r\n", false },
		/* shorter than announced; longer is no fault */
		{ R200 "Content-Length: 11\r\n\r\n", true },
		{ R200 "Content-Length: 1\r\n\r\n", false },
		{ R200 "Content-Length: 0\r\n\r\n", false },
		{ R200
		    "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\n",
		    false },
		{ R200 "Content-Length: 11\r\nContent-Length: 12\r\n\r\n",
		    false },
	};
	static const struct part requests[] = {
		{ PUT "Content-Length: 10\r\n\r\n", false },
		{ PUT "Content-Length: 12\r\n\r\n", true },
		{ PUT "Content-Range: bytes 0-9/10\r\n\r\n", false },
		{ PUT "Content-Range: bytes 0-9/20\r\n\r\n", true },
		{ PUT "Upload-Offset: 10\r\n\r\n", true },
		{ PUT "Range: bytes=5-\r\n\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(responses); i++)
		try_part(&responses[i], true);
	for (size_t i = 0; i < COUNTOF(requests); i++)
		try_part(&requests[i], false);
}

/* What the worker is told of a part, so that it is no fault of its coding. */
static void
part_is_told(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	respmod(&w, R206 "Content-Range: bytes 5-14/20\r\n\r\n", "0123456789");
	assert_int_equal(w.rq.missing, SCAN_NO_START | SCAN_NO_END);
	world_answer(&w, NULL, false);
	has(world_sent(&w), "ICAP/1.0 204 ");
	respmod(&w, R200 "Content-Length: 11\r\n\r\n", "0123456789");
	assert_int_equal(w.rq.missing, SCAN_NO_END);
	world_answer(&w, NULL, false);
	respmod(&w, R200 "\r\n", "0123456789");
	assert_int_equal(w.rq.missing, 0);
	world_answer(&w, NULL, false);
	/* found in a part: infected */
	(void)world_sent(&w);
	respmod(&w, R206 "Content-Range: bytes 5-14/20\r\n\r\n", "0123456789");
	world_answer(&w, "Some.Virus", false);
	has(world_sent(&w), "Threat=Some.Virus;");
	world_free(&w);
}

/* ---- findings that the service ignores ---- */

static void
ignored(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	respmod(&w, RES_HDR, "body");
	world_answer(&w, "Ignored", false);
	has(world_sent(&w), "ICAP/1.0 204 ");
	respmod(&w, RES_HDR, "body");
	world_answer(&w, "Other", false);
	has(world_sent(&w), "Threat=Other;");
	/* the service cannot make a scan complete */
	respmod(&w, RES_HDR, "body");
	world_answer_incomplete(&w, OUTCOME_LIMIT);
	has(world_sent(&w), "HTTP/1.1 403 ");
	world_free(&w);
}

/* A hit in a preview that is ignored does not block. */
static void
ignored_in_preview(void **state)
{
	static const char *const names[] = { "Ignored", "Other" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(names); i++) {
		struct world w;

		world_init(&w, NULL, true);
		world_say(&w,
		    "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
		    "Preview: 4\r\n"
		    "Encapsulated: req-hdr=0, res-hdr=27, res-body=46\r\n\r\n" REQ_HDR
			RES_HDR "4\r\nabcd\r\n0\r\n\r\n");
		assert_int_equal(w.rq.kind, SCAN_PREFIX);
		world_answer(&w, names[i], true);
		has(world_sent(&w),
		    i == 0 ? "ICAP/1.0 100 Continue" : "Threat=Other;");
		world_free(&w);
	}
}

/* ---- the announced size ---- */

static void
preview(struct world *w, const char *response)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	    "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
	    "Preview: 4\r\n"
	    "Encapsulated: req-hdr=0, res-hdr=%zu, res-body=%zu\r\n\r\n"
	    "%s%s4\r\nabcd\r\n0\r\n\r\n",
	    strlen(REQ_HDR), strlen(REQ_HDR) + strlen(response), REQ_HDR,
	    response);
	world_say(w, text);
}

/* The rest of the body, four bytes, and a clean answer. */
static void
finish(struct world *w)
{
	world_answer(w, NULL, false);
	world_say(w, "4\r\nefgh\r\n0\r\n\r\n");
	assert_int_equal(w->rq.kind, SCAN_WHOLE);
	assert_int_equal(w->rq.whole_len, 0);
	assert_int_equal(w->rq.opts.glance, 0);
	world_answer(w, NULL, false);
}

static void
whole_len(void **state)
{
	static const struct {
		const char *head;
		uint64_t len;
	} rows[] = {
		{ R200 "Content-Length: 8\r\n\r\n", 8 },
		{ R200 "\r\n", 0 },
		{ R200 "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n"
		       "\r\n",
		    0 },
		{ R200 "Content-Length: 9\r\n\r\n", 9 },
		/* less than has come is no size; and from then on no other */
		{ R200 "Content-Length: 1\r\n\r\n", 0 },
		{ R200 "Content-Length: 8\r\n\r\n", 0 },
	};
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		preview(&w, rows[i].head);
		assert_int_equal(w.rq.kind, SCAN_PREFIX);
		assert_int_equal(w.rq.whole_len, rows[i].len);
		finish(&w);
	}
	world_free(&w);
}

/* ---- the same preview again ---- */

static bool
is_scanned(struct world *w, const char *head)
{
	unsigned int before = w->scans;
	bool scanned;

	preview(w, head);
	scanned = w->scans > before;
	if (!scanned)
		has(world_sent(w), "ICAP/1.0 100 Continue");
	else
		assert_int_equal(w->rq.kind, SCAN_PREFIX);
	return scanned;
}

static void
rest(struct world *w)
{
	world_say(w, "4\r\nefgh\r\n0\r\n\r\n");
	assert_int_equal(w->rq.kind, SCAN_WHOLE);
	world_answer(w, NULL, false);
}

/* Only what was scanned to its end, with nothing found, is known. */
static void
repeats(void **state)
{
	struct msg_loaded next = { .generation = 2, .signatures = 1 };
	struct world w;

	(void)state;
	world_init(&w, NULL, true);
	w.remembers = true;
	assert_true(is_scanned(&w, R200 "\r\n"));
	world_answer_incomplete(&w, OUTCOME_LIMIT);
	rest(&w);
	assert_true(is_scanned(&w, R200 "\r\n"));
	world_answer(&w, "Found", false);
	rest(&w);
	assert_true(is_scanned(&w, R200 "\r\n"));
	world_answer(&w, NULL, false);
	rest(&w);
	/* and the whole is scanned all the same */
	assert_false(is_scanned(&w, R200 "\r\n"));
	rest(&w);
	assert_false(is_scanned(&w, R200 "X: other fields\r\n\r\n"));
	rest(&w);
	/* new signatures know more */
	assert_int_equal(net_core_generation(&w.core, &next), 0);
	assert_true(is_scanned(&w, R200 "\r\n"));
	world_answer(&w, NULL, false);
	rest(&w);
	world_free(&w);
}

/* Nothing would be refused for it. */
static void
no_use(void **state)
{
	static const char *const settings[] = { "Monitor on", "OnInfected pass",
		"OnInfected error" };

	(void)state;
	for (size_t i = 0; i < COUNTOF(settings); i++) {
		const char *overrides[] = { settings[i], NULL };
		struct world w;

		world_init(&w, overrides, true);
		assert_false(is_scanned(&w, R200 "\r\n"));
		rest(&w);
		world_free(&w);
	}
}

/* ---- when a preview is scanned ---- */

static void
scan_preview(void **state)
{
	static const struct {
		const char *setting, *head;
		bool scanned, glance;
	} rows[] = {
		{ "ScanPreview on", R200 "Content-Length: 8\r\n\r\n", true,
		    true },
		{ "ScanPreview on", R200 "Content-Length: 262148\r\n\r\n", true,
		    true },
		{ "ScanPreview on", R200 "Content-Length: 262149\r\n\r\n", true,
		    false },
		{ "ScanPreview on", R200 "\r\n", true, true },
		{ "ScanPreview off", R200 "Content-Length: 8\r\n\r\n", false,
		    false },
		{ "ScanPreview off", R200 "\r\n", false, false },
		/* what would follow is small: it is there at once */
		{ "ScanPreview auto", R200 "Content-Length: 8\r\n\r\n", false,
		    false },
		{ "ScanPreview auto", R200 "Content-Length: 262148\r\n\r\n",
		    false, false },
		{ "ScanPreview auto", R200 "Content-Length: 262149\r\n\r\n",
		    true, false },
		{ "ScanPreview auto", R200 "\r\n", true, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const char *overrides[] = { rows[i].setting, NULL };
		struct world w;

		world_init(&w, overrides, true);
		preview(&w, rows[i].head);
		if ((w.scans == 1) != rows[i].scanned)
			fail_msg("%s, %s", rows[i].setting, rows[i].head);
		assert_int_equal(w.rq.opts.glance, rows[i].glance);
		if (!rows[i].scanned)
			has(world_sent(&w), "ICAP/1.0 100 Continue");
		world_free(&w);
	}
}

/*
 * All of the preview by default; PreviewGlance bounds what is scanned where
 * little follows, and never where nobody knows.
 */
static void
glance_is_bounded(void **state)
{
	static const struct {
		const char *setting, *head;
		uint64_t size;
	} rows[] = {
		{ "ScanPreview on", R200 "Content-Length: 8\r\n\r\n", 4 },
		{ "PreviewGlance 3", R200 "Content-Length: 8\r\n\r\n", 3 },
		{ "PreviewGlance 4", R200 "Content-Length: 8\r\n\r\n", 4 },
		{ "PreviewGlance 5", R200 "Content-Length: 8\r\n\r\n", 4 },
		{ "PreviewGlance 3", R200 "\r\n", 4 },
		{ "PreviewGlance 3", R200 "Content-Length: 262149\r\n\r\n", 4 },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const char *overrides[] = { rows[i].setting, NULL };
		struct world w;

		world_init(&w, overrides, true);
		preview(&w, rows[i].head);
		assert_int_equal(w.rq.kind, SCAN_PREFIX);
		assert_int_equal(w.rq.size, rows[i].size);
		/* the whole is whole */
		world_answer(&w, NULL, false);
		has(world_sent(&w), "ICAP/1.0 100 Continue");
		world_say(&w, "4\r\nefgh\r\n0\r\n\r\n");
		assert_int_equal(w.rq.kind, SCAN_WHOLE);
		assert_int_equal(w.rq.size, 8);
		world_free(&w);
	}
}

/* Busy workers are waited for 10 ms where little follows. */
static void
glance_waits_shortly(void **state)
{
	static const struct {
		const char *head;
		uint64_t waits_us;
	} rows[] = {
		{ R200 "Content-Length: 8\r\n\r\n", 10000 },
		{ R200 "\r\n", 100000 },
		{ R200 "Content-Length: 262149\r\n\r\n", 100000 },
	};
	const struct sched_job other = { .rq = { .kind = SCAN_WHOLE,
					     .budget_us = 1000000 },
		.fd = -1,
		.queue_deadline_us = UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct world w;

		world_init(&w, NULL, true);
		assert_true(sched_submit(w.sched, &other) != 0);
		preview(&w, rows[i].head);
		world_wait(&w, rows[i].waits_us - 1000);
		assert_string_equal(world_sent(&w), "");
		world_wait(&w, 2000);
		has(world_sent(&w), "ICAP/1.0 100 Continue");
		world_answer(&w, NULL, false);
		world_free(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_action),
		cmocka_unit_test(partial),
		cmocka_unit_test(part_is_told),
		cmocka_unit_test(ignored),
		cmocka_unit_test(ignored_in_preview),
		cmocka_unit_test(whole_len),
		cmocka_unit_test(scan_preview),
		cmocka_unit_test(glance_is_bounded),
		cmocka_unit_test(glance_waits_shortly),
		cmocka_unit_test(repeats),
		cmocka_unit_test(no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
