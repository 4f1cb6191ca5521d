# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The short form, for CI: a few ratios within one run, with margins for a
machine on which other things run. Prints what the integration tests print."""
import os
import sys
import time

import loads
import tolsey

ROUNDS = 3
# load, against whom, what, at most; where the targets (targets.py) ask for 2 to
# 2.5 times as many answers and 1.3 times p50, this sees only what is broken
ROWS = (
    ("options", "clamav", "cpu_us", 1.5),
    ("random-1k", "raw", "cpu_us", 6.0),
    ("random-1k", "clamav", "cpu_us", 1.0),
    ("html-1k", "raw", "cpu_us", 2.5),
    ("html-1k", "clamav", "cpu_us", 1.3),
    ("eicar", "raw", "cpu_us", 8.0),
    ("mix", "raw", "cpu_us", 2.1),
    ("mix-gzip", "raw", "cpu_us", 2.2),
    ("zip-1m", "raw", "cpu_us", 1.4),
    ("html-1k-c256", "clamav", "cpu_us", 1.3),
)


def verdict(bench, load, peer, name, limit):
    ours = bench.results.rounds(load, "tolsey")
    theirs = bench.results.rounds(load, peer)
    case = "bench/%s-against-%s" % (load, peer)
    if not theirs:
        return "skip %s # needs %s" % (
            case, bench.fleet.lacking.get(peer, "a server"))
    ratios = sorted(a[name] / b[name] for a, b in zip(ours, theirs))
    # the best round: a neighbour can make any of them worse, none better
    said = "%s x %.2f to %.2f, at most %.2f" % (
        name, ratios[0], ratios[-1], limit)
    word = "ok" if ratios[0] <= limit else "not ok"
    return "%s %s # %s" % (word, case, said)


def no_errors(bench):
    wrong = {load: row["faults"] for (load, peer), rows in
             bench.results.rows.items() for row in rows
             if peer == "tolsey" and row["errors"]}
    return ("not ok bench/every-answer-is-right # %r" % wrong if wrong
            else "ok bench/every-answer-is-right")


def main(make):
    if tolsey.sanitized():
        print("skip bench/short # a build with the sanitizers")
        return 0
    begin = time.monotonic()
    os.environ.setdefault("LC_ALL", "C")
    lines = []
    with make(ROUNDS, 0.4) as bench:
        for name in dict.fromkeys(row[0] for row in ROWS):
            load = loads.ROWS[name]
            load.peers = [p for p in load.peers if p == "tolsey" or any(
                row[0] == name and row[1] == p for row in ROWS)]
            bench.measure(load)
        lines = [verdict(bench, *row) for row in ROWS] + [no_errors(bench)]
    for line in lines:
        print(line)
    print("# %.0f s" % (time.monotonic() - begin))
    sys.stdout.flush()
    return 1 if any(x.startswith("not ok") for x in lines) else 0
