#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
# run.sh SECONDS FUZZER...: each for its part of the time, beginning with its
# corpus. What it finds is left in tests/fuzz/new/FUZZER; the first input that
# ends a fuzzer ends this with its name. FUZZ_SEED repeats a run.
#
# A request for more than 1 GiB gets NULL, as it does in a worker: libarchive
# asks for what the length of a name in a cpio header says.
set -u
export ASAN_OPTIONS="allocator_may_return_null=1:max_allocation_size_mb=1024${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
src=$(cd "$(dirname "$0")" && pwd)
secs=$1
shift
each=$((secs / $#))
[ $each -gt 0 ] || each=1
for name in "$@"; do
	new=tests/fuzz/new/$name
	mkdir -p "$new"
	"tests/fuzz/replay_$name" -max_total_time=$each -timeout=10 \
	    -seed="${FUZZ_SEED:-0}" -max_len=65536 -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix="$new/" "$new" "$src/corpus/$name" \
	    >"$new.log" 2>&1 || {
		tail -n 40 "$new.log"
		echo "fuzz $name: found something, see $new"
		exit 1
	}
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$new.log")
	echo "fuzz $name: $each s, $runs runs, nothing found"
done
