/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static const uint64_t *fake_mono, *fake_wall;

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

void
clock_http_date(uint64_t wall_us, char out[CLOCK_HTTP_DATE_LEN])
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099)
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	(void)snprintf(out, CLOCK_HTTP_DATE_LEN,
	    "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
	    (unsigned int)tm.tm_mday % 100, months[tm.tm_mon % 12],
	    (unsigned int)(tm.tm_year + 1900) % 10000,
	    (unsigned int)tm.tm_hour % 100, (unsigned int)tm.tm_min % 100,
	    (unsigned int)tm.tm_sec % 100);
}

void
clock_iso(uint64_t wall_us, char out[CLOCK_ISO_LEN])
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099)
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70 };
	(void)snprintf(out, CLOCK_ISO_LEN,
	    "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned int)(tm.tm_year + 1900) % 10000,
	    ((unsigned int)tm.tm_mon + 1) % 100, (unsigned int)tm.tm_mday % 100,
	    (unsigned int)tm.tm_hour % 100, (unsigned int)tm.tm_min % 100,
	    (unsigned int)tm.tm_sec % 100,
	    (unsigned int)(wall_us / 1000 % 1000));
}
