#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# The layout is what clang-format 14 makes of .clang-format ("make format").
set -u
srcdir=${srcdir:-.}
cd "$srcdir" || exit 99
if ! command -v clang-format-14 >/dev/null; then
	echo "clang-format-14 is not installed"
	exit 77
fi
find src modules tests -name '*.[ch]' ! -name block_html.h \
    -exec clang-format-14 --dry-run -Werror {} + || exit 1
