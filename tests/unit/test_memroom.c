/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* How much memory there is, by texts of /proc and /sys of other machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/conf.h"
#include "sys/memroom.h"
#include "sys/temproom.h"

#define MIB ((uint64_t)1 << 20)

struct file {
	const char *path, *text;
};
static const struct file *files;
static size_t nfiles;

static ssize_t
fake_read(void *ctx, const char *path, char *out, size_t len)
{
	assert_ptr_equal(ctx, &files);
	for (size_t i = 0; i < nfiles; i++)
		if (strcmp(files[i].path, path) == 0)
			return (ssize_t)str_copy(
			    out, len, slice_of(files[i].text));
	return -1;
}

static const struct memroom_source source = { fake_read, &files };

static struct memroom
room(const struct file *f, size_t n)
{
	struct memroom m;

	files = f;
	nfiles = n;
	memroom_now(&source, &m);
	return m;
}

#define ROOM(f) room((f), COUNTOF(f))

/* 8000 MiB available */
#define MEMINFO \
	"MemTotal:       16384000 kB\nMemFree:          100000 kB\n" \
	"MemAvailable:    8192000 kB\nBuffers:             100 kB\n"
#define V2_MOUNT \
	"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 " \
	"rw,nsdelegate\n"
#define V1_MOUNT \
	"24 18 0:21 / /proc rw - proc proc rw\n" \
	"37 32 0:30 / /sys/fs/cgroup/cpu rw,nosuid - cgroup none rw,cpu\n" \
	"39 32 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup none " \
	"rw,memory\n"
#define V1_CGROUP "9:name=systemd:/\n4:memory:/docker/abc\n0::/\n"

static void
is_room(struct memroom m, uint64_t bytes, const char *what)
{
	if (m.bytes != bytes || strcmp(m.what, what) != 0)
		fail_msg("%ju of %s instead of %ju of %s", (uintmax_t)m.bytes,
		    m.what, (uintmax_t)bytes, what);
}

static void
test_machine(void **state)
{
	static const struct file f[] = { { "/proc/meminfo", MEMINFO } };
	static const struct file odd[] = { { "/proc/meminfo",
	    "MemAvailable: lots\n" } };

	(void)state;
	is_room(ROOM(f), 8000 * MIB, "MemAvailable");
	assert_true(ROOM(odd).bytes == UINT64_MAX);
	assert_true(room(NULL, 0).bytes == UINT64_MAX);
}

static uint64_t
temp_each(const char *size, const char *max, char *why, size_t len)
{
	static const struct file f[] = { { "/proc/meminfo", MEMINFO } };
	const char *const o[] = { "ScanWorkers 2", max, size };
	struct conf_errors err;
	struct conf *c;
	uint64_t each;

	conf_errors_init(&err);
	c = conf_load(NULL, o, COUNTOF(o), &err);
	if (c == NULL)
		fail_msg("%s", buf_cstr(&err.text));
	conf_errors_free(&err);
	files = f;
	nfiles = COUNTOF(f);
	each = temproom_each(&source, c, why, len);
	conf_unref(&c);
	return each;
}

/* 8000 MiB are free. */
static void
test_temporary_space(void **state)
{
	char why[512];

	(void)state;
	/* a share for each of the most workers that there may be */
	assert_true(temp_each("WorkerTempSize 0", "ScanWorkersMax 10", why,
			sizeof(why)) == 800 * MIB);
	assert_string_equal(why, "");
	assert_true(temp_each("WorkerTempSize 0", "ScanWorkersMax 2", why,
			sizeof(why)) == 2048 * MIB);
	assert_string_equal(why, "");
	assert_true(temp_each("WorkerTempSize 0", "ScanWorkersMax 100", why,
			sizeof(why)) == 512 * MIB);
	assert_non_null(strstr(why, "may take 51200M"));
	assert_non_null(strstr(why, "MemAvailable is 8000M"));
	assert_non_null(strstr(why, "set WorkerTempSize to 80M"));
	/* as told, and said */
	assert_true(temp_each("WorkerTempSize 4000M", "ScanWorkersMax 2", why,
			sizeof(why)) == 4000 * MIB);
	assert_string_equal(why, "");
	assert_true(temp_each("WorkerTempSize 4001M", "ScanWorkersMax 2", why,
			sizeof(why)) == 4001 * MIB);
	assert_non_null(strstr(why, "may take 8002M"));
	temproom_of_folder("/proc", MIB, 2, why, sizeof(why));
	assert_non_null(strstr(why, "the free space of /proc is 0M"));
	temproom_of_folder("/nonexistent", MIB, 2, why, sizeof(why));
	assert_string_equal(why, "");
}

#define UNIT "/sys/fs/cgroup/system.slice/tolsey.service"

static void
test_v2(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", MEMINFO },
		{ "/proc/self/cgroup", "0::/system.slice/tolsey.service\n" },
		{ "/proc/self/mountinfo", V2_MOUNT },
		{ UNIT "/memory.max", "2147483648\n" },
		{ UNIT "/memory.high", "max\n" },
		{ UNIT "/memory.current", "1572864000\n" },
		{ UNIT "/memory.stat",
		    "anon 1048576000\nfile 524288000\n"
		    "inactive_file 209715200\nactive_file 104857600\n"
		    "workingset_activate_file 7\nslab_reclaimable 0\n" },
	};

	(void)state;
	/* 2048 MiB, of which 1500 - 300 are used */
	is_room(ROOM(f), 848 * MIB, "memory.max of " UNIT);
}

static void
test_v2_high(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", MEMINFO },
		{ "/proc/self/cgroup", "0::/system.slice/tolsey.service\n" },
		{ "/proc/self/mountinfo", V2_MOUNT },
		{ UNIT "/memory.max", "2147483648\n" },
		{ UNIT "/memory.high", "1073741824\n" },
		{ UNIT "/memory.current", "536870912\n" },
	};

	(void)state;
	is_room(ROOM(f), 512 * MIB, "memory.high of " UNIT);
}

/* A limit of a group above counts as well; one that is passed leaves none. */
static void
test_v2_above(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", MEMINFO },
		{ "/proc/self/cgroup", "0::/system.slice/tolsey.service\n" },
		{ "/proc/self/mountinfo", V2_MOUNT },
		{ UNIT "/memory.max", "max\n" },
		{ UNIT "/memory.current", "1\n" },
		{ "/sys/fs/cgroup/system.slice/memory.max", "1073741824\n" },
		{ "/sys/fs/cgroup/system.slice/memory.current",
		    "1073745920\n" },
	};

	(void)state;
	is_room(ROOM(f), 0, "memory.max of /sys/fs/cgroup/system.slice");
}

static void
test_v1(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", MEMINFO },
		{ "/proc/self/cgroup", V1_CGROUP },
		{ "/proc/self/mountinfo", V1_MOUNT },
		{ "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes",
		    "1073741824\n" },
		{ "/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes",
		    "943718400\n" },
		{ "/sys/fs/cgroup/memory/docker/abc/memory.stat",
		    "cache 1\ninactive_file 5\ntotal_inactive_file "
		    "104857600\ntotal_active_file 104857600\n" },
		/* no limit, in the words of v1 */
		{ "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		    "9223372036854771712\n" },
		{ "/sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n" },
	};

	(void)state;
	is_room(ROOM(f), 324 * MIB,
	    "memory.limit_in_bytes of /sys/fs/cgroup/memory/docker/abc");
}

/* A container sees its own part of the tree as the mount. */
static void
test_v1_container(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", MEMINFO },
		{ "/proc/self/cgroup", V1_CGROUP },
		{ "/proc/self/mountinfo",
		    "39 32 0:32 /docker/abc /sys/fs/cgroup/memory ro master:11 "
		    "- cgroup cgroup rw,memory\n" },
		{ "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		    "1073741824\n" },
		{ "/sys/fs/cgroup/memory/memory.usage_in_bytes",
		    "536870912\n" },
	};

	(void)state;
	is_room(ROOM(f), 512 * MIB,
	    "memory.limit_in_bytes of /sys/fs/cgroup/memory");
}

/* The machine has less than the group permits. */
static void
test_less_of_machine(void **state)
{
	static const struct file f[] = {
		{ "/proc/meminfo", "MemAvailable: 102400 kB\n" },
		{ "/proc/self/cgroup", "0::/\n" },
		{ "/proc/self/mountinfo", V2_MOUNT },
		{ "/sys/fs/cgroup/memory.max", "1073741824\n" },
		{ "/sys/fs/cgroup/memory.current", "0\n" },
	};

	(void)state;
	is_room(ROOM(f), 100 * MIB, "MemAvailable");
}

static void
test_nonsense(void **state)
{
	static const struct file f[] = {
		{ "/proc/self/cgroup", "::::\n\n4:memory\n0::\n" },
		{ "/proc/self/mountinfo",
		    "1 2 3\n- - -\n\n39 32 0:32 / - -\n" },
	};
	static const struct file g[] = {
		{ "/proc/self/cgroup", "0::/x\n" },
		{ "/proc/self/mountinfo", V2_MOUNT },
		{ "/sys/fs/cgroup/x/memory.max", "-5\n" },
		{ "/sys/fs/cgroup/x/memory.current", "" },
	};

	(void)state;
	assert_true(ROOM(f).bytes == UINT64_MAX);
	assert_true(ROOM(g).bytes == UINT64_MAX);
}

static void
test_process(void **state)
{
	static const struct file f[] = {
		{ "/proc/7/statm", "100000 60000 10000 1 0 500 0\n" },
		{ "/proc/8/statm", "1 2\n" },
	};
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), before, after;
	size_t len = 64 << 20;
	void *p;

	(void)state;
	files = f;
	nfiles = COUNTOF(f);
	assert_true(memroom_of_process(&source, 7) == 50000 * page);
	assert_int_equal(memroom_of_process(&source, 8), 0);
	assert_int_equal(memroom_of_process(&source, 9), 0);
	/* of ourselves */
	before = memroom_of_process(&memroom_system, getpid());
	assert_true(before > 0);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 1, len);
	after = memroom_of_process(&memroom_system, getpid());
	assert_true(after > before + len * 9 / 10);
	assert_true(after < before + len * 11 / 10 + MIB);
	(void)munmap(p, len);
}

static void
test_here(void **state)
{
	struct memroom m;

	(void)state;
	memroom_now(&memroom_system, &m);
	assert_true(m.bytes < UINT64_MAX);
	assert_true(m.what[0] != '\0');
	assert_true(memroom_need(800 * MIB) == 916 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_temporary_space),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v2_high),
		cmocka_unit_test(test_v2_above),
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v1_container),
		cmocka_unit_test(test_less_of_machine),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
