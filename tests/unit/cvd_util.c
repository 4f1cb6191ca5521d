/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/cvd_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/hash.h"

/*
 * libclamav leaks a digest of libcrypto for each container that it loads: for
 * LeakSanitizer, in the programs that make containers.
 */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(
    void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libcrypto.so\n";
}

#define HEAD "ClamAV-VDB:28 Nov 2025 02-28 +0000:1:1:90:X:X:unit:1764297000"

static void
add(struct buf *b, const void *p, size_t len)
{
	assert_int_equal(buf_append(b, p, len), 0);
}

static void
pad(struct buf *b, size_t to, char c)
{
	while (b->len < to)
		add(b, &c, 1);
}

static void
add_member(struct buf *tar, const char *name, const char *text, size_t len)
{
	char head[512] = "";
	unsigned int sum = 0;

	(void)snprintf(head, 100, "%s", name);
	(void)snprintf(head + 100, 8, "0000644");
	(void)snprintf(head + 108, 8, "0000000");
	(void)snprintf(head + 116, 8, "0000000");
	(void)snprintf(head + 124, 12, "%011zo", len);
	(void)snprintf(head + 136, 12, "00000000000");
	memset(head + 148, ' ', 8);
	head[156] = '0';
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	(void)snprintf(head + 148, 8, "%06o", sum);
	add(tar, head, sizeof(head));
	add(tar, text, len);
	pad(tar, (tar->len + 511) / 512 * 512, '\0');
}

/* What the library wants to see listed: name, size and hash of each file. */
static void
add_list(struct buf *tar, const struct cvd_file *files, size_t n)
{
	unsigned char digest[HASH_LEN];
	char hex[HASH_HEX_LEN];
	struct buf list;

	buf_init(&list, 65536);
	assert_int_equal(buf_append_str(&list, HEAD "\n"), 0);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(files[i].text);

		if (strcmp(files[i].name, "COPYING") == 0)
			continue;
		assert_int_equal(hash_once(files[i].text, len, digest), 0);
		hash_hex(digest, hex);
		assert_int_equal(
		    buf_printf(&list, "%s:%zu:%s\n", files[i].name, len, hex),
		    0);
	}
	add_member(tar, "x.info", list.p, list.len);
	buf_free(&list);
}

static void
add_gzip(struct buf *b, const struct buf *tar)
{
	z_stream z = { 0 };
	static unsigned char out[1 << 20];

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, 0), Z_OK);
	z.next_in = (Bytef *)tar->p;
	z.avail_in = (uInt)tar->len;
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	add(b, out, z.total_out);
	(void)deflateEnd(&z);
}

void
make_cvd(struct buf *b, const struct cvd_file *files, size_t n, bool packed)
{
	struct buf tar;

	buf_init(b, 16 << 20);
	buf_init(&tar, 16 << 20);
	for (size_t i = 0; i < n; i++) {
		add_member(
		    &tar, files[i].name, files[i].text, strlen(files[i].text));
		if (i == 0)
			add_list(&tar, files, n);
	}
	pad(&tar, tar.len + 1024, '\0');
	add(b, HEAD, strlen(HEAD));
	pad(b, 512, ' ');
	if (packed)
		add_gzip(b, &tar);
	else
		add(b, tar.p, tar.len);
	buf_free(&tar);
}
