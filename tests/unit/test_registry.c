/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "service/registry.h"

static struct registry *modules;
static struct conf_errors err;
static char why[512];

static int
setup(void **state)
{
	(void)state;
	modules = registry_new();
	conf_errors_init(&err);
	return modules != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	registry_free(&modules);
	conf_errors_free(&err);
	return 0;
}

static int
open_file(const char *file)
{
	char path[512];
	const char *dir = getenv("builddir");
	int fd;

	(void)snprintf(
	    path, sizeof(path), "%s/%s", dir != NULL ? dir : ".", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		fail_msg("%s cannot be opened", path);
	return fd;
}

static int
load(const char *name, const char *file)
{
	int fd = open_file(file), rc;

	why[0] = '\0';
	rc = registry_load(modules, name, fd, why, sizeof(why));
	(void)close(fd); /* so that the next one gets this number */
	return rc;
}

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
two_modules_in_sequence(void **state)
{
	int before = count_fds();

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(load("echo", "modules/echo.so"), 0);
		assert_int_equal(
		    load("clamav_scan", "modules/clamav_scan.so"), 0);
		assert_string_equal(
		    registry_find(modules, "echo")->name, "echo");
		assert_string_equal(
		    registry_find(modules, "clamav_scan")->name, "clamav_scan");
		assert_false(registry_find(modules, "echo")->scans);
		assert_true(registry_find(modules, "clamav_scan")->scans);
		assert_null(registry_find(modules, "Echo"));
		registry_free(&modules);
		assert_int_equal(count_fds(), before);
		/* now the other way round */
		modules = registry_new();
		assert_non_null(modules);
		assert_int_equal(
		    load("clamav_scan", "modules/clamav_scan.so"), 0);
		assert_int_equal(load("echo", "modules/echo.so"), 0);
		assert_ptr_not_equal(registry_find(modules, "echo"),
		    registry_find(modules, "clamav_scan"));
		registry_free(&modules);
		modules = registry_new();
		assert_non_null(modules);
	}
}

static void
refused(const char *name, const char *file, const char *what)
{
	assert_int_equal(load(name, file), -1);
	if (strstr(why, what) == NULL || strstr(why, name) == NULL)
		fail_msg("\"%s\" does not say %s", why, what);
}

static void
what_is_no_module_is_refused(void **state)
{
	int before = count_fds(), fd;

	(void)state;
	refused("x", "config.status", "cannot be loaded");
	refused("x", "tests/unit/mod_no_symbol.so", "no symbol");
	refused("bad_abi", "tests/unit/mod_bad_abi.so", "another version");
	refused("echo", "modules/clamav_scan.so", "another name");
	refused("ech", "modules/echo.so", "another name");
	assert_int_equal(count_fds(), before);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	assert_int_equal(registry_load(modules, "x", fd, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "not a regular file"));
	(void)close(fd);
	assert_int_equal(registry_load(modules, "x", -1, why, sizeof(why)), -1);
	assert_int_equal(load("echo", "modules/echo.so"), 0);
	refused("echo", "modules/echo.so", "loaded already");
	refused("other", "modules/echo.so", "another name");
	assert_non_null(registry_find(modules, "echo"));
}

static void
linked_in_modules_are_checked_too(void **state)
{
	struct service_module m, copy;

	(void)state;
	assert_int_equal(load("echo", "modules/echo.so"), 0);
	m = *registry_find(modules, "echo");
	assert_int_equal(registry_add(modules, &m), -1); /* name taken */
	m.name = "other";
	copy = m;
	copy.inspect = NULL;
	assert_int_equal(registry_add(modules, &copy), -1);
	copy = m;
	copy.ndirectives = 1;
	assert_int_equal(registry_add(modules, &copy), -1);
	copy = m;
	copy.abi++;
	assert_int_equal(registry_add(modules, &copy), -1);
	assert_int_equal(registry_add(modules, &m), 0);
	assert_ptr_equal(registry_find(modules, "other"), &m);
}

/* ---- sets ---- */

/* A configuration file of the text; its path stands in err's lines. */
static struct service_set *
make_set(const char *text)
{
	char path[] = "/tmp/tolsey-test-registry-XXXXXX";
	struct service_set *set = NULL;
	struct conf *c;
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	if (registry_find(modules, "echo") == NULL) {
		assert_int_equal(load("echo", "modules/echo.so"), 0);
		assert_int_equal(
		    load("clamav_scan", "modules/clamav_scan.so"), 0);
	}
	conf_errors_free(&err);
	conf_errors_init(&err);
	c = conf_load(path, NULL, 0, &err);
	(void)unlink(path);
	if (c == NULL)
		fail_msg("conf_load: %s", buf_cstr(&err.text));
	set = service_set_new(modules, c, &err);
	conf_unref(&c); /* the set keeps its own */
	return set;
}

static void
instances_of_one_module(void **state)
{
	struct service_set *set, *same;

	(void)state;
	set = make_set("<Service avscan>\n"
		       " Alias virus_scan\n"
		       " acceptencoding KEEP\n"
		       " StripRange on\n"
		       " StreamTypes text/event-stream audio/*\n"
		       " StreamTypes application/x-endless\n"
		       "</Service>\n"
		       "<Service second>\n"
		       " Default on\n"
		       "</Service>\n"
		       "<Service echo>\n"
		       " UseModule echo\n"
		       "</Service>\n");
	assert_non_null(set);
	assert_int_equal(err.count, 0);
	assert_ptr_equal(
	    service_set_find(set, SLICE_LIT("virus_scan")), &set->services[0]);
	assert_ptr_equal(
	    service_set_find(set, SLICE_LIT("avscan")), &set->services[0]);
	assert_ptr_equal(service_set_find(set, SLICE_NONE), &set->services[1]);
	assert_ptr_equal(
	    service_set_find(set, SLICE_LIT("echo")), &set->services[2]);
	assert_null(service_set_find(set, SLICE_LIT("nothing")));
	assert_ptr_equal(set->services[0].module, set->services[1].module);
	assert_ptr_not_equal(
	    set->services[0].instance, set->services[1].instance);
	same = service_set_ref(set);
	service_set_unref(&set);
	assert_null(set);
	assert_string_equal(same->services[2].conf->name, "echo");
	service_set_unref(&same);
	service_set_unref(&same);
}

static void
wrong(const char *text, const char *what)
{
	struct service_set *set = make_set(text);

	assert_null(set);
	assert_int_equal(err.count, 1);
	if (strstr(buf_cstr(&err.text), what) == NULL)
		fail_msg("\"%s\" does not say %s", buf_cstr(&err.text), what);
}

#define IN(line) "<Service s>\n" line "\n</Service>\n"

static void
errors_name_line_and_cure(void **state)
{
	(void)state;
	wrong(IN("StripRanges on"),
	    ":2: StripRanges 'on': unknown directive, also to module "
	    "clamav_scan; did you mean StripRange?");
	wrong(IN("PreviewSise 1"), "did you mean PreviewSize?");
	wrong(IN("Zzzzzzzzzzzzzzzz 1"),
	    "unknown directive, also to module clamav_scan\n");
	wrong(IN("StripRange maybe"),
	    ":2: StripRange 'maybe': not one of off|large|on");
	wrong(IN("AcceptEncoding kept"),
	    ":2: AcceptEncoding 'kept': not one of limit|keep");
	wrong(IN("StripRange on\nStripRange on"), ":2; remove one of them");
	wrong(IN("StreamTypes audio"), "StreamTypes audio: is not a type");
	wrong(IN("UseModule echo\nStripRange on"), "also to module echo");
	wrong(IN("UseModule nothing"),
	    ":1: service s: no module nothing is loaded");
	/* all of them are told at once */
	assert_null(make_set(IN("StripRange a\nAcceptEncoding b\nFoo c")));
	assert_int_equal(err.count, 3);
}

static void
tags_follow_what_changes_verdicts(void **state)
{
	unsigned char engine[32] = { 1 };
	char first[33], echo[33];
	struct service_set *set;

	(void)state;
	set = make_set(IN("MaxFiles 7") "<Service t>\n</Service>\n");
	assert_non_null(set);
	assert_string_equal(set->services[0].istag, "");
	assert_int_equal(service_set_tags(set, NULL), 0);
	memcpy(first, set->services[0].istag, sizeof(first));
	assert_int_equal(strlen(first), 32);
	assert_int_equal(strspn(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32);
	assert_string_not_equal(first, set->services[1].istag);
	assert_int_equal(service_set_tags(set, engine), 0);
	assert_string_not_equal(first, set->services[0].istag);
	memcpy(first, set->services[0].istag, sizeof(first));
	memcpy(echo, set->services[1].istag, sizeof(echo));
	engine[31] = 1;
	assert_int_equal(service_set_tags(set, engine), 0);
	assert_string_not_equal(first, set->services[0].istag);
	engine[31] = 0;
	service_set_unref(&set);
	/* equal settings, equal tag; a changed one counts for its service */
	set = make_set(IN("MaxFiles 7\nContact you") "<Service t>\nMaxFiles 9\n"
						     "</Service>\n");
	assert_non_null(set);
	assert_int_equal(service_set_tags(set, engine), 0);
	assert_string_equal(first, set->services[0].istag);
	assert_string_not_equal(echo, set->services[1].istag);
	service_set_unref(&set);
}

static void
tag_of(const char *text, char out[SERVICE_TAG_LEN])
{
	static const unsigned char engine[32] = { 7 };
	struct service_set *set = make_set(text);

	assert_non_null(set);
	assert_int_equal(service_tag(set, &set->services[0], engine, out), 0);
	service_set_unref(&set);
}

/* A module's directives count by their values, as its table marks them. */
static void
tags_and_directives_of_modules(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ IN(""), IN("StripRange on"), true }, /* NEUTRAL */
		{ IN("StreamTypes a/b"), IN("StreamTypes a/c"), false },
		{ IN(""), IN("StreamTypes a/b"), false },
		{ IN("StreamTypes a/b c/d"),
		    IN("StreamTypes a/b\nStreamTypes c/d"), true },
		{ IN("StreamTypes a/b c/d"), IN("StreamTypes \"a/b   c/d\""),
		    true },
		/* the defaults, written out */
		{ IN(""),
		    IN("StreamTypes text/event-stream "
		       "multipart/x-mixed-replace application/grpc* audio/*"),
		    true },
		{ IN("StripRange on\nStreamTypes a/b\nMaxFiles 9"),
		    IN("MaxFiles 9\nStreamTypes a/b\nAcceptEncoding keep"),
		    true },
		{ IN("MaxFileSize 1M"), IN("MaxFileSize 1024K"), true },
		{ IN("AlertEncrypted on"), IN("AlertEncrypted yes"), true },
		{ IN(""), IN("OnEncrypted block"), false },
		{ IN(""), IN("Monitor on"), false },
	};
	char a[SERVICE_TAG_LEN], b[SERVICE_TAG_LEN];

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		tag_of(rows[i].a, a);
		tag_of(rows[i].b, b);
		if ((strcmp(a, b) == 0) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(two_modules_in_sequence),
		T(what_is_no_module_is_refused),
		T(linked_in_modules_are_checked_too),
		T(instances_of_one_module),
		T(errors_name_line_and_cure),
		T(tags_follow_what_changes_verdicts),
		T(tags_and_directives_of_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
