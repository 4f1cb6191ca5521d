/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/str.h"

#define CLOCK_ISO_MS 20 /* where the milliseconds stand */

static const uint64_t *fake_mono, *fake_wall;

/*
 * The last second as text: a busy server writes the same one many thousand
 * times.
 */
struct second {
	uint64_t s;
	size_t len; /* 0: none yet */
	char text[40];
};
static struct second last_http, last_iso;

static uint64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono_us(void)
{
	return fake_mono != NULL ? *fake_mono : read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_us(void)
{
	return fake_wall != NULL ? *fake_wall : read_clock(CLOCK_REALTIME);
}

void
clock_set_fake(const uint64_t *mono_us, const uint64_t *wall_us)
{
	fake_mono = mono_us;
	fake_wall = wall_us;
}

/* Broken down in UTC; the epoch when the time is beyond year 9999. */
static struct tm
utc(uint64_t wall_us)
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099)
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	return tm;
}

static bool
is_last(const struct second *last, uint64_t wall_us)
{
	return last->len > 0 && last->s == wall_us / 1000000;
}

static void
keep(struct second *last, uint64_t wall_us, const char *text)
{
	last->s = wall_us / 1000000;
	last->len = str_copy(last->text, sizeof(last->text), slice_of(text));
}

void
clock_http_date(uint64_t wall_us, char out[CLOCK_HTTP_DATE_LEN])
{
	static const char *const days[7] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char *const months[12] = { "Jan", "Feb", "Mar", "Apr",
		"May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;
	char text[64];

	if (!is_last(&last_http, wall_us)) {
		tm = utc(wall_us);
		(void)snprintf(text, sizeof(text),
		    "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
		    tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900,
		    tm.tm_hour, tm.tm_min, tm.tm_sec);
		keep(&last_http, wall_us, text);
	}
	(void)str_copy(out, CLOCK_HTTP_DATE_LEN,
	    (struct slice){ last_http.text, last_http.len });
}

void
clock_iso(uint64_t wall_us, char out[CLOCK_ISO_LEN])
{
	unsigned int ms = (unsigned int)(wall_us / 1000 % 1000);
	struct tm tm;
	char text[96];

	if (!is_last(&last_iso, wall_us)) {
		tm = utc(wall_us);
		(void)snprintf(text, sizeof(text),
		    "%04d-%02d-%02dT%02d:%02d:%02d.000Z", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
		keep(&last_iso, wall_us, text);
	}
	(void)str_copy(
	    out, CLOCK_ISO_LEN, (struct slice){ last_iso.text, last_iso.len });
	out[CLOCK_ISO_MS] = (char)('0' + ms / 100);
	out[CLOCK_ISO_MS + 1] = (char)('0' + ms / 10 % 10);
	out[CLOCK_ISO_MS + 2] = (char)('0' + ms % 10);
}
