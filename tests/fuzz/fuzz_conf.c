/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Any bytes as tolsey.conf: it is refused with a reason, or what was read is
 * the same again after the way between processes.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "conf/conf.h"
#include "tests/fuzz/fuzz.h"

#define DUMP_MAX ((size_t)16 << 20)

static void
same_again(const struct conf *c)
{
	struct conf_errors err;
	struct buf dump, again;
	struct conf *copy;

	buf_init(&dump, DUMP_MAX);
	buf_init(&again, DUMP_MAX);
	conf_errors_init(&err);
	CHECK(conf_dump(c, &dump) == 0);
	copy = conf_parse_dump(buf_slice(&dump), &err);
	CHECK(copy != NULL);
	CHECK(conf_dump(copy, &again) == 0);
	CHECK(slice_eq(buf_slice(&dump), buf_slice(&again)));
	conf_unref(&copy);
	conf_errors_free(&err);
	buf_free(&dump);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors err;
	struct conf *c;
	char path[64];
	int fd = memfd_create("conf", MFD_CLOEXEC);

	CHECK(fd != -1 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf_errors_init(&err);
	c = conf_load(path, NULL, 0, &err);
	CHECK((c == NULL) == (err.count > 0));
	if (c != NULL)
		same_again(c);
	conf_unref(&c);
	conf_errors_free(&err);
	(void)close(fd);
	return 0;
}
