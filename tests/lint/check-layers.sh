#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# Who may include whom: each folder of src/ uses only the floors below it.
set -u
srcdir=${srcdir:-.}
cd "$srcdir" || exit 99
rc=0

# floor FOLDER MAY...: its quoted includes name only these folders and files.
floor() {
	folder=$1
	shift
	[ -d "$folder" ] || return
	may=config\\.h\"
	for name; do
		case $name in
		*.*) may="$may|$name\"" ;;
		*) may="$may|$name/" ;;
		esac
	done
	other=
	# c-icap's is no module of the daemon
	[ "$folder" = modules ] && other=modules/cicap
	bad=$(find "$folder" -path "$other" -prune -o -name '*.[ch]' ! -name block_html.h -exec \
	    grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' {} + |
	    grep -vE "include[[:space:]]*\"($may)")
	complain "$folder may include only $*" "$bad"
}

# without PATTERN WHERE...: no include of that pattern there.
without() {
	pattern=$1
	shift
	bad=$(find "$@" -name '*.[ch]' -exec \
	    grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$pattern" {} +)
	complain "$pattern is not for $*" "$bad"
}

complain() {
	[ -z "$2" ] && return
	printf '%s:\n%s\n' "$1" "$2"
	rc=1
}

floor src/base base
floor src/proto base proto
floor src/ipc base ipc
floor src/engine base engine
floor src/sandbox base ipc sandbox
floor src/scanapi scanapi tolsey_scanmsg.def tolsey_scanmsg.h
floor src/net base conf proto ipc scanapi service sandbox net
floor src/scan base conf ipc engine sandbox scan
floor src/ctl base conf ipc sandbox ctl
# The protocol of the daemon, from the other end.
floor src/client base conf proto client
floor src/sys base conf ipc sandbox sys
# The manual's generator documents the modules' directives too.
floor src/conf base conf modules/clamav_scan.def
# The block page is made a header at build time.
floor src/service base conf proto service src/service/block_html.h
# Their own .def; its rows name enum conf_type.
floor modules/cicap scanapi tolsey_cicap.h
floor modules base proto service '[a-z_]*\.def' conf/conf.h

without 'clamav\.h' src/base src/conf src/proto src/ipc src/service src/net \
    src/scan src/ctl src/client src/sys modules
without event2/ src/base src/conf src/proto src/engine src/service src/sandbox src/client modules
without event2/ src/net/tx*.[ch] src/net/core.[ch] src/net/sched.[ch] \
    src/net/spool.[ch] src/net/outq.[ch]
exit $rc
