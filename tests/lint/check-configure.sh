#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
#
# configure names the Debian package of a library that is missing, does without
# an optional one, and says at the end what it found.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
# Configured in its own folder, it would refuse to be configured elsewhere.
[ -e "$top/config.status" ] && exit 77
real=$(command -v pkg-config) || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
bad=0

fail() {
	echo "configure: $*" >&2
	tail -n 8 out >&2
	bad=1
}

# A pkg-config that does not know the module $MISSING.
printf '#!/bin/sh\ncase " $* " in\n*" $MISSING "*) exit 1 ;;\nesac\nexec %s "$@"\n' \
	"$real" >pkg-config
chmod +x pkg-config

# with_missing MODULE ARGS...
with_missing() {
	MISSING=$1
	shift
	export MISSING
	PKG_CONFIG=$dir/pkg-config "$top/configure" --cache-file=cache "$@" \
		>out 2>&1
}

with_missing "" || fail "fails"
for word in libclamav libevent OpenSSL zlib brotli zstd libseccomp libicapapi cmocka \
	sanitizers; do
	grep -q "^  .*$word" out || fail "the table lacks $word"
done
# what it found is not to be believed from now on
sed -i '/pkg_cv_/d' cache
while read -r module package; do
	with_missing "$module" && fail "does without $module"
	grep -q "apt-get install $package" out ||
		fail "does not name $package for $module"
done <<END
libevent_core libevent-dev
libcrypto libssl-dev
libclamav libclamav-dev
zlib zlib1g-dev
END
with_missing libzstd || fail "needs libzstd"
grep -q 'zstd  *no$' out || fail "does not say that zstd is missing"
with_missing libzstd --with-zstd && fail "does without libzstd"
grep -q 'apt-get install libzstd-dev' out || fail "does not name libzstd-dev"
exit $bad
