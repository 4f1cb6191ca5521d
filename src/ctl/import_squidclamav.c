/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Import: those directives of squidclamav that a table cannot translate. */
#include <regex.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "conf/conf.h"
#include "ctl/import_int.h"

/* 0: no limit. */
void
import_squid_maxsize(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	uint64_t n;
	char why[128];

	if (conf_value_number(
		CONF_SIZE, l->words[1], NULL, NULL, &n, why, sizeof(why)) == -1)
		import_end_differs(l, import_printf(im, "%s", why));
	else if (n == 0)
		import_end_differs(l, "objects of any size were scanned; here "
				      "up to MaxObjectSize (2000M), larger "
				      "ones are blocked");
	else
		import_end_differs(
		    l, import_printf(im,
			   "%s. For the former size write MaxObjectSize %s",
			   row->remark, l->words[1]));
}

/* Only said when it was on. */
void
import_squid_flag_lost(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	if (import_bool(l->words[1]) == 0)
		import_end_default(l, NULL);
	else
		import_end_differs(l, row->remark);
}

void
import_squid_libarchive(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	import_squid_flag_lost(im, l, row);
}

void
import_squid_needless_flag(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	import_end_needless(l, row->remark);
}

void
import_squid_scan_mode(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	(void)row;
	if (strcasecmp(l->words[1], "ScanAllExcept") == 0)
		import_end_default(l, NULL);
	else
		import_end_differs(l, "only what the scan directives name was "
				      "scanned; here everything is");
}

/* A pattern, or (white- and blacklist) a file of them. */
void
import_squid_pattern(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *word = l->words[1];
	struct stat st;
	regex_t re;
	char why[128];
	int rc;

	if (word[0] == '/' && stat(word, &st) == 0 && S_ISREG(st.st_mode)) {
		import_end_differs(
		    l, import_printf(
			   im, "%s. (All lines of that file)", row->remark));
		return;
	}
	rc = regcomp(&re, word, REG_EXTENDED | REG_NOSUB);
	if (rc == 0) {
		regfree(&re);
		import_end_differs(l, row->remark);
		return;
	}
	(void)regerror(rc, &re, why, sizeof(why));
	import_end_differs(l,
	    import_printf(im,
		"not a regular expression (%s): squidclamav has dropped it, so "
		"that it never had the effect it was written for",
		why));
}
