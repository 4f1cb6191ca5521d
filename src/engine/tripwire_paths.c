/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Functions that do something at a path and whose failures say nothing: only
 * wished folders are made here. Transparent otherwise.
 */
#undef _FORTIFY_SOURCE /* its inline realpath() would be in the way */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/real.h"
#include "engine/wish.h"

#define PATH(type, name, parameters, arguments) \
	WRAPPER type name parameters \
	{ \
		REAL(name); \
		wish_touch(path); \
		return real arguments; \
	}
#define PATHS(type, name, parameters, arguments) \
	WRAPPER type name parameters \
	{ \
		REAL(name); \
		wish_touch(path); \
		wish_touch(other); \
		return real arguments; \
	}
#include "engine/paths.def"

/* libclamav sets the mode of what it removes next. */
WRAPPER int
chmod(const char *path, mode_t mode)
{
	REAL(chmod);
	if (wish_is(path))
		return 0;
	wish_touch(path);
	return real(path, mode);
}

WRAPPER int
rmdir(const char *path)
{
	REAL(rmdir);
	if (wish_drop(path))
		return 0;
	wish_touch(path);
	return real(path);
}
