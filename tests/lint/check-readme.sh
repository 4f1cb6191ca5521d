#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#
# The maps name only what is there: `folder/file.c` (also with a *) of the
# sources and of the tests, every integration test is in its table, and the
# tests that the table of attacks names are there.
set -u
top=${srcdir:-$(dirname "$0")/../..}
bad=0

# named README: the words in backquotes that look like a file in a folder
named() {
	grep -o '`[a-z_]*/[A-Za-z0-9_/*.-]*\.\(c\|h\|def\|py\|sh\|md\)`' "$1" |
		tr -d '`' | grep -v NAME | sort -u
}

# there PATTERN: it is in one of the folders that the maps speak of
there() {
	for folder in src . tests; do
		# shellcheck disable=SC2086 # a pattern
		ls "$top"/$folder/$1 >/dev/null 2>&1 && return 0
	done
	return 1
}

for map in README.md src/README.md tests/README.md; do
	for file in $(named "$top/$map"); do
		there "$file" || {
			echo "$map names $file, which is not there"
			bad=1
		}
	done
done
# shown_by: the tests that the table of attacks names
shown_by() {
	awk '/^## / { on = $2 == "Attacks" } on && /^\|/' "$top/src/README.md" |
		grep -o '`[a-z-]*/[a-z0-9_-]*`' | tr -d '`' | sort -u
}
# is_case FILE CASE: a function of that name, or made with a name that begins so
is_case() {
	grep -q "^def $(echo "$2" | tr - _)(" "$1" && return 0
	sed -n 's/.*add_case("\([a-z0-9-]*\)".*/\1/p' "$1" | while read -r start; do
		case $2 in
		"$start"*) echo found ;;
		esac
	done | grep -q found
}
[ -n "$(shown_by)" ] || {
	echo "src/README.md has no table of attacks"
	bad=1
}
for name in $(shown_by); do
	case $name in
	unit/*) [ -e "$top/tests/unit/test_${name#unit/}.c" ] ;;
	tests/*) [ -e "$top/$name" ] ;;
	*) is_case "$top/tests/integration/${name%%/*}.test.py" "${name#*/}" ;;
	esac || {
		echo "src/README.md names the test $name, which is not there"
		bad=1
	}
done
for test in "$top"/tests/integration/*.test.py; do
	name=$(basename "$test" .test.py)
	grep -q "^| \`$name\` |" "$top/tests/README.md" || {
		echo "tests/README.md does not list $name"
		bad=1
	}
done
exit $bad
