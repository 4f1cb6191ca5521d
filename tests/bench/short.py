# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The short form, for CI: a few ratios within one run, with margins for a
machine on which other things run. Prints what the integration tests print."""
import os
import sys
import time

import loads
import plan
import tolsey

ROUNDS = 3
# load, which of its peers against which, CPU of an answer at most so many times;
# where the targets (targets.py) ask for less, this sees only what is broken
ROWS = (
    ("options", "tolsey", "clamav", 1.5),
    ("random-1k", "tolsey", "raw", 6.0),
    ("random-1k", "tolsey", "clamav", 1.0),
    ("html-1k", "tolsey", "raw", 2.5),
    ("html-1k", "tolsey", "clamav", 1.3),
    ("eicar", "tolsey", "raw", 8.0),
    ("coded-mix", "tolsey", "raw", 2.1),
    ("coded-mix", "tolsey+gzip", "raw+gzip", 2.2),
    ("zip-1m", "tolsey", "raw", 1.4),
    ("html-1k-c256", "tolsey", "clamav", 1.3),
)


def verdict(bench, load, our, their, limit):
    pairs = bench.results.pairs(load, our, their)
    case = "bench/%s-%s-against-%s" % (load, our, their)
    if not pairs:
        return "skip %s # needs %s" % (
            case, bench.fleet.lacking.get(their, "a server"))
    ratios = sorted(a["cpu_us"] / b["cpu_us"] for a, b in pairs)
    # the best round: a neighbour can make any of them worse, none better
    word = "ok" if ratios[0] <= limit else "not ok"
    return "%s %s # CPU x %.2f to %.2f, at most %.2f" % (
        word, case, ratios[0], ratios[-1], limit)


def no_errors(bench):
    wrong = {load: row["faults"] for (load, peer), rows in
             bench.results.rows.items() for row in rows
             if peer.startswith("tolsey") and row["errors"]}
    return ("not ok bench/every-answer-is-right # %r" % wrong if wrong
            else "ok bench/every-answer-is-right")


def main(make):
    if tolsey.sanitized():
        print("skip bench/short # a build with the sanitizers")
        return 0
    begin = time.monotonic()
    os.environ.setdefault("LC_ALL", "C")
    lines = []
    names = list(dict.fromkeys(row[0] for row in ROWS))
    with make(plan.Plan(names, ROUNDS, 0.4)) as bench:
        for name in names:
            load = loads.ROWS[name]
            load.peers = [p for p in load.peers if any(
                row[0] == name and p in row for row in ROWS)]
            bench.measure(load)
        lines = [verdict(bench, *row) for row in ROWS] + [no_errors(bench)]
    lines.append("not ok bench/no-process-ended # %r" % bench.this.broken
                 if bench.this.broken else "ok bench/no-process-ended")
    for line in lines:
        print(line)
    print("# %.0f s" % (time.monotonic() - begin))
    sys.stdout.flush()
    return 1 if any(x.startswith("not ok") for x in lines) else 0
