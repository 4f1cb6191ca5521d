#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#
# check-cost.sh [--renew | --list]: what parts of a request cost, in instructions per
# call as callgrind counts them, against tests/bench/cost.baseline: 5 % more is
# an error, 5 % less too, until the baseline says so. A baseline is of one
# compiler, its flags and one C library; for others there is none, and
# nothing is compared (status 77). --renew writes it, --list only prints.
# Whole transactions (tx-*) are listed only: OpenSSL's hash is in them, which
# differs with the processor.
set -u
tolerance=5
top=$(cd "${srcdir:-.}" && pwd) || exit 1
baseline=$top/tests/bench/cost.baseline
program=${builddir:-.}/tests/bench/cost
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

skip() {
	echo "$1"
	exit 77
}

# instructions FILE...: "NAME INSTRUCTIONS" of each part that was dumped.
instructions() {
	awk -v calls="$1" '
	/^desc: Trigger: Client Request: / { name = $NF }
	/^totals: / && name != "" { printf "%s %d\n", name, $2 / calls; name = "" }' \
		"${@:2}"
}

# section KEY FILE: the rows of the baseline for that key.
section() {
	awk -v key="[$1]" '
	/^\[/ { here = $0 == key; next }
	here && NF == 2' "$2"
}

# compare WANTED GOT: prints a table; status 1 when a row is too far away.
compare() {
	awk -v tolerance=$tolerance '
	NR == FNR { want[$1] = $2; next }
	!($1 in want) { printf "%-20s %9d  not in the baseline\n", $1, $2; bad = 1; next }
	{
		off = 100 * ($2 - want[$1]) / want[$1]
		wrong = off > tolerance || off < -tolerance
		printf "%-20s %9d %9d %+6.1f %%%s\n", $1, want[$1], $2, off,
			wrong ? "  <--" : ""
		bad = bad || wrong
		delete want[$1]
	}
	END {
		for (name in want) { printf "%-20s is gone\n", name; bad = 1 }
		exit bad
	}' "$1" "$2"
}

command -v valgrind >/dev/null || skip "valgrind is not installed"
[ -x "$program" ] || skip "built without cmocka"
# By itself first, to learn what it was built with: with sanitizers, or by some
# compilers, it does not even begin under valgrind.
"$program" >"$work/said" 2>"$work/err"
rc=$?
[ $rc = 77 ] && skip "$(cat "$work/said")"
[ $rc = 0 ] || { cat "$work/said" "$work/err"; exit 1; }
key=$(sed -n 's/^key //p' "$work/said")
[ "${1-}" != "" ] || [ -n "$(section "$key" "$baseline")" ] ||
	skip "no baseline for $key"
valgrind --tool=callgrind \
	--callgrind-out-file="$work/out" "$program" >"$work/said" 2>"$work/err"
rc=$?
[ $rc = 0 ] || { cat "$work/said" "$work/err"; exit 1; }
calls=$(sed -n 's/^calls //p' "$work/said")
instructions "$calls" $(ls -v "$work"/out.*) >"$work/got"
[ -s "$work/got" ] || skip "built without valgrind/callgrind.h"

[ "${1-}" = --list ] && { cat "$work/got"; exit; }
sed -i '/^tx-/d' "$work/got"

case ${1-} in
--renew)
	{
		[ -e "$baseline" ] || echo "# Instructions per call; see check-cost.sh. Renewed by: make cost-baseline"
		[ -e "$baseline" ] && awk -v key="[$key]" '/^\[/ { gone = $0 == key } !gone' "$baseline"
		echo "[$key]"
		cat "$work/got"
	} >"$work/new" && cp "$work/new" "$baseline" && echo "$baseline: [$key]"
	exit
	;;
esac

section "$key" "$baseline" >"$work/want"
# The comparison itself: it must find one row that is 6 % off.
awk 'NR == 1 { $2 = int($2 * 1.06) } { print }' "$work/got" >"$work/worse"
compare "$work/got" "$work/worse" >/dev/null &&
	{ echo "a row that is 6 % off was not found"; exit 1; }
compare "$work/want" "$work/got" && exit 0
echo "If that is meant: make cost-baseline, and say why in the commit."
exit 1
