#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Every header compiles alone.
set -u
srcdir=${srcdir:-.}
builddir=${builddir:-.}
rc=0
for h in $(find "$srcdir/src" -name '*.h' ! -name block_html.h | sort); do
	# CC and CPPFLAGS may be several words
	${CC:-cc} ${CPPFLAGS:-} -std=gnu11 -Wall -Werror -fsyntax-only -x c \
	    -I"$builddir" -I"$srcdir/src" -include config.h \
	    -include "$h" /dev/null || {
		echo "$h does not compile alone"
		rc=1
	}
done
exit $rc
