#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Every rule of the protocol has a test that exists, and the table says so.
set -u
srcdir=${srcdir:-.}
replay=$srcdir/tests/replay
rc=0
bad() {
	echo "$*"
	rc=1
}

sh "$replay/table.sh" | cmp -s - "$replay/README.md" ||
	bad "tests/replay/README.md is stale: run tests/replay/table.sh >tests/replay/README.md"
while IFS='	' read -r rule level text other; do
	[ -f "$replay/$rule.icap" ] || [ -n "$other" ] ||
		bad "$rule ($level, $text) has no test"
	# the files that are named, and the cases behind a colon
	for test in $(printf '%s\n' "$other" | grep -oE 'tests/[A-Za-z0-9_./-]+(:[A-Za-z0-9_-]+)?'); do
		file=$srcdir/${test%%:*}
		if [ ! -e "$file" ]; then
			bad "$rule: there is no ${test%%:*}"
		elif [ "$file" != "$srcdir/$test" ] && ! tr _ - <"$file" |
			grep -q -e "$(printf '%s\n' "${test#*:}" | tr _ -)"; then
			bad "$rule: ${test%%:*} has no case ${test#*:}"
		fi
	done
done <"$replay/rules.txt"
for file in "$replay"/*.icap; do
	# RULE.icap, and RULE-WORD.icap with other settings
	rule=$(basename "$file" .icap | cut -d- -f1-2)
	[ "$rule" = malformed ] || grep -q "^$rule	" "$replay/rules.txt" ||
		bad "$file: no such rule in rules.txt"
done
exit $rc
