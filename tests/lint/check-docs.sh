#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# The generated manual and sample are what confdoc makes today, and the manual
# has no mdoc errors. Run by `make check`; by hand from the build folder.
set -u
srcdir=${srcdir:-.}
builddir=${builddir:-.}
rc=0

# same WHAT FILE: confdoc's output is the file.
same() {
	if ! "$builddir/src/confdoc" "$1" | cmp - "$srcdir/$2"; then
		echo "$2 is stale: run make regen-docs and commit it"
		rc=1
	fi
}

same man etc/man/tolsey.conf.5
same sample etc/tolsey.conf.sample
if ! "$builddir/src/clientdoc" | cmp - "$srcdir/etc/man/tolsey-client.1"; then
	echo "etc/man/tolsey-client.1 is stale: run make regen-docs and commit it"
	rc=1
fi
"$builddir/src/confdoc" outcomes >check-docs.rows || rc=1
while IFS= read -r row; do
	grep -Fqx -e "$row" "$srcdir/README.md" || {
		echo "README.md: the table of outcomes is stale, it lacks: $row"
		rc=1
	}
done <check-docs.rows
rm -f check-docs.rows
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$srcdir"/etc/man/*.[1-8] || rc=1
else
	echo "mandoc is not installed: the manual pages were not linted"
fi
exit $rc
