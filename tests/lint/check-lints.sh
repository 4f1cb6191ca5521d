#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Each lint accepts a copy of the tree and refuses it with an error planted.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-.}" && pwd)
export builddir
copy=$(mktemp -d) || exit 99
trap 'rm -rf "$copy"' EXIT
trap 'exit 99' INT TERM HUP
rc=0

(cd "$srcdir" && find src modules tests \( -name '*.[ch]' -o -name '*.def' \
    -o -name '*.txt' \) ! -name block_html.h -print |
    tar cf - -T -) | tar xf - -C "$copy"
cp "$srcdir/.clang-format" "$copy" || exit 99

run() {
	srcdir=$copy sh "$srcdir/tests/lint/$lint.sh" >"$copy/out" 2>&1
}
# clean LINT: the copy as it is; false when the lint cannot run here.
clean() {
	lint=$1
	run
	case $? in
	0) return 0 ;;
	77) echo "$lint: not run: $(cat "$copy/out")" ;;
	*)
		echo "$lint refuses the tree itself:"
		cat "$copy/out"
		rc=1
		;;
	esac
	return 1
}
# refuses FILE TEXT...: a new file with these lines makes it fail.
refuses() {
	file=$copy/$1
	shift
	printf '%s\n' "$@" >"$file"
	run
	got=$?
	rm -f "$file"
	[ $got -eq 1 ] && return
	echo "$lint did not refuse ${file#"$copy"/} ($got): $*"
	rc=1
}
many() {
	awk -v n="$1" -v s="$2" 'BEGIN { while (n-- > 0) print s }'
}

if clean check-layers; then
	refuses src/base/planted.c '#include "net/tx.h"'
	refuses src/conf/planted.c '#include "proto/chunk.h"'
	refuses src/proto/planted.h '#include "conf/conf.h"'
	refuses src/ipc/planted.c '#include "net/tx.h"'
	refuses src/engine/planted.c '#include "ipc/msg.h"'
	refuses src/service/planted.c '#include "net/tx.h"'
	refuses src/net/planted.c '#include "engine/engine.h"'
	refuses src/scan/planted.c '#include "net/spool.h"'
	refuses src/ctl/planted.c '#include "proto/chunk.h"'
	refuses src/client/planted.c '#include "net/tx.h"'
	refuses src/sys/planted.c '#include "net/tx.h"'
	refuses modules/planted.c '#include "net/tx.h"'
	refuses src/net/planted.c '#include "planted.h"'
	refuses src/net/planted.c '#include <clamav.h>'
	refuses modules/planted.c '# include <clamav.h>'
	refuses src/proto/planted.c '#include <event2/event.h>'
	refuses src/net/tx_planted.c '#include <event2/event.h>'
fi
if clean check-size; then
	refuses src/base/planted.c "$(many 801 'int a;')"
	refuses src/base/planted.h "$(many 251 'int a;')"
	refuses src/base/planted.c 'void' 'f(void)' '{' "$(many 99 '	f();')" '}'
	refuses src/base/planted.c 'int' 'f(int a)' '{' \
	    "$(many 20 '	if (a--) return 1;')" '	return 0;' '}'
fi
if clean check-banned; then
	for f in strcpy strcat sprintf strtok atoi rand alarm system popen \
	    signal; do
		refuses src/base/planted.c "	x = $f(y);"
		refuses modules/planted.c "$f(y);"
	done
	refuses src/base/planted.c 'extern int planted;'
	refuses tests/unit/planted.c 'extern int planted;'
	for word in TODO FIXME XXX; do
		refuses src/base/planted.h "/* $word: later */"
	done
fi
if clean check-format; then
	refuses src/base/planted.c 'int  a;'
	refuses tests/unit/planted.h '    int a;'
fi
if clean check-headers; then
	refuses src/base/planted.h 'uint64_t planted(void);'
fi
exit $rc
