#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Functions of at most 100 lines and a cyclomatic complexity of 20 (a switch
# counts once), .c files of at most 800 lines, headers of at most 250.
# size-exceptions.txt: a file or FILE:FUNCTION, then the reason.
set -u
srcdir=${srcdir:-.}
cd "$srcdir" || exit 99
except=tests/lint/size-exceptions.txt
rc=0

if ! command -v pmccabe >/dev/null; then
	echo "pmccabe is not installed"
	exit 77
fi
files() {
	find src modules tests -name "$1" ! -name block_html.h | sort
}
# excepted NAME
excepted() {
	awk -v name="$1" '$1 == name && NF > 1 { found = 1 }
	    END { exit !found }' "$except"
}
# lines PATTERN MAX
lines() {
	for f in $(files "$1"); do
		n=$(wc -l <"$f")
		[ "$n" -le "$2" ] || excepted "$f" || {
			echo "$f: $n lines, at most $2"
			rc=1
		}
	done
}

lines '*.c' 800
lines '*.h' 250
list=$(files '*.c' | xargs pmccabe |
    awk '$1 > 20 || $5 > 100 {
	sub(/\([0-9]+\):$/, "", $6); print $6 ":" $7, $1, $5 }')
while read -r name complexity length; do
	[ -z "$name" ] || excepted "$name" || {
		echo "$name: complexity $complexity (20), $length lines (100)"
		rc=1
	}
done <<LIST
$list
LIST
exit $rc
