# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What was measured: the rows of all rounds, what they were measured on, and
what went wrong. Kept as text and JSON after each load, read again, joined with
what another run of the same programs on the same machine has measured."""
import json
import os
import statistics

import report
import targets

# What two runs must have in common, to be compared and joined.
SAME = ("cpu", "cores", "memory", "kernel", "system", "tolsey", "revision",
        "libclamav", "c-icap", "virus_scan", "clamd", "large set")


class Results:
    """(load, peer) -> rows; each has its "round". What is in one round of a
    load was measured in turn."""

    def __init__(self):
        self.rows = {}

    def add(self, load, peer, row, i=None):
        """i: its round; the next one."""
        rows = self.rows.setdefault((load, peer), [])
        rows.append(dict(row, round=len(rows) if i is None else i))

    def rounds(self, load, peer):
        return self.rows.get((load, peer), [])

    def at(self, load, peer, i):
        """The row of the i-th round, or None."""
        return next((r for r in self.rounds(load, peer) if r["round"] == i),
                    None)

    def next_round(self, load=None):
        """Number of the first round that nobody has; of one load or of all."""
        return max([r["round"] + 1 for (name, _), rows in self.rows.items()
                    for r in rows if load in (None, name)], default=0)

    def pairs(self, load, peer, other):
        """(row, row) of the rounds in which both were measured."""
        found = ((r, self.at(load, other, r["round"]))
                 for r in self.rounds(load, peer))
        return [(a, b) for a, b in found if b is not None]

    def median(self, load, peer, name):
        values = [r[name] for r in self.rounds(load, peer) if name in r]
        return statistics.median(values) if values else None


class Differ(Exception):
    """Two runs that are not of the same programs on the same machine."""


class Run:
    """about: machine, versions, settings. broken: {load or server: what went
    wrong}."""

    def __init__(self, about=None):
        self.about, self.results, self.broken = about or {}, Results(), {}

    def join(self, other, anything=False):
        """Adds what the other has. anything: of other programs as well.
        Differ where it is not of the same ones."""
        if not self.about:
            anything = True
        differ = [name for name in SAME
                  if self.about.get(name) != other.about.get(name)]
        if differ and not anything:
            raise Differ(", ".join("%s (%s, %s)" % (
                n, self.about.get(n), other.about.get(n)) for n in differ))
        for name, value in other.about.items():
            known = str(self.about.setdefault(name, value)).split(" | ")
            if str(value) not in known:
                self.about[name] = " | ".join(known + [str(value)])
        # further rounds of a load that both have come after those that are there
        first = {load: self.results.next_round(load)
                 for load, _ in other.results.rows}
        for (load, peer), rows in other.results.rows.items():
            for row in rows:
                self.results.add(load, peer, row, first[load] + row["round"])
        self.broken.update(other.broken)

    def judged(self, measured_only=False):
        """What became of each target."""
        rows = [t.judge(self.results) for t in targets.ROWS]
        return [j for j in rows if not measured_only or j["value"] is not None]

    def save(self, name, measured_only=False):
        """As name.json and name.txt; whole or not at all."""
        rows = [{"load": load, "server": peer, "rounds": rounds}
                for (load, peer), rounds in self.results.rows.items()]
        judged = self.judged(measured_only)
        _write(name + ".json", json.dumps(
            {"about": self.about, "results": rows, "broken": self.broken,
             "targets": judged}, indent=1) + "\n")
        _write(name + ".txt", report.text(self, judged))


def _write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def load(path):
    with open(path) as f:
        kept = json.load(f)
    run = Run(kept["about"])
    for row in kept["results"]:
        for one in row["rounds"]:
            run.results.add(row["load"], row["server"], one, one.get("round"))
    run.broken = kept.get("broken", {})
    return run


def joined(paths, anything=False):
    """One run of several files; Differ."""
    whole = Run()
    for path in paths:
        whole.join(load(path), anything)
    return whole
