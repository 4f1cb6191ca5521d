/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/text.h"

#define FIRST_US 700000 /* what is done by then needs no bar */
#define EVERY_US 100000
#define CELLS 24
#define USUAL_COLUMNS 80

void
progress_init(struct progress *p, bool on, uint64_t files, uint64_t bytes)
{
	memset(p, 0, sizeof(*p));
	p->on = on;
	p->files = files;
	p->bytes = bytes;
	p->start_us = clock_mono_us();
}

/* Of 1; of bytes if they are known, else of files. */
static double
part(const struct progress *p)
{
	double d = 0;

	if (p->bytes > 0)
		d = (double)p->done_bytes / (double)p->bytes;
	else if (p->files > 0)
		d = (double)p->done_files / (double)p->files;
	return d > 1 ? 1 : d;
}

int
progress_text(
    const struct progress *p, uint64_t now_us, size_t columns, struct buf *out)
{
	double seconds = (double)(now_us - p->start_us) / 1e6, d = part(p);
	size_t cells = (size_t)(d * CELLS), from = out->len;
	int rc = buf_append_str(out, "[");

	for (size_t i = 0; i < CELLS; i++)
		rc |= buf_append_str(out, i < cells ? "#" : " ");
	rc |= buf_printf(out, "] %3d%% %llu/%llu files, ", (int)(d * 100),
	    (unsigned long long)p->done_files, (unsigned long long)p->files);
	rc |= text_bytes(out, p->done_bytes);
	if (seconds > 0) {
		rc |= buf_append_str(out, ", ");
		rc |= text_bytes(
		    out, (uint64_t)((double)p->done_bytes / seconds));
		rc |= buf_append_str(out, "/s");
	}
	if (d > 0.01 && d < 1) {
		uint64_t left = (uint64_t)(seconds / d - seconds);

		rc |= buf_printf(out, ", %llu:%02llu left",
		    (unsigned long long)(left / 60),
		    (unsigned long long)(left % 60));
	}
	if (out->len - from > columns)
		out->len = from + columns;
	return rc == 0 ? 0 : -1;
}

static size_t
columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
		return (size_t)w.ws_col - 1;
	return USUAL_COLUMNS - 1;
}

void
progress_add(struct progress *p, uint64_t files, uint64_t bytes)
{
	uint64_t now;
	struct buf out;

	p->done_files += files;
	p->done_bytes += bytes;
	if (!p->on)
		return;
	now = clock_mono_us();
	if (now - p->start_us < FIRST_US || now - p->drawn_us < EVERY_US)
		return;
	buf_init(&out, 512);
	if (progress_text(p, now, columns(), &out) == 0) {
		fprintf(stderr, "\r\033[K%s", buf_cstr(&out));
		(void)fflush(stderr);
		p->drawn = true;
		p->drawn_us = now;
	}
	buf_free(&out);
}

void
progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	p->drawn = false;
	p->drawn_us = 0;
}
