#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""bench.py: tolsey beside c-icap, clamd and libclamav alone, on this machine,
in turn; then every target with what was measured. README.md explains. From the
environment:

  LOADS     names of loads and trials (loads.py, trials.py; patterns) [all]
  PART      I/N: the I-th of N parts of them that take about as long
  PEERS     of these only (tolsey clamav clamd echo raw) [all]
  ROUNDS    how often each is run on each [3]; 9 for a verdict
  SCALE     how much longer than usual each one runs [1]
  DATABASE  a folder of signatures, instead of the generated large set
  LARGE_MB  size of that one in memory [400]
  BENCH     short: some ratios only, in 40 s, with status 1 when they are bad
  RESULTS   folder of the results [tests/bench/results]; NAME.json: that file,
            and what is in it already is kept

INT and TERM end it with what has been measured until then. Status 1: something
was not measured, or went wrong (a process ended, a report of a sanitizer).
"""
import fnmatch
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import gauge
import generator
import loads
import plan
import report
import results
import servers
import short
import tolsey
import trials


class Stopped(BaseException):
    """By a signal."""


class Bench:
    def __init__(self, schedule, large_mb=400, database=None, kept=None):
        """kept: a run to which this one adds."""
        self.build = tolsey.find_build()
        self.plan = schedule
        self.scale, self.peers = schedule.scale, schedule.peers
        self.now = (None, 0)  # the load or trial, and its round
        self.dir = tempfile.mkdtemp(prefix="tolsey-bench-")
        os.chmod(self.dir, 0o755)
        self.temp = servers.make_temp()
        self.raws, self.fleet, self.this = {}, None, results.Run()
        try:
            self.databases = servers.sets(self.dir, self.build, large_mb,
                                          database)
            self.fleet = servers.Fleet(self.databases)
            self.this = results.Run(self._about(large_mb, database))
            if kept:
                self.this.join(kept)
        except BaseException:
            self.close()
            raise

    def _about(self, large_mb, database):
        about = dict(gauge.machine())
        about.update(gauge.versions(tolsey.stage(self.build)[0]))
        about.update({
            "rounds": self.plan.rounds, "scale": self.scale,
            "sanitizers": "yes" if tolsey.sanitized() else "no",
            "large set": database or "generated, %d MB" % large_mb,
            "left out": ", ".join("%s (needs %s)" % x for x in
                                  self.fleet.lacking.items()) or "nothing"})
        return about

    @property
    def results(self):
        return self.this.results

    def close(self):
        for raw in self.raws.values():
            raw.close()
        self.raws = {}
        if self.fleet:
            self.fleet.drop_all()
            self.note_faults("at the end")
        for folder in (self.dir, self.temp):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def note_faults(self, name):
        """What the servers have suffered since they were last asked."""
        found = self.fleet.faults()
        if found:
            self.this.broken[name] = "; ".join(
                filter(None, [self.this.broken.get(name)] + found))

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
        asked = [p for p in load.peers if self.plan.wants(p)]
        for peer in asked:  # start them before the first is measured
            if not peer.startswith("raw"):
                self.fleet.get(loads.split(peer)[0], load.size,
                               **load.server_options(peer))
        first = self.results.next_round(load.name)
        for i in range(self.plan.rounds):
            order = asked if i % 2 == 0 else asked[::-1]
            for peer in order:
                row = (self.once(load, peer)
                       if self.plan.due(load.name, peer, i) else None)
                if row is not None:
                    self.results.add(load.name, peer, row, first + i)

    def due(self, peer):
        """Whether a trial is to look at it in this round. peer: the name of a
        server, or what the trial calls what it does with tolsey."""
        known = peer in servers.NAMES
        return self.plan.wants(peer if known else "tolsey") and self.plan.due(
            self.now[0], peer, self.now[1])

    def trial(self, name):
        # they measure hundreds of answers each, and take their time
        rounds = self.plan.rounds
        first = self.results.next_round(name)
        for i in range(rounds if rounds >= 9 else 1):
            self.now = (name, i)
            for peer, row in trials.ROWS[name](self, i).items():
                self.results.add(name, peer, row, first + i)


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


def run(bench, keep):
    """keep: called after each load with what there is."""
    for name in bench.plan.names:
        bench.plan.begins(name)
        bench.this.broken.pop(name, None)
        try:
            if name in loads.ROWS:
                bench.measure(loads.ROWS[name])
            else:
                bench.trial(name)
        except Exception as error:  # the others are worth having
            traceback.print_exc()
            bench.this.broken[name] = "%s: %s" % (type(error).__name__, error)
        bench.note_faults(name)
        bench.plan.ended(name)
        keep()


def stop(number, _frame):
    """The first signal ends it; while it ends, others do nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


def part(names, word, rounds, scale, peers):
    try:
        i, n = (int(x) for x in word.split("/"))
        if not 1 <= i <= n:
            raise ValueError
    except ValueError:
        sys.exit("PART: I/N, as in 2/4")
    return plan.Plan(names, rounds, scale, peers).part(i, n)


def where(value):
    """(name without an end, what is there already or None)."""
    value = value or os.path.join(HERE, "results")
    if not value.endswith(".json"):
        return os.path.join(value, time.strftime("%Y%m%d-%H%M%S")), None
    if not os.path.exists(value):
        return value[:-5], None
    kept = results.load(value)
    kept.broken.pop("stopped", None)  # it goes on now
    return value[:-5], kept


def measure(bench, name, measured_only):
    """All of it, until the end or a signal; kept in any case."""
    broken = bench.this.broken
    try:
        try:
            run(bench, lambda: bench.this.save(name, measured_only))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            bench.close()
    except Stopped as by:
        broken["stopped"] = "by %s; what follows was not measured" % by
    except BaseException as error:
        broken["ended"] = "%s: %s" % (type(error).__name__, error)
        traceback.print_exc()
    bench.this.save(name, measured_only)
    print(report.text(bench.this, bench.this.judged(measured_only)), end="")
    print("kept as %s.txt and .json" % name)
    return 1 if broken else 0


def main():
    env = os.environ
    if env.get("BENCH") == "short":
        return short.main(Bench)
    # make passes those that were not given as empty ones
    names = chosen(env.get("LOADS", "").split())
    how = (int(env.get("ROUNDS") or 3), float(env.get("SCALE") or 1),
           env.get("PEERS", "").split())
    if env.get("PART"):
        names = part(names, env["PART"], *how)
    raise_limits()
    name, kept = where(env.get("RESULTS"))
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        bench = Bench(plan.Plan(names, *how), int(env.get("LARGE_MB") or 400),
                      env.get("DATABASE"), kept)
    except results.Differ as differ:
        sys.exit("RESULTS: %s.json was not measured alike: %s" % (
            name, differ))
    except Stopped as by:
        sys.exit("stopped by %s; nothing was measured" % by)
    return measure(bench, name, bool(env.get("LOADS") or env.get("PART")))


if __name__ == "__main__":
    sys.exit(main())
