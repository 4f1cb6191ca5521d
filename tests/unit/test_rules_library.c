/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * What makes a scan complete (architecture: the rules of the engine), each
 * broken by a library that lies. On ClamAV's test files, so that what comes
 * out clean here would have passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "tests/unit/complete_util.h"
#include "tests/unit/fake_clamav.h"

#define MAX_FILE ((uint64_t)64 << 20)

static struct engine *e;
static const struct testfile one = { "harmless",
	{ "Goods were held and judged before they came in.", 47 } };

static struct scan_answer
scan_file(const struct testfile *f)
{
	struct scan_opts o;
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = f->data.p,
		.len = f->data.len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	engine_plain_opts(&o, MAX_FILE);
	engine_scan(e, &job, &a);
	return a;
}

/* Every file: it is the reason, or a finding of that outcome. */
static void
all_are(unsigned int how, cl_error_t rc, const char *name, enum outcome o)
{
	size_t n;
	const struct testfile *f = testfiles(&n);

	if (n == 0) {
		f = &one;
		n = 1;
	}
	fake = (struct fake){ .how = how, .rc = rc, .name = name };
	for (size_t i = 0; i < n; i++) {
		struct scan_answer a = scan_file(&f[i]);
		bool said = (a.complete == 0 && a.reason == (uint32_t)o) ||
			    has(&a, o, "");

		if (o == OUTCOME_CLEAN ? !is_clean(&a) : is_clean(&a) || !said)
			fail_msg(
			    "%s, how=%#x: %s", f[i].name, how, describe(&a));
	}
	/* nothing of it is left for the next one */
	fake = (struct fake){ .how = 0 };
	{
		struct scan_answer a = scan_file(&one);

		assert_true(is_clean(&a));
	}
}

/* Without a lie it is clean: that is what the others are told from. */
static void
test_good(void **state)
{
	(void)state;
	all_are(0, CL_CLEAN, NULL, OUTCOME_CLEAN);
	all_are(FAKE_WARNING, CL_CLEAN, NULL, OUTCOME_CLEAN);
}

static void
test_1_size(void **state)
{
	struct scan_opts o;
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = one.data.p,
		.len = one.data.len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	(void)state;
	fake = (struct fake){ .how = 0 };
	engine_plain_opts(&o, MAX_FILE);
	o.max_file_size = one.data.len - 1;
	engine_scan(e, &job, &a);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	a = (struct scan_answer){ .complete = 1 };
	engine_plain_opts(&o, MAX_FILE);
	o.max_scan_size = one.data.len - 1;
	engine_scan(e, &job, &a);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	/* what the library cannot take, though no limit of ours forbids it */
	a = (struct scan_answer){ .complete = 1 };
	engine_plain_opts(&o, 0);
	job.len = (size_t)1 << 31;
	engine_scan(e, &job, &a);
	assert_int_equal(a.reason, OUTCOME_TOO_LARGE);
	assert_int_equal(fake.scans, 0);
}

static void
test_2_limits(void **state)
{
	static const char *const limits[] = { "MaxFileSize", "MaxScanSize",
		"MaxFiles", "MaxRecursion", "EmailMIMEPartsPerMessage" };
	char name[64] = "Heuristics.Limits.Exceeded.";
	size_t len = strlen(name);

	(void)state;
	for (size_t i = 0; i < COUNTOF(limits); i++) {
		(void)str_copy(
		    name + len, sizeof(name) - len, slice_of(limits[i]));
		all_are(FAKE_FOUND, CL_CLEAN, name, OUTCOME_LIMIT);
		all_are(FAKE_LAST_NAME, CL_CLEAN, name, OUTCOME_LIMIT);
	}
	all_are(FAKE_FOUND, CL_CLEAN, "Heuristics.Limits.Exceeded.MaxScanTime",
	    OUTCOME_TIMEOUT);
	all_are(FAKE_FOUND, CL_CLEAN, "Heuristics.Encrypted.RAR",
	    OUTCOME_ENCRYPTED);
	all_are(FAKE_FOUND, CL_CLEAN, "Heuristics.Broken.Executable",
	    OUTCOME_SUSPICIOUS);
	/* a library that ends for want of time, size or memory without a word
	 */
	all_are(0, CL_ETIMEOUT, NULL, OUTCOME_TIMEOUT);
	all_are(0, CL_EMAXSIZE, NULL, OUTCOME_FAILED);
	all_are(0, CL_EMAXFILES, NULL, OUTCOME_FAILED);
}

/* It is asked to tell, whatever the settings are. */
static void
test_2_options(void **state)
{
	struct scan_opts o;
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = one.data.p,
		.len = one.data.len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake = (struct fake){ .how = 0 };
		engine_plain_opts(&o, MAX_FILE);
		o.switches = i == 0 ? 0 : ~(uint64_t)0;
		engine_scan(e, &job, &a);
		assert_int_equal(fake.scans, 1);
		assert_true((fake.options.heuristic &
				CL_SCAN_HEURISTIC_EXCEEDS_MAX) != 0);
		assert_true(
		    (fake.options.general & CL_SCAN_GENERAL_ALLMATCHES) != 0);
		assert_true((fake.options.general &
				CL_SCAN_GENERAL_COLLECT_METADATA) == 0);
	}
	/* 0 would be no limit to it, and ours must lie below it */
	o.max_file_size = 0;
	engine_scan(e, &job, &a);
	assert_true(fake_max_file_size > 0);
	o.max_file_size = 1000;
	engine_scan(e, &job, &a);
	assert_true(fake_max_file_size > 1000);
}

static void
test_3_names(void **state)
{
	(void)state;
	all_are(FAKE_NO_NAME, CL_CLEAN, NULL, OUTCOME_FAILED);
	all_are(FAKE_LAST_NAME, CL_CLEAN, "Some.Virus", OUTCOME_INFECTED);
	all_are(FAKE_FOUND, CL_CLEAN, "Some.Virus", OUTCOME_INFECTED);
	all_are(FAKE_FOUND | FAKE_NO_NAME, CL_CLEAN, "Some.Virus",
	    OUTCOME_INFECTED);
}

static void
test_4_layers(void **state)
{
	struct testfile tiny = { "tiny", { "12345", 5 } };
	struct scan_answer a;

	(void)state;
	all_are(FAKE_NO_LAYER, CL_CLEAN, NULL, OUTCOME_FAILED);
	fake = (struct fake){ .how = FAKE_NO_LAYER };
	a = scan_file(&tiny);
	assert_true(is_clean(&a)); /* it calls back for nothing so small */
	tiny.data = (struct slice){ "123456", 6 };
	a = scan_file(&tiny);
	assert_int_equal(a.reason, OUTCOME_FAILED);
}

static void
test_5_errors(void **state)
{
	static const cl_error_t rcs[] = { CL_ENULLARG, CL_EARG, CL_EMALFDB,
		CL_EOPEN, CL_EREAD, CL_EWRITE, CL_EUNLINK, CL_EACCES,
		CL_ETMPFILE, CL_ETMPDIR, CL_EMAP, CL_EMEM, CL_EFORMAT,
		CL_EPARSE, CL_ERROR, CL_BREAK, CL_VERIFIED };

	(void)state;
	all_are(FAKE_ERROR, CL_CLEAN, NULL, OUTCOME_FAILED);
	for (size_t i = 0; i < COUNTOF(rcs); i++)
		all_are(0, rcs[i], NULL, OUTCOME_FAILED);
	all_are(FAKE_NO_MAP, CL_CLEAN, NULL, OUTCOME_FAILED);
}

static void
test_6_files(void **state)
{
	(void)state;
	all_are(FAKE_FULL, CL_CLEAN, NULL, OUTCOME_FAILED);
	all_are(FAKE_SHORT, CL_CLEAN, NULL, OUTCOME_FAILED);
	all_are(FAKE_NO_FOLDER, CL_CLEAN, NULL, OUTCOME_FAILED);
	all_are(FAKE_NO_FILE, CL_CLEAN, NULL, OUTCOME_FAILED);
}

static void
test_9_members(void **state)
{
	(void)state;
	all_are(FAKE_LONG_MEMBER, CL_CLEAN, NULL, OUTCOME_LIMIT);
	all_are(FAKE_LONG_LAYER, CL_CLEAN, NULL, OUTCOME_LIMIT);
	all_are(FAKE_UNREADABLE, CL_CLEAN, NULL, OUTCOME_FAILED);
}

/* Two faults: none of them hides the other. */
static void
test_together(void **state)
{
	struct scan_answer a;

	(void)state;
	fake = (struct fake){ .how = FAKE_LONG_MEMBER | FAKE_FULL | FAKE_FOUND,
		.name = "Heuristics.Encrypted.Zip" };
	a = scan_file(&one);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_LIMIT);
	assert_true(has(&a, OUTCOME_FAILED, ""));
	assert_true(has(&a, OUTCOME_ENCRYPTED, ""));
}

static struct engine *
load(unsigned int signatures, cl_error_t rc, char *err, size_t errlen)
{
	static char dir[128], temp[128];
	struct engine_load l = {
		.database = dir, .temp_dir = temp, .min_signatures = 10
	};

	(void)str_copy(dir, sizeof(dir), slice_of(marker_db("db", "*")));
	(void)str_copy(temp, sizeof(temp), slice_of(folder("load")));
	fake = (struct fake){ .signatures = signatures, .load_rc = rc };
	return engine_open(&l, err, errlen);
}

/* A limit that cannot be set is a scan that is not made. */
static void
test_settings(void **state)
{
	struct scan_opts o;
	struct scan_answer a = { .complete = 1 };
	struct engine_job job = { .kind = SCAN_WHOLE,
		.data = one.data.p,
		.len = one.data.len,
		.opts = &o,
		.budget_us = 60 * 1000000,
		.part = "" };

	(void)state;
	fake = (struct fake){ .how = FAKE_NO_LIMIT };
	engine_plain_opts(&o, 12345);
	engine_scan(e, &job, &a);
	assert_int_equal(a.reason, OUTCOME_FAILED);
	assert_int_equal(fake.scans, 0);
}

static void
test_8_load(void **state)
{
	char err[512] = "";
	struct engine *other;

	(void)state;
	/* no error, and no signature: as with a broken YARA file */
	assert_null(load(0, CL_SUCCESS, err, sizeof(err)));
	assert_null(load(9, CL_SUCCESS, err, sizeof(err)));
	assert_non_null(strstr(err, "gave 9 signatures"));
	assert_null(load(100, CL_EMALFDB, err, sizeof(err)));
	/* enough of them, and it does not even find the canary */
	other = load(100, CL_SUCCESS, err, sizeof(err));
	assert_non_null(other);
	assert_int_equal(engine_self_test(other, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "canary"));
	/* or it finds everything */
	fake.how = FAKE_FOUND;
	fake.name = "Some.Virus";
	assert_int_equal(engine_self_test(other, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "was not clean"));
	/* or it fails to look */
	fake.how = FAKE_FOUND | FAKE_ERROR;
	assert_int_equal(engine_self_test(other, err, sizeof(err)), -1);
	engine_close(&other);
}

static int
set_up(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	char err[512] = "";

	if (make_root(state) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0)
		return -1;
	e = load(100, CL_SUCCESS, err, sizeof(err));
	if (e == NULL)
		print_error("%s\n", err);
	return e != NULL ? engine_enter_worker(e, folder("work"), TEMP_MAX)
			 : -1;
}

static int
tear_down(void **state)
{
	engine_close(&e);
	testfiles_free();
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_1_size),
		cmocka_unit_test(test_2_limits),
		cmocka_unit_test(test_2_options),
		cmocka_unit_test(test_3_names),
		cmocka_unit_test(test_4_layers),
		cmocka_unit_test(test_5_errors),
		cmocka_unit_test(test_6_files),
		cmocka_unit_test(test_9_members),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_8_load),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
