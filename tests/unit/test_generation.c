/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Signature generations as the parent handles them: every way in which a load
 * can end, with a loader that does what the test says (fake_loader.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sys/parent.h"

#define WAIT_US 10000000

static struct parent par;
static char dir[64];
#define PLENTY "MemAvailable: 8192000 kB\n"

static const char *meminfo;
static const char *statm = "40000 30000 4000 1 0 500 0\n"; /* some 100 MiB */

static ssize_t
fake_read(void *ctx, const char *path, char *out, size_t len)
{
	(void)ctx;
	if (strcmp(path, "/proc/meminfo") == 0)
		return (ssize_t)str_copy(out, len, slice_of(meminfo));
	if (strstr(path, "/statm") != NULL)
		return (ssize_t)str_copy(out, len, slice_of(statm));
	return -1;
}
static const struct memroom_source fake_memory = { fake_read, NULL };

/* The loaders are to do that from now on. */
static void
act(const char *what)
{
	struct conf_errors err;
	char line[200];
	const char *o[] = { line, "LoadTimeout 1s", "SelfCheck 0",
		"ReloadLowMemory keep" };

	(void)snprintf(
	    line, sizeof(line), "DatabaseDirectory %s/%s", dir, what);
	(void)mkdir(strchr(line, ' ') + 1, 0700);
	conf_errors_init(&err);
	conf_unref(&par.conf);
	par.conf = conf_load(NULL, o, COUNTOF(o), &err);
	if (par.conf == NULL)
		fail_msg("%s", buf_cstr(&err.text));
	conf_errors_free(&err);
	if (par.first == NULL)
		par.first = conf_ref(par.conf);
}

/* The files that it loads are others now. */
static void
change_files(void)
{
	static unsigned int n;
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/x%u.ndb",
	    par.conf->database_directory, n++);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

static void
reap(evutil_socket_t sig, short what, void *ctx)
{
	int status;
	pid_t pid;

	(void)sig, (void)what, (void)ctx;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		assert_true(generation_exited(&par, pid, status));
}

static void
again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
	generation_begin(&par, "asked for meanwhile");
}

static int
setup(void **state)
{
	(void)state;
	memset(&par, 0, sizeof(par));
	(void)strcpy(dir, "/tmp/test_generation.XXXXXX");
	assert_non_null(mkdtemp(dir));
	TAILQ_INIT(&par.children);
	TAILQ_INIT(&par.loaders);
	par.base = event_base_new();
	par.uid = par.gid = par.scan_uid = par.scan_gid = UINT32_MAX;
	par.retry_at_us = UINT64_MAX;
	par.memory = &fake_memory;
	par.say_fd = -1;
	meminfo = PLENTY;
	par.signals[0] = evsignal_new(par.base, SIGCHLD, reap, NULL);
	par.again_timer = event_new(par.base, -1, 0, again, NULL);
	assert_int_equal(event_add(par.signals[0], NULL), 0);
	act("ok");
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	par.stopping = true;
	generation_kill(&par, SIGKILL);
	generation_free(&par);
	while (waitpid(-1, NULL, 0) > 0)
		;
	event_free(par.signals[0]);
	event_free(par.again_timer);
	event_base_free(par.base);
	conf_unref(&par.conf);
	conf_unref(&par.first);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
is_loading(void)
{
	return par.loading != NULL || par.load_again;
}

static unsigned int
count_loaders(void)
{
	const struct loader *l;
	unsigned int n = 0;

	TAILQ_FOREACH (l, &par.loaders, link)
		n++;
	return n;
}

/* The loop, until nothing is loaded and as many loaders live. */
static void
settle(unsigned int loaders)
{
	uint64_t until = clock_mono_us() + WAIT_US;
	struct timeval tick = { 0, 10000 };

	while (is_loading() || count_loaders() != loaders) {
		if (clock_mono_us() > until)
			fail_msg("loading=%d loaders=%u", is_loading(),
			    count_loaders());
		(void)event_base_loopexit(par.base, &tick);
		assert_true(event_base_dispatch(par.base) >= 0);
	}
}

static void
begin(void)
{
	generation_begin(&par, "test");
	settle(par.current != NULL ? 1 : 0);
}

/* One serves; its number. */
static uint32_t
first_one(void)
{
	generation_begin(&par, "start");
	settle(1);
	assert_non_null(par.current);
	assert_true(par.current->serving);
	assert_int_equal(par.loaded.generation, par.current->generation);
	assert_int_equal(par.loaded.signatures, 7);
	assert_int_equal(
	    par.loaded.memory, 26000 * (uint64_t)sysconf(_SC_PAGESIZE));
	return par.loaded.generation;
}

static void
test_takes_over(void **state)
{
	uint32_t was = first_one();
	pid_t old = par.current->pid;

	(void)state;
	begin();
	settle(1); /* the old one has ended */
	assert_int_equal(par.loaded.generation, was + 1);
	assert_true(par.current->pid != old);
	assert_string_equal(par.last_reload_error, "");
	assert_true(par.last_reload_wall_us != 0);
}

/* Each of these ends badly, and the old generation goes on as it was. */
static void
test_rolls_back(void **state)
{
	static const struct {
		const char *act, *why;
	} rows[] = {
		{ "refuse", "the library said no" },
		{ "die", "died of signal 11" },
		{ "die-loaded", "died of signal 9" },
		{ "die-asked", "died of signal 9" },
		{ "hang", "longer than LoadTimeout" },
		{ "no-workers", "no workers within LoadTimeout" },
	};
	uint32_t was = first_one();
	const struct loader *old = par.current;

	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		act(rows[i].act);
		generation_begin(&par, "test");
		settle(1);
		assert_ptr_equal(par.current, old);
		assert_false(old->retired);
		assert_int_equal(par.loaded.generation, was);
		if (strstr(par.last_reload_error, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].act, par.last_reload_error);
	}
	assert_int_equal(metrics->reload_failures_total, COUNTOF(rows));
	assert_int_equal(metrics->signatures_load_failed, 1);
	act("ok");
	begin();
	assert_int_equal(par.loaded.generation, was + COUNTOF(rows) + 1);
	assert_int_equal(metrics->signatures_load_failed, 0);
}

/* Word of workers before the signatures are there means nothing. */
static void
test_serving_too_early(void **state)
{
	(void)state;
	act("garbage");
	(void)first_one();
}

/* It serves and ends: its workers go on, and another one is loaded. */
static void
test_dies_serving(void **state)
{
	uint32_t was = first_one();

	(void)state;
	act("die-serving");
	generation_begin(&par, "test");
	settle(0);
	assert_null(par.current);
	/* once more at once, then after a while */
	assert_int_equal(par.loaded.generation, was + 2);
	assert_true(par.retry_at_us != UINT64_MAX);
	act("ok");
	par.retry_at_us = 0;
	generation_watch(&par);
	settle(1);
	assert_int_equal(par.loaded.generation, was + 3);
}

/* However many ask while one loads: one more follows, for all of them. */
static void
test_many_at_once(void **state)
{
	uint32_t was = first_one();

	(void)state;
	act("slow");
	for (uint64_t i = 1; i <= PARENT_MAX_WAITERS; i++)
		generation_ask(&par, i, "test");
	for (unsigned int i = 0; i < 1000; i++)
		generation_ask(&par, 0, "test");
	assert_int_equal(par.nreload_waiters, PARENT_MAX_WAITERS);
	settle(1);
	assert_int_equal(par.nreload_waiters, 0);
	assert_int_equal(par.loaded.generation, was + 2);
}

/* freshclam says so; only other files than those that serve are loaded. */
static void
test_notified(void **state)
{
	uint32_t was = first_one();

	(void)state;
	generation_notified(&par);
	assert_false(is_loading());
	change_files();
	generation_notified(&par);
	assert_true(is_loading());
	generation_notified(&par); /* these are being loaded */
	assert_false(par.load_again);
	change_files();
	generation_notified(&par);
	assert_true(par.load_again);
	settle(1);
	assert_int_equal(par.loaded.generation, was + 2);
	generation_notified(&par);
	assert_false(is_loading());
	/* what failed to load is tried again */
	act("refuse");
	change_files();
	generation_notified(&par);
	settle(1);
	generation_notified(&par);
	assert_true(is_loading());
	settle(1);
	assert_int_equal(par.loaded.generation, was + 2);
}

/* While the daemon ends nothing is begun. */
static void
test_stopping(void **state)
{
	(void)first_one();

	(void)state;
	par.stopping = true;
	generation_ask(&par, 0, "test");
	generation_notified(&par);
	generation_watch(&par);
	assert_false(is_loading());
	par.stopping = false;
}

static void
test_low_memory_keep(void **state)
{
	uint32_t was = first_one();

	(void)state;
	meminfo = "MemAvailable: 102400 kB\n"; /* 131 MiB would do */
	begin();
	assert_int_equal(par.loaded.generation, was);
	if (strstr(par.last_reload_error, "MemAvailable leaves 100 MiB") ==
	    NULL)
		fail_msg("%s", par.last_reload_error);
	assert_int_equal(metrics->reload_low_memory_total, 1);
	meminfo = "MemAvailable: 204800 kB\n";
	begin();
	assert_int_equal(par.loaded.generation, was + 1);
}

static void
test_low_memory_stop_first(void **state)
{
	uint32_t was = first_one();
	pid_t old = par.current->pid;

	(void)state;
	act("ok");
	par.conf->reload_low_memory = CONF_RELOAD_LOW_MEMORY_STOP_FIRST;
	meminfo = "MemAvailable: 102400 kB\n";
	generation_begin(&par, "test");
	/* nothing serves, and the next one waits for the end of the old */
	assert_null(par.current);
	assert_null(par.loading);
	assert_int_equal(par.loaded.generation, 0);
	assert_int_equal(count_loaders(), 1);
	assert_int_equal(TAILQ_FIRST(&par.loaders)->pid, old);
	settle(1);
	assert_int_equal(par.loaded.generation, was + 1);
	assert_false(par.stop_first);
	/* and when the next one fails, it is tried again soon */
	act("refuse");
	par.conf->reload_low_memory = CONF_RELOAD_LOW_MEMORY_STOP_FIRST;
	generation_begin(&par, "test");
	settle(0);
	assert_int_equal(par.loaded.generation, 0);
	assert_true(par.retry_at_us < clock_mono_us() + 5000000);
	act("ok");
	par.retry_at_us = 0;
	generation_watch(&par);
	settle(1);
	assert_int_equal(par.loaded.generation, was + 3);
}

/* Without a loader lost workers are not replaced: it is tried in any case. */
static void
test_low_memory_without_loader(void **state)
{
	uint32_t was = first_one();

	(void)state;
	meminfo = "MemAvailable: 102400 kB\n";
	par.loader_deaths = 1; /* so that the next one does not come at once */
	(void)kill(par.current->pid, SIGKILL);
	settle(0);
	generation_begin(&par, "test");
	settle(1);
	assert_int_equal(par.loaded.generation, was + 1);
}

static void
test_old_one_that_stays(void **state)
{
	uint32_t was;

	(void)state;
	act("stays");
	was = first_one();
	/* three sets of folders: serving, ending, loading */
	for (int i = 0; i < 2; i++) {
		generation_begin(&par, "test");
		settle((unsigned int)i + 2);
	}
	assert_int_equal(par.loaded.generation, was + 2);
	generation_begin(&par, "test");
	assert_null(par.loading);
	assert_true(par.load_again);
	/* one that ends makes room */
	(void)kill(TAILQ_FIRST(&par.loaders)->pid, SIGKILL);
	settle(3);
	assert_int_equal(par.loaded.generation, was + 3);
}

/* The one child of a process that has one. */
static pid_t
child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)pid, (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	assert_int_equal(fscanf(f, "%d", &child), 1);
	assert_int_equal(fclose(f), 0);
	return child;
}

static int
nice_of(pid_t pid)
{
	return getpriority(PRIO_PROCESS, (id_t)pid);
}

/* A loader has the priority of its workers changed, and of nobody else. */
static void
test_priority(void **state)
{
	int usual = nice_of(0);
	pid_t child;

	(void)state;
	if (!priority_can_change()) {
		print_message("skipped: no CAP_SYS_NICE\n");
		skip();
	}
	act("priority");
	(void)first_one();
	if ((child = child_of(par.current->pid)) == 0) {
		print_message("skipped: the kernel lists no children\n");
		skip();
	}
	assert_int_equal(nice_of(child), usual + 10 < 19 ? usual + 10 : 19);
	assert_int_equal(nice_of(par.current->pid), usual);
	assert_int_equal(nice_of(0), usual);
	(void)kill(child, SIGKILL);
	act("priority-back");
	begin();
	child = child_of(par.current->pid);
	assert_int_equal(nice_of(child), usual);
	assert_int_equal(nice_of(par.current->pid), usual);
	(void)kill(child, SIGKILL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_takes_over),
		T(test_rolls_back),
		T(test_serving_too_early),
		T(test_dies_serving),
		T(test_many_at_once),
		T(test_notified),
		T(test_stopping),
		T(test_low_memory_keep),
		T(test_low_memory_stop_first),
		T(test_low_memory_without_loader),
		T(test_old_one_that_stays),
		T(test_priority),
	};

	log_init("test", LOG_ERROR);
	log_set_fd(LOG_EVENTS, open("/dev/null", O_WRONLY | O_CLOEXEC));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
