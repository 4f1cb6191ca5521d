#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""compare.py [-r ROUNDS] [-s SECONDS] BUILD ... -- OPTIONS ...: what an answer
costs with each of some builds of tolsey, in turn: CPU us, the ratio to the first
one round by round, answers/s. Each of OPTIONS is one load: options of
tolsey-client --bench in one word, as in "--object random:64K"; "echo" in front
of them asks the echo service. Further lines of the configuration: -o LINE."""
import getopt
import os
import shutil
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import generator
import samples
import servers


def start(build, database, config):
    os.environ["TOLSEY_BUILD"] = build
    return servers.Tolsey(database, config)


def measure(fleet, load, rounds, seconds):
    """build -> rows, in turn."""
    words = load.split()
    echo = words[0] == "echo"
    options = words[echo:]
    if "--connections" not in options:
        options += ["--connections", "16"]
    if "--count" not in options:
        options += ["--duration", generator.seconds(seconds)]
    out = {build: [] for build in fleet}
    for i in range(rounds):
        for build in list(fleet)[::-1 if i % 2 else 1]:
            server = fleet[build]
            target = server.target.replace("avscan", "echo") if echo \
                else server.target
            out[build].append(generator.Run(
                list(fleet)[0], target, options,
                server.roots).begin().end())
    return out


def show(load, rows):
    first = next(iter(rows.values()))
    print(load)
    for build, mine in rows.items():
        ratios = [a["cpu_us"] / b["cpu_us"] for a, b in zip(mine, first)]
        print("  %-24s %10.1f us  x %.3f (%.3f to %.3f)  %9.1f/s  p99 %.2f ms"
              "  %d errors" % (
                  os.path.basename(build),
                  statistics.median(r["cpu_us"] for r in mine),
                  statistics.median(ratios), min(ratios), max(ratios),
                  statistics.median(r["per_s"] for r in mine),
                  statistics.median(r["p99_ms"] for r in mine),
                  sum(r["errors"] for r in mine)), flush=True)


def main(argv):
    try:
        options, rest = getopt.getopt(argv, "r:s:o:")
        cut = rest.index("--")
    except (getopt.GetoptError, ValueError):
        sys.exit(__doc__)
    given = dict(options)
    builds = [os.path.abspath(b) for b in rest[:cut]]
    config = "\n".join(v for name, v in options if name == "-o")
    database = tempfile.mkdtemp(prefix="tolsey-bench-")
    os.chmod(database, 0o755)
    samples.write_database(database)
    fleet = {}
    try:
        for build in builds:
            fleet[build] = start(build, database, config)
        for load in rest[cut + 1:]:
            show(load, measure(fleet, load, int(given.get("-r", 5)),
                               float(given.get("-s", 0.5))))
    finally:
        for server in fleet.values():
            server.close()
        shutil.rmtree(database, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
