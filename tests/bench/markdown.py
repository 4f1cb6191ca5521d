#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""markdown.py [--any] RESULT.json ...: the results of one or several runs as
tables for README.md, on standard output. --any: also of other programs or
another machine."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import report
import results as kept
import trials

PEERS = ("tolsey", "clamav", "clamd", "echo", "raw", "raw-tuned")
COLUMNS = PEERS + ("variants of tolsey",)


def number(value):
    return "" if value is None else (
        "%.0f" % value if value >= 100 else "%.3g" % value)


def cell(results, load, peer):
    """CPU us (answers/s, p99)."""
    rows = results.rounds(load, peer)
    if not rows:
        return ""
    cpu, rate, p99 = (report.median(rows, n) for n in (
        "cpu_us", "per_s", "p99_ms"))
    text = "%s (%s/s" % (number(cpu), number(rate))
    return text + (", %s ms)" % number(p99) if p99 is not None else ")")


def main():
    names = [x for x in sys.argv[1:] if x != "--any"]
    try:
        run = kept.joined(names, anything="--any" in sys.argv)
    except kept.Differ as differ:
        sys.exit("markdown.py: not measured alike: %s" % differ)
    results = run.results
    print("; ".join("%s: %s" % x for x in run.about.items()) + "\n")
    print("CPU us (answers/s, p99 ms), medians:\n")
    print("| load | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for load in dict.fromkeys(x for x, _ in results.rows):
        if load not in trials.ROWS:
            more = ["%s: %s" % (peer[7:], cell(results, load, peer))
                    for at, peer in results.rows
                    if at == load and peer.startswith("tolsey+")]
            print("| %s | %s | %s |" % (load, " | ".join(
                cell(results, load, peer) for peer in PEERS),
                "; ".join(more)))
    print("\n```")
    print("\n".join(report.trials(results, list(trials.ROWS))))
    print("```\n\n| target | limit | measured | rounds | |\n|---|---|---|---|---|")
    for j in run.judged():
        spread = "" if j["value"] is None else "%.3g to %.3g (%d)" % (
            j["lowest"], j["highest"], j["rounds"])
        print("| %s | %s %g %s | %s | %s | %s |" % (
            j["target"], "≤" if j["op"] == "<=" else "≥", j["limit"],
            j["unit"], number(j["value"]), spread, j["verdict"]))


main()
