#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Functions that cannot be used safely, extern outside headers, notes of what
# is unfinished.
set -u
srcdir=${srcdir:-.}
cd "$srcdir" || exit 99
rc=0

# refuse WHY REGEX NAME WHERE...
refuse() {
	why=$1 regex=$2 name=$3
	shift 3
	if find "$@" -name "$name" -exec grep -HnE "$regex" {} + | grep .; then
		echo "$why"
		rc=1
	fi
}

word='(^|[^A-Za-z0-9_])'
refuse "banned function" \
    "$word(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|rand|alarm|system|popen|signal)\\(" \
    '*.[ch]' src modules
refuse "extern belongs into a header" '^[[:space:]]*extern[[:space:]]' \
    '*.c' src modules tests
refuse "unfinished" "$word(TODO|FIXME|XXX)([^A-Za-z0-9_]|\$)" \
    '*.[ch]' src modules tests
refuse "unfinished" "$word(TODO|FIXME|XXX)([^A-Za-z0-9_]|\$)" \
    '*.def' src modules
exit $rc
