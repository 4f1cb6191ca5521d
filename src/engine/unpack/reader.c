/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/unpack/reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/unpack/rar5.h"

#define MAX_RETRIES 1000
#define EMPTY_MAX 64 /* bytes that nothing may be packed into */

typedef int (*support)(struct archive *a);
/*
 * What libarchive is told to expect: a format that it recognises, or a filter
 * that is applied once, whatever comes out of it. Those that must see their
 * bytes before cannot be applied so; they are recognised.
 */
static const struct {
	support format;
	int filter;
	support recognised;
} formats[READER_NFORMATS] = {
	[READER_ZIP_DIRECTORY] = { archive_read_support_format_zip_seekable, 0,
	    NULL },
	[READER_ZIP_STREAM] = { archive_read_support_format_zip_streamable, 0,
	    NULL },
	[READER_RAR] = { archive_read_support_format_rar, 0, NULL },
	[READER_7Z] = { archive_read_support_format_7zip, 0, NULL },
	[READER_CAB] = { archive_read_support_format_cab, 0, NULL },
	[READER_XAR] = { archive_read_support_format_xar, 0, NULL },
	[READER_ISO] = { archive_read_support_format_iso9660, 0, NULL },
	[READER_LHA] = { archive_read_support_format_lha, 0, NULL },
	[READER_CPIO] = { archive_read_support_format_cpio, 0, NULL },
	[READER_TAR] = { archive_read_support_format_tar, 0, NULL },
	[READER_AR] = { archive_read_support_format_ar, 0, NULL },
	[READER_WARC] = { archive_read_support_format_warc, 0, NULL },
	[READER_BZIP2] = { NULL, ARCHIVE_FILTER_BZIP2, NULL },
	[READER_ZSTD] = { NULL, ARCHIVE_FILTER_ZSTD, NULL },
	[READER_LZ4] = { NULL, ARCHIVE_FILTER_LZ4, NULL },
	[READER_LZIP] = { NULL, ARCHIVE_FILTER_LZIP, NULL },
	[READER_LZMA] = { NULL, ARCHIVE_FILTER_LZMA, NULL },
	[READER_COMPRESS] = { NULL, 0, archive_read_support_filter_compress },
	[READER_RPM] = { NULL, 0, archive_read_support_filter_rpm },
};

/*
 * Behind a zip that is read from its front: an end of the directory. Without
 * one the library takes the end of the file for a fault.
 */
static const char zip_tail[46] = "PK\5\6";

/* One archive while it is read. */
struct reading {
	struct archive *a;
	struct archive_entry *entry;
	enum reader_format format;
	uint64_t deadline_us, number;
	struct slice blocks[2]; /* that are still to be given to the library */
	struct rar5_walk rar5;
	bool long_enough; /* to have contents */
	bool encrypted;   /* of the present member */
	bool failed;      /* something could not be read */
	bool fatal;       /* and the library gives up */
};

static enum reader_rc
set_up(struct reading *r, enum reader_format f)
{
	support format = formats[f].format;
	int rc = ARCHIVE_OK;

	if (format != NULL)
		rc = format(r->a);
	if (f == READER_RAR && rc == ARCHIVE_OK)
		rc = archive_read_support_format_rar5(r->a);
	if (formats[f].filter != 0)
		rc = archive_read_append_filter(r->a, formats[f].filter);
	if (formats[f].recognised != NULL)
		rc = formats[f].recognised(r->a);
	if (format == NULL && rc == ARCHIVE_OK)
		rc = archive_read_support_format_raw(r->a);
	if (format == NULL && rc == ARCHIVE_OK)
		rc = archive_read_support_format_empty(r->a);
	if (rc != ARCHIVE_OK)
		return READER_FAILED;
	return READER_OK;
}

static la_ssize_t
give_block(struct archive *a, void *ctx, const void **block)
{
	struct reading *r = ctx;
	struct slice s = r->blocks[0];

	(void)a;
	r->blocks[0] = r->blocks[1];
	r->blocks[1] = SLICE_NONE;
	*block = s.p;
	return (la_ssize_t)s.len;
}

static int
open_data(struct reading *r, struct slice data)
{
	if (r->format != READER_ZIP_STREAM)
		return archive_read_open_memory(r->a, data.p, data.len);
	r->blocks[0] = data;
	r->blocks[1] = (struct slice){ zip_tail, sizeof(zip_tail) };
	return archive_read_open(r->a, r, NULL, give_block, NULL);
}

static enum reader_rc
start(struct reading *r, enum reader_format f, struct slice data,
    uint64_t deadline_us)
{
	enum reader_rc rc;

	*r = (struct reading){ .format = f,
		.deadline_us = deadline_us,
		.long_enough = data.len > EMPTY_MAX };
	if (f <= READER_NONE || f >= READER_NFORMATS)
		return READER_FAILED;
	r->a = archive_read_new();
	if (r->a == NULL)
		return READER_MEMORY;
	if ((rc = set_up(r, f)) != READER_OK)
		return rc;
	rar5_walk_start(&r->rar5, f == READER_RAR ? data : SLICE_NONE);
	/* a fault of a filter looks like an empty file but for the message */
	if (open_data(r, data) != ARCHIVE_OK || archive_errno(r->a) != 0)
		return READER_FAILED;
	return READER_OK;
}

static void
finish(struct reading *r)
{
	if (r->a != NULL)
		(void)archive_read_free(r->a);
	r->a = NULL;
}

/* The archive ends in the middle because all else in it is encrypted. */
static bool
all_encrypted(struct reading *r)
{
	return archive_read_has_encrypted_entries(r->a) > 0 ||
	       rar5_walk_hidden(&r->rar5);
}

/* Some archives give permissions, but no type of file. */
static bool
is_file(struct archive_entry *e)
{
	return archive_entry_filetype(e) == AE_IFREG ||
	       archive_entry_filetype(e) == 0;
}

/*
 * An empty member of a zip that was packed with LZMA: the library takes the
 * end of its stream for a fault. zip.h tells when it is not empty.
 */
static bool
is_hollow(const struct reading *r)
{
	const char *name = archive_format_name(r->a);

	return archive_entry_size_is_set(r->entry) &&
	       archive_entry_size(r->entry) == 0 && name != NULL &&
	       strncmp(name, "ZIP", 3) == 0 && strstr(name, "(lzma)") != NULL;
}

/*
 * The next member that has contents: 1, 0 at the end, -1 when there is no
 * going on.
 */
static int
next(struct reading *r)
{
	for (unsigned int retries = 0; retries < MAX_RETRIES;) {
		int rc;

		if (clock_mono_us() >= r->deadline_us)
			return -1;
		rc = archive_read_next_header(r->a, &r->entry);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc <= ARCHIVE_FATAL)
			return -1;
		if (rc < ARCHIVE_WARN) {
			r->failed = true;
			retries++;
			continue;
		}
		r->number++;
		r->encrypted = archive_entry_is_encrypted(r->entry) > 0 ||
			       rar5_walk_next(&r->rar5);
		if (archive_entry_hardlink(r->entry) != NULL || is_hollow(r))
			continue;
		if (is_file(r->entry) || archive_entry_size(r->entry) > 0)
			return 1;
	}
	return -1;
}

/* A filter that did not recognise its bytes gives them as they are. */
static bool
nothing_undone(const struct reading *r)
{
	return formats[r->format].recognised != NULL &&
	       archive_filter_count(r->a) < 2;
}

/* Writes as much as the limit permits; STOPPED when that is not all. */
static enum reader_rc
write_out(const struct reader *want, struct reader_member *m, const void *p,
    uint64_t len)
{
	uint64_t room = want->max_member - m->len;
	uint64_t n = len < room ? len : room;

	if (n > 0 && want->write(want->ctx, p, (size_t)n) != 0)
		return READER_MEMORY;
	m->len += n;
	return n < len ? READER_STOPPED : READER_OK;
}

/* One block and the hole before it, as sparse files have them. */
static enum reader_rc
take_block(const struct reader *want, struct reader_member *m, const void *p,
    size_t len, int64_t at)
{
	enum reader_rc rc = READER_OK;

	if (at > 0 && (uint64_t)at > m->len)
		rc = write_out(want, m, NULL, (uint64_t)at - m->len);
	return rc == READER_OK ? write_out(want, m, p, len) : rc;
}

/* The present member, at most up to its limit: then STOPPED. */
static enum reader_rc
read_data(struct reading *r, const struct reader *want, struct reader_member *m)
{
	enum reader_rc rc = READER_OK;
	unsigned int empty = 0;

	while (rc == READER_OK) {
		const void *block = NULL;
		size_t len = 0;
		int64_t at = 0;
		int got;

		if (clock_mono_us() >= r->deadline_us)
			return READER_TIME;
		got = archive_read_data_block(r->a, &block, &len, &at);
		if (got == ARCHIVE_EOF)
			break;
		if (got == ARCHIVE_RETRY || (got >= ARCHIVE_WARN && len == 0))
			rc = ++empty < MAX_RETRIES ? READER_OK : READER_FAILED;
		else if (got < ARCHIVE_WARN) {
			r->fatal = got <= ARCHIVE_FATAL;
			rc = READER_FAILED;
		} else
			rc = take_block(want, m, block, len, at);
	}
	return rc;
}

static struct slice
name_of(struct reading *r)
{
	const char *name = archive_entry_pathname_utf8(r->entry);

	if (name == NULL)
		name = archive_entry_pathname(r->entry);
	if (formats[r->format].format == NULL)
		return SLICE_NONE; /* it is always called "data" */
	return slice_of(name);
}

/*
 * Whether the next member can be read behind one that could not: where each
 * stands for itself. In the others (CAB at least) the library stumbles over
 * its own remains.
 */
static bool
goes_on(const struct reading *r)
{
	switch (r->format) {
	case READER_ZIP_DIRECTORY:
	case READER_ZIP_STREAM:
	case READER_ISO:
	case READER_CPIO:
	case READER_TAR:
	case READER_AR:
		return !r->fatal;
	default:
		return false;
	}
}

/* Reads the present member and hands it over. */
static enum reader_rc
give(struct reading *r, const struct reader *want)
{
	struct reader_member m = { .name = name_of(r),
		.number = r->number,
		.encrypted = r->encrypted };
	enum reader_rc rc = READER_OK;

	if (!m.encrypted)
		rc = read_data(r, want, &m);
	m.cut = rc == READER_STOPPED;
	if (rc == READER_FAILED)
		r->failed = true;
	if ((m.len > 0 || m.encrypted) && !want->member(want->ctx, &m))
		return READER_STOPPED;
	if (rc == READER_TIME || rc == READER_MEMORY ||
	    (rc == READER_FAILED && !goes_on(r)))
		return rc;
	return READER_OK;
}

static enum reader_rc
read_all(struct reading *r, const struct reader *want)
{
	enum reader_rc rc = READER_OK;
	int got = 0;

	while (rc == READER_OK && (got = next(r)) > 0)
		rc = nothing_undone(r) ? READER_FAILED : give(r, want);
	if (rc != READER_OK)
		return rc;
	if (got < 0 && clock_mono_us() >= r->deadline_us)
		return READER_TIME;
	if (got < 0 && all_encrypted(r)) {
		struct reader_member m = { .number = r->number + 1,
			.encrypted = true };

		(void)want->member(want->ctx, &m);
		got = 0;
	}
	/* some filters give nothing, and no error, where they understand
	 * nothing */
	if (formats[r->format].format == NULL && r->number == 0)
		r->failed = r->long_enough;
	return got < 0 || r->failed ? READER_FAILED : READER_OK;
}

enum reader_rc
reader_read(const struct reader *want, struct slice data)
{
	struct reading r;
	enum reader_rc rc = start(&r, want->format, data, want->deadline_us);

	if (rc == READER_OK)
		rc = read_all(&r, want);
	finish(&r);
	return rc;
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static enum reader_rc
list_add(struct reader_list *l, size_t *cap, uint64_t size)
{
	if (l->n == *cap) {
		size_t want = *cap == 0 ? 64 : *cap * 2;
		uint64_t *p = reallocarray(l->sizes, want, sizeof(*p));

		if (p == NULL)
			return READER_MEMORY;
		l->sizes = p;
		*cap = want;
	}
	l->sizes[l->n++] = size;
	return READER_OK;
}

static enum reader_rc
list_all(struct reading *r, uint64_t above, struct reader_list *out)
{
	enum reader_rc rc = READER_OK;
	size_t cap = 0;
	int got = 0;

	while (rc == READER_OK && (got = next(r)) > 0) {
		int64_t size = archive_entry_size(r->entry);

		if (!archive_entry_size_is_set(r->entry))
			return READER_FAILED;
		if (!r->encrypted && size > 0 && (uint64_t)size > above &&
		    is_file(r->entry))
			rc = list_add(out, &cap, (uint64_t)size);
	}
	if (rc == READER_OK && got < 0)
		rc = clock_mono_us() >= r->deadline_us ? READER_TIME
						       : READER_FAILED;
	if (rc == READER_FAILED && all_encrypted(r))
		rc = READER_OK;
	if (rc == READER_OK && r->failed)
		rc = READER_FAILED;
	if (out->n > 1)
		qsort(out->sizes, out->n, sizeof(*out->sizes), by_size);
	return rc;
}

enum reader_rc
reader_list(enum reader_format f, struct slice data, uint64_t above,
    uint64_t deadline_us, struct reader_list *out)
{
	struct reading r;
	enum reader_rc rc = start(&r, f, data, deadline_us);

	*out = (struct reader_list){ NULL, 0 };
	if (rc == READER_OK)
		rc = list_all(&r, above, out);
	finish(&r);
	if (rc != READER_OK)
		reader_list_free(out);
	return rc;
}

void
reader_list_free(struct reader_list *l)
{
	free(l->sizes);
	*l = (struct reader_list){ NULL, 0 };
}

const char *
reader_version(void)
{
	return archive_version_string();
}
