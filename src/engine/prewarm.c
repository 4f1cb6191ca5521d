/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "engine/prewarm.h"

#include <iconv.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"

static const char *const charsets[] = {
#define CHARSET(name) name,
#include "engine/charsets.def"
};

/* Open conversions keep their modules loaded; nobody uses them. */
static struct {
	iconv_t open[COUNTOF(charsets)];
	unsigned int n;
} held;

static void
hold_charsets(void)
{
	iconv_t cd;

	if (held.n > 0)
		return;
	for (size_t i = 0; i < COUNTOF(charsets); i++) {
		/* what the library converts to */
		cd = iconv_open("UTF-16BE", charsets[i]);
		if (cd != (iconv_t)-1)
			held.open[held.n++] = cd;
	}
}

void
engine_prewarm(void)
{
	hold_charsets();
	/* a name that is set is read once, not looked at with each time */
	(void)setenv("TZ", ":/etc/localtime", 0);
	tzset();
}

unsigned int
engine_prewarm_charsets(void)
{
	return held.n;
}
