/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "base/sigfile.h"

#include <string.h>

#include "base/str.h"

/* CLI_DBEXT of libclamav. */
static const char *const extensions[] = { "cvd", "cld", "cud", "db", "hdb",
	"hdu", "fp", "mdb", "mdu", "hsb", "hsu", "sfp", "msb", "msu", "ndb",
	"ndu", "ldb", "ldu", "sdb", "zmd", "rmd", "pdb", "gdb", "wdb", "cbc",
	"ftm", "cfg", "cdb", "cat", "crb", "idb", "ioc", "imp", "yar", "yara",
	"pwdb", "ign", "ign2" };

static struct slice
extension(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL ? slice_of(dot + 1) : SLICE_NONE;
}

bool
sigfile_is_one(const char *name)
{
	struct slice ext = extension(name);

	for (size_t i = 0; i < COUNTOF(extensions); i++)
		if (slice_case_eq(ext, slice_of(extensions[i])))
			return true;
	return false;
}

bool
sigfile_is_container(const char *name)
{
	struct slice ext = extension(name);

	return slice_case_eq(ext, SLICE_LIT("cvd")) ||
	       slice_case_eq(ext, SLICE_LIT("cld"));
}
