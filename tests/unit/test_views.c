/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* In which forms an object is scanned, seen by what the fake engine finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "scan/views.h"

static struct engine *engine;
static struct msg_scan_request rq;
static struct buf body;

static int
setup(void **state)
{
	struct engine_load load = { .database = "fake" };
	char err[64];

	(void)state;
	engine = engine_open(&load, err, sizeof(err));
	buf_init(&body, (size_t)256 << 20);
	rq = (struct msg_scan_request){ .kind = SCAN_WHOLE,
		.budget_us = 60 * 1000000,
		.opts = { .max_files = 1000,
		    .max_recursion = 5,
		    .max_decoded_size = (uint64_t)1 << 30,
		    .max_decode_ratio = 200 } };
	return engine != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&body);
	engine_close(&engine);
	return 0;
}

static void
declare(const char *types)
{
	(void)str_copy(rq.declared, sizeof(rq.declared), slice_of(types));
}

static void
add(const char *text)
{
	assert_int_equal(buf_append_str(&body, text), 0);
}

static struct scan_answer
scan(void)
{
	struct scan_answer a;

	rq.size = body.len;
	views_scan(engine, &rq, buf_slice(&body), &a);
	return a;
}

/* "limit: A@part B@part": the reason if there is one, then the findings. */
static void
gives(const char *want)
{
	struct scan_answer a = scan();
	struct buf got;

	buf_init(&got, 8192);
	if (a.complete == 0)
		(void)buf_printf(
		    &got, "%s:", outcome_info((enum outcome)a.reason)->word);
	for (uint32_t i = 0; i < a.nfindings; i++)
		(void)buf_printf(&got, "%s%s@%s", got.len > 0 ? " " : "",
		    a.findings[i].name, a.findings[i].part);
	assert_string_equal(buf_cstr(&got), want);
	buf_free(&got);
}

static void
body_gives(const char *text, const char *want)
{
	buf_reset(&body);
	add(text);
	gives(want);
}

static void
code(enum scan_coding coding)
{
	rq.ncodings = 1;
	rq.codings[0] = coding;
}

/* Puts text as gzip (bits 31), zlib (15) or raw deflate (-15) behind. */
static void
add_squeezed(const void *p, size_t n, int bits)
{
	unsigned char room[4096];
	z_stream z = { 0 };
	int rc;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, 0), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	do {
		z.next_out = room;
		z.avail_out = sizeof(room);
		rc = deflate(&z, Z_FINISH);
		assert_int_equal(
		    buf_append(&body, room, sizeof(room) - z.avail_out), 0);
	} while (rc == Z_OK);
	assert_int_equal(rc, Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
}

static void
add_gzip(const char *text)
{
	add_squeezed(text, strlen(text), 31);
}

static void
add_base64(const char *text)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned int bits = 0, n = 0;

	for (; *text != '\0'; text++)
		for (bits = bits << 8 | (unsigned char)*text, n += 8; n >= 6;
		     n -= 6)
			assert_int_equal(
			    buf_append(&body, &set[bits >> (n - 6) & 63], 1),
			    0);
	if (n > 0)
		assert_int_equal(
		    buf_append(&body, &set[bits << (6 - n) & 63], 1), 0);
	if (n > 0)
		add(n == 2 ? "==" : "=");
}

/* ---- multipart ---- */

#define MP "multipart/form-data; boundary=b"
#define FILE_HEAD(name) \
	"Content-Disposition: form-data; name=f; filename=" name "\r\n"
/* Long enough for every extractor, and found only where it begins a file. */
#define FIRST(name) \
	"first " name " and some more text that makes it long enough for a file"

static void
parts(void **state)
{
	(void)state;
	declare(MP);
	body_gives("--b\r\nA: x\r\n\r\nharmless\r\n--b--\r\n", "");
	body_gives("--b\r\n" FILE_HEAD("x.exe") "\r\nfirst V \r\n--b--\r\n",
	    "V@x.exe");
	body_gives(
	    "--b\r\n\r\nx\r\n--b\r\n\r\nfirst V \r\n--b--\r\n", "V@part 2");
	/* the name of the part, not that of the whole, comes first */
	body_gives(
	    "--b\r\n" FILE_HEAD("x") "\r\na virus V \r\n--b--\r\n", "V@x V@");
	body_gives("first P \r\n--b\r\n\r\nx\r\n--b--\r\nfirst E ", "P@ E@");
	/* cut, without a head, with a head that is none, with a long one */
	body_gives("--b\r\n" FILE_HEAD("x.exe") "\r\nfirst V ", "V@x.exe");
	body_gives("--b\r\nfirst V \r\n--b--\r\n", "V@part 1");
	body_gives("--b\r\nfirst V \r\n\r\nx\r\n--b--\r\n", "V@part 1");
	body_gives("--b\n" FILE_HEAD("x") "\nfirst V \n--b--\n", "V@x");
	body_gives("--b\r" FILE_HEAD("x") "\rfirst V \r--b--\r", "V@x");
}

static void
boundaries(void **state)
{
	static const char one[] =
	    "--x\r\n\r\none\r\n--b\r\n\r\nfirst V \r\n--b--\r\n--x--\r\n";

	(void)state;
	declare("multipart/form-data; boundary=x; boundary=b");
	body_gives(one, "V@part 1");
	declare("multipart/form-data; boundary=b\nmultipart/mixed; boundary=x");
	body_gives(one, "V@part 1");
	declare("text/plain\nMultipart/Form-Data; BOUNDARY=\"b\"");
	body_gives(one, "V@part 1");
	/* what strict readers take for data ends a part for others */
	declare(MP);
	body_gives("--b\r\n\r\nx\r\n--bb\r\n\r\nfirst V \r\n--b--", "V@part 2");
	body_gives("--b\r\n\r\nx\n--b\n\nfirst V \r\n--b--", "V@part 2");
	/* and the other way round */
	body_gives("--b\r\n\r\nfirst V\n--b\n\nx \r\n--b--",
	    "V_--b__x@part 1 V@part 1");
	/* none declared, a wrong one, none at all */
	declare("multipart/form-data");
	body_gives("--q\r\n\r\nfirst V \r\n--q--", "V@part 1");
	declare("multipart/form-data; boundary=nope");
	body_gives("x\r\n--q\r\n\r\nfirst V \r\n--q--", "V@part 1");
	body_gives("first V ", "V@");
	body_gives("no part, but a virus V ", "V@");
	declare("application/octet-stream");
	body_gives("--q\r\n" FILE_HEAD("x") "\r\nfirst V \r\n--q--", "V@x");
}

static void
part_codings(void **state)
{
	(void)state;
	declare(MP);
	body_gives(
	    "--b\r\n" FILE_HEAD("x") "Content-Transfer-Encoding: base64\r\n\r\n"
				     "Zmlyc3Qg\r\nViA=\r\n--b--\r\n",
	    "V@x");
	body_gives(
	    "--b\r\n" FILE_HEAD(
		"x") "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n"
		     "=66irst=20V =\r\n\r\n--b--\r\n",
	    "V@x");
	/* receivers of forms do not undo it */
	body_gives(
	    "--b\r\n" FILE_HEAD(
		"x") "Content-Transfer-Encoding: base64\r\n\r\nfirst V \r\n"
		     "--b--\r\n",
	    "V@x");
	body_gives(
	    "--b\r\n" FILE_HEAD(
		"x") "Content-Transfer-Encoding: x-own\r\n\r\nfirst V \r\n"
		     "--b--\r\n",
	    "undecodable: V@x");
	buf_reset(&body);
	add("--b\r\n" FILE_HEAD("x.gz") "Content-Encoding: gzip\r\n\r\n");
	add_gzip("first V ");
	add("\r\n--b--\r\n");
	gives("V@x.gz");
	body_gives(
	    "--b\r\n" FILE_HEAD(
		"x") "Content-Encoding: gzip\r\n\r\nfirst V \r\n--b--\r\n",
	    "undecodable: V@x");
	body_gives("--b\r\n" FILE_HEAD(
		       "x") "Content-Encoding: own\r\n\r\nx\r\n--b--\r\n",
	    "undecodable:");
}

static void
add_nested(unsigned int levels)
{
	char line[160];

	buf_reset(&body);
	for (unsigned int i = 0; i < levels; i++) {
		(void)snprintf(line, sizeof(line),
		    "--b%u.\r\nContent-Type: multipart/mixed; "
		    "boundary=b%u.\r\n\r\n",
		    i, i + 1);
		add(line);
	}
	(void)snprintf(line, sizeof(line),
	    "--b%u.\r\n" FILE_HEAD("x") "\r\nfirst V \r\n--b%u.--", levels,
	    levels);
	add(line);
}

static void
nested(void **state)
{
	(void)state;
	declare("multipart/mixed; boundary=b0.");
	add_nested(1);
	gives("V@part 1/x");
	add_nested(4);
	gives("V@part 1/part 1/part 1/part 1/x");
	add_nested(5);
	gives("limit: V@part 1/part 1/part 1/part 1/part 1/x");
	add_nested(7);
	gives("limit:");
	add_nested(1000);
	gives("limit:");
}

static void
many_parts(void **state)
{
	(void)state;
	declare(MP);
	for (int i = 0; i < 999; i++)
		add("--b\r\n\r\nx\r\n");
	add("--b--");
	gives(""); /* and the whole makes a thousand */
	add("\r\n--b\r\n\r\nx\r\n--b--");
	gives("limit:");
	for (int i = 0; i < 1000000; i++)
		add("--b\r\n\r\nx\r\n");
	gives("limit:");
}

/* Two boundaries that both hold all of the rest, again and again. */
static void
many_ways(void **state)
{
	char line[200];

	(void)state;
	declare("multipart/mixed; boundary=a0.; boundary=b0.");
	rq.opts.max_recursion = 100;
	for (int i = 0; i < 60; i++) {
		(void)snprintf(line, sizeof(line),
		    "--a%d.\r\nContent-Type: multipart/mixed; boundary=a%d.; "
		    "boundary=b%d.\r\n\r\n--b%d.\r\nContent-Type: "
		    "multipart/mixed; boundary=a%d.; boundary=b%d.\r\n\r\n",
		    i, i + 1, i + 1, i, i + 1, i + 1);
		add(line);
	}
	gives("limit:");
}

/* ---- content codings ---- */

static void
codings(void **state)
{
	(void)state;
	code(SCAN_CODING_GZIP);
	add_gzip("first V ");
	gives("V@");
	/* a part of it is what some clients see */
	buf_reset(&body);
	add_gzip("first V");
	add_gzip("more");
	gives("Vmore@ V@");
	/* what follows the end is looked at by itself and with the rest */
	buf_reset(&body);
	add_gzip("harmless");
	add("first V ");
	gives("undecodable: V@");
	buf_reset(&body);
	add_gzip("first V ");
	add("left over, a virus R ");
	gives("undecodable: V@ R@");
	/* padding is nothing */
	body.len = 0;
	add_gzip("harmless");
	assert_int_equal(buf_append(&body, "\0\0\0", 3), 0);
	gives("");
	body_gives("not gzip, but a virus R ", "undecodable: R@");
	buf_reset(&body);
	gives("");
	code(SCAN_CODING_UNKNOWN);
	body_gives("a virus R ", "undecodable: R@");
}

/* Bytes that decoding hides are seen where somebody might keep them. */
static void
raw_forms(void **state)
{
	static const unsigned char with_name[] =
	    "\x1f\x8b\x08\x08\0\0\0\0\0\x03virus N \0\x03\0\0\0\0\0\0\0\0\0";

	(void)state;
	code(SCAN_CODING_GZIP);
	assert_int_equal(
	    buf_append(&body, with_name, sizeof(with_name) - 1), 0);
	gives("N@");
	/* uploads: the receiver may not undo it */
	buf_reset(&body);
	add_gzip("harmless");
	add_gzip("");
	body.p[body.len - 20 + 3] = 0x08; /* with a name */
	gives("undecodable:");
	rq.forms = SCAN_FORM_KEPT;
	code(SCAN_CODING_AWS_CHUNKED);
	body_gives("8;x=virus R ;\r\nharmless\r\n0\r\n\r\n", "R@");
	body_gives("8;x=virus R ;\r\nfirst V \r\n0\r\n\r\n", "V@ R@");
	rq.forms = 0;
	body_gives("8;x=virus R ;\r\nharmless\r\n0\r\n\r\n", "");
	declare("application/x-gzip");
	body_gives("8;x=virus R ;\r\nharmless\r\n0\r\n\r\n", "R@");
}

static void
raw_deflate(void **state)
{
	(void)state;
	code(SCAN_CODING_DEFLATE);
	add_squeezed("first V ", 8, 15);
	gives("V@");
	buf_reset(&body);
	add_squeezed("first V ", 8, -15);
	gives("V@");
	/* a head of zlib that is the dirty padding of a raw block as well */
	buf_reset(&body);
	assert_int_equal(buf_append(&body, "\x78\x01\0\xfe\xff ", 6), 0);
	add_squeezed("virus V ", 8, -15);
	gives("undecodable: V@");
}

static void
stacked_and_unknown(void **state)
{
	struct buf inner;

	(void)state;
	add_gzip("first V ");
	inner = body;
	buf_init(&body, 1 << 20);
	add_squeezed(inner.p, inner.len, 15);
	buf_free(&inner);
	rq.ncodings = 2;
	rq.codings[0] = SCAN_CODING_GZIP;
	rq.codings[1] = SCAN_CODING_DEFLATE;
	gives("V@");
	rq.codings[0] = SCAN_CODING_UNKNOWN;
	buf_reset(&body);
	add_squeezed("first V ", 8, 15);
	gives("undecodable: V@");
}

static void
bombs(void **state)
{
	const size_t size = (size_t)40 << 20;
	char *zeros = calloc(1, size);

	(void)state;
	assert_non_null(zeros);
	memcpy(zeros, "first V ", 8);
	code(SCAN_CODING_GZIP);
	rq.opts.max_decode_ratio = 100;
	add_squeezed(zeros, size, 31);
	gives("limit: V@");
	rq.opts.max_decode_ratio = 100000;
	rq.opts.max_decoded_size = size - 1;
	gives("limit: V@");
	rq.opts.max_decoded_size = size;
	gives("V@");
	free(zeros);
}

/* Each of many parts may be a bomb: together they get MaxScanSize. */
static void
bombs_in_parts(void **state)
{
	const size_t size = (size_t)12 << 20;
	char *zeros = calloc(1, size);

	(void)state;
	assert_non_null(zeros);
	declare(MP);
	for (int i = 0; i < 8; i++) {
		add("--b\r\nContent-Encoding: gzip\r\n\r\n");
		add_squeezed(zeros, size, 31);
		add("\r\n");
	}
	add("--b--");
	gives("");
	rq.opts.max_scan_size = 4 * size;
	gives("limit:");
	free(zeros);
}

static void
coded_multipart(void **state)
{
	(void)state;
	declare(MP);
	code(SCAN_CODING_GZIP);
	add_gzip("--b\r\n" FILE_HEAD("x") "\r\nfirst V \r\n--b--");
	gives("V@x");
}

static void
prefixes(void **state)
{
	char noise[8192];
	uint32_t x = 1;

	(void)state;
	rq.kind = SCAN_PREFIX;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] =
		    "0123456789abcdef"[(x = x * 1103515245 + 12345) >> 28];
	memcpy(noise, "first V ", 8);
	code(SCAN_CODING_GZIP);
	add_squeezed(noise, sizeof(noise), 31);
	body.len = 2000;
	gives("V@");
	rq.ncodings = 0;
	declare(MP);
	body_gives("--b\r\n" FILE_HEAD("x") "\r\nfirst V and it goes", "V@x");
	/* a bomb is not for the short time of a prefix */
	{
		char *zeros = calloc(1, 8 << 20);

		assert_non_null(zeros);
		buf_reset(&body);
		add_squeezed(zeros, 8 << 20, 31);
		free(zeros);
	}
	declare("");
	code(SCAN_CODING_GZIP);
	gives("limit:");
}

/* ---- chunks inside of the body ---- */

static void
chunked_twice(void **state)
{
	struct buf gz;
	char line[32];

	(void)state;
	rq.forms = SCAN_FORM_CHUNKED;
	body_gives("8\r\nfirst V \r\n0\r\n\r\n", "V@");
	body_gives(
	    "4\r\nfirs\r\n4\r\nt V \r\n0\r\nvirus: virus R \r\n\r\n", "V@ R@");
	body_gives("8\r\nfirst V \r\n0\r\n\r\nx", ""); /* not as a whole */
	body_gives("first V ", "V@");
	/* one of two readings has to make sense, both are scanned */
	add_gzip("");
	buf_reset(&body);
	add_gzip("first V ");
	gz = body;
	buf_init(&body, 1 << 20);
	(void)snprintf(line, sizeof(line), "%zx\r\n", gz.len);
	add(line);
	assert_int_equal(buf_append_slice(&body, buf_slice(&gz)), 0);
	add("\r\n0\r\n\r\n");
	code(SCAN_CODING_GZIP);
	gives("V@");
	buf_free(&gz);
	buf_reset(&body);
	add_gzip("first V ");
	gives("V@");
	body_gives("8\r\nfirst V \r\n0\r\n\r\n", "undecodable: V@");
	rq.ncodings = 0;
	rq.kind = SCAN_PREFIX;
	body_gives("80\r\nfirst V and", "V@");
	rq.kind = SCAN_WHOLE;
	rq.forms = 0;
	body_gives("8\r\nfirst V \r\n0\r\n\r\n", "");
}

/* ---- files in texts ---- */

static void
embedded(void **state)
{
	(void)state;
	add("{\"a\":1,\"file\":\"");
	add_base64(FIRST("V"));
	add("\"}");
	gives("V@file");
	declare("application/json");
	gives("V@file");
	/* a byte that text has not: what is declared counts as well */
	assert_int_equal(buf_append(&body, "\0", 1), 0);
	memmove(body.p + 1, body.p, body.len - 1);
	body.p[0] = '\0';
	gives("V@file");
	declare("application/octet-stream");
	gives("");
	body_gives("<a href=\"data:text/html,first%20V%20x-y-z-1\">",
	    "V@data:text/html");
	/* inside of what is inside */
	buf_reset(&body);
	add("{\"a\":\"");
	{
		struct buf outer = body;

		buf_init(&body, 1 << 20);
		add("{\"b\":\"");
		add_base64(FIRST("V"));
		add("\"}");
		assert_int_equal(buf_append(&body, "", 1), 0);
		{
			struct buf inner = body;

			body = outer;
			add_base64(inner.p);
			buf_free(&inner);
		}
	}
	add("\"}");
	gives("V@a/b");
}

static void
gathered(void **state)
{
	(void)state;
	/* hashes and the like: many, and scanned as one */
	rq.opts.max_files = 3;
	add("[");
	for (int i = 0; i < 5000; i++)
		add("\"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXy"
		    "sP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==\",\n");
	add("\"\"]");
	gives("");
	/* one that holds a known pattern is found in there */
	rq.opts.max_files = 100;
	add("\"////////////////////////////////////////////////////////////////dmlydXMgViD/////////////////////////////////////////////////////////////////\"");
	gives("V@base64");
}

/* Nothing is left, and nothing is missed. */
static void
exactly_enough(void **state)
{
	(void)state;
	add("harmless text with nothing in it");
	rq.opts.max_files = 1;
	rq.opts.max_scan_size = body.len;
	gives("");
	declare(MP);
	gives("");
	declare("application/x-www-form-urlencoded");
	body_gives("a=b&c=dddddddddddddddddddddddddd", "");
}

static void
little_pictures(void **state)
{
	(void)state;
	rq.opts.max_files = 2;
	for (int i = 0; i < 100; i++) {
		add("<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAE"
		    "AAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\">");
		add("url(data:image/svg+xml,%3Csvg%20xmlns=%22http://x/%22%3E)");
	}
	gives("");
	/* not what a script is in */
	add("url(data:image/svg+xml,%3Csvg%3E%3Cscript%3Evirus%20V%20%3E)");
	gives("limit: V@data:image/svg+xml");
	rq.opts.max_files = 3;
	gives("V@data:image/svg+xml");
	body_gives(
	    "data:image/png;base64,iVBORw0KGgp2aXJ1cyBWIA==", "V@base64");
}

static void
forms(void **state)
{
	(void)state;
	declare("application/x-www-form-urlencoded");
	body_gives("a=1&b=first+V+and%20some%20more%20text%20here&c=x", "V@b");
	body_gives("a=virus+V+%3B+and+some+more+text+here", "V@a");
	buf_reset(&body);
	add("a=1&file=");
	add_base64(FIRST("V"));
	gives("V@file");
	body_gives("a=data%3Atext%2Fplain%3Bbase64%2CZmlyc3QgViA=",
	    "V@a/data:text/plain");
	/* what is no form after all */
	buf_reset(&body);
	add("{\"k\":\"");
	add_base64(FIRST("V"));
	add("\"}");
	gives("V@k");
	declare("");
	body_gives("a=1&b=first+V+and%20some%20more%20text%20here&c=x", "V@b");
}

/* ---- temporary files ---- */

static size_t
files_in(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2;
}

static void
large_ones_go_to_files(void **state)
{
	const size_t size = (size_t)40 << 20;
	char dir[] = "/tmp/test_views.XXXXXX", *zeros = calloc(1, size);

	(void)state;
	assert_non_null(zeros);
	assert_non_null(mkdtemp(dir));
	memcpy(zeros + size - 8, "virus V ", 8);
	code(SCAN_CODING_GZIP);
	rq.opts.max_decode_ratio = 100000;
	add_squeezed(zeros, size, 31);
	assert_int_equal(engine_enter_worker(engine, dir, size), 0);
	gives("V@");
	assert_int_equal(files_in(dir), 0);
	/* not a byte more than there may be; the folder is not there */
	assert_int_equal(engine_enter_worker(engine, dir, size - 1), 0);
	gives("failed:");
	assert_int_equal(files_in(dir), 0);
	assert_int_equal(rmdir(dir), 0);
	gives("failed:");
	free(zeros);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parts),
		TEST(boundaries),
		TEST(part_codings),
		TEST(nested),
		TEST(many_parts),
		TEST(many_ways),
		TEST(codings),
		TEST(raw_forms),
		TEST(raw_deflate),
		TEST(stacked_and_unknown),
		TEST(bombs),
		TEST(bombs_in_parts),
		TEST(coded_multipart),
		TEST(prefixes),
		TEST(chunked_twice),
		TEST(embedded),
		TEST(gathered),
		TEST(exactly_enough),
		TEST(little_pictures),
		TEST(forms),
		TEST(large_ones_go_to_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
