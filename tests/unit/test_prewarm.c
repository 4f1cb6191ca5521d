/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a confined worker can no longer load is there before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "engine/prewarm.h"
#include "sandbox/sandbox.h"

static const char *const charsets[] = {
#define CHARSET(name) name,
#include "engine/charsets.def"
};

static int
prepare(void **state)
{
	char err[256];

	(void)state;
	return engine_prepare(err, sizeof(err));
}

/* This process's mappings, as text. */
static void
read_maps(struct buf *out)
{
	char block[4096];
	size_t n;
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		assert_int_equal(buf_append(out, block, n), 0);
	(void)fclose(f);
}

/* The folder of iconv's modules, from one that is loaded. */
static bool
find_folder(const char *maps, char *out, size_t len)
{
	const char *end = strstr(maps, "/gconv/"), *start = end;

	if (end == NULL)
		return false;
	while (start > maps && start[-1] != ' ')
		start--;
	(void)str_copy(
	    out, len, (struct slice){ start, (size_t)(end - start) + 6 });
	return true;
}

/* From one old set to another, never to or from Unicode. */
static bool
is_of_no_use(const char *name)
{
	static const char *const pairs[] = { "GBBIG5.so", "GBGBK.so",
		"IBM1008_420.so" };

	for (size_t i = 0; i < COUNTOF(pairs); i++)
		if (strcmp(pairs[i], name) == 0)
			return true;
	return false;
}

/* Each module that this C library has: a new one needs a row. */
static void
test_all_modules(void **state)
{
	char folder[256], path[600];
	unsigned int loaded = 0, missing = 0;
	struct dirent *d;
	struct buf maps;
	DIR *dir;

	(void)state;
	buf_init(&maps, (size_t)16 << 20);
	read_maps(&maps);
	if (!find_folder(buf_cstr(&maps), folder, sizeof(folder))) {
		print_message("skipped: iconv has no modules here\n");
		buf_free(&maps);
		skip();
	}
	dir = opendir(folder);
	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		if (!slice_case_has_suffix(
			slice_of(d->d_name), SLICE_LIT(".so")) ||
		    is_of_no_use(d->d_name))
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s\n", folder, d->d_name);
		loaded++;
		if (strstr(buf_cstr(&maps), path) != NULL)
			continue;
		print_message("not loaded: %s", path);
		missing++;
	}
	(void)closedir(dir);
	buf_free(&maps);
	assert_int_equal(missing, 0);
	assert_true(loaded > 100);
	assert_true(engine_prewarm_charsets() > 200);
}

/* Both directions that libclamav asks for; its exit status. */
static int
convert_all(void)
{
	static const char *const targets[] = { "UTF-8", "UTF-16BE" };
	unsigned int opened = 0;

	for (size_t i = 0; i < COUNTOF(charsets); i++)
		for (size_t t = 0; t < COUNTOF(targets); t++) {
			char in[] = { 0x41, 0x42 }, out[64];
			char *from = in, *to = out;
			size_t left = sizeof(in), room = sizeof(out);
			iconv_t cd = iconv_open(targets[t], charsets[i]);

			if (cd == (iconv_t)-1)
				continue;
			(void)iconv(cd, &from, &left, &to, &room);
			(void)iconv_close(cd);
			opened++;
		}
	return opened == 2 * engine_prewarm_charsets() ? 0 : 1;
}

static int
tell_time(void)
{
	time_t t = 1700000000;
	struct tm *tm = localtime(&t);

	return tm != NULL && tm->tm_year == 123 ? 0 : 1;
}

static int
confined(int (*use)(void))
{
	struct sandbox box = { .role = ROLE_WORKER };
	struct sandbox_report r = { 0 };
	char err[160];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_enter(&box, &r, err, sizeof(err)) != 0)
			_exit(100);
		_exit(use());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* No module is loaded then: that would kill the process. */
static void
test_confined(void **state)
{
	(void)state;
	assert_int_equal(confined(convert_all), 0);
	assert_int_equal(confined(tell_time), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_modules),
		cmocka_unit_test(test_confined),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
