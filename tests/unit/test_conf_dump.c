/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Snapshots: dump and back, differences, digest, warnings. */
#include <string.h>

#include "conf/conf.h"
#include "conf/conf_int.h"

static struct conf *
load(const char *const o[], size_t n)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load(NULL, o, n, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	assert_non_null(c);
	conf_errors_free(&err);
	return c;
}
#define LOAD(...) \
	load((const char *const[]){ __VA_ARGS__ }, \
	    COUNTOF(((const char *const[]){ __VA_ARGS__ })))

static void
dump(const struct conf *c, struct buf *out)
{
	buf_init(out, 1 << 20);
	assert_int_equal(conf_dump(c, out), 0);
}

static struct conf *
parse(struct slice text)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_parse_dump(text, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	assert_non_null(c);
	conf_errors_free(&err);
	return c;
}

/* Every byte that a string can hold. */
static void
every_byte(char out[256])
{
	for (unsigned int i = 1; i < 256; i++)
		out[i - 1] = (char)i;
	out[255] = '\0';
}

static void
assert_same(const struct conf *a, const struct conf *b)
{
	struct buf why;

	buf_init(&why, 1 << 20);
	for (unsigned int class = CONF_LIVE; class <= CONF_START; class ++) {
		assert_false(conf_changed(a, b, (enum conf_class) class, &why));
		assert_string_equal(buf_cstr(&why), "");
	}
	buf_free(&why);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->nservices, b->nservices);
	for (size_t i = 0; i < a->nservices; i++) {
		assert_string_equal(a->services[i].file, b->services[i].file);
		assert_int_equal(a->services[i].line, b->services[i].line);
		assert_int_equal(a->services[i].index, b->services[i].index);
		assert_true(a->services[i].stall_poke_ms ==
			    b->services[i].stall_poke_ms);
		assert_memory_equal(a->services[i].actions,
		    b->services[i].actions, sizeof(a->services[i].actions));
	}
}

/* Changes what a file could never say, then sends it round. */
static void
round_trip(void **state)
{
	struct conf *c = LOAD("Listen 1.2.3.4:5", "Listen [::1]:6",
	    "MaxObjectSize 1048577", "ScanTimeout 61001ms", "StallPoke 70ms",
	    "OnPua block", "LogUrl host", "SelfCheck 0", "SpoolSize 0");
	struct conf_service *s = &c->services[1];
	char hostile[256];
	struct conf *d;
	struct conf_extra *x;
	struct buf a, b;

	(void)state;
	every_byte(hostile);
	c->generation = 4294967295u;
	c->user = hostile;
	s->contact = hostile;
	s->file = hostile;
	s->line = 77;
	for (unsigned int i = 0; i < 5; i++) {
		assert_non_null(x = conf_extra_add(c->mem, s));
		*x = (struct conf_extra){ hostile, hostile, hostile, i };
	}
	assert_int_equal(conf_list_add(c->mem, &s->aliases, hostile), 0);
	assert_int_equal(conf_list_add(c->mem, &s->aliases, " "), 0);
	dump(c, &a);
	d = parse(buf_slice(&a));
	dump(d, &b);
	assert_string_equal(buf_cstr(&a), buf_cstr(&b));
	assert_same(c, d);
	assert_string_equal(d->user, hostile);
	assert_string_equal(d->services[1].contact, hostile);
	assert_int_equal(d->services[1].nextra, 5);
	assert_string_equal(d->services[1].extra[4].name, hostile);
	assert_string_equal(d->services[1].extra[4].value, hostile);
	assert_string_equal(d->services[1].extra[4].file, hostile);
	assert_int_equal(d->services[1].extra[4].line, 4);
	assert_int_equal(d->services[1].aliases.n, 2);
	assert_string_equal(d->services[1].aliases.v[0], hostile);
	assert_string_equal(d->services[1].aliases.v[1], " ");
	assert_int_equal(d->listen.n, 2);
	assert_int_equal(d->modules.n, 0);
	assert_int_equal(d->self_check, 0);
	assert_int_equal(d->services[0].max_object_size, 1048577);
	assert_int_equal(d->services[0].scan_timeout, 61001);
	assert_int_equal(d->services[0].stall_poke_ms, 70);
	buf_free(&a);
	buf_free(&b);
	conf_unref(&c);
	conf_unref(&d);
}

/* Numbers at the ends of their ranges survive. */
static void
extremes(void **state)
{
	static const char *const sides[2] = { "min", "max" };
	const struct conf_directive *d;
	struct conf_errors err;
	struct conf *c, *e;
	struct buf o, text;
	const char *opt;

	(void)state;
	for (size_t i = 0; i < conf_ndirectives * 2; i++) {
		d = &conf_directives[i / 2];
		if (d->max == NULL)
			continue;
		buf_init(&o, 200);
		assert_int_equal(buf_printf(&o, "%s %s", d->name,
				     sides[i % 2][1] == 'i' ? d->min : d->max),
		    0);
		opt = buf_cstr(&o);
		conf_errors_init(&err);
		c = conf_load(NULL, &opt, 1, &err);
		conf_errors_free(&err);
		buf_free(&o);
		if (c == NULL)
			continue; /* refused for another directive's sake */
		dump(c, &text);
		e = parse(buf_slice(&text));
		assert_same(c, e);
		buf_free(&text);
		conf_unref(&c);
		conf_unref(&e);
	}
}

/* A dump that is cut or changed anywhere never gives half a snapshot. */
static void
damaged_dumps(void **state)
{
	struct conf *c = load(NULL, 0), *d;
	struct conf_errors err;
	struct buf text;
	size_t n;

	(void)state;
	dump(c, &text);
	n = text.len;
	for (size_t len = 0; len < n - 1; len++) {
		conf_errors_init(&err);
		d = conf_parse_dump((struct slice){ text.p, len }, &err);
		assert_null(d);
		assert_int_equal(err.count, 1);
		conf_errors_free(&err);
	}
	assert_int_equal(buf_append_str(&text, "User x\n"), 0);
	conf_errors_init(&err);
	assert_null(conf_parse_dump(buf_slice(&text), &err));
	conf_errors_free(&err);
	for (size_t i = 0; i < n; i += 7) {
		text.p[i] ^= 1;
		conf_errors_init(&err);
		d = conf_parse_dump((struct slice){ text.p, n }, &err);
		assert_int_equal(d == NULL, err.count > 0);
		conf_unref(&d);
		conf_errors_free(&err);
		text.p[i] ^= 1;
	}
	buf_free(&text);
	conf_unref(&c);
}

static void
assert_changed(const struct conf *a, const char *option, enum conf_class class,
    const char *want)
{
	struct conf *b = load(&option, 1);
	struct buf why;

	for (unsigned int k = CONF_LIVE; k <= CONF_START; k++) {
		buf_init(&why, 4096);
		assert_int_equal(
		    conf_changed(a, b, (enum conf_class)k, &why), k == class);
		assert_int_equal(
		    conf_changed(a, b, (enum conf_class)k, NULL), k == class);
		assert_string_equal(buf_cstr(&why), k == class ? want : "");
		buf_free(&why);
	}
	conf_unref(&b);
}

static void
changes(void **state)
{
	struct conf *c = load(NULL, 0), *d;
	struct buf why;

	(void)state;
	assert_changed(
	    c, "QueueTimeout 11s", CONF_LIVE, "QueueTimeout 10s -> 11s");
	assert_changed(c, "DetectPUA on", CONF_LOAD, "DetectPUA no -> yes");
	assert_changed(c, "Module echo", CONF_RESTART, "Module  -> \"echo\"");
	assert_changed(c, "User x", CONF_START, "User \"tolsey\" -> \"x\"");
	assert_changed(c, "Monitor on", CONF_LIVE,
	    "Monitor no -> yes, avscan: Monitor no -> yes, echo: Monitor no "
	    "-> yes");
	d = load(NULL, 0);
	d->nservices = 1;
	buf_init(&why, 4096);
	assert_true(conf_changed(c, d, CONF_LIVE, &why));
	assert_true(conf_changed(d, c, CONF_LIVE, &why));
	assert_string_equal(
	    buf_cstr(&why), "service echo is gone, service echo is new");
	d->nservices = 2;
	buf_reset(&why);
	*conf_extra_add(d->mem, &d->services[0]) = (struct conf_extra){
		.name = d->user, .value = d->user, .file = "x"
	};
	assert_true(conf_changed(c, d, CONF_LIVE, &why));
	assert_string_equal(
	    buf_cstr(&why), "service avscan has other settings of its module");
	buf_free(&why);
	conf_unref(&c);
	conf_unref(&d);
}

static bool
same_digest(const struct conf *a, const struct conf *b)
{
	unsigned char x[32], y[32];

	assert_int_equal(conf_verdict_digest(a, &a->services[0], x), 0);
	assert_int_equal(conf_verdict_digest(b, &b->services[0], y), 0);
	return memcmp(x, y, sizeof(x)) == 0;
}

/* The digest follows exactly the directives marked VERDICT. */
static void
digests(void **state)
{
	struct conf *c = load(NULL, 0), *d = load(NULL, 0);

	(void)state;
	assert_true(same_digest(c, d));
	conf_unref(&d);
	d = LOAD("MaxFiles 19999");
	assert_false(same_digest(c, d));
	conf_unref(&d);
	d = LOAD("OnEncrypted block");
	assert_false(same_digest(c, d));
	conf_unref(&d);
	/* those of a load are in the digest of what was loaded */
	d = LOAD("DetectPUA on", "OfficialDatabaseOnly on");
	assert_true(same_digest(c, d));
	conf_unref(&d);
	d = LOAD("ScanWorkers 7", "Listen 127.0.0.1:9", "LogLevel debug",
	    "SpoolDirectory /x", "QueueTimeout 1s", "MaxObjectSize 2048000K");
	assert_true(same_digest(c, d));
	*conf_extra_add(d->mem, &d->services[0]) = (struct conf_extra){
		.name = d->user, .value = d->user, .file = "x"
	};
	assert_true(same_digest(c, d));
	conf_unref(&d);
	conf_unref(&c);
}

static void
warns(const char *option, const char *want)
{
	struct conf *c = load(&option, 1);
	struct conf_errors w;

	conf_errors_init(&w);
	conf_warnings(c, &w);
	assert_string_equal(buf_cstr(&w.text), want);
	conf_errors_free(&w);
	conf_unref(&c);
}

static void
warnings(void **state)
{
	(void)state;
	warns("LogLevel info", "");
	warns("MaxScanSize 3000M", "");
	warns("MaxScanSize 2000M", "");
	warns("MaxScanSize 2047999K",
	    "service avscan: MaxObjectSize 2000M is larger than MaxScanSize "
	    "2047999K: an object of a size between ends as limit\n"
	    "service avscan: MaxFileSize 2000M is larger than MaxScanSize "
	    "2047999K: MaxFileSize is never reached\n"
	    "service avscan: MaxDecodedSize 2000M is larger than MaxScanSize "
	    "2047999K: MaxDecodedSize is never reached\n");
	warns("MaxFileSize 100M",
	    "service avscan: MaxObjectSize 2000M is larger than MaxFileSize "
	    "100M: an object of a size between ends as limit\n"
	    "service avscan: MaxDecodedSize 2000M is larger than MaxFileSize "
	    "100M: a body that decodes to a size between ends as limit\n");
	warns("MaxEmbeddedPE 40M",
	    "service avscan: MaxFileSize 2000M is larger than MaxEmbeddedPE "
	    "40M: in a file of a size between embedded executables are not "
	    "looked for, and it can be clean\n");
	warns("MaxHTMLNormalize 40M",
	    "service avscan: MaxFileSize 2000M is larger than "
	    "MaxHTMLNormalize 40M: an HTML file of a size between ends as "
	    "limit\n");
	warns("ScanPDF no",
	    "service avscan: ScanPDF no: what such files contain is not "
	    "scanned, and passes as clean\n"
	    "service echo: ScanPDF no: what such files contain is not "
	    "scanned, and passes as clean\n");
	warns("AlertEncrypted no",
	    "service avscan: AlertEncrypted no: encrypted archives or "
	    "documents pass as clean\n"
	    "service echo: AlertEncrypted no: encrypted archives or "
	    "documents pass as clean\n");
	warns("WorkerTempSize 1999M",
	    "service avscan: MaxFileSize: larger than WorkerTempSize; a "
	    "member of a size between ends as failed\n"
	    "service avscan: MaxDecodedSize: larger than WorkerTempSize; a "
	    "body that decodes to a size between ends as failed\n");
	warns("IncludePUA Win",
	    "IncludePUA, ExcludePUA: without DetectPUA they do nothing\n");
	warns("PCREMatchLimit 1000",
	    "PCRERecMatchLimit is larger than PCREMatchLimit; it is never "
	    "reached\n");
	warns("ScanTimeoutMax 29s",
	    "service avscan: ScanTimeout 30s is larger than ScanTimeoutMax "
	    "29s: ScanTimeoutMax alone counts\n");
	warns("PreviewSize 65536",
	    "service avscan: PreviewSize: Squid keeps at most 65535 bytes of a "
	    "body: with larger bodies it waits for ever for the rest of its "
	    "preview\n");
	warns("OnTooLarge error",
	    "service avscan: OnTooLarge error: Squid suspends a service for "
	    "everybody after 10 ICAP errors\n"
	    "service echo: OnTooLarge error: Squid suspends a service for "
	    "everybody after 10 ICAP errors\n");
	warns("Sandbox off",
	    "Sandbox off: the scan workers are not confined; for debugging "
	    "only\n");
}

static void
little_questions(void **state)
{
	struct conf *c = LOAD("ScanWorkers 5", "SpoolMemory 7M");
	const struct conf_service *s = &c->services[0];
	struct conf *r = conf_ref(c);

	(void)state;
	assert_int_equal(conf_worker_count(c), 5);
	assert_int_equal(conf_spool_memory(c), 7 << 20);
	assert_int_equal(conf_scan_budget_us(s, 0), 30000000);
	assert_int_equal(conf_scan_budget_us(s, 4 << 20), 31000000);
	assert_int_equal(conf_scan_budget_us(s, UINT64_MAX), 300000000);
	conf_unref(&r);
	assert_null(r);
	assert_int_equal(c->refs, 1);
	conf_unref(&c);
	c = load(NULL, 0);
	assert_true(conf_worker_count(c) >= 2);
	assert_true(conf_spool_memory(c) >= 1 << 20);
	conf_unref(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(extremes),
		cmocka_unit_test(damaged_dumps),
		cmocka_unit_test(changes),
		cmocka_unit_test(digests),
		cmocka_unit_test(warnings),
		cmocka_unit_test(little_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
