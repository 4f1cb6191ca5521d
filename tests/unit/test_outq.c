/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/outq.h"

#define WANT_MAX ((size_t)1 << 17)

/* A body in memory, one in a memfd and one in a file, and what must go out. */
static struct {
	struct spool_pool *pool;
	struct spool *mem, *memfd, *file;
	struct outq q;
	char want[WANT_MAX], got[WANT_MAX];
	size_t nwant, ngot;
} fx;

static struct spool *
spool_of(size_t size, char first)
{
	struct spool *s = spool_new(fx.pool, NULL, NULL);
	char piece[97];

	assert_non_null(s);
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(first + (char)(i % 26));
	for (size_t at = 0; at < size; at += sizeof(piece)) {
		size_t n =
		    size - at < sizeof(piece) ? size - at : sizeof(piece);

		assert_int_equal(spool_write(s, piece, n), SPOOL_OK);
	}
	assert_int_equal(spool_finish(s), 0);
	return s;
}

static int
setup(void **state)
{
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(dir != -1);
	memset(&fx, 0, sizeof(fx));
	fx.pool = spool_pool_new(dir, 1 << 20, 1 << 20);
	assert_non_null(fx.pool);
	fx.mem = spool_of(300, 'a');
	fx.memfd = spool_of(SPOOL_INLINE_MAX + 300, 'A');
	spool_pool_limits(fx.pool, 0, 1 << 20);
	fx.file = spool_of(SPOOL_INLINE_MAX + 5000, '0');
	assert_non_null(spool_data(fx.memfd));
	assert_true(spool_file(fx.file) != -1);
	outq_init(&fx.q);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	outq_free(&fx.q);
	spool_free(&fx.mem);
	spool_free(&fx.memfd);
	spool_free(&fx.file);
	spool_pool_free(&fx.pool);
	return 0;
}

static void
add_bytes(const char *text)
{
	assert_int_equal(buf_append_str(&fx.q.bytes, text), 0);
	memcpy(fx.want + fx.nwant, text, strlen(text));
	fx.nwant += strlen(text);
}

static void
add_range(const struct spool *s, uint64_t off, size_t len)
{
	assert_int_equal(outq_add_range(&fx.q, s, off, len), 0);
	assert_int_equal(spool_pread(s, fx.want + fx.nwant, len, off), len);
	fx.nwant += len;
}

/* Sends at most n bytes, as a socket would; false when nothing is left. */
static bool
send_some(size_t n, int max_iov)
{
	struct iovec iov[8];
	struct outq_file file;
	int count = outq_next(&fx.q, iov, max_iov, &file);
	size_t sent = 0, take;

	assert_true(count >= 0 && count <= max_iov);
	if (count == 0 && file.fd == -1)
		return false;
	if (count == 0) {
		sent = n < file.len ? n : file.len;
		assert_int_equal(
		    pread(file.fd, fx.got + fx.ngot, sent, (off_t)file.off),
		    sent);
	}
	for (int i = 0; i < count && sent < n; i++) {
		assert_true(iov[i].iov_len > 0);
		take = n - sent < iov[i].iov_len ? n - sent : iov[i].iov_len;
		memcpy(fx.got + fx.ngot + sent, iov[i].iov_base, take);
		sent += take;
	}
	assert_true(sent > 0);
	fx.ngot += sent;
	outq_sent(&fx.q, sent);
	return true;
}

static void
expect_sent(void)
{
	assert_int_equal(fx.ngot, fx.nwant);
	assert_memory_equal(fx.got, fx.want, fx.nwant);
	assert_int_equal(outq_pending(&fx.q), 0);
	fx.nwant = fx.ngot = 0;
}

/* A reply in chunks, from each kind of spool. */
static void
add_reply(void)
{
	add_bytes("ICAP/1.0 200 OK\r\n\r\n10\r\n");
	add_range(fx.mem, 0, 16);
	add_bytes("\r\n7\r\n");
	add_range(fx.memfd, 100, 7);
	add_range(fx.mem, 16, 5);
	add_bytes("\r\n3\r\n");
	add_range(fx.file, 10, 3);
	add_range(fx.file, 30, 9);
	add_bytes("\r\n0\r\n\r\n");
}

static void
empty_has_nothing(void **state)
{
	struct iovec iov[4];
	struct outq_file file;

	(void)state;
	assert_int_equal(outq_pending(&fx.q), 0);
	assert_int_equal(outq_next(&fx.q, iov, 4, &file), 0);
	assert_int_equal(file.fd, -1);
	assert_true(outq_has_room(&fx.q));
	assert_int_equal(outq_add_range(&fx.q, fx.mem, 0, 0), 0);
	assert_int_equal(outq_next(&fx.q, iov, 4, &file), 0);
}

/* Broken once at every place, then in pieces of every size. */
static void
same_stream_at_every_boundary(void **state)
{
	size_t total;

	(void)state;
	add_reply();
	total = fx.nwant;
	fx.nwant = 0;
	outq_free(&fx.q);
	for (size_t cut = 1; cut <= total; cut++)
		for (int iovs = 1; iovs <= 8; iovs += 7) {
			size_t before;

			add_reply();
			for (before = 0; before < cut; before = fx.ngot)
				assert_true(send_some(cut - before, iovs));
			assert_int_equal(outq_pending(&fx.q), total - cut);
			while (send_some(SIZE_MAX, iovs))
				continue;
			expect_sent();
		}
	for (size_t piece = 1; piece <= total; piece++) {
		add_reply();
		while (send_some(piece, 8))
			continue;
		expect_sent();
	}
}

/* More is added while a part is under way. */
static void
grows_while_sending(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 60; piece++) {
		for (int i = 0; i < 20; i++) {
			add_reply();
			for (int n = 0; n < 3; n++)
				(void)send_some(piece, 4);
			if (fx.q.nranges > OUTQ_MAX_RANGES - 6)
				while (send_some(piece, 4))
					continue;
		}
		while (send_some(piece, 4))
			continue;
		expect_sent();
	}
}

static void
ranges_are_bounded(void **state)
{
	(void)state;
	for (int i = 0; i < OUTQ_MAX_RANGES; i++) {
		assert_true(outq_has_room(&fx.q));
		add_range(i % 2 == 0 ? fx.mem : fx.file, (uint64_t)i, 1);
	}
	assert_false(outq_has_room(&fx.q));
	assert_int_equal(outq_add_range(&fx.q, fx.mem, 0, 1), -1);
	assert_int_equal(outq_pending(&fx.q), OUTQ_MAX_RANGES);
	assert_true(send_some(1, 8));
	assert_true(outq_has_room(&fx.q));
	add_range(fx.memfd, 5, 2); /* wraps around */
	while (send_some(SIZE_MAX, 8))
		continue;
	expect_sent();
}

/* A range goes out from where it is: nothing is copied. */
static void
ranges_are_not_copied(void **state)
{
	struct iovec iov[4];
	struct outq_file file;

	(void)state;
	add_bytes("x");
	add_range(fx.memfd, 50, 20000);
	add_range(fx.file, 60, 5000);
	assert_int_equal(outq_next(&fx.q, iov, 4, &file), 2);
	assert_ptr_equal(
	    iov[1].iov_base, (const char *)spool_data(fx.memfd) + 50);
	assert_int_equal(iov[1].iov_len, 20000);
	assert_int_equal(file.fd, spool_file(fx.file)); /* follows at once */
	assert_int_equal(fx.q.bytes.len, 1);
	outq_sent(&fx.q, 20001);
	assert_int_equal(outq_next(&fx.q, iov, 4, &file), 0);
	assert_int_equal(file.fd, spool_file(fx.file));
	assert_int_equal(file.off, 60);
	assert_int_equal(file.len, 5000);
	outq_sent(&fx.q, 1000);
	assert_int_equal(outq_next(&fx.q, iov, 4, &file), 0);
	assert_int_equal(file.off, 1060);
	assert_int_equal(file.len, 4000);
}

static void
bytes_are_bounded(void **state)
{
	static char big[OUTQ_MAX_BYTES];

	(void)state;
	assert_int_equal(buf_append(&fx.q.bytes, big, OUTQ_MAX_BYTES / 2), 0);
	assert_false(outq_has_room(&fx.q));
	assert_int_equal(
	    buf_append(&fx.q.bytes, big, OUTQ_MAX_BYTES / 2 + 1), -1);
	outq_sent(&fx.q, OUTQ_MAX_BYTES / 2);
	assert_true(outq_has_room(&fx.q));
}

/*
 * A queue that is never quite empty: what was sent must not fill it up, or a
 * long reply would end the room for its own chunk heads.
 */
static void
sent_bytes_make_room(void **state)
{
	static char big[OUTQ_MAX_BYTES / 4];
	struct iovec iov[4];
	struct outq_file file;

	(void)state;
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 40; i++) {
		assert_int_equal(buf_append(&fx.q.bytes, big, sizeof(big)), 0);
		assert_true(outq_next(&fx.q, iov, 4, &file) > 0);
		outq_sent(&fx.q, outq_pending(&fx.q) - 1);
		assert_true(outq_has_room(&fx.q));
	}
}

int
main(void)
{
#define OUTQ_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		OUTQ_TEST(empty_has_nothing),
		OUTQ_TEST(same_stream_at_every_boundary),
		OUTQ_TEST(grows_while_sending),
		OUTQ_TEST(ranges_are_bounded),
		OUTQ_TEST(ranges_are_not_copied),
		OUTQ_TEST(bytes_are_bounded),
		OUTQ_TEST(sent_bytes_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
