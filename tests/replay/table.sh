#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Prints README.md: README.head.md and the table of rules.txt, whose columns
# are rule, level, requirement, and what else shows it than RULE.icap.
set -eu
cd "$(dirname "$0")"
cat README.head.md
echo '| rule | level | requirement | shown by |'
echo '|---|---|---|---|'
while IFS='	' read -r rule level text other; do
	shown=
	for file in "$rule.icap" "$rule"-*.icap; do
		[ -f "$file" ] && shown="$shown${shown:+, }\`$file\`"
	done
	shown=$shown${shown:+${other:+; }}$other
	printf '| %s | %s | %s | %s |\n' "$rule" "$level" "$text" "$shown"
done <rules.txt
