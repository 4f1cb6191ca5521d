/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What parts of a request cost, in instructions: a row of cases[] each, called
 * CALLS times between two marks for callgrind. tests/bench/check-cost.sh runs
 * it and compares. `valgrind --tool=callgrind tests/bench/cost NAME` is for a
 * profile of one of them.
 */
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#ifdef HAVE_VALGRIND_CALLGRIND_H
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS (void)0
#define CALLGRIND_DUMP_STATS_AT(name) (void)(name)
#endif

#include "base/log.h"
#include "proto/icap_out.h"
#include "proto/icap_rx.h"
#include "tests/unit/tx_world.h"

#define CALLS 20
#define BIG ((size_t)1 << 20)
#define READ_SIZE ((size_t)65536)

#define ICAP_HEAD \
	"RESPMOD icap://127.0.0.1:1344/avscan ICAP/1.0\r\n" \
	"Host: 127.0.0.1:1344\r\n" \
	"Date: Tue, 18 Nov 2025 10:00:00 GMT\r\n" \
	"X-Client-IP: 192.0.2.17\r\nAllow: 204, trailers\r\n" \
	"Preview: 4096\r\n" \
	"Encapsulated: req-hdr=0, res-hdr=214, res-body=449\r\n\r\n"
#define REQUEST_HEAD \
	"GET http://www.example.com/path/to/page.html?query=1 HTTP/1.1\r\n" \
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0\r\n" \
	"Accept: text/html,*/*\r\nAccept-Encoding: gzip, br\r\n" \
	"Host: www.example.com\r\nVia: 1.1 proxy\r\n\r\n"
#define RESPONSE_HEAD \
	"HTTP/1.1 200 OK\r\nDate: Tue, 18 Nov 2025 10:00:00 GMT\r\n" \
	"Server: Apache\r\nLast-Modified: Mon, 17 Nov 2025 09:00:00 GMT\r\n" \
	"ETag: \"5f3-61b7\"\r\nAccept-Ranges: bytes\r\n" \
	"Content-Length: 1024\r\nVary: Accept-Encoding\r\n" \
	"Content-Type: text/html; charset=utf-8\r\n\r\n"

static struct {
	struct world world;
	struct icap_rx rx;
	struct buf small, big, sent; /* requests; what an answer writes */
} cost;

/* ---- parsers ---- */

static void
icap_head(void)
{
	static struct icap_head h;

	assert_int_equal(icap_head_parse(&h, SLICE_LIT(ICAP_HEAD)), PROTO_OK);
}

static void
http_request_head(void)
{
	struct http_head h;

	http_head_parse(&h, SLICE_LIT(REQUEST_HEAD), false);
	assert_true(http_head_get(&h, "Via").len > 0);
}

static void
http_response_head(void)
{
	struct http_head h;
	uint64_t len;

	http_head_parse(&h, SLICE_LIT(RESPONSE_HEAD), true);
	assert_int_equal(http_head_content_length(&h, &len), 1);
}

static void
encapsulated(void)
{
	struct encap e;

	assert_int_equal(
	    encap_parse(&e, SLICE_LIT("req-hdr=0, res-hdr=214, res-body=449")),
	    PROTO_OK);
}

/* Everything that there is, in pieces as they are read. */
static enum icap_rx_event
receive(struct slice all)
{
	enum icap_rx_event ev = ICAP_RX_MORE;
	struct slice in, body;

	while (all.len > 0) {
		in = (struct slice){ all.p,
			all.len < READ_SIZE ? all.len : READ_SIZE };
		all = (struct slice){ all.p + in.len, all.len - in.len };
		do
			ev = icap_rx_feed(&cost.rx, &in, &body);
		while (ev != ICAP_RX_MORE && ev != ICAP_RX_BODY_END &&
		       ev != ICAP_RX_ERROR);
	}
	return ev;
}

/* Head, preview of 1 KiB, ieof. */
static void
whole_request(void)
{
	assert_int_equal(receive(buf_slice(&cost.small)), ICAP_RX_BODY_END);
	icap_rx_finish(&cost.rx);
}

/* 1 MiB in chunks of 16 KiB, and the head before it. */
static void
chunks(void)
{
	assert_int_equal(receive(buf_slice(&cost.big)), ICAP_RX_BODY_END);
	icap_rx_finish(&cost.rx);
}

/* ---- answers ---- */

static const struct icap_out_common common = {
	.istag = { "ABCDEFGHIJKLMNOPQRSTUVWX", 24 },
	.server = { "tolsey/0.1.0", 12 },
	.wall_us = UINT64_C(1763460000000000),
};

static void
answer_204(void)
{
	buf_reset(&cost.sent);
	assert_int_equal(icap_out_204(&cost.sent, &common), 0);
}

static void
answer_options(void)
{
	static const struct icap_out_options o = { .service = "tolsey",
		.service_id = "avscan",
		.reqmod = true,
		.respmod = true,
		.max_connections = 1000,
		.ttl_s = 3600,
		.preview = true,
		.preview_size = 4096 };

	buf_reset(&cost.sent);
	assert_int_equal(icap_out_options(&cost.sent, &common, &o), 0);
}

/* ---- transactions: all of net but its sockets ---- */

static void
answered(const char *status)
{
	assert_true(
	    slice_has_prefix(buf_slice(&cost.world.sent), slice_of(status)));
	buf_reset(&cost.world.sent);
}

static void
options(void)
{
	world_say(&cost.world,
	    "OPTIONS icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"
	    "Host: 127.0.0.1:1344\r\n\r\n");
	answered("ICAP/1.0 200");
}

static void
clean(void)
{
	world_feed(&cost.world, cost.small.p, cost.small.len, 0);
	world_answer(&cost.world, NULL, false);
	answered("ICAP/1.0 204");
}

static void
blocked(void)
{
	world_feed(&cost.world, cost.small.p, cost.small.len, 0);
	world_answer(&cost.world, "Eicar-Test-Signature", false);
	answered("ICAP/1.0 200");
}

static const struct {
	const char *name;
	void (*call)(void);
} cases[] = {
	{ "icap-head", icap_head },
	{ "http-request-head", http_request_head },
	{ "http-response-head", http_response_head },
	{ "encapsulated", encapsulated },
	{ "request-1k", whole_request },
	{ "request-1m", chunks },
	{ "answer-204", answer_204 },
	{ "answer-options", answer_options },
	{ "tx-options", options },
	{ "tx-clean-1k", clean },
	{ "tx-blocked-1k", blocked },
};

/* ---- the requests ---- */

static void
add_head(struct buf *b, const char *preview)
{
	char head[1024];
	int n = snprintf(head, sizeof(head),
	    "RESPMOD icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"
	    "Host: 127.0.0.1:1344\r\n"
	    "Date: Tue, 18 Nov 2025 10:00:00 GMT\r\n"
	    "X-Client-IP: 192.0.2.17\r\nAllow: 204, trailers\r\n%s"
	    "Encapsulated: req-hdr=0, res-hdr=%zu, res-body=%zu\r\n\r\n",
	    preview, sizeof(REQUEST_HEAD) - 1,
	    sizeof(REQUEST_HEAD) - 1 + sizeof(RESPONSE_HEAD) - 1);

	assert_true(n > 0 && (size_t)n < sizeof(head));
	assert_int_equal(buf_append(b, head, (size_t)n), 0);
	assert_int_equal(buf_append_str(b, REQUEST_HEAD RESPONSE_HEAD), 0);
}

static void
add_chunk(struct buf *b, size_t len)
{
	static char bytes[16384];

	assert_true(len <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7);
	assert_int_equal(buf_printf(b, "%zx\r\n", len), 0);
	assert_int_equal(buf_append(b, bytes, len), 0);
	assert_int_equal(buf_append_str(b, "\r\n"), 0);
}

static void
make_requests(void)
{
	buf_init(&cost.small, READ_SIZE);
	add_head(&cost.small, "Preview: 4096\r\n");
	add_chunk(&cost.small, 1024);
	assert_int_equal(buf_append_str(&cost.small, "0; ieof\r\n\r\n"), 0);
	buf_init(&cost.big, 2 * BIG);
	add_head(&cost.big, "");
	for (size_t n = 0; n < BIG; n += 16384)
		add_chunk(&cost.big, 16384);
	assert_int_equal(buf_append_str(&cost.big, "0\r\n\r\n"), 0);
	buf_init(&cost.sent, READ_SIZE);
}

/* By this alone the figures of two runs may be compared. */
static void
print_key(void)
{
#ifdef __clang__
	const char *compiler = "clang " __clang_version__;
#else
	const char *compiler = "gcc " __VERSION__;
#endif
	bool wide = false;

#ifdef __x86_64__
	wide = __builtin_cpu_supports("avx2") != 0;
#endif
	printf("key %s, %s, glibc %s%s\ncalls %d\n", compiler, COST_CFLAGS,
	    gnu_get_libc_version(), wide ? ", avx2" : "", CALLS);
	(void)fflush(stdout);
}

/* One case many times: for a profile of it. */
static void
repeat(const char *name)
{
	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (int n = 0; n < 50 * CALLS; n++)
			if (strcmp(cases[i].name, name) == 0)
				cases[i].call();
}

int
main(int argc, char *argv[])
{
	static const char *const no_override[] = { NULL };
	struct icap_rx_limits limits = { .max_icap_head = 32768,
		.max_http_head = 131072 };

#ifdef WITH_SANITIZERS
	printf("built with sanitizers\n");
	return 77;
#endif
	print_key();
	make_requests();
	icap_rx_init(&cost.rx, &limits);
	log_set_fd(LOG_ACCESS, open("/dev/null", O_WRONLY | O_CLOEXEC));
	world_init(&cost.world, no_override, true);
	cost.world.remembers = true; /* as a net does */
	if (argc > 1)
		repeat(argv[1]);
	for (size_t i = 0; argc == 1 && i < COUNTOF(cases); i++) {
		cases[i].call(); /* what is made once is made */
		CALLGRIND_ZERO_STATS;
		for (int n = 0; n < CALLS; n++)
			cases[i].call();
		CALLGRIND_DUMP_STATS_AT(cases[i].name);
	}
	world_free(&cost.world);
	icap_rx_free(&cost.rx);
	buf_free(&cost.small);
	buf_free(&cost.big);
	buf_free(&cost.sent);
	return EXIT_SUCCESS;
}
