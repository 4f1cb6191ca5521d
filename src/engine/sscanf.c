/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * For each object and for each logical signature that could apply to it
 * libclamav parses the signature's expression anew, with sscanf() for each
 * number (cli_ac_chklsig). With many signatures that is 40 % of the time of a
 * small scan: sscanf() measures all of the rest of the text first. So short
 * numbers are read here; whatever is anything else is left to the C library.
 */
#include "config.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "engine/real.h"

#if defined(__GLIBC__) && !defined(WITH_SANITIZERS)

#define DIGITS_MAX 9 /* of a number that surely fits */

/* By their names for the linker: stdio.h gives those of C99 instead. */
WRAPPER int plain_sscanf(const char *text, const char *format, ...) __asm__(
    "sscanf");
int plain_vsscanf(const char *text, const char *format, va_list ap) __asm__(
    "vsscanf");

/* Where the number ends; NULL when it is none, or a long one. */
static const char *
read_number(const char *text, unsigned int *n)
{
	unsigned int digits = 0;

	for (*n = 0; *text >= '0' && *text <= '9'; text++) {
		if (++digits > DIGITS_MAX)
			return NULL;
		*n = *n * 10 + (unsigned int)(*text - '0');
	}
	return digits > 0 ? text : NULL;
}

/* How many numbers there are by "%u" or "%u,%u"; 0: sscanf() has to say it. */
static int
read_numbers(const char *text, bool two, unsigned int n[2])
{
	if ((text = read_number(text, &n[0])) == NULL)
		return 0;
	if (!two || *text != ',')
		return 1;
	return read_number(text + 1, &n[1]) != NULL ? 2 : 0;
}

int
plain_sscanf(const char *text, const char *format, ...)
{
	bool two = strcmp(format, "%u,%u") == 0;
	unsigned int n[2];
	int found = 0;
	va_list ap;

	va_start(ap, format);
	if (two || strcmp(format, "%u") == 0)
		found = read_numbers(text, two, n);
	for (int i = 0; i < found; i++)
		*va_arg(ap, unsigned int *) = n[i];
	if (found == 0)
		found = plain_vsscanf(text, format, ap);
	va_end(ap);
	return found;
}

#else

typedef int engine_sscanf_is_the_librarys;

#endif
