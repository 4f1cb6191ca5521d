/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "tests/unit/fake_clamav.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake fake;
long long fake_max_file_size;

struct cl_engine {
	clcb_pre_cache pre_cache;
	clcb_post_scan post_scan;
	clcb_file_inspection inspection;
	clcb_meta meta;
	clcb_virus_found found;
};
struct cl_fmap {
	const void *p;
	size_t len;
};
static clcb_msg message;

/* clamav.h declares them as imported; here they are. */
#define FAKE __attribute__((visibility("default")))

FAKE cl_error_t
cl_init(unsigned int options)
{
	(void)options;
	return CL_SUCCESS;
}

FAKE void
cl_set_clcb_msg(clcb_msg callback)
{
	message = callback;
}

FAKE struct cl_engine *
cl_engine_new(void)
{
	return calloc(1, sizeof(struct cl_engine));
}

FAKE cl_error_t
cl_engine_free(struct cl_engine *e)
{
	free(e);
	return CL_SUCCESS;
}

FAKE cl_error_t
cl_engine_compile(struct cl_engine *e)
{
	(void)e;
	return CL_SUCCESS;
}

FAKE cl_error_t
cl_engine_set_num(
    struct cl_engine *e, enum cl_engine_field field, long long num)
{
	(void)e;
	if (field == CL_ENGINE_MAX_FILESIZE)
		fake_max_file_size = num;
	return (fake.how & FAKE_NO_LIMIT) != 0 ? CL_EARG : CL_SUCCESS;
}

FAKE cl_error_t
cl_engine_set_str(
    struct cl_engine *e, enum cl_engine_field field, const char *text)
{
	(void)e, (void)field, (void)text;
	return CL_SUCCESS;
}

FAKE void
cl_engine_set_clcb_pre_cache(struct cl_engine *e, clcb_pre_cache callback)
{
	e->pre_cache = callback;
}

FAKE void
cl_engine_set_clcb_post_scan(struct cl_engine *e, clcb_post_scan callback)
{
	e->post_scan = callback;
}

FAKE void
cl_engine_set_clcb_file_inspection(
    struct cl_engine *e, clcb_file_inspection callback)
{
	e->inspection = callback;
}

FAKE void
cl_engine_set_clcb_meta(struct cl_engine *e, clcb_meta callback)
{
	e->meta = callback;
}

FAKE void
cl_engine_set_clcb_virus_found(struct cl_engine *e, clcb_virus_found callback)
{
	e->found = callback;
}

FAKE void
cl_engine_set_clcb_sigload(
    struct cl_engine *e, clcb_sigload callback, void *context)
{
	(void)e, (void)callback, (void)context;
}

FAKE cl_error_t
cl_load(const char *path, struct cl_engine *e, unsigned int *signo,
    unsigned int options)
{
	(void)path, (void)e, (void)options;
	*signo += fake.signatures;
	return fake.load_rc;
}

FAKE const char *
cl_retver(void)
{
	return "0.0";
}

FAKE unsigned int
cl_retflevel(void)
{
	return 1;
}

FAKE const char *
cl_strerror(cl_error_t rc)
{
	return rc == CL_CLEAN ? "fine" : "not fine";
}

FAKE cl_fmap_t *
cl_fmap_open_memory(const void *p, size_t len)
{
	struct cl_fmap *m;

	if ((fake.how & FAKE_NO_MAP) != 0)
		return NULL;
	m = malloc(sizeof(*m));
	if (m != NULL)
		*m = (struct cl_fmap){ p, len };
	return m;
}

FAKE void
cl_fmap_close(cl_fmap_t *m)
{
	free(m);
}

static bool
does(unsigned int what)
{
	return (fake.how & what) != 0;
}

/* A file that may be only so long. */
static void
write_short(void)
{
	char name[] = "/tmp/fake_clamav.XXXXXX", block[4096] = "";
	struct rlimit have, r;
	int fd = mkstemp(name);

	if (fd < 0 || getrlimit(RLIMIT_FSIZE, &have) != 0)
		abort();
	r = have;
	r.rlim_cur = 1000;
	if (setrlimit(RLIMIT_FSIZE, &r) != 0 ||
	    write(fd, block, sizeof(block)) != 1000 ||
	    setrlimit(RLIMIT_FSIZE, &have) != 0 || close(fd) != 0 ||
	    unlink(name) != 0)
		abort();
}

static void
use_files(void)
{
	int fd;

	if (does(FAKE_FULL)) {
		fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "x", 1) != -1 || close(fd) != 0)
			abort();
	}
	if (does(FAKE_SHORT))
		write_short();
	if (does(FAKE_NO_FOLDER) && mkdir("/nonexistent/a", 0700) == 0)
		abort();
	if (does(FAKE_NO_FILE) &&
	    open("/nonexistent/a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
		abort();
}

static void
look_inside(const struct cl_engine *e, const struct cl_fmap *m, void *ctx)
{
	size_t long_one = (size_t)fake_max_file_size + 1;

	if (does(FAKE_LONG_MEMBER))
		(void)e->meta(
		    "CL_TYPE_ZIP", m->len, "member", long_one, 0, 1, ctx);
	if (does(FAKE_LONG_LAYER)) {
		(void)e->pre_cache(-1, "CL_TYPE_ANY", ctx);
		(void)e->inspection(-1, "CL_TYPE_ANY", NULL, m->len, "member",
		    long_one, "x", 1, 0, ctx);
		(void)e->post_scan(-1, CL_CLEAN, NULL, ctx);
	}
	if (does(FAKE_UNREADABLE))
		(void)e->inspection(-1, "CL_TYPE_ANY", NULL, m->len, "member",
		    100, NULL, 1, 0, ctx);
}

FAKE cl_error_t
cl_scanmap_callback(cl_fmap_t *m, const char *filename, const char **virname,
    unsigned long int *scanned, const struct cl_engine *e,
    struct cl_scan_options *options, void *ctx)
{
	(void)filename, (void)scanned;
	fake.scans++;
	fake.options = *options;
	if (!does(FAKE_NO_LAYER)) {
		(void)e->pre_cache(-1, "CL_TYPE_ZIP", ctx);
		(void)e->inspection(
		    -1, "CL_TYPE_ZIP", NULL, 0, NULL, m->len, m->p, 0, 0, ctx);
	}
	use_files();
	look_inside(e, m, ctx);
	if (does(FAKE_ERROR))
		message(CL_MSG_ERROR, "LibClamAV Error: no", "no\n", NULL);
	if (does(FAKE_WARNING))
		message(CL_MSG_WARN, "LibClamAV Warning: well", "well\n", NULL);
	if (does(FAKE_FOUND))
		e->found(-1, fake.name, ctx);
	if (!does(FAKE_NO_LAYER))
		(void)e->post_scan(-1, CL_CLEAN, NULL, ctx);
	if (does(FAKE_LAST_NAME))
		*virname = fake.name;
	if (does(FAKE_NO_NAME | FAKE_LAST_NAME | FAKE_FOUND))
		return CL_VIRUS;
	return fake.rc;
}
