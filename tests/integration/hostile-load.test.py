#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""One client whose objects crash, hang, compute for long or are given up,
beside another one that asks for small objects: the other is served as ever.
SECONDS=60 for the long runs."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import threading
import time

import tolsey
from load import Row, cancel, fault, small
from tap import case, check, eq, main, note, wait_for

if tolsey.REFERENCE:
    print("skip hostile-load: not for the reference server")
    sys.exit(0)

SECONDS = int(os.environ.get("SECONDS", "10"))
HOSTILE, OTHER = ("127.0.0.1", 0), ("127.0.0.2", 0)
# With the sanitizers everything takes several times as long.
SLOWER = 4 if os.environ.get("TOLSEY_BUILD", "").find("asan") >= 0 else 1


def beside(hostile, config=""):
    """hostile(server) starts a load and returns what waits for it."""
    s = tolsey.Tolsey("LogLevel warn\n" + config, instead=tolsey.FAULTY_SCAN)
    try:
        alone = Row(s, 50, 2, small, OTHER).start().wait()
        note("alone: %s" % alone)
        wait = hostile(s)
        row = Row(s, 50, SECONDS, small, OTHER).start().wait()
        note("beside: %s" % row)
        outcome = wait()
        note("the hostile one: %s" % outcome)
        m = s.metrics()
        note("workers lost %d, killed %d, recycled %d, scans stopped %d, "
             "wanted %d" % tuple(m["tolsey_" + x] for x in (
                 "workers_lost_total", "workers_killed_total",
                 "workers_recycled_total", "scans_stopped_total",
                 "workers_wanted")))
        eq(row.wrong[:5], [], "wrong answers of %d" % len(row.wrong))
        eq(len(row.latencies), 50 * SECONDS, "answers")
        check(row.at(0.99) <= 100 * SLOWER, "p99 %.1f ms" % row.at(0.99))
        # whole again
        wait_for(lambda: s.metric("workers") >= 2, 5, "workers")
        after = Row(s, 50, 1, small, HOSTILE).start().wait()
        eq(after.wrong, [], "afterwards")
    finally:
        s.close()


def objects(word, rate):
    def start(s):
        row = Row(s, rate, SECONDS, lambda i: (fault(word, i), None), HOSTILE,
                  timeout=90).start()

        def wait():
            row.wait()
            eq(row.wrong[:5], [], "answers to the hostile one")
            check("clean" not in row.outcomes, "a crasher was clean")
            return "%s %r" % (row, row.outcomes)
        return wait
    return start


@case(timeout=SECONDS + 60)
def twenty_crashers_a_second():
    beside(objects("segv", 20))


@case(timeout=SECONDS + 120)
def two_hangs_a_second():
    beside(objects("hang", 2))


@case(timeout=SECONDS + 120)
def twenty_worker_violations_a_second():
    beside(objects("garbage", 20))


def cancels(word, reset):
    def start(s):
        threads = []
        stop = time.monotonic() + SECONDS

        def work():
            i = 0
            while time.monotonic() < stop:
                i += 1
                t = threading.Thread(target=cancel, daemon=True, args=(
                    s, fault(word, i), 0.05, HOSTILE, reset))
                t.start()
                threads.append(t)
                time.sleep(0.02)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()

        def wait():
            thread.join()
            for t in threads:
                t.join(30)
            return "%d given up" % len(threads)
        return wait
    return start


@case(timeout=SECONDS + 60)
def fifty_cancels_a_second():
    """By a reset: known to be of no use."""
    beside(cancels("cpu:3000", True))


@case(timeout=SECONDS + 60)
def fifty_silent_cancels_a_second():
    """By an ordinary close, which is how a half-closing client looks."""
    beside(cancels("cpu:3000", False), "ScanTimeout 10s")


main()
