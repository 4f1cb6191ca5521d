# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""How often each load runs on whom, how long all of it takes, and the parts
that it can be done in."""
import sys
import time

import loads
import targets
import trials

# Of a run for a verdict every so manieth round has those that no target asks
# for: a median of them is enough.
COMPARISONS = 3
# Seconds of one round on one server, of loads that are given as a number of
# requests, and of trials; with the starts of servers.
TAKES = {"random-10m": 1.5, "random-100m": 2.7, "no204-random-10m": 2.2,
         "echo-10m": 0.5, "echo-100m": 0.8, "zip-1m": 2.0, "idle": 14,
         "heavy-8": 17, "heavy-16": 17, "reload": 13, "trickle": 12,
         "infected-100m": 4, "skew": 1.1, "net-limit": 1.1}


class Plan:
    def __init__(self, names, rounds, scale=1.0, peers=()):
        self.names, self.rounds, self.scale = names, rounds, scale
        self.peers = peers
        self.asked = set().union(*(t.asks() for t in targets.ROWS))
        self.done, self.begin = 0.0, time.monotonic()

    def wants(self, peer):
        return not self.peers or loads.split(peer)[0] in self.peers

    def due(self, load, peer, i):
        """Whether peer runs in the i-th round. peer of a trial: its name, with
        what a comma sets apart."""
        return (self.rounds < targets.ROUNDS_FOR_A_VERDICT or
                i % COMPARISONS == 0 or (load, peer) in self.asked)

    def seconds(self, name):
        """Of all its rounds, about."""
        load = loads.ROWS.get(name)
        peers = load.peers if load else trials.PEERS.get(name, ["tolsey"])
        runs = sum(self.due(name, p, i) for p in peers if self.wants(p)
                   for i in range(self.rounds))
        one = TAKES.get(name)
        if one is None:
            one = (load.seconds * self.scale + 0.05) if load else 10
        return runs * one

    def part(self, i, n):
        """The names of the i-th of n parts that take about as long; loads that
        a target compares are in one part."""
        tied = [{load for load, _ in t.asks()} for t in targets.ROWS]
        total = sum(map(self.seconds, self.names))
        out, passed, at = [], 0.0, 1
        for k, name in enumerate(self.names):
            split = any(t & set(self.names[:k]) and t & set(self.names[k:])
                        for t in tied)
            if passed >= total * at / n and not split:
                at += 1
            if at == i:
                out.append(name)
            passed += self.seconds(name)
        return out

    def begins(self, name):
        """Says so, with what is left."""
        whole = sum(map(self.seconds, self.names))
        passed = time.monotonic() - self.begin
        # what is done tells how long the rest takes
        left = (whole - self.done) * (passed / self.done if self.done > 30
                                      else 1)
        print("... %d of %d: %s; %s gone, about %s left" % (
            self.names.index(name) + 1, len(self.names), name,
            clock(passed), clock(left)), file=sys.stderr, flush=True)

    def ended(self, name):
        self.done += self.seconds(name)


def clock(seconds):
    return "%d:%02d" % divmod(round(seconds), 60)
