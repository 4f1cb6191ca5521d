#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""bench.py: tolsey beside c-icap, clamd and libclamav alone, on this machine,
in turn; then every target with what was measured. README.md explains. From the
environment:

  LOADS     names of loads and trials (loads.py, trials.py; patterns) [all]
  PEERS     of these only (tolsey clamav clamd echo raw) [all]
  ROUNDS    how often each is run on each [3]; 9 for a verdict
  SCALE     how much longer than usual each one runs [1]
  DATABASE  a folder of signatures, instead of the generated large set
  LARGE_MB  size of that one in memory [400]
  BENCH     short: some ratios only, in 40 s, with status 1 when they are bad
  RESULTS   folder of the results [tests/bench/results]
"""
import fnmatch
import os
import resource
import shutil
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import gauge
import generator
import loads
import report
import servers
import short
import targets
import tolsey
import trials


class Bench:
    def __init__(self, rounds=3, scale=1.0, large_mb=400, database=None,
                 peers=()):
        self.build = tolsey.find_build()
        self.rounds, self.scale, self.peers = rounds, scale, peers
        self.results = targets.Results()
        self.trial_names = list(trials.ROWS)
        self.dir = tempfile.mkdtemp(prefix="tolsey-bench-")
        os.chmod(self.dir, 0o755)
        self.temp = servers.make_temp()
        self.raws, self.broken = {}, {}
        self.fleet = None
        self.databases = servers.sets(self.dir, self.build, large_mb, database)
        self.fleet = servers.Fleet(self.databases)
        self.about = dict(gauge.machine())
        self.about.update(gauge.versions(tolsey.stage(self.build)[0]))
        self.about.update({
            "rounds": rounds,
            "large set": database or "generated, %d MB" % large_mb,
            "left out": ", ".join("%s (needs %s)" % x for x in
                                  self.fleet.lacking.items()) or "nothing"})

    def close(self):
        if self.fleet:
            self.fleet.drop_all()
        for raw in self.raws.values():
            raw.close()
        for folder in (self.dir, self.temp):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def raw(self, size, tuned=False):
        if (size, tuned) not in self.raws:
            self.raws[size, tuned] = generator.Raw(
                self.build, self.databases[size], self.temp, tuned)
        return self.raws[size, tuned]

    def run(self, server, options, memory=False):
        return generator.run(self.build, server, options, memory)

    def once(self, load, peer):
        """One load on one peer: a row, or None."""
        name, variant = loads.split(peer)
        if name in ("raw", "raw-tuned"):
            return self.raw(load.size, name != "raw").run(
                load.spec, variant.get("coding", "identity"),
                seconds=load.seconds * self.scale * 0.6)
        server = self.fleet.get(name, load.size, **load.server_options(peer))
        if server is None:
            return None
        target = server.target
        if load.service and name == "tolsey":
            target = target.replace("avscan", load.service)
        return generator.Run(
            self.build, target, load.arguments(self.scale, peer),
            server.roots).begin().end(memory=True)

    def measure(self, load):
        """In turn, so that all see the same weather."""
        asked = [p for p in load.peers
                 if not self.peers or loads.split(p)[0] in self.peers]
        for peer in asked:  # start them before the first is measured
            if not peer.startswith("raw"):
                self.fleet.get(loads.split(peer)[0], load.size,
                               **load.server_options(peer))
        for i in range(self.rounds):
            order = asked if i % 2 == 0 else asked[::-1]
            for peer in order:
                row = self.once(load, peer)
                if row is not None:
                    self.results.add(load.name, peer, row)

    def trial(self, name):
        # they measure hundreds of answers each, and take their time
        for i in range(self.rounds if self.rounds >= 9 else 1):
            for peer, row in trials.ROWS[name](self, i).items():
                self.results.add(name, peer, row)


def raise_limits():
    """Descriptors for 10,000 connections and what servers keep beside them."""
    want = 80000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, max(want, hard)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def chosen(words):
    names = list(loads.ROWS) + list(trials.ROWS)
    if not words:
        return names
    out = [n for n in names if any(fnmatch.fnmatch(n, w) for w in words)]
    for word in words:
        if not fnmatch.filter(names, word):
            sys.exit("LOADS: there is no %s; there are: %s" % (
                word, " ".join(names)))
    return out


def run(bench, names):
    for name in names:
        print("... %s" % name, file=sys.stderr, flush=True)
        try:
            if name in loads.ROWS:
                bench.measure(loads.ROWS[name])
            else:
                bench.trial(name)
        except Exception as error:  # the others are worth having
            traceback.print_exc()
            bench.broken[name] = "%s: %s" % (type(error).__name__, error)


def main():
    env = os.environ
    if env.get("BENCH") == "short":
        return short.main(Bench)
    names = chosen(env.get("LOADS", "").split())
    raise_limits()
    # make passes those that were not given as empty ones
    with Bench(int(env.get("ROUNDS") or 3), float(env.get("SCALE") or 1),
               int(env.get("LARGE_MB") or 400), env.get("DATABASE"),
               env.get("PEERS", "").split()) as bench:
        run(bench, names)
        judged = [t.judge(bench.results) for t in targets.ROWS]
        if env.get("LOADS"):
            judged = [j for j in judged if j["value"] is not None]
        print(report.text(bench, judged), end="")
        folder = env.get("RESULTS") or os.path.join(HERE, "results")
        print("kept as %s.txt and .json" % report.save(bench, judged, folder))
        return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
