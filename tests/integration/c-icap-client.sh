#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#
# c-icap-client.sh HOST PORT [SERVICE]: Debian's c-icap-client against a server
# that finds EICAR (such as "./bootstrap run"). Prints ok or not ok for each.
set -u
HOST=${1:?HOST} PORT=${2:?PORT} SERVICE=${3:-avscan}
if ! command -v c-icap-client >/dev/null; then
	echo "skip c-icap-client: not installed"
	exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
bad=0

# Put together here: no scanner is to object to this file.
# shellcheck disable=SC2016
eicar() {
	printf '%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC'
	printf '%s' 'AR-STANDARD-ANTI''VIRUS-TEST-FILE!$H+H*'
}

object() {
	head -c "$1" /dev/urandom >"$dir/object"
}

# ask ARGS...: the answer's heads to $dir/head, its body to $dir/body.
ask() {
	rm -f "$dir/body"
	timeout 60 c-icap-client -i "$HOST" -p "$PORT" -s "$SERVICE" -v "$@" \
		>"$dir/head" 2>&1
}

result() {
	if [ "$2" = 0 ]; then
		echo "ok c-icap-client/$1"
	else
		echo "not ok c-icap-client/$1"
		sed 's/^/# /' "$dir/head" | head -n 30
		bad=1
	fi
}

# clean NAME ARGS...: 204, or the same bytes back.
clean() {
	name=$1
	shift
	ask -f "$dir/object" -o "$dir/body" "$@"
	if grep -q 'ICAP/1.0 204' "$dir/head"; then
		[ ! -s "$dir/body" ]
	else
		grep -q 'ICAP/1.0 200' "$dir/head" && cmp -s "$dir/object" "$dir/body"
	fi
	result "$name" $?
}

# blocked NAME ARGS...: infection headers and the page.
blocked() {
	name=$1
	shift
	ask -f "$dir/object" -o "$dir/body" "$@"
	grep -q 'X-Infection-Found: Type=0; Resolution=2; Threat=.*;' "$dir/head" &&
		grep -q 'HTTP/1.1 403 Forbidden' "$dir/head" &&
		grep -q '</html>' "$dir/body"
	result "$name" $?
}

ask
grep -q 'ICAP/1.0 200' "$dir/head" && grep -q 'Allow 204: Yes' "$dir/head"
result options $?
preview=$(sed -n 's/^[[:space:]]*Preview: \([0-9]*\)$/\1/p' "$dir/head" | head -n 1)
preview=${preview:-4096}

for mode in respmod reqmod; do
	request=""
	[ $mode = reqmod ] && request="-req http://origin.test/upload -method PUT"
	# shellcheck disable=SC2086 # $request is a list of words
	{
		for size in 0 1 $((preview - 1)) "$preview" $((preview + 1)) 100000; do
			object "$size"
			clean "$mode-clean-$size" $request
			clean "$mode-clean-$size-no-204" $request -no204
			clean "$mode-clean-$size-no-preview" $request -nopreview
		done
		object 50000000
		clean "$mode-clean-50-mb" $request
		clean "$mode-clean-50-mb-no-204" $request -no204
		eicar >"$dir/object"
		blocked "$mode-eicar" $request
		blocked "$mode-eicar-no-preview" $request -nopreview
		blocked "$mode-eicar-no-204" $request -no204
		eicar | gzip >"$dir/object"
		blocked "$mode-eicar-gz" $request
		{ head -c 30000 /dev/urandom; } >"$dir/before"
		eicar >"$dir/eicar.com"
		(cd "$dir" && rm -f x.tar && tar -cf x.tar before eicar.com &&
			gzip -c x.tar >object)
		blocked "$mode-eicar-tar-gz-after-the-preview" $request
	}
done
exit $bad
