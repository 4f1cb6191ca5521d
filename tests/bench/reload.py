#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""reload.py [ROUNDS [MEGABYTES [WORKERS [RATE]]]]: what a reload costs those
who scan meanwhile, and the memory. Each round is some seconds without, then
one with a reload; printed are p50, p99 and the slowest of both, and the sum of
PSS before, at most, and afterwards."""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]

import threading
import time

import gendb
import tolsey
from pace import Pace, quantile


class Memory:
    """The sum of PSS of all processes of a server, sampled."""

    def __init__(self, server):
        self.server = server
        self.most = self.last = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stop.wait(0.1):
            self.last = self.server.pss()
            self.most = max(self.most, self.last)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def show(name, times):
    return "%s p50 %.1f p99 %.1f max %.1f (%d)" % (
        name, quantile(times, 0.5) * 1e3, quantile(times, 0.99) * 1e3,
        times[-1] * 1e3, len(times))


def main():
    rounds, megabytes, workers, rate = (
        [int(x) for x in sys.argv[1:]] + [9, 400, 2, 40][len(sys.argv) - 1:])
    s = tolsey.Tolsey("SelfCheck 0", database=True, wait=False,
                      workers=workers)
    # before the loader looks at the folder, or by a reload
    gendb.link_into(s.db, megabytes)
    s.wait_ready(60)
    assert s.reload_db()[0]
    ratios, over = [], []
    try:
        with Pace(s, rate) as pace:
            time.sleep(2)
            for i in range(rounds):
                begin = time.monotonic()
                time.sleep(4)
                middle = time.monotonic()
                assert s.reload_db()[0]
                time.sleep(0.5)  # the old ones end
                end = time.monotonic()
                time.sleep(0.5)
                a = pace.between(begin, middle)
                b = pace.between(middle, end)
                ratios.append(quantile(b, 0.99) / quantile(a, 0.99))
                over.append((quantile(b, 0.99) - quantile(a, 0.99)) * 1e3)
                print("%d: %s | %s | %.1f s, x%.2f" % (
                    i, show("before", a), show("reload", b), end - middle,
                    ratios[-1]), flush=True)
        print("wrong: %r" % pace.wrong[:5])
        print("p99 ratio: median %.2f, %.2f to %.2f; median +%.1f ms" % (
            statistics.median(ratios), min(ratios), max(ratios),
            statistics.median(over)))
        time.sleep(1)
        with Memory(s) as m:
            time.sleep(0.5)
            one = s.pss()
            assert s.reload_db()[0]
            time.sleep(1)
            print("PSS: %.0f MB before, at most %.0f, then %.0f" % (
                one, m.most, s.pss()))
        print(s.control("status").stdout.splitlines()[1])
    finally:
        s.close()


if __name__ == "__main__":
    main()
