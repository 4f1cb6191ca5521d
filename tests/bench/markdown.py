#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""markdown.py RESULT.json ...: the results of one or several runs (that did not
measure the same) as tables for README.md, on standard output."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import report
import targets
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
    results, about = targets.Results(), {}
    for name in sys.argv[1:]:
        with open(name) as f:
            run = json.load(f)
        about.update(run["about"])
        for row in run["results"]:
            for one in row["rounds"]:
                results.add(row["load"], row["server"], one)
    print("; ".join("%s: %s" % x for x in about.items()) + "\n")
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
    for target in targets.ROWS:
        j = target.judge(results)
        spread = "" if j["value"] is None else "%.3g to %.3g (%d)" % (
            j["lowest"], j["highest"], j["rounds"])
        print("| %s | %s %g %s | %s | %s | %s |" % (
            j["target"], "≤" if j["op"] == "<=" else "≥", j["limit"],
            j["unit"], number(j["value"]), spread, j["verdict"]))


main()
