/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "conf/conf.h"

static struct conf *
load(const char *const o[], size_t n)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load(NULL, o, n, &err);
	if (c == NULL)
		print_error("%s", buf_cstr(&err.text));
	assert_non_null(c);
	assert_int_equal(err.count, 0);
	conf_errors_free(&err);
	return c;
}
#define LOAD(...) \
	load((const char *const[]){ __VA_ARGS__ }, \
	    COUNTOF(((const char *const[]){ __VA_ARGS__ })))

static void
refused(const char *option, const char *want)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load(NULL, &option, 1, &err);
	assert_null(c);
	assert_int_equal(err.count, 1);
	assert_string_equal(buf_cstr(&err.text), want);
	conf_errors_free(&err);
}

static void
defaults(void **state)
{
	struct conf *c = load(NULL, 0);
	const struct conf_service *s = &c->services[0];

	(void)state;
	assert_int_equal(c->listen.n, 1);
	assert_string_equal(c->listen.v[0], "127.0.0.1:1344");
	assert_string_equal(c->user, "tolsey");
	assert_int_equal(c->modules.n, 0);
	assert_int_equal(c->queue_timeout, 10000);
	assert_int_equal(c->sandbox, CONF_SANDBOX_AUTO);
	assert_int_equal(c->log_url, CONF_LOG_URL_NOQUERY);
	assert_int_equal(c->spool_size, (uint64_t)16 << 30);
	assert_int_equal(c->nservices, 2);
	assert_string_equal(s->name, "avscan");
	assert_string_equal(s->use_module, "clamav_scan");
	assert_true(s->is_default);
	assert_int_equal(s->index, 0);
	assert_int_equal(s->max_object_size, (uint64_t)2000 << 20);
	assert_int_equal(s->max_scan_size, (uint64_t)4000 << 20);
	assert_int_equal(s->stall_poke_ms, 50);
	assert_true(s->alert_encrypted);
	assert_false(s->monitor);
	assert_string_equal(c->services[1].name, "echo");
	assert_string_equal(c->services[1].use_module, "echo");
	assert_int_equal(c->services[1].index, 1);
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		assert_int_equal(
		    s->actions[o], outcome_info((enum outcome)o)->action);
	assert_int_equal(s->actions[OUTCOME_NONE], ACTION_BLOCK);
	conf_unref(&c);
	assert_null(c);
	conf_unref(&c);
}

/* Rows of the table are complete and their defaults hold their own range. */
static void
table_is_sound(void **state)
{
	struct conf *c = load(NULL, 0);
	const struct conf_directive *d, *e;

	(void)state;
	for (size_t i = 0; i < conf_ndirectives; i++) {
		d = &conf_directives[i];
		assert_non_null(d->def);
		assert_true(strlen(d->text) > 5);
		assert_int_equal(d->text[strlen(d->text) - 1], '.');
		assert_int_equal(
		    d->type == CONF_ENUM, d->min != NULL && d->max == NULL);
		for (size_t j = 0; j < i; j++) {
			e = &conf_directives[j];
			assert_string_not_equal(d->name, e->name);
		}
	}
	conf_unref(&c);
}

static void
overrides(void **state)
{
	struct conf *c = LOAD("Listen 10.0.0.1:1", "Listen \"[::1]:2\"",
	    "maxobjectsize 100m", "OnEncrypted ERROR", "ScanTimeout 90",
	    "StallPoke 200ms", "Contact \"ask # \\\"me\\\"\"", "Monitor on",
	    "ScanPreview AUTO");
	const struct conf_service *s = &c->services[1];

	(void)state;
	assert_int_equal(c->listen.n, 2);
	assert_string_equal(c->listen.v[0], "10.0.0.1:1");
	assert_string_equal(c->listen.v[1], "[::1]:2");
	assert_int_equal(s->max_object_size, 100 << 20);
	assert_int_equal(s->on_encrypted, ACTION_ERROR);
	assert_int_equal(s->actions[OUTCOME_ENCRYPTED], ACTION_ERROR);
	assert_int_equal(s->scan_timeout, 90000);
	assert_int_equal(s->stall_poke_ms, 200);
	assert_string_equal(s->contact, "ask # \"me\"");
	assert_true(s->monitor);
	assert_int_equal(s->scan_preview, CONF_SCAN_PREVIEW_AUTO);
	conf_unref(&c);
	c = LOAD("StallPoke off");
	assert_true(c->services[0].stall_poke_ms == UINT64_MAX);
	conf_unref(&c);
}

static void
wrong_overrides(void **state)
{
	(void)state;
	refused("ScanTimout 5", "-o:1: ScanTimout '5': unknown directive; "
				"did you mean ScanTimeout?\n");
	refused("Frobnicate x",
	    "-o:1: Frobnicate 'x': unknown directive; see tolsey.conf(5), "
	    "and write those of a module into a <Service> block\n");
	refused("User", "-o:1: User '': the value is missing\n");
	refused("AlertExceedsMax yes",
	    "-o:1: AlertExceedsMax 'yes': there is no such directive here; it "
	    "is always on: what exceeds a limit has the outcome limit or "
	    "timeout; see OnLimit and OnTimeout\n");
	refused("virus_scan.MaxObjectSize 5M",
	    "-o:1: virus_scan.MaxObjectSize '5M': there is no such directive "
	    "here; use MaxObjectSize\n");
	refused("ExcludePUA PUA.Win",
	    "-o:1: ExcludePUA 'PUA.Win': not a category; write the second "
	    "word of the name, as Win of PUA.Win.Tool\n");
	refused("User a b", "-o:1: User 'a b': one value is expected; put a "
			    "value with blanks into \"quotes\"\n");
	refused("ScanTimeout 2d",
	    "-o:1: ScanTimeout '2d': out of range; allowed is 100ms to 1h\n");
	refused("ScanTimeout 5 parsecs",
	    "-o:1: ScanTimeout '5 parsecs': one value is expected; put a "
	    "value with blanks into \"quotes\"\n");
	refused("ScanTimeout 5parsecs",
	    "-o:1: ScanTimeout '5parsecs': not a time, write a number with "
	    "ms, s, m, h or d; allowed is 100ms to 1h\n");
	refused("MaxObjectSize 99999999999999999999",
	    "-o:1: MaxObjectSize '99999999999999999999': out of range; "
	    "allowed is 1 to 2047M\n");
	refused("MaxObjectSize 18014398509481985K",
	    "-o:1: MaxObjectSize '18014398509481985K': out of range; allowed "
	    "is 1 to 2047M\n");
	refused("MaxObjectSize -1",
	    "-o:1: MaxObjectSize '-1': not a size, write a number of bytes "
	    "or one with K, M or G; allowed is 1 to 2047M\n");
	refused("MaxFiles 1K", "-o:1: MaxFiles '1K': not a number; allowed is "
			       "1 to 1000000\n");
	refused("Monitor maybe",
	    "-o:1: Monitor 'maybe': neither yes (on, true, 1) nor no (off, "
	    "false, 0)\n");
	refused("OnInfected blok",
	    "-o:1: OnInfected 'blok': not one of pass, error, block; did you "
	    "mean block?\n");
	refused("OnInfected \"\"",
	    "-o:1: OnInfected '': not one of pass, error, block\n");
	refused("OnClean block",
	    "-o:1: OnClean 'block': unknown directive; see tolsey.conf(5), "
	    "and write those of a module into a <Service> block\n");
	refused("", "-o:1: empty; write -o 'Directive value'\n");
	refused("# x", "-o:1: empty; write -o 'Directive value'\n");
	refused("User \"x", "-o:1: a quoted text does not end on its line; "
			    "close it with \"\n");
	refused("User a\nListen b",
	    "-o:1: a control character; write it as \\xHH in quotes\n");
	refused("User \"a\x1b[1m\"",
	    "-o:1: a control character; write \\n or \\xHH\n");
	refused("User \"a\\x1b[1m:\"",
	    "-o:1: User 'a_[1m:': not the name of an account\n");
	refused("Include x",
	    "-o:1: Include 'x': it cannot stand here; use a file\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(overrides),
		cmocka_unit_test(wrong_overrides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
