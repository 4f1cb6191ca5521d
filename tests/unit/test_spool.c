/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "net/spool.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1 << 20)
#define SPOOLS 4

struct fx;
struct waiter {
	struct fx *fx;
	struct spool *s;
	unsigned int woken;
	/* what it does when it is woken: writes so much more */
	size_t more;
	enum spool_rc rc;
};
struct fx {
	char dir[32];
	size_t fds_before;
	struct spool_pool *pool;
	struct waiter w[SPOOLS];
	char order[64]; /* of the wakes: indices */
	unsigned int norder;
};

static char data[4 << 20];

static size_t
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	assert_int_equal(closedir(d), 0);
	return n;
}

static void
wake(void *ctx)
{
	struct waiter *w = ctx;
	struct fx *fx = w->fx;

	w->woken++;
	assert_true(fx->norder < sizeof(fx->order) - 1);
	fx->order[fx->norder++] = (char)('0' + (w - fx->w));
	if (w->more > 0)
		w->rc = spool_write(w->s, data, w->more);
}

static int
setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	fx->fds_before = open_fds();
	(void)str_copy(
	    fx->dir, sizeof(fx->dir), SLICE_LIT("/tmp/tolsey-spool-XXXXXX"));
	assert_non_null(mkdtemp(fx->dir));
	*state = fx;
	return 0;
}

static void
make_pool(struct fx *fx, bool disk, uint64_t max_memory, uint64_t max_disk)
{
	int dir = disk ? open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	assert_true(!disk || dir != -1);
	fx->pool = spool_pool_new(dir, max_memory, max_disk);
	assert_non_null(fx->pool);
	for (int i = 0; i < SPOOLS; i++) {
		fx->w[i] = (struct waiter){ .fx = fx };
		fx->w[i].s = spool_new(fx->pool, wake, &fx->w[i]);
		assert_non_null(fx->w[i].s);
	}
}

/* Nothing is left: no byte, no descriptor, no file. */
static int
teardown(void **state)
{
	struct fx *fx = *state;
	int rc = 0;

	for (int i = 0; i < SPOOLS; i++)
		spool_free(&fx->w[i].s);
	if (spool_pool_memory(fx->pool) != 0 || spool_pool_disk(fx->pool) != 0)
		rc = -1;
	spool_pool_free(&fx->pool);
	if (rmdir(fx->dir) == -1 || open_fds() != fx->fds_before)
		rc = -1;
	free(fx);
	return rc;
}

/* Writes up to the size of `to` in uneven pieces. */
static void
fill_to(struct spool *s, size_t to)
{
	size_t piece = 1, at, n;

	while ((at = (size_t)spool_size(s)) < to) {
		n = to - at < piece ? to - at : piece;
		if (n > sizeof(data) - at % MIB)
			n = sizeof(data) - at % MIB;
		assert_int_equal(spool_write(s, data + at % MIB, n), SPOOL_OK);
		piece = piece * 3 < 3 * MIB ? piece * 3 + 1 : 1;
	}
}

enum { IS_INLINE, IS_MEMFD, IS_FILE };

static int
kind_of(const struct spool *s)
{
	if (spool_file(s) != -1) {
		assert_null(spool_data(s));
		assert_true(spool_lend(s) != -1);
		assert_true(spool_lend(s) != spool_file(s));
		return IS_FILE;
	}
	assert_non_null(spool_data(s));
	return spool_lend(s) == -1 ? IS_INLINE : IS_MEMFD;
}

/* Reads it back with fill_to()'s pattern in mind: byte by its offset. */
static void
expect_same(const struct spool *s, const char *want, size_t size)
{
	static char got[20 << 20];

	assert_int_equal(spool_size(s), size);
	memset(got, 0, size + 1);
	assert_int_equal(spool_pread(s, got, sizeof(got), 0), size);
	assert_memory_equal(got, want, size);
	if (spool_data(s) != NULL)
		assert_memory_equal(spool_data(s), want, size);
}

static void
grows_from_kind_to_kind(void **state)
{
	struct fx *fx = *state;
	static char want[20 << 20];
	struct spool *s;
	size_t at = 0;
	static const struct {
		size_t size;
		int kind;
	} steps[] = { { 0, IS_INLINE }, { 1, IS_INLINE },
		{ SPOOL_INLINE_MAX, IS_INLINE },
		{ SPOOL_INLINE_MAX + 1, IS_MEMFD }, { 1 << 20, IS_MEMFD },
		{ SPOOL_MEMFD_MAX, IS_MEMFD }, { SPOOL_MEMFD_MAX + 1, IS_FILE },
		{ SPOOL_MEMFD_MAX + 100000, IS_FILE } };

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	s = fx->w[0].s;
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (char)(i * 31 + i / 4093);
	for (size_t i = 0; i < COUNTOF(steps); i++) {
		assert_int_equal(
		    spool_write(s, want + at, steps[i].size - at), SPOOL_OK);
		at = steps[i].size;
		assert_int_equal(kind_of(s), steps[i].kind);
		assert_int_equal(spool_pool_memory(fx->pool),
		    steps[i].kind == IS_FILE ? 0 : at);
		assert_int_equal(spool_pool_disk(fx->pool),
		    steps[i].kind == IS_FILE ? at : 0);
		expect_same(s, want, at);
	}
	assert_int_equal(spool_finish(s), 0);
	expect_same(s, want, at);
}

static void
reads_at_borders(void **state)
{
	struct fx *fx = *state;
	static const size_t sizes[] = { 100, SPOOL_INLINE_MAX + 100,
		SPOOL_MEMFD_MAX + 100 };
	char got[64];

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		struct spool *s = fx->w[i].s;
		uint64_t end = sizes[i];

		fill_to(s, sizes[i]);
		assert_int_equal(kind_of(s), i);
		assert_int_equal(spool_pread(s, got, 0, 0), 0);
		assert_int_equal(spool_pread(s, got, sizeof(got), 0), 64);
		assert_int_equal(spool_pread(s, got, 64, end - 64), 64);
		assert_int_equal(spool_pread(s, got, 64, end - 63), 63);
		assert_int_equal(spool_pread(s, got, 64, end - 1), 1);
		assert_int_equal(spool_pread(s, got, 64, end), 0);
		assert_int_equal(spool_pread(s, got, 64, end + 1), 0);
		assert_int_equal(spool_pread(s, got, 64, UINT64_MAX), 0);
		assert_int_equal(spool_pread(s, got, SIZE_MAX, end - 9), 9);
	}
}

/* ---- what a worker can do with the descriptor ---- */

/* Runs in a child: bits of what succeeded though it must not. */
static int
attack(int fd, size_t size, const char *want)
{
	char path[32], got[4096];
	void *map;
	int rc = 0, again;

	/* it can read what it is to scan */
	if (pread(fd, got, sizeof(got), 0) != sizeof(got) ||
	    memcmp(got, want, sizeof(got)) != 0)
		rc |= 1;
	if (write(fd, "evil", 4) != -1 || pwrite(fd, "evil", 4, 0) != -1)
		rc |= 2;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		rc |= 4;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		rc |= 8;
	else if (mprotect(map, size, PROT_READ | PROT_WRITE) == 0)
		rc |= 16;
	if (ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 30) == 0)
		rc |= 32;
	if (fallocate(
		fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
		rc |= 64;
	/* opened anew, as another user: only a memfd is still sealed then */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (setresgid(65534, 65534, 65534) == 0 &&
	    setresuid(65534, 65534, 65534) == 0 &&
	    (again = open(path, O_RDWR)) != -1 &&
	    pwrite(again, "evil", 4, 0) != -1)
		rc |= 128;
	return rc;
}

static void
expect_attack_fails(const struct spool *s)
{
	char want[4096], after[4096];
	int status, fd = spool_lend(s);
	pid_t pid;

	assert_int_equal(spool_pread(s, want, sizeof(want), 0), sizeof(want));
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(attack(fd, (size_t)spool_size(s), want));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(
	    spool_pread(s, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(want, after, sizeof(want));
}

static void
worker_cannot_change_a_memfd(void **state)
{
	struct fx *fx = *state;
	struct spool *s;

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	s = fx->w[0].s;
	fill_to(s, 100 * KIB);
	assert_int_equal(kind_of(s), IS_MEMFD);
	expect_attack_fails(s);
	fill_to(s, 200 * KIB); /* but its owner goes on writing */
	assert_int_equal(spool_finish(s), 0);
	expect_attack_fails(s);
}

static void
worker_cannot_change_a_file(void **state)
{
	struct fx *fx = *state;
	struct spool *s;

	make_pool(fx, true, 0, 64 * MIB);
	s = fx->w[0].s;
	fill_to(s, 300 * KIB);
	assert_int_equal(kind_of(s), IS_FILE);
	expect_attack_fails(s);
}

/* ---- descriptors ---- */

/* One body has them; a second waits, small ones need none. */
static void
few_descriptors(void **state)
{
	struct fx *fx = *state;
	struct waiter *w = fx->w;

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	spool_pool_bodies(fx->pool, 1);
	fill_to(w[0].s, 100 * KIB);
	assert_int_equal(kind_of(w[0].s), IS_MEMFD);
	fill_to(w[1].s, SPOOL_INLINE_MAX);
	assert_int_equal(spool_write(w[1].s, data, 1), SPOOL_WAIT);
	assert_int_equal(spool_size(w[1].s), SPOOL_INLINE_MAX);
	fill_to(w[2].s, 1000);
	/* who has them goes on to a file, and waits for nobody */
	fill_to(w[0].s, SPOOL_MEMFD_MAX + 1);
	assert_int_equal(kind_of(w[0].s), IS_FILE);
	w[1].more = 1;
	spool_free(&w[0].s);
	assert_string_equal(fx->order, "1");
	assert_int_equal(w[1].rc, SPOOL_OK);
	assert_int_equal(kind_of(w[1].s), IS_MEMFD);
	/* nobody left to wait for */
	spool_free(&w[1].s);
	fill_to(w[2].s, 100 * KIB);
	assert_int_equal(kind_of(w[2].s), IS_MEMFD);
}

/* The same when the process has none, whoever took them. */
static void
no_descriptors(void **state)
{
	struct fx *fx = *state;
	struct rlimit was, none;

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	fill_to(fx->w[0].s, SPOOL_INLINE_MAX);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(spool_write(fx->w[0].s, data, 1), SPOOL_WAIT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(spool_write(fx->w[0].s, data, 1), SPOOL_OK);
	assert_int_equal(kind_of(fx->w[0].s), IS_MEMFD);
}

/* ---- receiving in place ---- */

static void
window_of_a_memfd(void **state)
{
	struct fx *fx = *state;
	struct spool *s;
	size_t len = 4096;
	char *p;

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	s = fx->w[0].s;
	fill_to(s, 1000);
	assert_null(spool_window(s, &len)); /* inline */
	fill_to(s, 80 * KIB);
	p = spool_window(s, &len);
	assert_non_null(p);
	assert_int_equal(len, 4096);
	memcpy(p, "0123456789", 10);
	spool_wrote(s, 10);
	assert_int_equal(spool_size(s), 80 * KIB + 10);
	assert_int_equal(spool_pool_memory(fx->pool), 80 * KIB + 10);
	assert_memory_equal(
	    (const char *)spool_data(s) + 80 * KIB, "0123456789", 10);
	fill_to(s, SPOOL_MEMFD_MAX - 5);
	len = 4096;
	assert_non_null(spool_window(s, &len));
	assert_int_equal(len, 5);
	spool_wrote(s, 5);
	len = 4096;
	assert_null(spool_window(s, &len));
	fill_to(s, SPOOL_MEMFD_MAX + 5);
	len = 4096;
	assert_null(spool_window(s, &len)); /* a file */
}

static void
window_keeps_to_the_budget(void **state)
{
	struct fx *fx = *state;
	size_t len = 64 * KIB;

	make_pool(fx, false, 116 * KIB, 0);
	fill_to(fx->w[0].s, 80 * KIB);
	assert_null(spool_window(fx->w[0].s, &len));
	len = 36 * KIB;
	assert_non_null(spool_window(fx->w[0].s, &len));
}

/* ---- budgets ---- */

static void
memory_used_up_goes_to_disk(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, true, 1 * MIB, 64 * MIB);
	fill_to(fx->w[0].s, 1 * MIB);
	assert_int_equal(kind_of(fx->w[0].s), IS_MEMFD);
	fill_to(fx->w[1].s, 1000); /* small ones may go a little over */
	assert_int_equal(kind_of(fx->w[1].s), IS_INLINE);
	fill_to(fx->w[2].s, 100 * KIB);
	assert_int_equal(kind_of(fx->w[2].s), IS_FILE);
	assert_int_equal(spool_pool_disk(fx->pool), 100 * KIB);
	assert_true(spool_pool_memory(fx->pool) <= 1 * MIB + 1000);
	spool_free(&fx->w[2].s);
	assert_int_equal(spool_pool_disk(fx->pool), 0);
}

static void
waits_and_wakes_in_order(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, false, 1 * MIB, 0);
	fill_to(fx->w[0].s, 1 * MIB);
	for (int i = 3; i >= 1; i--) {
		fx->w[i].more = 200 * KIB;
		assert_int_equal(
		    spool_write(fx->w[i].s, data, 200 * KIB), SPOOL_WAIT);
		assert_int_equal(spool_size(fx->w[i].s), 0);
		/* asking again keeps the place */
		assert_int_equal(
		    spool_write(fx->w[3].s, data, 200 * KIB), SPOOL_WAIT);
	}
	assert_int_equal(fx->norder, 0);
	spool_free(&fx->w[0].s);
	assert_string_equal(fx->order, "321");
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(fx->w[i].rc, SPOOL_OK);
		expect_same(fx->w[i].s, data, 200 * KIB);
	}
}

/* The oldest does not fit yet: no younger one overtakes it. */
static void
woken_in_vain_keeps_its_place(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, false, 1 * MIB, 0);
	fill_to(fx->w[0].s, 300 * KIB);
	fill_to(fx->w[1].s, 700 * KIB);
	fx->w[2].more = 900 * KIB;
	fx->w[3].more = 310 * KIB;
	assert_int_equal(
	    spool_write(fx->w[2].s, data, fx->w[2].more), SPOOL_WAIT);
	assert_int_equal(
	    spool_write(fx->w[3].s, data, fx->w[3].more), SPOOL_WAIT);
	spool_free(&fx->w[0].s);
	assert_string_equal(fx->order, "2");
	assert_int_equal(fx->w[2].rc, SPOOL_WAIT);
	spool_free(&fx->w[1].s);
	assert_string_equal(fx->order, "223");
	assert_int_equal(fx->w[2].rc, SPOOL_OK);
	assert_int_equal(fx->w[3].rc, SPOOL_WAIT);
	spool_free(&fx->w[2].s);
	assert_string_equal(fx->order, "2233");
	assert_int_equal(fx->w[3].rc, SPOOL_OK);
}

static void
freed_while_waiting(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, false, 1 * MIB, 0);
	fill_to(fx->w[0].s, 1 * MIB);
	assert_int_equal(spool_write(fx->w[1].s, data, MIB), SPOOL_WAIT);
	assert_int_equal(spool_write(fx->w[2].s, data, MIB), SPOOL_WAIT);
	spool_free(&fx->w[1].s);
	spool_free(&fx->w[0].s);
	assert_int_equal(fx->w[1].woken, 0);
	assert_int_equal(fx->w[2].woken, 1);
}

static void
finished_no_longer_waits(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, false, 1 * MIB, 0);
	fill_to(fx->w[0].s, 1 * MIB);
	assert_int_equal(spool_write(fx->w[1].s, data, MIB), SPOOL_WAIT);
	assert_int_equal(spool_finish(fx->w[1].s), 0);
	spool_free(&fx->w[0].s);
	assert_int_equal(fx->w[1].woken, 0);
}

static void
disk_limit_waits(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, true, 0, 1 * MIB);
	fill_to(fx->w[0].s, 900 * KIB);
	assert_int_equal(kind_of(fx->w[0].s), IS_FILE);
	fx->w[1].more = 200 * KIB;
	assert_int_equal(spool_write(fx->w[1].s, data, 200 * KIB), SPOOL_WAIT);
	assert_int_equal(spool_write(fx->w[0].s, data, 200 * KIB), SPOOL_WAIT);
	assert_int_equal(spool_size(fx->w[0].s), 900 * KIB);
	assert_int_equal(spool_pool_disk(fx->pool), 900 * KIB);
	spool_free(&fx->w[0].s);
	assert_int_equal(fx->w[1].woken, 1);
	assert_int_equal(fx->w[1].rc, SPOOL_OK);
}

/* Space on disk that becomes free wakes those that wait for the disk. */
static void
all_that_fit_are_woken(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, true, 0, 1 * MIB);
	fill_to(fx->w[0].s, 1 * MIB);
	for (int i = 1; i <= 3; i++) {
		fx->w[i].more = 200 * KIB;
		assert_int_equal(
		    spool_write(fx->w[i].s, data, 200 * KIB), SPOOL_WAIT);
	}
	spool_free(&fx->w[0].s);
	assert_string_equal(fx->order, "123");
}

static void
too_large_without_disk(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, false, 64 * MIB, 0);
	fill_to(fx->w[0].s, SPOOL_MEMFD_MAX);
	errno = 0;
	assert_int_equal(spool_write(fx->w[0].s, "x", 1), SPOOL_ERROR);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(spool_size(fx->w[0].s), SPOOL_MEMFD_MAX);
}

static void
new_limits_hold(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, true, 64 * MIB, 64 * MIB);
	fill_to(fx->w[0].s, 1 * MIB);
	spool_pool_limits(fx->pool, 100 * KIB, 64 * MIB);
	fill_to(fx->w[0].s, 1 * MIB + 1); /* moves out */
	assert_int_equal(kind_of(fx->w[0].s), IS_FILE);
	assert_int_equal(spool_pool_memory(fx->pool), 0);
}

/* The folder is gone: an error, and what was there stays readable. */
static void
folder_gone_is_an_error(void **state)
{
	struct fx *fx = *state;

	make_pool(fx, true, 1 * MIB, 64 * MIB);
	fill_to(fx->w[0].s, 1 * MIB);
	assert_int_equal(rmdir(fx->dir), 0);
	assert_int_equal(spool_write(fx->w[0].s, "x", 1), SPOOL_ERROR);
	assert_int_equal(spool_size(fx->w[0].s), 1 * MIB);
	assert_int_equal(spool_pool_memory(fx->pool), 1 * MIB);
	assert_int_equal(spool_pool_disk(fx->pool), 0);
	assert_int_equal(mkdir(fx->dir, 0700), 0);
}

/* Never through memory, where there is a disk for it. */
static void
expected_to_be_large(void **state)
{
	struct fx *fx = *state;
	struct spool *s, *small, *crowded;

	make_pool(fx, true, 64 * MIB, 20 * MIB);
	s = fx->w[0].s;
	small = fx->w[1].s;
	crowded = fx->w[2].s;
	spool_expect(s, SPOOL_MEMFD_MAX + 1);
	spool_expect(small, SPOOL_MEMFD_MAX);
	spool_expect(crowded, SPOOL_MEMFD_MAX + 1);
	fill_to(s, SPOOL_INLINE_MAX);
	assert_int_equal(kind_of(s), IS_INLINE);
	fill_to(s, SPOOL_INLINE_MAX + 1);
	assert_int_equal(kind_of(s), IS_FILE);
	fill_to(small, SPOOL_INLINE_MAX + 1);
	assert_int_equal(kind_of(small), IS_MEMFD);
	fill_to(s, 20 * MIB);
	fill_to(crowded, SPOOL_INLINE_MAX + 1);
	assert_int_equal(kind_of(crowded), IS_MEMFD);
}

int
main(void)
{
#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(grows_from_kind_to_kind),
		SPOOL_TEST(expected_to_be_large),
		SPOOL_TEST(reads_at_borders),
		SPOOL_TEST(worker_cannot_change_a_memfd),
		SPOOL_TEST(worker_cannot_change_a_file),
		SPOOL_TEST(few_descriptors),
		SPOOL_TEST(no_descriptors),
		SPOOL_TEST(window_of_a_memfd),
		SPOOL_TEST(window_keeps_to_the_budget),
		SPOOL_TEST(memory_used_up_goes_to_disk),
		SPOOL_TEST(waits_and_wakes_in_order),
		SPOOL_TEST(woken_in_vain_keeps_its_place),
		SPOOL_TEST(freed_while_waiting),
		SPOOL_TEST(finished_no_longer_waits),
		SPOOL_TEST(disk_limit_waits),
		SPOOL_TEST(all_that_fit_are_woken),
		SPOOL_TEST(too_large_without_disk),
		SPOOL_TEST(new_limits_hold),
		SPOOL_TEST(folder_gone_is_an_error),
	};

	/* it opens what it writes to */
	log_warn("begin", "test=spool");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
