/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The messages of the scan socket: each that is malformed, by its error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "scanapi/scan_client.h"
#include "base/check.h"

/* A datagram that a test spoils. */
struct gram {
	char p[SCANMSG_TAIL_MAX + 8192];
	size_t len;
};
static struct gram g;
static struct scanmsg m;

static struct scanmsg_hdr *
header(void)
{
	return (struct scanmsg_hdr *)(void *)g.p;
}

static void *
payload(void)
{
	return g.p + sizeof(struct scanmsg_hdr);
}

static void
make(enum scanmsg_type type, const void *fixed, const char *tail)
{
	size_t n = scanmsg_fixed_size(type);

	memset(&g, 0, sizeof(g));
	scanmsg_header(header(), type, 7, strlen(tail));
	memcpy(payload(), fixed, n - sizeof(struct scanmsg_hdr));
	memcpy(g.p + n, tail, strlen(tail));
	g.len = n + strlen(tail);
}

static enum scanmsg_err
from_client(unsigned int nfds)
{
	return scanmsg_parse(&m, g.p, g.len, SCANMSG_CLIENT, nfds);
}

static enum scanmsg_err
from_daemon(void)
{
	return scanmsg_parse(&m, g.p, g.len, SCANMSG_DAEMON, 0);
}

#define ICAP "X-Client-IP: 192.0.2.1\r\n"
#define REQ "GET / HTTP/1.1\r\n\r\n"
#define RES "HTTP/1.1 200 OK\r\n\r\n"

static struct scanmsg_scan *
make_scan(void)
{
	struct scanmsg_scan s = { .method = SCANMSG_RESPMOD,
		.kind = SCANMSG_WHOLE,
		.body_size = 4,
		.len_icap = strlen(ICAP),
		.len_req = strlen(REQ),
		.len_res = strlen(RES),
		.len_body = 4,
		.service = "avscan",
		.query = "allow204=on" };

	make(SCANMSG_SCAN, &s, ICAP REQ RES "body");
	return payload();
}

static void
layout_is_what_the_manual_says(void **state)
{
	(void)state;
	/* a change of these is another version of the protocol */
	assert_int_equal(sizeof(struct scanmsg_hdr), 24);
	assert_int_equal(sizeof(struct scanmsg_options), 64);
	assert_int_equal(sizeof(struct scanmsg_scan), 368);
	assert_int_equal(sizeof(struct scanmsg_rest), 24);
	assert_int_equal(sizeof(struct scanmsg_service), 208);
	assert_int_equal(sizeof(struct scanmsg_continue), 48);
	assert_int_equal(sizeof(struct scanmsg_verdict), 2416);
	assert_int_equal(sizeof(struct scanmsg_error), 128);
	/* fits the default of SO_SNDBUF */
	assert_true(scanmsg_max_size() < 212992 - 4096);
	assert_int_equal(scanmsg_fixed_size((enum scanmsg_type)99), 0);
	for (int e = 0; e <= SCANMSG_ERR_INTERNAL; e++)
		assert_string_not_equal(scanmsg_error_text((enum scanmsg_err)e),
		    scanmsg_error_text((enum scanmsg_err)99));
}

static void
well_formed(void **state)
{
	(void)state;
	make_scan();
	assert_int_equal(from_client(0), SCANMSG_OK);
	assert_int_equal(m.id, 7);
	assert_int_equal(m.tail_len, strlen(ICAP REQ RES "body"));
	assert_string_equal(m.u.SCAN.service, "avscan");
	make_scan()->len_body = 0;
	g.len -= 4;
	header()->size -= 4;
	assert_int_equal(from_client(1), SCANMSG_OK);
}

static void
headers(void **state)
{
	(void)state;
	make_scan();
	for (size_t n = 0; n < scanmsg_fixed_size(SCANMSG_SCAN); n++)
		assert_int_equal(scanmsg_parse(&m, g.p, n, SCANMSG_CLIENT, 0),
		    SCANMSG_ERR_SHORT);
	header()->magic++;
	assert_int_equal(from_client(0), SCANMSG_ERR_MAGIC);
	make_scan();
	header()->version++;
	assert_int_equal(from_client(0), SCANMSG_ERR_VERSION);
	make_scan();
	header()->type = 99;
	assert_int_equal(from_client(0), SCANMSG_ERR_TYPE);
	make_scan();
	assert_int_equal(from_daemon(), SCANMSG_ERR_TYPE);
	header()->size++;
	assert_int_equal(from_client(0), SCANMSG_ERR_SIZE);
	make_scan();
	g.len++;
	assert_int_equal(from_client(0), SCANMSG_ERR_SIZE);
	make_scan();
	g.len = sizeof(g.p);
	header()->size = sizeof(g.p);
	assert_int_equal(from_client(0), SCANMSG_ERR_SIZE);
	make_scan();
	header()->reserved = 1;
	assert_int_equal(from_client(0), SCANMSG_ERR_RESERVED);
	make_scan();
	assert_int_equal(from_client(2), SCANMSG_ERR_DESCRIPTORS);
}

static void
requests(void **state)
{
	(void)state;
	make_scan()->method = 3;
	assert_int_equal(from_client(0), SCANMSG_ERR_VALUE);
	make_scan()->kind = 0;
	assert_int_equal(from_client(0), SCANMSG_ERR_VALUE);
	make_scan()->flags = SCANMSG_PATIENT; /* and no prefix */
	assert_int_equal(from_client(0), SCANMSG_ERR_VALUE);
	make_scan()->flags = 4;
	assert_int_equal(from_client(0), SCANMSG_ERR_VALUE);
	make_scan()->reserved = 1;
	assert_int_equal(from_client(0), SCANMSG_ERR_RESERVED);
	memset(make_scan()->service, 'a', 64);
	assert_int_equal(from_client(0), SCANMSG_ERR_STRING);
	make_scan()->service[63] = 'a'; /* behind the end */
	assert_int_equal(from_client(0), SCANMSG_ERR_STRING);
	make_scan()->query[2] = '\n';
	assert_int_equal(from_client(0), SCANMSG_ERR_STRING);
	make_scan()->query[2] = ' ';
	assert_int_equal(from_client(0), SCANMSG_ERR_STRING);
	make_scan()->len_res++;
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	make_scan()->len_req = UINT32_MAX; /* the sum must not wrap */
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	make_scan()->method = SCANMSG_REQMOD; /* has no response */
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	make_scan()->body_size = 5;
	assert_int_equal(from_client(0), SCANMSG_ERR_DESCRIPTORS);
	make_scan();
	assert_int_equal(from_client(1), SCANMSG_ERR_SECTIONS);
	make_scan()->kind = SCANMSG_PREFIX;
	assert_int_equal(from_client(1), SCANMSG_ERR_DESCRIPTORS);
	make_scan()->flags = SCANMSG_NO_BODY;
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
}

/* The sections url and icap are what goes into heads of our own making. */
static void
lines_that_would_be_others(void **state)
{
	static const struct {
		const char *url, *icap;
		enum scanmsg_err e;
	} rows[] = {
		{ "http://x/", "", SCANMSG_OK },
		{ "http://x/ HTTP/1.0", "", SCANMSG_ERR_STRING },
		{ "http://x/\r\nA: b", "", SCANMSG_ERR_STRING },
		{ "", "X-A: b\r\nx-c:\r\n", SCANMSG_OK },
		{ "", "X-A: b", SCANMSG_ERR_FIELDS },
		{ "", "X-A: b\n", SCANMSG_ERR_FIELDS },
		{ "", "X-A: b\r\n\r\n", SCANMSG_ERR_FIELDS },
		{ "", "X-A: b\rX-C: d\r\n", SCANMSG_ERR_FIELDS },
		{ "", "X-A : b\r\n", SCANMSG_ERR_FIELDS },
		{ "", "X-A\r\n", SCANMSG_ERR_FIELDS },
		{ "", "Allow: 204\r\n", SCANMSG_ERR_FIELDS },
		{ "", " X-A: b\r\n", SCANMSG_ERR_FIELDS },
		{ "", "X-A: b\r\n folded\r\n", SCANMSG_ERR_FIELDS },
	};

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct scanmsg_scan s = { .method = SCANMSG_RESPMOD,
			.kind = SCANMSG_WHOLE,
			.len_url = (uint32_t)strlen(rows[i].url),
			.len_icap = (uint32_t)strlen(rows[i].icap) };
		char tail[256];

		(void)snprintf(
		    tail, sizeof(tail), "%s%s", rows[i].url, rows[i].icap);
		make(SCANMSG_SCAN, &s, tail);
		assert_int_equal(from_client(0), rows[i].e);
	}
}

static void
rests(void **state)
{
	struct scanmsg_rest r = { .body_size = 4, .len_body = 4 };
	struct scanmsg_rest fd = { .body_size = 1, .offset = 9 };

	(void)state;
	make(SCANMSG_REST, &r, "rest");
	assert_int_equal(from_client(0), SCANMSG_OK);
	make(SCANMSG_REST, &r, "res");
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	r.offset = 1;
	make(SCANMSG_REST, &r, "rest");
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	make(SCANMSG_REST, &fd, "");
	assert_int_equal(from_client(1), SCANMSG_OK);
	assert_int_equal(from_client(0), SCANMSG_ERR_SECTIONS);
	fd.offset = UINT64_MAX;
	make(SCANMSG_REST, &fd, "");
	assert_int_equal(from_client(1), SCANMSG_ERR_VALUE);
	fd.offset = INT64_MAX;
	make(SCANMSG_REST, &fd, "");
	assert_int_equal(from_client(1), SCANMSG_ERR_VALUE);
}

#define HEADERS "X-Virus-ID: Eicar\r\n"
#define PAGE_HEAD "HTTP/1.1 403 Forbidden\r\n\r\n"

static struct scanmsg_verdict *
make_block(void)
{
	struct scanmsg_verdict v = { .action = SCANMSG_BLOCK,
		.head_kind = SCANMSG_HEAD_PAGE,
		.len_headers = strlen(HEADERS),
		.len_head = strlen(PAGE_HEAD),
		.len_page = 4,
		.nnames = 1,
		.outcome = "infected",
		.names = { "Eicar" } };

	make(SCANMSG_VERDICT, &v, HEADERS PAGE_HEAD "page");
	return payload();
}

static struct scanmsg_verdict *
make_pass(void)
{
	struct scanmsg_verdict v = { .action = SCANMSG_PASS,
		.outcome = "clean" };

	make(SCANMSG_VERDICT, &v, "");
	return payload();
}

static void
verdicts(void **state)
{
	struct tolsey_scan_verdict *v;

	(void)state;
	make_block();
	assert_int_equal(from_daemon(), SCANMSG_OK);
	v = scan_client_verdict(&m);
	assert_int_equal(v->action, TOLSEY_SCAN_BLOCK);
	assert_string_equal(v->names[0], "Eicar");
	assert_int_equal(v->page.len, 4);
	assert_memory_equal(v->page.p, "page", 4);
	assert_memory_equal(v->page_head.p, PAGE_HEAD, v->page_head.len);
	assert_memory_equal(v->headers.p, HEADERS, v->headers.len);
	tolsey_scan_verdict_free(v);
	make_pass();
	assert_int_equal(from_daemon(), SCANMSG_OK);
}

/* What a module must never take for a pass. */
static void
nonsense(void **state)
{
	(void)state;
	make_block()->action = SCANMSG_PASS;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_block()->action = 0;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_block()->action = 4;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_block()->head_kind = SCANMSG_HEAD_NONE;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_block()->nnames = 17;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_block()->len_page = 5;
	assert_int_equal(from_daemon(), SCANMSG_ERR_SECTIONS);
	make_block()->len_headers = UINT32_MAX;
	assert_int_equal(from_daemon(), SCANMSG_ERR_SECTIONS);
	memset(make_block()->names[15], 'x', 128);
	assert_int_equal(from_daemon(), SCANMSG_ERR_STRING);
	make_block()->outcome[0] = '\0';
	assert_int_equal(from_daemon(), SCANMSG_ERR_STRING);
	memcpy(make_block()->outcome, "clean\0\0\0", 8);
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_pass()->early = 1;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_pass()->nnames = 1;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_pass()->action = SCANMSG_BLOCK;
	assert_int_equal(from_daemon(), SCANMSG_ERR_VALUE);
	make_pass();
	assert_int_equal(from_client(0), SCANMSG_ERR_TYPE);
	make_block();
	g.p[g.len - strlen("page" PAGE_HEAD) - 1] = 'x';
	assert_int_equal(from_daemon(), SCANMSG_ERR_FIELDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_what_the_manual_says),
		cmocka_unit_test(well_formed),
		cmocka_unit_test(headers),
		cmocka_unit_test(requests),
		cmocka_unit_test(lines_that_would_be_others),
		cmocka_unit_test(rests),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
