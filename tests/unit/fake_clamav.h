/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef TESTS_FAKE_CLAMAV_H
#define TESTS_FAKE_CLAMAV_H
/*
 * A libclamav that does what the test says: it loads, looks, calls back, and
 * lies in every way in which the real one may fail open.
 */
#include <clamav.h>
#include <stdbool.h>
#include <stddef.h>

/* What it does wrong, as bits. 0: it looks at everything and finds nothing. */
#define FAKE_NO_LAYER 1u      /* no callback of a layer comes */
#define FAKE_ERROR 2u         /* it reports an error and goes on */
#define FAKE_NO_NAME 4u       /* "found", without a name anywhere */
#define FAKE_LAST_NAME 8u     /* "found", the name only in the result */
#define FAKE_FOUND 16u        /* fake.name by callback */
#define FAKE_FULL 32u         /* a write does not succeed */
#define FAKE_SHORT 64u        /* a write is short */
#define FAKE_NO_FOLDER 128u   /* a folder cannot be made */
#define FAKE_NO_FILE 256u     /* a file cannot be made */
#define FAKE_LONG_MEMBER 512u /* speaks of a member that is too long */
#define FAKE_LONG_LAYER 1024u /* and cuts one */
#define FAKE_UNREADABLE 2048u /* a member cannot be read */
#define FAKE_NO_MAP 4096u     /* the object cannot be mapped */
#define FAKE_NO_LIMIT 8192u   /* a limit cannot be set */
#define FAKE_WARNING 16384u   /* it warns: no fault */

struct fake {
	unsigned int how;
	cl_error_t rc; /* of a scan */
	const char *name;
	/* of cl_load() */
	cl_error_t load_rc;
	unsigned int signatures;
	/* what it saw */
	unsigned int scans;
	struct cl_scan_options options;
};
extern struct fake fake;
/* The limit that it was given last: that is not given again. */
extern long long fake_max_file_size;
#endif
